"""The HTML report in a real browser: headless Chromium, driven over the WebDriver protocol.

Run with `-m browser`; Debian has both programs in `chromium` and `chromium-driver`.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "render"))

import html_cases
import plan_cases

from reconciler.core.plan.plan import Plan
from reconciler.render import plan_view
from reconciler.render.plan.html import render

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver on the PATH"
    ),
]
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1000",
]
TEAMS = "return [...document.querySelectorAll('#teams tbody > tr > th .names li')].filter(e => e.checkVisibility()).map(e => e.textContent)"
ROWS = "return [...document.querySelectorAll(arguments[0] + ' tbody > tr')].filter(e => e.checkVisibility()).length"
SEARCH = "search.value = arguments[0]; search.dispatchEvent(new Event('input'))"
CHIP = "document.querySelector(`[data-sort=${arguments[0]}]`).click()"
COLUMNS = "return [...document.querySelectorAll('#matrix thead .model')].filter(e => e.checkVisibility()).map(e => e.textContent)"
MODELS = "return [...document.querySelectorAll('#models tbody th')].filter(e => e.checkVisibility()).map(e => e.textContent)"
CONTRASTS = """
const light = (color) => color.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
  .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const behind = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\\)$/.test(c)) return c; } return "rgb(255,255,255)"; };
const texts = [...document.querySelectorAll("body *")].filter((e) => e.checkVisibility()
  && [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()));
return texts.map((e) => { const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x);
  return [Math.round((a + 0.05) / (b + 0.05) * 100) / 100, e.outerHTML.slice(0, 80)]; }).sort((x, y) => x[0] - y[0]).slice(0, 3);
