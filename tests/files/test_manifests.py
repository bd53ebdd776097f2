"""Discovery, several files, overlays, variables, and the places that findings point at."""

import json
import string
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from files_company import COMPANY
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.model.findings import error
from reconciler.core.model.kinds import KINDS, AccessGroup, ModelAlias, Organization, Team
from reconciler.core.model.refs import Ref
from reconciler.core.rules.check import check
from reconciler.files import parsing
from reconciler.files.declarations import merged_values
from reconciler.files.manifests import Manifests, load_manifests, locate
from reconciler.files.variables import Variables, substitute
from reconciler.files.yaml.read import read_yaml
from reconciler.files.yaml.scalars import Unquoted


@pytest.fixture(autouse=True)
def config(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(**files: str) -> None:
    for name, text in files.items():
        file = Path(name.replace("__", "/") + ".yaml")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def load(environment: str | None = None, **variables: str) -> Manifests:
    listed = frozenset({*variables, "PLAN", "CREDITS"})
    return load_manifests(Path(), environment=environment, variables=Variables(variables, listed))


def clean(environment: str | None = None, **variables: str) -> Manifests:
    manifests = load(environment, **variables)
    assert manifests.findings == ()
    return manifests


def summary(manifests: Manifests) -> list[tuple[str, str]]:
    return [(str(f.origin), f.code) for f in manifests.findings]


def test_a_company_is_read_as_typed_values_of_every_kind():
    write(company=COMPANY)
    state = clean().state
    assert {ref.kind for ref in state} == set(KINDS)
    team = state.of(Team)["acme-prod"]
    assert team.grants[0].since == date(2026, 1, 1)
    assert team.grants[0].until == datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert state.of(AccessGroup)["gpt-models"].model_aliases == {"gpt-4", "gpt-3.5-turbo"}
    assert state.of(ModelAlias)["gpt-3.5-turbo"].sunset == date(2026, 12, 31)


def test_files_are_found_by_suffix_below_hidden_directories_settings_and_environments_excluded():
    write(
        **{
            "a": "organizations: {a: {name: A}}",
            "sub__deep__b": "organizations: {b: {name: B}}",
            ".reconciler__c": "organizations: {c: {name: C}}",
            "environments__prod__d": "organizations: {d: {name: D}}",
            "reconciler": "prune: all",
        }
    )
    Path("e.yml").write_text("organizations: {e: {name: E}}")
    Path("notes.txt").write_text("organizations: {f: {name: F}}")
    Path(".g.yaml").write_text("organizations: {g: {name: G}}")
    manifests = clean()
    assert sorted(manifests.state.of(Organization)) == ["a", "b", "e"]
    assert manifests.files[Ref("organization", "b")] == Path("sub/deep/b.yaml")


def test_a_directory_that_links_to_its_parent_is_read_once():
    write(sub__a="organizations: {a: {name: A}}")
    Path("sub/loop").symlink_to("..")
    assert len(clean().state) == 1


def test_a_link_to_nothing_and_a_directory_named_like_a_file_are_findings_or_skipped():
    Path("broken.yaml").symlink_to("nowhere")
    Path("folder.yaml").mkdir()
    assert summary(load()) == [("broken.yaml:1:1", "unreadable-file")]
    assert not load().complete


def test_documents_of_one_file_and_empty_ones_merge():
    write(a="---\nteams: {a: {}}\n---\n---\nteams:\n---\nteams: {b: {}}\n")
    assert sorted(clean().state.of(Team)) == ["a", "b"]


def test_a_byte_order_mark_is_accepted():
    Path("a.yaml").write_bytes(b"\xef\xbb\xbfteams: {a: {}}")
    assert len(clean().state) == 1


def test_latin_1_is_a_finding_at_the_byte():
    Path("a.yaml").write_bytes("teams:\n  a: {team_alias: ä}\n".encode("latin-1"))
    assert summary(load()) == [("a.yaml:2:19", "yaml-encoding")]


def test_no_directory_and_no_files_are_findings():
    assert [f.code for f in load_manifests(Path("nowhere"), variables=Variables()).findings] == [
        "config-missing"
    ]
    assert [f.code for f in load().findings] == ["no-manifests"]


def test_an_id_declared_in_two_files_names_both_places():
    write(a="teams:\n  x: {}\n", b="# second\nteams:\n  x: {plan: p}\n")
    (finding,) = load().findings
    assert str(finding.origin) == "b.yaml:3:3"
    assert "a.yaml:2:3" in finding.message


def test_paths_outside_the_current_directory_are_shown_whole(tmp_path, monkeypatch):
    write(config__a="tems: {}")
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    (finding,) = load_manifests(tmp_path / "config", variables=Variables()).findings
    assert finding.origin.file == str(tmp_path / "config/a.yaml")


def test_an_invalid_resource_is_still_known_by_its_file():
    write(a="teams: {a: {plan: 1}}")
    manifests = load()
    assert len(manifests.state) == 0
    assert Ref("team", "a") in manifests.files


# where findings point


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ((), "18:3"),
        (("plan",), "21:11"),
        (("grants", 0, "access_groups", "gpt-models"), "24:31"),
        (("grants", 0, "until"), "24:70"),
        (("grants", 5), "24:5"),
        (("labels", "env"), "18:3"),
        (("model_aliases", "fast"), "26:27"),
    ],
)
def test_locate_points_at_the_value_or_its_nearest_parent(path, place):
    write(company=COMPANY)
    manifests = clean()
    finding = error("x", "y", ref=Ref("team", "acme-prod"), path=path)
    assert str(locate(manifests, finding).origin) == f"company.yaml:{place}"


