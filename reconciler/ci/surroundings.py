"""What a command finds at hand in a job: what it runs for, where it reports, where it writes."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from reconciler.ci.approval import Approved, Here, UntrustedError, approved
from reconciler.ci.forge import Forge
from reconciler.ci.github import GitHub, github
from reconciler.ci.gitlab import GitLab, gitlab
from reconciler.ci.job import (
    Job,
    Occasion,
    PullRequest,
    Service,
    github_job,
    gitlab_job,
    service_of,
)
from reconciler.ci.outputs import Outputs
from reconciler.ci.posts import put_comment, put_drift
from reconciler.ci.rest import Patience
from reconciler.core.model.findings import ReconcilerError, error
from reconciler.system.disk import read_regular

MOST_EVENT = 32 << 20
# The variable with the token that reports; a job's own token of GitLab may not write notes.
TOKENS = {Service.GITHUB: "GITHUB_TOKEN", Service.GITLAB: "REPORT_TOKEN"}


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose posts are ours, and whose plans count: the workflow's (GitHub), the job's (GitLab)."""

    bot: str
    workflow: str
    plan_job: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`place` names config, gateway and environment. Without `forge` there is no token; without `report` no posts."""

    job: Job
    place: str
    outputs: Outputs
    forge: Forge | None = None
    report: bool = True

    @property
    def unreported(self) -> str:
        """Why nothing is reported; empty where it is."""
        if not self.report:
            return "nothing is reported: --no-report"
        token = TOKENS[self.job.service]
        return "" if self.forge else f"nothing is reported: {token} is not set"

    def publish(self, file: str, text: str, pull: PullRequest | None) -> str:
        """The text is in the file, on the page of the run, and the one comment of its kind; what became of that."""
        self.outputs.write(file, text)
        self.outputs.show(text)
        if pull is None:
            return "there is no pull request to comment on"
        if not self.report or self.forge is None:
            return self.unreported
        return f"{pull.name}: {put_comment(self.forge, pull.number, text)}"

    def publish_drift(self, text: str, *, drifted: bool) -> str:
        self.outputs.write("drift.md", text)
        self.outputs.show(text)
        if not self.report or self.forge is None:
            return self.unreported
        return put_drift(self.forge, text, drifted=drifted)


def job_of(environ: Mapping[str, str]) -> Job:
    """The job that this process runs in. Raises ReconcilerError where it runs in none."""
    if service_of(environ) is Service.GITLAB:
        return gitlab_job(environ)
    file = environ.get("GITHUB_EVENT_PATH", "")
    try:
        event = read_regular(Path(file), MOST_EVENT)
    except OSError as problem:
        says = f"cannot read the event of the workflow ({file}): {problem.strerror}"
        raise ReconcilerError(error("ci-job", says)) from None
    return github_job(environ, event)


@contextmanager
def connected(
    job: Job,
    environ: Mapping[str, str],
    token: SecretStr | None,
    trust: Trust,
    patience: Patience | None = None,
) -> Iterator[Forge | None]:
    """The forge of the job, until the context ends; None without a token."""
    if token is None:
        yield None
        return
    forge: GitHub | GitLab
    if job.service is Service.GITHUB:
        forge = github(environ, token, bot=trust.bot, workflow=trust.workflow, patience=patience)
    else:
        forge = gitlab(environ, token, job=trust.plan_job, patience=patience)
    with closing(forge.rest.client):
        yield forge


@dataclass(frozen=True, slots=True)
class Reviewed:
    """Where a commit comes from, and the plan that was approved there, or the reason why none is used."""

    pull_request: PullRequest | None = None
    approved: Approved | None = None
    reason: str = ""

    @property
    def labels(self) -> frozenset[str]:
        return self.pull_request.labels if self.pull_request else frozenset()


def reviewed(here: Surroundings, config_tree: str | None) -> Reviewed:
    """What was reviewed before this commit was merged.

    | the job runs for | token | the commit | then |
    |---|---|---|---|
    | a schedule, or somebody's wish | any | any | it heals drift, which nobody reviewed: no plan, no label |
    | a push | no | any | nobody can be asked: no plan, no label |
    | a push | yes | no merge of a pull request | no plan, no label |
    | a push | yes | a pull request's | its labels; its plan, where that is trusted and holds (`approval`) |
    """
    if here.job.occasion is not Occasion.PUSH:
        return Reviewed(reason="there is none for this run")
    if here.forge is None:
        return Reviewed(reason=f"{TOKENS[here.job.service]} is not set, so that it cannot be found")
    pull = here.forge.merged(here.job.commit)
    if pull is None:
        return Reviewed(reason="the commit comes from no pull request")
    if pull.fork:
        return Reviewed(pull, reason=f"{pull.name} comes from a fork, whose plans are not used")
    try:
        archive = here.forge.plan_archive(pull)
        return Reviewed(pull, approved(archive, pull, Here(here.place, config_tree)))
    except UntrustedError as problem:
        return Reviewed(pull, reason=problem.reason)
