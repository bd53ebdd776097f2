"""What is decided without asking anybody: the job, the labels, the texts."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.ci.approval import outdated
from reconciler.ci.job import (
    Job,
    Occasion,
    Service,
    github_job,
    gitlab_job,
    require_default_branch,
    require_own_branch,
    service_of,
)
from reconciler.ci.labels import Allowance, allowance, label
from reconciler.ci.texts import CUT, FENCE, fenced, fitted, marker, place, post, which_plan
from reconciler.core.model.findings import ReconcilerError
from reconciler.core.plan.safety import FLAGS

SHA, HEAD = "a" * 40, "b" * 40

# ---- labels

flags = st.sets(st.sampled_from([*FLAGS.values(), None, "--yes", "--allow-everything"]))
labels = st.sets(
    st.sampled_from([*map(label, FLAGS.values()), "reconciler:none", "bug", "--allow-loss"])
)


@given(flags, labels)
def test_a_label_allows_its_own_refusal_and_nothing_else(wanted: set, given_: set):
    found = allowance(wanted, given_)
    known = {flag for flag in wanted if flag in FLAGS.values()}
    assert set(found.given) | set(found.missing) == set(map(label, known))
    assert set(found.given) == set(map(label, known)) & given_
    assert found.codes == {code for code, flag in FLAGS.items() if label(flag) in found.given}
    assert found.never == bool(wanted - known)
    assert found.refused == (not known <= {f for f in known if label(f) in given_} or found.never)


def test_without_refusals_no_label_counts():
    assert allowance([], {"reconciler:allow-loss"}) == Allowance()


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (("plan-stale",), True),
        (("plan-stale", "plan-config"), True),
        (("plan-stale", "loss"), False),
        (("loss",), False),
        ((), False),
    ],
)
def test_an_approved_plan_is_outdated_where_nothing_else_forbade_it(codes, expected):
    assert outdated(codes) == expected


# ---- texts


@given(st.text(alphabet="`a\n\x1b[0m", max_size=300))
def test_nothing_in_a_block_of_code_closes_it(text: str):
    block = fenced(text)
    assert len(re.findall("`{10,}", block)) == 2
    assert "\x1b" not in block


@given(st.text(max_size=400), st.integers(150, 400), st.booleans())
def test_a_text_that_is_cut_fits_and_leaves_no_block_open(text: str, longest: int, block: bool):
    whole = f"head\n{fenced(text)}\ntail" if block else text
    kept = fitted(whole, longest)
    assert len(kept.encode("utf-16-le", "surrogatepass")) // 2 <= longest
    assert (kept == whole) or kept.endswith(CUT)
    if block:
        assert len(re.findall(f"^{FENCE}", kept, re.MULTILINE)) % 2 == 0


@given(st.text(max_size=40), st.one_of(st.none(), st.text(max_size=20)))
def test_a_marker_is_one_line_that_its_names_cannot_end(config: str, gateway: str | None):
    line = marker("plan", place(config, gateway, None))
    assert "\n" not in line
    assert line.count("-->") == 1
    assert line.endswith(" -->")


def test_a_reason_is_no_markup():
    assert which_plan("<b>@team `x`") == "The reviewed plan was not used: bteam x."


def test_a_post_begins_with_its_marker_and_ends_with_its_commit():
    job = Job(Service.GITHUB, Occasion.PUSH, SHA, "https://x/run")
    assert post("apply", "config a b", job, "one\n", "", "two") == (
        f"<!-- reconciler:apply config a b -->\none\n\ntwo\n\n<sub>Commit {SHA} · [run](https://x/run)</sub>\n"
    )


# ---- the job

PULL = (
    '{"pull_request": {"number": 5, "labels": [{"name": "x"}],'
    ' "head": {"sha": "%s", "repo": %s}}, "repository": {"full_name": "a/b", "default_branch": "main"}}'
)
GITHUB = {"GITHUB_SHA": SHA, "GITHUB_REPOSITORY": "a/b", "GITHUB_EVENT_NAME": "pull_request"}
GITLAB = {
    "CI_COMMIT_SHA": SHA,
    "CI_PIPELINE_SOURCE": "merge_request_event",
    "CI_PROJECT_ID": "1",
    "CI_MERGE_REQUEST_IID": "5",
    "CI_MERGE_REQUEST_PROJECT_ID": "1",
    "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "1",
}


@pytest.mark.parametrize(
    ("repository", "fork"),
    [('{"full_name": "a/b"}', False), ('{"full_name": "A/b"}', True), ("null", True)],
)
def test_a_fork_is_what_is_not_this_repository(repository: str, fork: bool):
    job = github_job(GITHUB, (PULL % (HEAD, repository)).encode())
    assert job.pull_request is not None
    assert (job.pull_request.fork, job.head, job.commit) == (fork, HEAD, SHA)
    if fork:
        with pytest.raises(ReconcilerError):
            require_own_branch(job)
    else:
        require_own_branch(job)


@pytest.mark.parametrize(
    ("changed", "fork", "head"),
    [
        ({}, False, SHA),
        ({"CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "2"}, True, SHA),
        # In the fork's own project: its runner must not think that it is at home.
        ({"CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "2", "CI_PROJECT_ID": "2"}, True, SHA),
        ({"CI_MERGE_REQUEST_SOURCE_PROJECT_ID": ""}, True, SHA),
        ({"CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": HEAD}, False, HEAD),
    ],
)
def test_the_same_on_gitlab(changed: dict, fork: bool, head: str):
    job = gitlab_job({**GITLAB, **changed})
    assert job.pull_request is not None
    assert (job.pull_request.fork, job.head) == (fork, head)


@pytest.mark.parametrize("sha", ["", "main", "a" * 39, "a" * 41, "../" + "a" * 37, "A" * 40])
def test_a_commit_is_a_commit(sha: str):
    with pytest.raises(ReconcilerError):
        github_job({**GITHUB, "GITHUB_SHA": sha}, b"{}")
    with pytest.raises(ReconcilerError):
        gitlab_job({**GITLAB, "CI_COMMIT_SHA": sha})


@pytest.mark.parametrize(
    ("occasion", "branch", "default", "applied"),
    [
        (Occasion.PUSH, "main", "main", True),
        (Occasion.OTHER, "main", "main", True),
        (Occasion.OTHER, "main", "", True),
        (Occasion.PUSH, "feature", "main", False),
        (Occasion.OTHER, "", "main", False),
        (Occasion.PULL_REQUEST, "main", "main", False),
    ],
)
def test_which_jobs_may_apply(occasion: Occasion, branch: str, default: str, applied: bool):
    job = Job(Service.GITHUB, occasion, SHA, "", None, branch, default)
    if applied:
        require_default_branch(job)
    else:
        with pytest.raises(ReconcilerError):
            require_default_branch(job)


def test_where_it_runs():
    assert service_of({"GITHUB_ACTIONS": "true"}) is Service.GITHUB
    assert service_of({"GITLAB_CI": "true"}) is Service.GITLAB
    with pytest.raises(ReconcilerError):
        service_of({"CI": "true"})
