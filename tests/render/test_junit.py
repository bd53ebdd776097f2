"""JUnit XML of policy tests: one testcase per case, failures and errors apart, well-formed whatever the names."""

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st
from test_render_golden import GOLDEN, agree

from reconciler.core.model.findings import Origin
from reconciler.core.rules.policy_cases import CaseResult
from reconciler.render.findings.junit import render_junit

RESULTS = (
    CaseResult("a dev team reaches no dear model", "no-dear-dev", "deny", "deny", "denied by no-dear-dev", Origin("tests/policies/dear.yaml", 2, 5)),
    CaseResult("staging <may>", "no-dear-dev", "allow", "deny", "denied by no-dear-dev", Origin("tests/policies/dear.yaml", 7, 5)),
    CaseResult("a policy that is gone", "nope", "allow", "error", "there is no policy nope", Origin("tests/policies/other.yaml", 2, 5)),
    CaseResult("every policy", None, "allow", "allow", "no policy denies it", Origin("tests/policies/other.yaml", 6, 5)),
)  # fmt: skip
TEXT = st.text(max_size=15)
ACTUAL = st.sampled_from(["allow", "deny", "error"])
CASES = st.builds(
    CaseResult, TEXT, st.none() | TEXT, st.sampled_from(["allow", "deny"]), ACTUAL, TEXT,
    st.none() | st.builds(Origin, st.sampled_from(["a.yaml", "b\x00.yaml"]), st.integers(1, 9), st.just(1)),
)  # fmt: skip


def test_golden_junit():
    agree(GOLDEN / "policies" / "junit.xml", render_junit(RESULTS))


def test_failures_carry_what_was_expected():
    root = ElementTree.fromstring(render_junit(RESULTS))
    (failure,) = root.iter("failure")
    assert failure.get("message") == "expected allow, got deny: denied by no-dear-dev"
    (error,) = root.iter("error")
    assert "there is no policy nope" in error.get("message", "")


@given(st.lists(CASES, max_size=8))
def test_any_results_are_well_formed_and_counted(results):
    root = ElementTree.fromstring(render_junit(results).encode())
    cases = list(root.iter("testcase"))
    assert len(cases) == len(results) == int(root.get("tests", ""))
    assert sum(int(suite.get("tests", "")) for suite in root) == len(results)
    passed = [case for case in cases if not len(case)]
    assert len(passed) == sum(result.passed for result in results)
    assert len(list(root.iter("error"))) == int(root.get("errors", ""))
    assert len(list(root.iter("failure"))) == int(root.get("failures", ""))


def test_no_results_are_an_empty_document():
    assert ElementTree.fromstring(render_junit([])).get("tests") == "0"
