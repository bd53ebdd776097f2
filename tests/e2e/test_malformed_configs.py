"""Malformed manifests and settings through the command line: exit 1, the place of each mistake, nothing touched."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e_world import Place, company

SETTINGS = "gateways: {embedded: {backend: embedded}}\n"
GOOD = """
model_aliases: {gpt-4: {litellm_model: openai/gpt-4}}
access_groups: {pro-models: {model_aliases: [gpt-4]}}
plans: {pro: {access_groups: [pro-models]}}
organizations: {org_a: {name: A}}
teams: {a-prod: {organization_id: org_a, plan: pro}}
"""

# What is wrong: the second manifest, and for each finding its line:column and code.
MANIFESTS: dict[str, tuple[str, dict[str, str]]] = {
    # the YAML itself
    "tab": ("teams:\n\tb: {}\n", {"2:1": "yaml-tab"}),
    "list not closed": ("teams:\n  b: {access_groups: [pro-models}\n", {"2:22": "yaml-syntax"}),
    "quote not closed": ("teams:\n  b: {plan: 'pro}\n", {"2:13": "yaml-syntax"}),
    "duplicate key": (
        "teams:\n  b:\n    plan: pro\n    plan: pro\n",
        {"4:5": "yaml-duplicate-key"},
    ),
    "no as a name": ("organizations:\n  org_b: {name: no}\n", {"2:17": "yaml-ambiguous"}),
    "on as a label": ("teams:\n  b: {labels: {beta: on}}\n", {"2:22": "yaml-ambiguous"}),
    "octal number": ("teams:\n  b: {credits_allocated: 010}\n", {"2:26": "yaml-ambiguous"}),
    "not a number": ("teams:\n  b: {max_budget_usd: .nan}\n", {"2:23": "yaml-number"}),
    "number as an id": ("teams:\n  1: {}\n", {"2:3": "yaml-key"}),
    "tag": ("teams:\n  b: !!python/object:os.system {}\n", {"2:6": "yaml-tag"}),
    "alias without anchor": ("teams:\n  b: *base\n", {"2:6": "yaml-alias"}),
    "alias bomb": (
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"{n}: &{n} [{','.join(['*' + p] * 9)}]\n"
            for p, n in zip("abcdefgh", "bcdefghi", strict=True)
        ),
        {},
    ),
    "nested too deep": (f"teams: {'[' * 200}\n", {}),
    "not UTF-8": ("teams:\n  b: {team_alias: caf\udce9}\n", {}),
    # sections and ids
    "unknown section": ("tems:\n  b: {}\n", {"1:1": "unknown-section"}),
    "manifest is a list": ("- teams\n", {"1:1": "wrong-type"}),
    "section is a list": ("teams:\n  - b\n", {"1:1": "wrong-type"}),
    "id with capitals": ("organizations:\n  Org_B: {name: B}\n", {"2:3": "name-style"}),
    "id with a slash": (
        "access_groups:\n  a/b: {model_aliases: [gpt-4]}\n",
        {"2:3": "name-invalid"},
    ),
    # specs
    "unknown key": ("teams:\n  b:\n    acess_groups: [pro-models]\n", {"3:5": "unknown-key"}),
    "missing key": ("organizations:\n  org_b: {}\n", {"2:3": "missing-key"}),
    "wrong type": ("organizations:\n  org_b:\n    name: 42\n", {"3:11": "wrong-type"}),
    "text for a list": ("teams:\n  b:\n    access_groups: pro-models\n", {"3:20": "wrong-type"}),
    "quoted number": ("teams:\n  b:\n    rpm_limit: '5'\n", {"3:16": "wrong-type"}),
    "fraction of a credit": ("teams:\n  b:\n    credits_allocated: 1.5\n", {"3:24": "wrong-type"}),
    "negative credits": ("teams:\n  b:\n    credits_allocated: -1\n", {"3:24": "out-of-range"}),
    "unknown status": ("teams:\n  b: {status: activ}\n", {"2:15": "not-allowed"}),
    "entry twice": (
        "access_groups:\n  g:\n    model_aliases: [gpt-4, gpt-4]\n",
        {"3:28": "duplicate-entry"},
    ),
    "bad date": (
        "model_aliases:\n  m: {litellm_model: x/y, sunset: 2026-02-30}\n",
        {"2:35": "bad-format"},
    ),
    "empty grant": (
        "teams:\n  b:\n    grants: [{access_groups: [], until: 2026-01-01}]\n",
        {"3:15": "too-short"},
    ),
    "variable not set": (
        "teams:\n  b:\n    plan: ${RECONCILER_VAR_NOT_SET}\n",
        {"3:11": "variable-unset"},
    ),
    # what the specs point at
    "dangling plan": ("teams:\n  b:\n    plan: por\n", {"3:11": "dangling-reference"}),
    "dangling organization": (
        "teams:\n  b:\n    organization_id: org_b\n",
        {"3:22": "dangling-reference"},
    ),
    "dangling group in a team": (
        "teams:\n  b:\n    access_groups: [nope]\n",
        {"3:21": "dangling-reference"},
    ),
    "dangling group in a plan": (
        "plans:\n  p: {access_groups: [pro-modles]}\n",
        {"2:23": "dangling-reference"},
    ),
    "dangling alias": (
        "access_groups:\n  g: {model_aliases: [gpt-4, gpt-5]}\n",
        {"2:30": "dangling-reference"},
    ),
    "dangling parent": ("plans:\n  p: {extends: nothing}\n", {"2:16": "dangling-reference"}),
    "dangling group in a grant": (
        "teams:\n  b:\n    grants: [{access_groups: [x], until: 2026-01-01}]\n",
        {"3:31": "dangling-reference"},
    ),
    "plan extends itself": ("plans:\n  p: {extends: p}\n", {"2:16": "extends-cycle"}),
    "cycle of plans": ("plans:\n  p: {extends: q}\n  q: {extends: p}\n", {"2:16": "extends-cycle"}),
    "alias without a model": (
        "model_aliases:\n  m: {description: none}\n",
        {"2:3": "alias-target"},
    ),
    "soft budget above the hard one": (
        "teams:\n  b: {soft_budget_usd: 20, max_budget_usd: 10}\n",
        {"2:24": "budget-order"},
    ),
    "grant that ends before it begins": (
        "teams:\n  b:\n    grants:\n      - {access_groups: [pro-models], since: 2026-02-01, until: 2026-01-01}\n",
        {"4:46": "grant-period"},
    ),
    "top-up id twice": (
        "teams:\n  b:\n    top_ups:\n      - {id: x, amount: 1}\n      - {id: x, amount: 2}\n",
        {"5:14": "duplicate-top-up"},
    ),
    "literal secret": (
        "model_aliases:\n  m:\n    litellm_model: x/y\n    litellm_params: {api_key: sk-abcdefghijklmnopqrstuvwx}\n",
        {"4:31": "secret-in-manifest"},
    ),
    "several at once": (
        "teams:\n  b:\n    plna: pro\n    status: on\n  c: {plan: por}\n",
        {"3:5": "unknown-key", "4:13": "yaml-ambiguous", "5:13": "dangling-reference"},
    ),
}

BROKEN_SETTINGS: dict[str, tuple[str, dict[str, str]]] = {
    "unknown key": ("gatways: {}\n", {"1:1": "unknown-key"}),
    "tab": ("safety:\n\tallow_loss: true\n", {"2:1": "yaml-tab"}),
    "list": ("- prune\n", {"1:1": "wrong-type"}),
    "unknown prune": ("prune: everything\n", {"1:8": "not-allowed"}),
    "unknown backend": ("gateways:\n  embedded: {backend: litelm}\n", {"2:23": "not-allowed"}),
    "no url": ("gateways:\n  embedded:\n    backend: saas-litellm\n", {"3:14": "bad-value"}),
    "url without a scheme": (
        "gateways:\n  embedded: {backend: litellm, url: localhost}\n",
        {"2:37": "bad-format"},
    ),
    "default gateway unknown": (
        "default_gateway: prd\ngateways: {prod: {backend: embedded}}\n",
        {"1:18": "bad-value"},
    ),
    "per cent above 100": ("safety:\n  max_delete_percent: 300\n", {"2:23": "out-of-range"}),
    "admin key itself": (
        "gateways:\n  embedded: {backend: embedded, admin_key: hunter2}\n",
        {"2:33": ""},
    ),
    "unknown level": ("lint:\n  name-style: loud\n", {"2:15": "not-allowed"}),
    "key twice": ("prune: owned\nprune: all\n", {"2:1": "yaml-duplicate-key"}),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = company(tmp_path_factory.mktemp("malformed"), SETTINGS, good=GOOD)
    made.applied()
    return made


@pytest.fixture
def unharmed(place: Place) -> Iterator[Place]:
    """The applied company; whatever happens, not a byte of gateway and ledger may differ afterwards."""
    before = _remembered(place)
    yield place
    (place.config / "bad.yaml").unlink(missing_ok=True)
    place.write("reconciler.yaml", SETTINGS)
    assert _remembered(place) == before


def _remembered(place: Place) -> dict[Path, bytes]:
    files = sorted((place.config / ".reconciler").iterdir())
    assert len(files) >= 2
    return {file: file.read_bytes() for file in files}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_malformed_manifest(name, unharmed):
    text, expected = MANIFESTS[name]
    (unharmed.config / "bad.yaml").write_text(text, encoding="utf-8", errors="surrogateescape")
    _refused_everywhere(unharmed, "config/bad.yaml", expected)


@pytest.mark.parametrize("name", BROKEN_SETTINGS)
def test_malformed_settings(name, unharmed):
    text, expected = BROKEN_SETTINGS[name]
    unharmed.write("reconciler.yaml", text)
    _refused_everywhere(unharmed, "config/reconciler.yaml", expected)


def _refused_everywhere(place: Place, file: str, expected: dict[str, str]) -> None:
    said = place.reconciler("validate", code=1).out
    found = [line.split(": ")[:2] for line in said.splitlines() if line.startswith(f"{file}:")]
    assert found, said
    places = {where.removeprefix(f"{file}:"): level for where, level in found}
    for where, code in expected.items():
        assert where in places, said
        assert code in places[where], said
    assert not expected or places.keys() == expected.keys(), said
    assert "hunter2" not in said
    assert "sk-abcdef" not in said
    for command in (("plan",), ("apply", "--yes")):
        done = place.reconciler(*command, code=1)
        assert done.out == ""
        assert f"{file}:" in done.err


def test_an_id_declared_in_two_files_names_both_places(unharmed):
    unharmed.write("bad.yaml", "teams:\n  a-prod: {}\n")
    said = unharmed.reconciler("validate", code=1).out
    assert "config/bad.yaml:2:3" in said
    assert "config/good.yaml:6:9" in said


def test_there_are_many_of_them():
    assert len(MANIFESTS) + len(BROKEN_SETTINGS) >= 50
