"""Laws of rendering over random plans: true counts, bounded size, stable bytes, nothing that steers a terminal."""

import json
import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_cases import CASES, TARGET, update
from pydantic import SecretStr

from reconciler.core.model.changes import Change, CreditGrant
from reconciler.core.model.findings import Finding, Level, Origin
from reconciler.core.model.kinds import AccessGroup, Team
from reconciler.core.model.printable import safe
from reconciler.core.model.refs import Ref
from reconciler.core.plan.plan import Exposure, Impact, Plan, Risk, TeamImpact
from reconciler.render import FORMATS, Report, plan_view
from reconciler.render.plan.json import plan_schema, schema_text
from reconciler.render.plan.json import render as render_json
from reconciler.render.plan.markdown import LIMIT
from reconciler.render.plan.markdown import render as render_markdown
from reconciler.render.plan.text import render as render_text

SCHEMA = Path(__file__).parents[2] / "schemas" / "plan.schema.json"
MANY = settings(max_examples=25, deadline=None)

LETTERS = "abcdefgh-_0123"
WILD = LETTERS + " |`<>&@#*$\\\n\x1b\u202eüλ漢"
seeds = st.integers(0, 2**32)


def _text(rng: random.Random, alphabet: str = LETTERS, least: int = 1, most: int = 8) -> str:
    return "".join(rng.choices(alphabet, k=rng.randint(least, most)))


def _wild(rng: random.Random) -> str:
    return _text(rng, WILD, 0, 30)


def _set(rng: random.Random) -> frozenset[str]:
    return frozenset(_text(rng) for _ in range(rng.randint(0, 12)))


def _maybe(rng: random.Random, value):
    return value if rng.random() < 0.7 else None


def _team(rng: random.Random) -> Team:
    metadata = {_text(rng): _wild(rng) for _ in range(rng.randint(0, 3))}
    return Team(
        access_groups=_set(rng),
        credits_allocated=_maybe(rng, rng.randrange(10**5)),
        metadata=_maybe(rng, metadata),
    )


def _change(rng: random.Random, name: str) -> Change:
    kind = rng.choice(("team", "access_group"))
    before, after = (
        _team(rng) if kind == "team" else AccessGroup(model_aliases=_set(rng)) for _ in range(2)
    )
    ref = Ref(kind, name)
    grants = tuple(
        CreditGrant(_text(rng), rng.randint(-99, 99), _wild(rng)) for _ in range(rng.randint(0, 2))
    )
    match rng.choice(("create", "delete", "adopt", "update")):
        case "create":
            return Change(ref, None, after)
        case "delete":
            return Change(ref, before, None)
        case "adopt":
            return Change(ref, before, before, adopt=True)
        case _:
            return update(
                ref,
                before,
                after,
                adopt=rng.random() < 0.3,
                credits=grants if kind == "team" else (),
            )


def _hit(rng: random.Random, name: str) -> TeamImpact:
    few = [frozenset(), frozenset({"gpt-4"}), _set(rng)]
    number = lambda: _maybe(rng, rng.randrange(9))  # noqa: E731  # short
    dearest = [_maybe(rng, (_text(rng), rng.random() * 100)) for _ in range(2)]
    flags = {
        flag: rng.random() < 0.2
        for flag in ("left_with_nothing", "everything", "created", "deleted")
    }
    plans = [_maybe(rng, rng.choice(("a", "b"))) for _ in range(2)]
    amounts = [number() for _ in range(4)]
    return TeamImpact(
        name,
        rng.choice(few),
        rng.choice(few),
        *plans,
        *amounts,
        dearest_before=dearest[0],
        dearest_after=dearest[1],
        **flags,
    )


def _finding(rng: random.Random) -> Finding:
    level = rng.choice((Level.ERROR, Level.WARNING, Level.INFO))
    origin = Origin(_wild(rng), rng.randint(1, 99), 1)
    ref = _maybe(rng, Ref("team", _wild(rng)))
    return Finding(
        level,
        rng.choice("abc"),
        _wild(rng),
        _maybe(rng, _wild(rng)),
        ref,
        origin=_maybe(rng, origin),
    )


def random_plan(seed: int) -> Plan:
    """Up to 90 changes of every sort, with names out of anything."""
    rng = random.Random(seed)
    names = {_wild(rng) or "x" for _ in range(rng.randint(0, rng.choice((3, 20, 90))))}
    impact = Impact(
        tuple(_hit(rng, name) for name in sorted(names)[:40]),
        tuple({Exposure(_text(rng), rng.choice("ab"), rng.choice("ab")) for _ in range(rng.randint(0, 8))}),
        100.0, 40.5, rng.randrange(9), rng.randrange(9), rng.choice(list(Risk)), tuple(_wild(rng) for _ in range(rng.randint(0, 3))),
    )  # fmt: skip
    findings = [tuple(_finding(rng) for _ in range(rng.randint(0, 12))) for _ in range(2)]
    foreign = tuple(Ref("team", _text(rng)) for _ in range(rng.randint(0, 4)))
    return Plan(
        TARGET,
        tuple(_change(rng, name) for name in sorted(names)),
        impact,
        *findings,
        foreign,
        rng.randrange(99),
    )