def test_locate_leaves_a_finding_alone_that_no_file_is_about():
    finding = error("x", "y", ref=Ref("team", "nobody"))
    assert locate(Manifests(), finding) == finding


def test_values_of_anchors_and_merge_keys_are_found_at_the_anchor():
    write(a="teams:\n  a: &base\n    plan: 1\n  b:\n    <<: *base\n    status: active\n")
    assert summary(load()) == [("a.yaml:3:11", "wrong-type"), ("a.yaml:3:11", "wrong-type")]


# environments


def test_an_overlay_merges_mappings_replaces_lists_and_removes_with_null():
    write(
        a="teams:\n  a: {plan: p, labels: {x: '1', y: '2'}, access_groups: [g, h]}\n  b: {}\n",
        environments__prod__o="teams:\n  a: {labels: {y: '3'}, access_groups: [i], plan: null}\n  b: null\n  c: {}\n",
    )
    state = clean("prod").state
    assert sorted(state.of(Team)) == ["a", "c"]
    team = state.of(Team)["a"]
    assert (team.labels, team.access_groups, team.plan) == ({"x": "1", "y": "3"}, {"i"}, None)
    assert "plan" in team.model_fields_set
    assert len(clean().state) == 2


def test_findings_about_overlaid_values_point_into_the_file_that_holds_them():
    write(
        a="teams:\n  a:\n    rpm_limit: x\n    tpm_limit: 1\n",
        environments__prod__o="teams:\n  a:\n    tpm_limit: x\n",
    )
    assert summary(load("prod")) == [
        ("a.yaml:3:16", "wrong-type"),
        ("environments/prod/o.yaml:3:16", "wrong-type"),
    ]


def test_an_overlay_may_correct_what_is_wrong_in_the_base():
    write(a="teams: {a: {rpm_limit: x}}", environments__prod__o="teams: {a: {rpm_limit: 1}}")
    assert clean("prod").state.of(Team)["a"].rpm_limit == 1


def test_an_unknown_environment_lists_those_there_are():
    write(a="teams: {a: {}}", environments__prod__o="", environments__stage__o="")
    (finding,) = load("prd").findings
    assert (finding.code, finding.hint) == ("environment-unknown", "did you mean prod?")
    assert "prod, stage" in finding.message


def test_an_environment_cannot_be_reached_by_a_path():
    write(a="teams: {a: {}}", environments__prod__o="")
    assert [f.code for f in load("../environments/prod").findings] == ["environment-unknown"]


def test_removing_what_is_not_there_is_a_warning():
    write(a="teams: {acme: {}}", environments__prod__o="teams:\n  acne: null\n")
    (finding,) = load("prod").findings
    assert (finding.code, finding.hint) == ("overlay-nothing-removed", "did you mean acme?")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_law_an_overlay_over_itself_and_an_empty_one_change_nothing(value):
    assert merged_values(value, value) == value
    if isinstance(value, dict):
        assert merged_values(value, {}) == value == merged_values({}, value)


@given(JSON, JSON)
def test_law_an_overlay_applied_twice_is_the_same_as_once(base, over):
    once = merged_values(base, over)
    assert merged_values(once, over) == once


@given(JSON, JSON)
def test_law_an_overlay_has_the_last_word(base, over):
    merged = merged_values({"k": base}, {"k": over})["k"]
    if not (isinstance(base, dict) and isinstance(over, dict)):
        assert merged == over
    else:
        assert merged.keys() == base.keys() | over.keys()
        assert all(
            merged[key] == value for key, value in over.items() if not isinstance(value, dict)
        )


