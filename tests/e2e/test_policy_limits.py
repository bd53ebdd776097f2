"""Policies are a stranger's code: what asks for all memory or never ends is a finding, and nothing of it stays."""

import gc
import os
import signal
from pathlib import Path

import pytest
from e2e_world import company

from reconciler.core.rules.cel import compiled
from reconciler.system.confined import LimitError, Limits, confined

TEAM = "organizations: {o: {name: O}}\nteams: {t: {organization_id: o}}\n"
GROWING = "[[0]]" + ".map(l,l+l+l+l)" * 14 + ".size() == 1"
SMALL = Limits(megabytes=150, seconds=30)


def hog(_report) -> int:
    return len([bytes(1 << 20) for _ in range(10_000)])


def endless(report) -> int:
    report("slow")
    while True:
        pass


def growing(report) -> object:
    report("growing")
    return compiled(GROWING).holds({})


@pytest.mark.parametrize("work", [hog, growing])
def test_memory_has_an_end(work):
    with pytest.raises(LimitError, match="more than 150 MB of memory"):
        confined(work, SMALL)


def test_time_has_an_end():
    with pytest.raises(LimitError, match=r"slow: it takes more than 0\.2 s") as met:
        confined(endless, Limits(seconds=0.2))
    assert met.value.last == "slow"


def test_what_the_work_returns_and_raises_comes_back():
    assert confined(lambda _report: {"a": [1, None]}, SMALL) == {"a": [1, None]}
    with pytest.raises(KeyError, match="x"):
        confined(lambda _report: {}["x"], SMALL)
    assert len(confined(lambda _report: "x" * 3_000_000, SMALL)) == 3_000_000
    with pytest.raises(LimitError):
        confined(lambda _report: os.kill(os.getpid(), signal.SIGKILL), SMALL)


def test_nothing_is_left_behind():
    gc.collect()
    children = _children()
    before = len([*Path("/proc/self/fd").iterdir()])
    for _ in range(5):
        with pytest.raises(LimitError):
            confined(endless, Limits(seconds=0.01))
    assert len([*Path("/proc/self/fd").iterdir()]) == before
    assert _children() <= children


def _children() -> set[str]:
    """Processes of this one, ended ones that nobody asked about included; other tests may have left some."""
    lists = (task / "children" for task in Path("/proc/self/task").iterdir())
    return {pid for file in lists for pid in file.read_text().split()}


def test_a_hostile_policy_is_named_and_others_are_not_run_over(tmp_path):
    place = company(
        tmp_path,
        "",
        all=TEAM,
        rules=f"policies: {{fine: {{rule: 'true'}}, greedy: {{rule: '{GROWING}'}}}}\n",
    )
    said = place.reconciler("validate", code=1).out
    assert (
        "policy-limit: policy greedy cannot be evaluated: it takes more than 1,000 MB of memory"
        in said
    )
    assert "config/rules.yaml" in said
    place.write("rules.yaml", "policies: {fine: {rule: 'true'}}\n")
    place.reconciler("validate")