@MANY
@given(seeds, st.booleans())
def test_counts_are_those_of_the_plan(chosen, full):
    plan = random_plan(chosen)
    view = plan_view(plan, full=full)
    for counted in view.counts:
        assert counted.number == sum(change.verb == counted.verb for change in plan.changes)
    for section in view.sections:
        mine = [change for change in plan.changes if change.ref.kind == section.kind]
        assert (
            sum(row.count for row in section.rows) + section.more
            == len(mine)
            == sum(section.counts.values())
        )
        assert all(len(row.names) == row.count for row in section.rows)
    assert sum(
        len(section.counts) and sum(section.counts.values()) for section in view.sections
    ) == len(plan.changes)
    assert (
        sum(row.count for row in view.impact) + view.more_impact_teams
        == len(plan.impact.teams)
        == view.teams
    )
    distinct = {finding for finding in plan.findings if full or finding.level is not Level.INFO}
    assert sum(view.problems.counts.values()) == len(distinct)
    assert len(view.problems.shown) + sum(number for *_, number in view.problems.more) == len(
        distinct
    )


@MANY
@given(seeds)
def test_every_team_of_an_impact_row_is_hit_as_the_row_says(chosen):
    plan = random_plan(chosen)
    hit = {safe(team.team): team for team in plan.impact.teams}
    for row in plan_view(plan, full=True).impact:
        for name in row.names.names:
            assert tuple(sorted(hit[name].gained)) == row.gained.names
            assert tuple(sorted(hit[name].lost)) == row.lost.names


@MANY
@given(seeds)
def test_full_view_names_every_change_and_cuts_nothing(chosen):
    plan = random_plan(chosen)
    view = plan_view(plan, full=True)
    shown = {
        Ref(section.kind, name)
        for section in view.sections
        for row in section.rows
        for name in row.names.names
    }
    assert shown == {Ref(change.ref.kind, safe(change.ref.name)) for change in plan.changes}
    assert view.complete
    assert not any(
        section.more or row.more_fields for section in view.sections for row in section.rows
    )


@MANY
@given(seeds, seeds)
def test_order_of_the_plan_does_not_matter(chosen, seed):
    plan = random_plan(chosen)
    rng = random.Random(seed)
    impact = replace(
        plan.impact,
        teams=_shuffled(plan.impact.teams, rng),
        exposures=_shuffled(plan.impact.exposures, rng),
    )
    other = replace(
        plan,
        changes=_shuffled(plan.changes, rng),
        findings=_shuffled(plan.findings, rng),
        impact=impact,
    )
    for row in FORMATS.values():
        assert row.render(Report(plan)) == row.render(Report(other)), row.name


def _shuffled(items, rng):
    return tuple(rng.sample(items, len(items)))