"""


class Browser:
    """One WebDriver session."""

    def __init__(self, http: httpx.Client, directory: Path) -> None:
        self.http, self.directory = http, directory

    def post(self, path: str, **body: object):
        return self.http.post(path, json=body).raise_for_status().json()["value"]

    def open(self, plan: Plan, access=None, fragment: str = "") -> Path:
        page = self.directory / "report.html"
        page.write_text(render(plan_view(plan), access), encoding="utf-8")
        self.post("url", url="about:blank")
        self.log("browser"), self.log("performance")
        self.post("url", url=f"{page.as_uri()}{fragment}")
        return page

    def run(self, script: str, *args: object):
        return self.post("execute/sync", script=script, args=list(args))

    def log(self, kind: str) -> list[dict]:
        return self.post("se/log", type=kind)

    def cdp(self, command: str, **params: object):
        return self.post("goog/cdp/execute", cmd=command, params=params)

    def keys(self, *keys: str) -> None:
        pressed = [{"type": sort, "value": key} for key in keys for sort in ("keyDown", "keyUp")]
        self.post("actions", actions=[{"type": "key", "id": "keyboard", "actions": pressed}])

    def asks(self, text: str) -> list[str]:
        self.run(SEARCH, text)
        return self.run(TEAMS)

    @property
    def answer(self) -> str:
        return self.run("return document.getElementById('answer').textContent")


@contextmanager
def driver() -> Iterator[str]:
    process = subprocess.Popen([str(DRIVER), "--port=0"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        announced = (re.search(r"on port (\d+)\.", line) for line in process.stdout)
        yield f"http://127.0.0.1:{next(found[1] for found in announced if found)}"
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    directory = tmp_path_factory.mktemp("browser")
    chrome = {"args": [*FLAGS, f"--user-data-dir={directory / 'profile'}"], "binary": CHROMIUM}
    wanted = {
        "goog:chromeOptions": chrome,
        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
    }
    with driver() as url, httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
        made = (
            http.post("session", json={"capabilities": {"alwaysMatch": wanted}})
            .raise_for_status()
            .json()["value"]
        )
        session = f"{url}/session/{made['sessionId']}"
        http.base_url = f"{session}/"
        yield Browser(http, directory)
        http.delete(session).raise_for_status()


@pytest.fixture(scope="module")
def few():
    return html_cases.few()


@pytest.fixture(scope="module")
def many():
    return html_cases.many(4_000)


def losing(plan: Plan, model: str) -> set[str]:
    return {team.team for team in plan.impact.teams if model in team.lost}


def gaining(plan: Plan, model: str) -> set[str]:
    return {team.team for team in plan.impact.teams if model in team.gained}


@pytest.mark.parametrize("case", ["few", *plan_cases.CASES])
def test_a_report_loads_nothing_and_complains_about_nothing(browser, few, case):
    page = browser.open(*few) if case == "few" else browser.open(plan_cases.CASES[case]())
    browser.run("window.dispatchEvent(new Event('beforeprint'))")
    assert browser.log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.log("performance")]
    asked = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert asked == [page.as_uri()]


def test_names_that_are_markup_stay_text(browser):
    browser.open(plan_cases.CASES["hostile_names"]())
    assert browser.run(
        "return [document.scripts.length, document.querySelectorAll('a:not([href^=\"#\"])').length]"
    ) == [2, 0]
    assert any("<script>alert(1)</script>" in name for name in browser.run(TEAMS))


def test_the_policy_stops_foreign_script_style_and_requests(browser, few):
    browser.open(*few)
    browser.run("""
        const script = document.createElement("script"); script.textContent = "window.intruder = 1"; document.body.append(script);
        const image = new Image(); image.src = "http://127.0.0.1:9/spy.png"; document.body.append(image);
        document.body.insertAdjacentHTML("beforeend", "<p id=inline style='color:red'>x</p>");""")
    assert browser.run("return window.intruder ?? null") is None
    assert browser.run("return getComputedStyle(inline).color") != "rgb(255, 0, 0)"
    assert any("Content Security Policy" in entry["message"] for entry in browser.log("browser"))


def test_which_teams_lose_gpt_4(browser, few):
    browser.open(*few)
    assert losing(few[0], "gpt-4") == {"beta-dev", "beta-prod"}
    first = browser.run("return document.querySelector('#models tbody tr').innerText").split()
    assert first[:3] == ["gpt-4", "2", "teams"]
    assert set(browser.asks("lost:gpt-4")) == losing(few[0], "gpt-4")
    assert "gpt-4: lost by 2 teams, gained by 5 teams" in browser.answer
    browser.run(CHIP, "loses")
    assert set(browser.asks("gpt-4")) == losing(few[0], "gpt-4")


def test_search_agrees_with_the_plan_for_every_model(browser, few):
    plan, access = few
    browser.open(plan, access)
    for model in access[0].callers.keys() | access[1].callers:
        assert set(browser.asks(f"lost:{model}")) == losing(plan, model)
        assert set(browser.asks(f"gained:{model}")) == gaining(plan, model)


def test_search_finds_one_team_within_a_group(browser, few):
    browser.open(*few)
    assert browser.asks("acme-qa") == ["acme-qa"]
    assert browser.asks("team:acme-qa gained:gpt-4") == ["acme-qa"]
    assert browser.asks("team:acme-qa lost:gpt-4") == []
    assert set(browser.asks("")) == {team.team for team in few[0].impact.teams}


def test_chips_combine(browser, few):
    browser.open(*few)
    browser.run(CHIP, "gains")
    browser.run(CHIP, "price")
    wanted = {
        team.team
        for team in few[0].impact.teams
        if team.gained and team.price_before != team.price_after
    }
    assert set(browser.run(TEAMS)) == wanted
    browser.run(CHIP, "price")
    assert set(browser.run(TEAMS)) == {team.team for team in few[0].impact.teams if team.gained}


def test_a_link_of_a_model_shows_its_teams(browser, few):
    browser.open(*few)
    browser.run(
        "document.querySelector('a.show[data-field=gained][data-name=\"gpt-4-turbo\"]').click()"
    )
    assert set(browser.run(TEAMS)) == gaining(few[0], "gpt-4-turbo")


def test_a_link_to_a_report_may_ask(browser, few):
    browser.open(*few, fragment=f"#q={quote('lost:gpt-4')}")
    assert set(browser.run(TEAMS)) == losing(few[0], "gpt-4")


def test_the_matrix_shows_the_models_asked_for(browser, few):
    browser.open(*few)
    browser.run(SEARCH, "gpt")
    assert set(browser.run(COLUMNS)) == {"gpt-4", "gpt-4-turbo", "gpt-3.5-turbo"}
    browser.run(SEARCH, "lost:gpt-4")
    assert browser.run(COLUMNS) == ["gpt-4"]
    assert browser.run(ROWS, "#access") == 1
    browser.run(SEARCH, "gamma")
    assert browser.run(ROWS, "#access") == 1
    assert len(browser.run(COLUMNS)) == len(few[1][0].callers.keys() | few[1][1].callers)


def test_the_models_asked_for_are_shown(browser, few):
    browser.open(*few)
    browser.run(SEARCH, "claude")
    assert set(browser.run(MODELS)) == {"claude-3-haiku", "claude-3-opus", "claude-3-sonnet"}
    browser.run(SEARCH, "beta-prod")
    assert set(browser.run(MODELS)) == {"gpt-4", "claude-3-haiku"}


def test_keyboard_alone(browser, few):
    browser.open(*few)
    browser.keys("/")
    browser.keys(*"lost:gpt-4")
    assert set(browser.run(TEAMS)) == losing(few[0], "gpt-4")
    browser.keys("\ue00c")  # Escape
    assert len(browser.run(TEAMS)) == len(few[0].impact.teams)
    browser.keys("\ue004")  # Tab, to the first chip
    browser.keys(" ")
    assert browser.run("return document.activeElement.ariaPressed") == "true"
    assert set(browser.run(TEAMS)) == {team.team for team in few[0].impact.teams if team.lost}


def test_thousands_of_teams_come_in_pages_and_are_all_found(browser, many):
    plan, access = many
    browser.open(plan, access)
    assert browser.run(ROWS, "#teams") == 100
    browser.run("document.querySelector('#teams .more').click()")
    assert browser.run(ROWS, "#teams") == 200
    for model in ("model-07", "model-31", "gpt-4"):
        for field, truth in (("lost", losing), ("gained", gaining)):
            browser.run(SEARCH, f"{field}:{model}")
            number = len(truth(plan, model))
            assert f"{number:,} team" in browser.answer or (
                not number and "no team below" in browser.answer
            )
            assert f"{field} by {number:,} team" in browser.answer
    last = max(team.team for team in plan.impact.teams)
    assert browser.asks(last) == [last]


def test_without_script_everything_is_there_to_read(browser, few):
    browser.cdp("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(*few)
        body = browser.post("element", using="css selector", value="body")
        text = browser.http.get(f"element/{next(iter(body.values()))}/text").json()["value"]
    finally:
        browser.cdp("Emulation.setScriptExecutionDisabled", value=False)
    assert all(team.team in text for team in few[0].impact.teams)
    assert "Lose a model" not in text, "the filters are no use without script"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("case", ["few", "losses_and_refusals", "deletions"])
def test_text_is_readable_in_light_and_dark(browser, few, scheme, case):
    browser.cdp(
        "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
    )
    browser.open(*few) if case == "few" else browser.open(plan_cases.CASES[case]())
    page = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert page == {"light": "rgb(246, 248, 250)", "dark": "rgb(13, 17, 23)"}[scheme]
    worst, element = browser.run(CONTRASTS)[0]
    assert worst >= 4.5, element  # WCAG 2.2 AA


def test_a_narrow_window_scrolls_tables_and_not_the_page(browser, few):
    browser.cdp(
        "Emulation.setDeviceMetricsOverride",
        width=360,
        height=800,
        deviceScaleFactor=1,
        mobile=False,
    )
    try:
        browser.open(*few)
        wide, inner = browser.run(
            "return [document.scrollingElement.scrollWidth, window.innerWidth]"
        )
    finally:
        browser.cdp("Emulation.clearDeviceMetricsOverride")
    assert wide <= inner == 360
