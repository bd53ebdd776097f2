"""Requests to a forge: pages, limits, faults, tokens."""

from dataclasses import replace
from typing import Any

import httpx
import pytest
from forge_server import CUT, Answer, Fault
from github_api import BOT, REPOSITORY, TOKEN, GitHub
from gitlab_api import PROJECT, USER, GitLab
from gitlab_api import TOKEN as GITLAB_TOKEN
from pydantic import SecretStr

from reconciler.ci.github import GitHub as Forge
from reconciler.ci.github import github as open_github
from reconciler.ci.gitlab import gitlab as open_gitlab
from reconciler.ci.posts import put_comment, put_drift
from reconciler.ci.rest import ForgeError, Patience, wanted_wait
from reconciler.ci.texts import DRIFT_LABEL

MARKER = "<!-- reconciler:plan config default base -->"
TEXT = f"{MARKER}\nnew\n"
NOW = 1_767_225_600.0


class Clock:
    """Time that passes while somebody sleeps."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def now(self) -> float:
        return NOW + sum(self.slept)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def forge(github: GitHub, clock: Clock) -> Any:
    opened = opening(github, clock)
    with opened.rest.client:
        yield opened


def opening(github: GitHub, clock: Clock, token: str = TOKEN) -> Forge:
    patience = Patience(first_seconds=0.001, sleep=clock.sleep, now=clock.now)
    environ = {"GITHUB_API_URL": github.url, "GITHUB_REPOSITORY": REPOSITORY}
    return open_github(environ, SecretStr(token), patience=patience)


@pytest.fixture
def gitlab_forge(gitlab: GitLab, clock: Clock) -> Any:
    patience = Patience(first_seconds=0.001, sleep=clock.sleep, now=clock.now)
    environ = {"CI_API_V4_URL": gitlab.url, "CI_PROJECT_ID": str(PROJECT)}
    opened = open_gitlab(environ, SecretStr(GITLAB_TOKEN), patience=patience)
    yield opened
    opened.rest.client.close()


# ---- one comment


def test_the_comment_is_found_among_many_and_others_stay_as_they_are(github: GitHub, forge: Forge):
    for number in range(230):
        github.commented(7, f"talk {number}", "somebody")
    github.commented(7, f"{MARKER}\nmade by a guest", "somebody")
    github.commented(7, "<!-- reconciler:plan config other base -->\nof another gateway", BOT)
    for text in ("first", "second", "third"):
        github.commented(7, f"{MARKER}\n{text}", BOT)
    assert put_comment(forge, 7, TEXT) == "updated the comment"
    assert [each for each in github.said(7) if each.startswith(MARKER)] == [
        f"{MARKER}\nmade by a guest",
        TEXT,
    ]
    assert len(github.said(7)) == 233


def test_the_same_on_gitlab(gitlab: GitLab, gitlab_forge: Any):
    for number in range(230):
        gitlab.noted(7, f"talk {number}", author=9)
    gitlab.noted(7, f"{MARKER}\nmade by a guest", author=9)
    for text in ("first", "second"):
        gitlab.noted(7, f"{MARKER}\n{text}", USER)
    assert put_comment(gitlab_forge, 7, TEXT) == "updated the comment"
    assert [each for each in gitlab.said(7) if each.startswith(MARKER)] == [
        f"{MARKER}\nmade by a guest",
        TEXT,
    ]


def test_a_comment_that_goes_meanwhile_is_made_again(github: GitHub, forge: Forge):
    github.commented(7, f"{MARKER}\nold")
    gone = Answer(404, {"message": "Not Found"})
    github.server.faults.append(Fault("PATCH", "comments", gone))
    assert "commented anew" in put_comment(forge, 7, TEXT)
    assert TEXT in github.said(7)


@pytest.mark.parametrize("letter", ["a", "ü", "\N{GRINNING FACE}"])
def test_a_comment_that_is_too_long_is_cut_and_says_so(github: GitHub, forge: Forge, letter: str):
    put_comment(forge, 7, f"{MARKER}\n{'`' * 10}text\n{letter * 80_000}\n{'`' * 10}\n")
    [text] = github.said(7)
    assert len(text.encode("utf-16-le")) // 2 <= 65_536
    assert text.endswith("see the artifact._\n")
    assert text.count("`" * 10) == 2


def test_a_comment_of_just_the_right_length_is_not_cut(github: GitHub, forge: Forge):
    text = MARKER + "x" * (65_536 - len(MARKER))
    put_comment(forge, 7, text)
    assert github.said(7) == [text]


# ---- the issue about drift


def test_of_several_issues_the_oldest_is_updated_and_all_are_closed(github: GitHub, forge: Forge):
    drift = "<!-- reconciler:drift config default base -->\n"
    assert put_drift(forge, f"{drift}no", drifted=False) == "there is no issue about drift"
    assert put_drift(forge, f"{drift}1", drifted=True) == "opened an issue"
    forge.open_issue("Drift", f"{drift}2", DRIFT_LABEL)
    forge.open_issue("Mine", "by hand", DRIFT_LABEL)
    assert put_drift(forge, f"{drift}3", drifted=True) == "updated the issue"
    assert [i["body"][-1] for i in github.open_issues()] == ["3", "2", "d"]
    assert "closed" in put_drift(forge, f"{drift}4", drifted=False)
    assert [i["body"] for i in github.open_issues()] == ["by hand"]
    assert {i["state_reason"] for i in github.issues.values() if i["state"] == "closed"} == {
        "completed"
    }


def test_a_pull_request_with_the_label_is_no_issue(github: GitHub, forge: Forge):
    drift = "<!-- reconciler:drift config default base -->\n"
    put_drift(forge, f"{drift}1", drifted=True)
    [issue] = github.open_issues()
    issue["pull_request"] = {"url": "https://github.example"}
    assert put_drift(forge, f"{drift}2", drifted=True) == "opened an issue"


# ---- what goes wrong


@pytest.mark.parametrize("answer", [Answer(500), Answer(502, b"<html>"), Answer(503), Answer(CUT)])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_what_may_be_sent_twice_is(github: GitHub, forge: Forge, method: str, answer: Answer):
    for text in ("old", "double"):
        github.commented(7, f"{MARKER}\n{text}")
    github.server.faults.append(Fault(method, "comments", replace(answer), times=2))
    assert put_comment(forge, 7, TEXT) == "updated the comment"
    assert github.said(7) == [TEXT]


@pytest.mark.parametrize("answer", [Answer(500), Answer(502), Answer(CUT)])
def test_a_comment_that_may_have_been_made_is_not_made_twice(
    github: GitHub, forge: Forge, answer: Answer
):
    github.server.faults.append(Fault("POST", "comments", answer, after=True))
    with pytest.raises(ForgeError):
        put_comment(forge, 7, TEXT)
    assert len(github.said(7)) == 1
    assert put_comment(forge, 7, TEXT) == "updated the comment"


def test_a_service_that_stays_broken_is_an_error_after_some_attempts(
    github: GitHub, forge: Forge, clock: Clock
):
    github.server.faults.append(Fault("GET", "", Answer(503, {"message": "No server"}), times=99))
    with pytest.raises(ForgeError, match=r"GET repos/.* was refused: 503 No server"):
        put_comment(forge, 7, TEXT)
    assert len(github.server.asked) == 5
    assert len(clock.slept) == 4


def test_nobody_listens(github: GitHub, clock: Clock):
    github.server.url = "http://127.0.0.1:9"
    with pytest.raises(ForgeError, match="no connection"):
        opening(github, clock).comments(7)
    assert len(clock.slept) == 4


LIMITED = {
    "primary": Answer(
        403, {}, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{NOW + 30:.0f}"}
    ),
    "secondary": Answer(403, {"message": "You have exceeded a secondary rate limit"}),
    "retry-after": Answer(429, {}, {"retry-after": "30"}),
    "gitlab": Answer(429, {}, {"ratelimit-reset": f"{NOW + 30:.0f}"}),
}


@pytest.mark.parametrize("limit", LIMITED)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_limit_is_waited_out(github: GitHub, forge: Forge, clock: Clock, limit: str, method: str):
    github.server.faults.append(Fault(method, "comments", LIMITED[limit]))
    assert put_comment(forge, 7, TEXT) == "commented"
    assert github.said(7) == [TEXT]
    [slept] = clock.slept
    assert 29 < slept < 31 or (limit == "secondary" and 60 <= slept < 61)


def test_a_limit_that_lasts_is_an_error_that_says_how_long(
    github: GitHub, forge: Forge, clock: Clock
):
    hour = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{NOW + 3600:.0f}"}
    github.server.faults.append(Fault("GET", "", Answer(403, {}, hour), times=99))
    with pytest.raises(ForgeError) as met:
        put_comment(forge, 7, TEXT)
    assert met.value.findings[0].hint == "its limit of requests ends in 3,600 s"
    assert (len(github.server.asked), clock.slept) == (1, [])


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (403, {}, None),
        (403, {"x-ratelimit-remaining": "4999", "x-ratelimit-reset": "9999999999"}, None),
        (404, {"retry-after": "5"}, None),
        (500, {"retry-after": "5"}, None),
        (429, {}, 60),
        (429, {"retry-after": "soon"}, 60),
        (403, {"retry-after": "7"}, 7),
        (429, {"x-ratelimit-reset": "5"}, 0),
    ],
)
def test_which_answers_are_about_a_limit(
    status: int, headers: dict[str, str], seconds: float | None
):
    assert wanted_wait(httpx.Response(status, headers=headers, content=b""), NOW) == seconds


@pytest.mark.parametrize(
    ("status", "word"), [(401, "valid"), (403, "permissions"), (404, "see this")]
)
def test_a_refusal_is_not_repeated_and_says_what_to_do(
    github: GitHub, forge: Forge, clock: Clock, status: int, word: str
):
    github.server.faults.append(Fault("POST", "comments", Answer(status, {"message": "No."})))
    with pytest.raises(ForgeError) as met:
        put_comment(forge, 7, TEXT)
    assert met.value.status == status
    assert word in str(met.value.findings[0].hint)
    assert clock.slept == []


def test_a_token_without_the_permission_is_refused(github: GitHub, forge: Forge):
    github.pulls[7] = {}
    github.tokens[TOKEN] = {"contents": "read"}
    with pytest.raises(ForgeError, match="Resource not accessible"):
        put_comment(forge, 7, TEXT)


@pytest.mark.parametrize("wrong", ["ghs_wrong0token0of0the0test", "a-token-in-no-known-form"])
def test_a_wrong_token_is_not_shown(github: GitHub, clock: Clock, wrong: str):
    """The stand-in says it back."""
    with pytest.raises(ForgeError) as met:
        opening(github, clock, wrong).comments(7)
    assert "Bad credentials" in str(met.value)
    assert wrong not in f"{met.value} {met.value.findings} {met.value!r}"


@pytest.mark.parametrize(
    ("api", "place", "safe"),
    [
        ("https://api.example", "https://storage.example/x", True),
        ("https://api.example", "http://storage.example/x", False),
        ("http://127.0.0.1", "http://localhost/x", True),
        ("http://127.0.0.1", "file:///etc/passwd", False),
    ],
)
def test_a_storage_is_reached_as_safely_as_the_service(
    github: GitHub, clock: Clock, api: str, place: str, safe: bool
):
    with httpx.Client(base_url=api) as client:
        rest = replace(opening(github, clock).rest, client=client)
        if safe:
            rest._require_as_safe(httpx.URL(place))
        else:
            with pytest.raises(ForgeError, match="no https"):
                rest._require_as_safe(httpx.URL(place))


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'[{"id": "x"}]', b'[{"body": "no id"}]'])
def test_an_answer_of_another_form_is_an_error(github: GitHub, forge: Forge, body: bytes):
    github.server.faults.append(Fault("GET", "comments", Answer(200, body)))
    with pytest.raises(ForgeError, match="something else than documented"):
        put_comment(forge, 7, TEXT)


def test_a_link_to_another_host_gets_no_token(github: GitHub, forge: Forge):
    """Of the link only the query is followed."""
    away = {"Link": '<https://evil.example/steal?page=2&per_page=100>; rel="next"'}
    github.server.faults.append(Fault("GET", "comments", Answer(200, [], away)))
    github.commented(7, f"{MARKER}\nold")
    put_comment(forge, 7, TEXT)
    assert github.server.asked[1].query["page"] == "2"


def test_a_list_that_never_ends_is_an_error(github: GitHub, forge: Forge):
    more = {"Link": '</x?page=2>; rel="next"'}
    github.server.faults.append(Fault("GET", "comments", Answer(200, [], more), times=999))
    with pytest.raises(ForgeError, match="more than 10,000 entries"):
        put_comment(forge, 7, TEXT)


@pytest.mark.parametrize("where", ["file:///etc/passwd", "ftp://x/y", "http:///nowhere", "/again"])
def test_a_redirect_that_leads_nowhere_good_is_an_error(github: GitHub, forge: Forge, where: str):
    github.server.faults.append(
        Fault("GET", "zip|again", Answer(302, None, {"Location": where}), 99)
    )
    with pytest.raises(ForgeError):
        forge.rest.archive(f"repos/{REPOSITORY}/actions/artifacts/1/zip")


def test_the_address_of_the_storage_is_not_shown(github: GitHub, forge: Forge):
    signed = f"{github.url}/blobs?sig=signed-secret"
    github.server.faults.append(Fault("GET", "zip", Answer(302, None, {"Location": signed})))
    github.server.faults.append(Fault("GET", "blobs", Answer(403, b"no"), times=9))
    with pytest.raises(ForgeError) as met:
        forge.rest.archive(f"repos/{REPOSITORY}/actions/artifacts/1/zip")
    assert "the storage was refused: 403" in str(met.value)
    assert "signed-secret" not in str(met.value)