@MANY
@given(seeds)
def test_text_is_plain_and_narrow(chosen):
    plan = random_plan(chosen)
    text = render_text(plan_view(plan))
    assert all(line.isprintable() for line in text.splitlines() if line)
    assert text.count("\n") == len(text.split("\n")) - 1
    colored = render_text(plan_view(plan), color=True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == text
    wide = [line for line in text.split("\n") if len(line) > 120]
    assert all(max(map(len, line.split())) > 40 for line in wide), "only a long word may be wide"


@MANY
@given(seeds)
def test_json_fits_its_schema_and_the_plan(chosen):
    plan = random_plan(chosen)
    data = json.loads(render_json(plan))
    jsonschema_rs.validate(plan_schema(), data)
    assert len(data["changes"]) == len(plan.changes)
    assert [team["team"] for team in data["impact"]["teams"]] == sorted(
        team.team for team in plan.impact.teams
    )
    assert data["counts"]["adopted"] == sum(change.adopt for change in plan.changes)


def test_committed_schema_is_fresh():
    assert SCHEMA.read_text(encoding="utf-8") == schema_text()


@MANY
@given(seeds, st.booleans(), st.integers(16_000, 30_000))
def test_markdown_keeps_any_limit(chosen, full, limit):
    plan = random_plan(chosen)
    text = render_markdown(plan_view(plan, full=full), limit=limit)
    assert len(text.encode("utf-16-le", "surrogatepass")) // 2 <= limit
    assert text.count("<details>") == text.count("</details>") or "details" in str(plan)


@pytest.mark.parametrize("size", [50, 5_000])
def test_markdown_of_a_huge_plan_says_how_much_is_missing(size):
    longest = "x" * 60
    varied = [
        Team(access_groups=frozenset(f"{longest}-{number}-{each}" for each in range(5)))
        for number in range(size)
    ]
    plan = Plan(
        TARGET,
        tuple(
            update(Ref("team", f"t-{number:04}"), Team(), team)
            for number, team in enumerate(varied)
        ),
    )
    text = render_markdown(plan_view(plan, full=True))
    missing = re.search(r"_and ([\d,]+) more changes \(too long for a comment\)_", text)
    assert len(text) <= LIMIT
    shown = len(re.findall(r"^~ t-\d+$", text, re.MULTILINE))
    assert shown + (int(missing[1].replace(",", "")) if missing else 0) == size
    assert bool(missing) == (size == 5_000)
    assert text.count("```") % 2 == 0


def test_tier_change_over_3000_teams_is_under_40_lines_and_true():
    plan = CASES["tier_change"]()
    text = render_text(plan_view(plan))
    assert len(text.splitlines()) < 40
    lost = sum(bool(team.lost) for team in plan.impact.teams)
    assert f"~ {len(plan.changes):,} to update" in text
    assert f"{lost:,} teams: " in text
    assert f"{3000 - lost:,} teams: " in text
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize(
    "seed", [pytest.param(n, marks=[pytest.mark.slow] if n > 1 else []) for n in range(20)]
)
def test_a_large_varied_plan_is_under_40_lines(seed):
    """Teams that change in a hundred ways, lose and gain in as many, with findings on each."""
    rng = random.Random(seed)
    pools = [
        frozenset(f"group-{rng.randrange(40)}" for _ in range(rng.randrange(1, 9)))
        for _ in range(100)
    ]
    made = [
        update(
            Ref("team", f"customer-{n:05}-production"),
            Team(access_groups=rng.choice(pools), tpm_limit=rng.randrange(9)),
            Team(access_groups=rng.choice(pools), metadata={"tier": str(rng.randrange(9))}),
        )
        for n in range(3000)
    ]
    made += [
        Change(
            Ref("access_group", f"group-{n}"), None, AccessGroup(model_aliases=rng.choice(pools))
        )
        for n in range(40)
    ]
    hits = tuple(
        TeamImpact(
            change.ref.name,
            rng.choice(pools),
            rng.choice(pools),
            "a",
            rng.choice("abc"),
            1,
            rng.randrange(9),
            left_with_nothing=rng.random() < 0.1,
            dearest_after=("m", rng.randrange(5)),
        )
        for change in made[:3000]
    )
    said = tuple(
        Finding(
            Level.WARNING, f"code-{rng.randrange(3)}", f"about {change.ref}", "a hint", change.ref
        )
        for change in made[:500]
    )
    plan = Plan(
        TARGET,
        tuple(made),
        Impact(hits, risk=Risk.HIGH, reasons=("many teams lose models", "others, too")),
        said,
        said[:1],
    )
    assert len(render_text(plan_view(plan)).splitlines()) < 40


def test_secrets_are_masked_by_type():
    before = Team(metadata={"key": SecretStr("hunter2"), "deep": [SecretStr("hunter3")], "same": 1})
    after = Team(metadata={"key": SecretStr("hunter4"), "deep": [SecretStr("hunter3")], "same": 2})
    plan = Plan(
        TARGET, (update(Ref("team", "a"), before, after), Change(Ref("team", "b"), None, before))
    )
    for name, row in FORMATS.items():
        for full in (False, True):
            text = row.render(Report(plan, full=full))
            assert "hunter" not in text, name
            assert "(secret)" in text or name == "sarif", name  # which tells no fields


def test_a_changed_secret_is_a_change_without_its_value():
    plan = Plan(
        TARGET,
        (
            update(
                Ref("team", "a"),
                Team(metadata={"k": SecretStr("one")}),
                Team(metadata={"k": SecretStr("two")}),
            ),
        ),
    )
    assert "(secret) -> (secret)" in render_text(plan_view(plan))


def test_hostile_names_cannot_add_markup():
    text = render_markdown(plan_view(CASES["hostile_names"]()))
    outside = re.sub(r"^(`{3,})\w*\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert "<script" not in outside
    assert not re.search(r"@\w|\]\(|https?://", outside)
    assert outside.count("</details>") == outside.count("<details>")
    rows = [line for line in outside.splitlines() if line.startswith("| ") and "loses" not in line]
    assert all(line.count("|") == 6 for line in rows)


def test_formats_load_nothing_heavy_until_they_are_used():
    code = "import sys, reconciler.render; print([m for m in ('rich', 'deepdiff', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
