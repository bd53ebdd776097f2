"""The scheduled apply: what is due happens by itself; a loss that nobody announced is refused, whatever labels once said."""

import pytest
import yaml
from actions_runner import Job
from e2e_world import ROOT
from test_workflows import edited, github, passed, path, planned, repo  # noqa: F401  fixtures
from workflow_world import Repository, company, git

WORKFLOW = ".github/workflows/reconciler-schedule.yml"


def scheduled(repo: Repository) -> Job:  # noqa: F811  the fixture
    payload = {"repository": {"default_branch": repo.default}}
    commit = git(repo.origin, "rev-parse", "HEAD")
    return Job(repo.machine, WORKFLOW, "schedule", payload, commit, repo.default).played("apply")


@pytest.mark.slow
def test_the_schedule_applies_what_is_due_and_no_label_counts(repo: Repository):  # noqa: F811  the fixture
    passed(repo.applied(repo.merged(planned(repo, company, labels=("reconciler:allow-loss",)))))
    repo.sql("update teams set status = 'suspended' where team_id = 'acme-prod'")
    passed(scheduled(repo))
    assert repo.sql("select status from teams where team_id = 'acme-prod'") == [("active",)]

    less = edited("plans.yaml", "access_groups: [pro-models]", "access_groups: []")
    repo.merged(planned(repo, less, labels=("reconciler:allow-loss",)))
    job = scheduled(repo)
    assert job.result == "failure"
    assert "--allow-loss" in job.log


@pytest.mark.parametrize("other", ["reconciler-apply", "reconciler-drift"])
def test_the_schedule_and_the_merge_never_run_at_once(other):
    files = [ROOT / WORKFLOW, ROOT / f".github/workflows/{other}.yml"]
    groups = {
        yaml.safe_load(file.read_text(encoding="utf-8"))["concurrency"]["group"] for file in files
    }
    assert (len(groups) == 1) == (other == "reconciler-apply")