# variables


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (Unquoted("${N}"), 7),
        ("${N}", "7"),
        ("x${N}y", "x7y"),
        (Unquoted("${UNSET:-3.5}"), 3.5),
        (Unquoted("${UNSET:-true}"), True),
        (Unquoted("${UNSET:-}"), None),
        ("${UNSET:-}", ""),
        ("${EMPTY:-x}", "x"),
        ("${EMPTY}", ""),
        ("$${N}", "${N}"),
        ("$N", "$N"),
        ("${A}-${N}", "a-7"),
        (Unquoted("${A}${N}"), "a7"),
        (Unquoted("${YES}"), "yes"),
        ({"k": ["${A}"]}, {"k": ["a"]}),
        ("${UNSET:-a:-b}", "a:-b"),
    ],
)
def test_variables(text, expected):
    variables = {"N": "7", "A": "a", "EMPTY": "", "YES": "yes"}
    readable = Variables(variables, frozenset({*variables, "UNSET"}))
    assert substitute(text, readable) == (expected, ())


def test_a_value_from_a_variable_is_not_read_for_variables_again():
    assert substitute("${A}", Variables({"A": "${B}"}, frozenset({"A", "B"}))) == ("${B}", ())


def test_an_unset_variable_overridden_by_the_environment_is_not_needed():
    write(a="teams: {a: {plan: '${PLAN}'}}", environments__prod__o="teams: {a: {plan: pro}}")
    assert clean("prod").state.of(Team)["a"].plan == "pro"
    assert summary(load()) == [("a.yaml:1:19", "variable-unset")]


def test_a_number_from_a_variable_is_a_number_where_it_is_unquoted():
    write(a="teams:\n  a:\n    credits_allocated: ${CREDITS:-100}\n    organization_id: '${ORG}'\n")
    team = clean(ORG="42").state.of(Team)["a"]
    assert (team.credits_allocated, team.organization_id) == (100, "42")


@given(st.text(alphabet=string.ascii_letters + "${}:-"))
def test_variables_never_raise(text):
    substitute(Unquoted(text), Variables({"a": "1"}, frozenset(string.ascii_letters)))


def test_the_value_of_a_variable_is_never_shown():
    write(
        a="teams:\n  a:\n    rpm_limit: ${R}\n    plan: ${N}\n    status: ${S}\n    tpm_limit: ${T}\n"
    )
    findings = load(R="hunter2", N="424242", S="hunter3", T="-31337").findings
    assert [f.code for f in findings] == ["wrong-type", "wrong-type", "not-allowed", "out-of-range"]
    assert not {"hunter2", "424242", "hunter3", "31337"} & set(
        str(findings).replace('"', " ").replace(",", " ").split()
    )
    assert findings[0].message == "rpm_limit must be a whole number, found the value of ${R}"
    assert findings[1].hint == 'quote it: "${N}"'


def test_several_processes_read_what_one_does(monkeypatch):
    write(
        **{
            f"f{number}": COMPANY if number == 0 else f"teams: {{t{number}: {{plan: 1}}}}"
            for number in range(5)
        }
    )
    alone = load()
    monkeypatch.setattr(parsing, "_WORTH_A_POOL", -1)
    assert load() == alone
    assert len(alone.findings) == 4


def test_windows_line_ends_do_not_move_places():
    Path("a.yaml").write_bytes(b"teams:\r\n  a:\r\n    rpm_limit: x\r\n")
    assert summary(load()) == [("a.yaml:3:16", "wrong-type")]


@pytest.mark.parametrize(
    "text",
    ["1_" * 50_000, "a" * 200_000, "${" * 50_000, "12:" * 50_000, "eyJ" * 60_000, "sk-" * 60_000],
)
def test_long_texts_take_linear_time(text):
    """The test's timeout would tell: with an unbounded regex each of these takes minutes."""
    write(a=f"teams:\n  a:\n    metadata:\n      x: {text}\n      y: {text}/@\n")
    manifests = load()
    check(manifests.state, declared=manifests.files)


def test_a_block_under_x_is_reused_by_anchors_and_nothing_else(tmp_path):
    blocks = {}
    lines = ["x-blocks:"]
    (document,) = read_yaml(COMPANY.encode(), "f").documents
    for section, specs in document.items():
        blocks[section] = [f"a{len(lines) + n}" for n in range(len(specs))]
        lines += [
            f"  - &{anchor} {json.dumps(spec)}"
            for anchor, spec in zip(blocks[section], specs.values(), strict=True)
        ]
    for section, specs in document.items():
        lines += [f"{section}:"]
        merged = zip(specs, blocks[section], strict=True)
        lines += [f"  {name}: {{<<: *{anchor}}}" for name, anchor in merged]
    plain, reused = tmp_path / "plain", tmp_path / "reused"
    for place, text in ((plain, COMPANY), (reused, "\n".join((*lines, "x-more: [1]\n")))):
        place.mkdir()
        (place / "all.yaml").write_text(text, encoding="utf-8")
    loaded = load_manifests(reused, variables=Variables())
    assert loaded.findings == ()
    assert loaded.state == load_manifests(plain, variables=Variables()).state
