"""The HTML report: everything escaped, true counts, nothing from outside, and cuts that are said."""

import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser

import html_cases
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_cases import CASES, TARGET, update
from test_render_golden import GOLDEN, agree

from reconciler.core.access.rules import Access
from reconciler.core.model.findings import Origin, error, warning
from reconciler.core.model.kinds import AccessGroup, Team
from reconciler.core.model.printable import safe
from reconciler.core.model.refs import Ref
from reconciler.core.plan.plan import Exposure, Impact, Plan, Risk, Target, TeamImpact
from reconciler.render import plan_view
from reconciler.render.plan.html import render
from reconciler.render.plan.html.matrix import (
    CELLS,
    COLUMNS,
    GAINS,
    KEEPS,
    LOSES,
    NEVER,
    access_matrix,
)
from reconciler.render.plan.html.teams import fitting, team_rows

F = frozenset
MARKS = {(True, True): KEEPS, (False, True): GAINS, (True, False): LOSES, (False, False): NEVER}
VOID = {"meta", "link", "input", "br"}


class Reader(HTMLParser):
    """Tags with their attributes' names, the texts outside style and script; a tag left open fails."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.structure: list[tuple[str, ...]] = []
        self.texts: list[str] = []
        self.stack: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.structure.append((tag, *(name for name, _ in attrs)))
        self.attributes += attrs
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        if self.stack and self.stack[-1] not in ("style", "script"):
            self.texts.append(data)

    def handle_comment(self, data):
        raise AssertionError(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)


def plain(page: str) -> str:
    """Without style and script, and without their hashes."""
    page = re.sub(r"sha256-[\w+/=]+", "sha256-", page)
    return re.sub(r"<(style|script)>.*?</\1>", r"<\1></\1>", page, flags=re.DOTALL)


def report(name: str) -> str:
    if hasattr(html_cases, name):
        plan, access = getattr(html_cases, name)()
        return render(plan_view(plan), access)
    return render(plan_view(CASES[name]()))


@pytest.mark.parametrize(
    "name", ["few", "no_changes", "losses_and_refusals", "hostile_names", "deletions"]
)
def test_golden_html(name):
    agree(GOLDEN / name / "plan.html", plain(report(name)))


@pytest.mark.parametrize("name", ["few", *CASES])
def test_markup_is_whole(name):
    assert Reader(report(name)).stack == []


def named(text: str) -> tuple[Plan, tuple[Access, Access]]:
    """A plan with the text in every place where a text can be."""
    change = update(
        Ref("team", text),
        Team(metadata={"k": "what stood here before the plan came"}),
        Team(access_groups=F([text]), metadata={"k": text, f"a{text}": text}),
    )
    group = update(
        Ref("access_group", text),
        AccessGroup(),
        AccessGroup(description=text, model_aliases=F([text])),
    )
    hit = TeamImpact(text, F([text]), F(), text, f"{text}2", 1, 2, 3, 4, dearest_before=(text, 1.0), dearest_after=(text, 2.0))  # fmt: skip
    impact = Impact((hit,), (Exposure(text, text, text),), 1, 2, 3, 4, Risk.HIGH, (text,))
    said = (
        error(text, text, hint=text, origin=Origin(text, 1, 2)),
        warning(text, text, ref=Ref("team", text)),
    )
    plan = Plan(
        Target(text, text, "x"), (change, group), impact, said, (error("no", text, hint=text),), (Ref("team", text),),
        scope=(text,), revision=text,
    )  # fmt: skip
    access = tuple(Access({text: F([text][:number])}, {}, lambda _: F()) for number in (0, 1))
    return plan, access


BENIGN = render(plan_view((benign := named("name"))[0]), benign[1])


@settings(max_examples=40, deadline=None)
@given(st.text(min_size=1, max_size=30) | st.sampled_from(["<script>", "</script>", '"><img src=x>', "{{ 7*7 }}", "]]>", "&lt;", "<!--", "'"]))  # fmt: skip
def test_no_name_changes_the_markup(text):
    plan, access = named(text)
    page = Reader(render(plan_view(plan), access))
    assert page.structure == Reader(BENIGN).structure
    assert safe(text) in page.text
    assert not any(
        value and value.startswith(("http", "//", "javascript")) for _, value in page.attributes
    )


@pytest.mark.parametrize("name", ["few", "hostile_names"])
def test_nothing_is_loaded_and_only_own_script_runs(name):
    page = report(name)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1]
    assert policy.startswith("default-src &#39;none&#39;;")
    parts = re.findall(r"<(style|script)>(.*?)</\1>", page, re.DOTALL)
    assert [kind for kind, _ in parts] == ["style", "script", "script"]
    for _, content in parts:
        assert f"sha256-{b64encode(sha256(content.encode()).digest()).decode()}" in policy
    assert not {key for key, _ in Reader(page).attributes} & {
        "src",
        "srcset",
        "style",
        "onclick",
        "action",
    }
    assert not re.search(r"@import|url\(", parts[0][1])


def rows(page: str, section: str) -> list[str]:
    body = page.split(f'id="{section}"', 1)[1].split("</tbody>", 1)[0].split("<tbody>", 1)[1]
    return re.split(r"<tr\b", body)[1:]


def test_every_model_has_its_losers_and_gainers():
    plan, access = html_cases.few()
    page = render(plan_view(plan), access)
    for row in rows(page, "models"):
        model = re.search(r"<code>(.*?)</code>", row)[1]
        lost, gained = (set(re.findall(r"<li>(.*?)</li>", cell)) for cell in row.split("<td")[1:])
        assert lost == {team.team for team in plan.impact.teams if model in team.lost}
        assert gained == {team.team for team in plan.impact.teams if model in team.gained}


def test_teams_alike_share_a_row_and_none_is_missing():
    plan, access = html_cases.many(600)
    found = team_rows(plan.impact, access)
    hit = {team.team: team for team in plan.impact.teams}
    assert sorted(name for row in found for name in row.names.names) == sorted(hit)
    for row in found:
        for name in row.names.names:
            team = hit[name]
            assert (set(row.lost), set(row.gained)) == (team.lost, team.gained)
            assert set(row.keeps) == access[0].of(name) & access[1].of(name)
            assert row.credits.after == (
                None if team.credits_after is None else f"{team.credits_after:,}"
            )


def test_the_matrix_is_access_before_and_after():
    _, (before, after) = html_cases.many(300)
    matrix = access_matrix(before, after)
    assert matrix.teams == len(before.teams.keys() | after.teams)
    for row in matrix.rows:
        for name in row.names.names:
            for model, cell in zip(matrix.models, row.cells, strict=True):
                assert cell == MARKS[model in before.of(name), model in after.of(name)]
    moving = [row.moves for row in matrix.rows]
    assert moving == sorted(moving, reverse=True)


def test_a_matrix_too_large_keeps_what_changes_and_counts_the_rest():
    models = [f"m-{number:04}" for number in range(1_000)]
    teams = {f"t-{number:04}": F(models[number : number + 3]) for number in range(900)}
    before, after = (Access(held, {}, lambda _: F()) for held in (teams, {**teams, "t-0899": F()}))
    matrix = access_matrix(before, after)
    assert matrix.models[:3] == tuple(sorted(teams["t-0899"]))
    assert matrix.rows[0].names.names == ("t-0899",)
    assert len(matrix.models) == COLUMNS
    assert len(matrix.rows) * len(matrix.models) <= CELLS
    assert matrix.teams == 900
    assert len(matrix.models) + matrix.more_models == 902


@pytest.mark.slow
def test_a_plan_too_large_for_a_browser_says_what_is_left_out():
    pool = [f"model-{number:03}" for number in range(300)]
    teams = tuple(
        TeamImpact(f"team-{n:05}", F(pool[n % 200 : n % 200 + 100]), F([f"own-{n}"]))
        for n in range(3_000)
    )
    changes = tuple(
        update(Ref("team", team.team), Team(), Team(tpm_limit=n)) for n, team in enumerate(teams)
    )
    page = render(plan_view(Plan(TARGET, changes, Impact(teams, risk=Risk.HIGH))))
    assert len(page) < 12_000_000
    shown = len(rows(page, "teams"))
    assert f"{len(teams) - shown:,} teams more: the report leaves them out" in page
    listed = len(rows(page, "changes"))
    assert f"{len(changes) - listed:,} more changes: the report leaves them out" in page


@given(st.lists(st.integers(0, 50)), st.integers(1, 200))
def test_fitting_keeps_the_first_and_loses_none(sizes, room):
    kept, left = fitting(sizes, lambda size: size, room)
    assert [*kept, *left] == sizes
    assert sum(kept) <= room or len(kept) == 1
    assert not left or sum(kept) + left[0] > room


@pytest.mark.slow
def test_ten_thousand_teams_stay_a_few_megabytes():
    plan, access = html_cases.many(10_000)
    page = render(plan_view(plan), access)
    assert len(page.encode()) < 8_000_000
    assert "customer-09999-prod" in page


def test_a_view_cut_for_text_is_whole_here():
    plan = CASES["tier_change"]()
    page = render(plan_view(plan))
    assert all(team.team in page for team in plan.impact.teams)
    assert page == render(plan_view(plan, full=True))


def test_without_a_plan_of_anything_there_is_nothing_to_search():
    page = render(plan_view(replace(CASES["no_changes"](), foreign=())))
    assert "No changes: the gateway is as declared." in page
    assert 'id="search"' not in page
