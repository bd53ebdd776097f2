"""load: settings and manifests of a config directory, read and checked at one instant."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from reconciler.core.model.findings import (
    Finding,
    Origin,
    ReconcilerError,
    errors,
    info,
    leveled,
    ordered,
)
from reconciler.core.model.prices import PriceMap
from reconciler.core.model.refs import FieldPath, Ref
from reconciler.core.model.settings import Settings
from reconciler.core.model.state import State
from reconciler.core.plan.meaning.unpriced import unpriced_selections
from reconciler.core.plan.resolve import Resolved, resolve
from reconciler.core.rules.check import check
from reconciler.core.rules.policies import VIOLATION
from reconciler.core.rules.undeclared import put_off
from reconciler.files.base_settings import load_base_settings
from reconciler.files.discovery import shown
from reconciler.files.manifests import Manifests, load_manifests, locate
from reconciler.files.prices.loading import load_prices
from reconciler.files.revisions import as_of, current_commit
from reconciler.files.settings import load_settings, readable
from reconciler.gateways import backend_of
from reconciler.pipeline.policies import POLICY_CODES, policy_findings, rules_of


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Loaded:
    """A config directory, read and checked at one instant. `desired` is empty where more than a policy is in error.

    `revision` is the git commit; `renamed` where its files are unpacked, and how findings call that.
    """

    directory: Path
    settings: Settings
    manifests: Manifests
    desired: Resolved
    findings: tuple[Finding, ...]
    now: datetime
    variables: Mapping[str, str]
    prices: PriceMap = field(repr=False)
    environment: str | None = None
    revision: str | None = None
    renamed: tuple[str, str] | None = None

    @property
    def valid(self) -> bool:
        return not errors(self.findings)

    def place(self, ref: Ref, path: FieldPath = ()) -> Origin | None:
        """Where a value of a resource is written; None where no manifest declares it."""
        return located(self, info("place", "", ref=ref, path=path)).origin


def load(
    directory: Path,
    *,
    variables: Mapping[str, str],
    environment: str | None = None,
    now: datetime | None = None,
    revision: str | None = None,
    settings_revision: str | None = None,
) -> Loaded:
    """Settings and manifests with every finding of validation. Never raises for what the files hold.

    `variables` is the process's environment; `now` decides which time-limited grants hold. With a `revision` the
    manifests are those of that git revision (the working tree is not touched), the settings those of today, or of the
    `settings_revision` where there is one. Raises ReconcilerError where git does not know a revision.
    """
    if settings_revision is None:
        settings, settings_findings = load_settings(directory, variables=variables)
    else:
        settings, settings_findings = load_base_settings(
            directory, settings_revision, variables=variables
        )
    if revision is None:
        source, commit, renamed = directory, current_commit(directory), None
    else:
        source, commit = as_of(directory, revision)
        renamed = (shown(source), f"{shown(directory)}@{commit[:9]}")
    moment = now or utc_now()
    manifests = load_manifests(
        source, environment=environment, variables=readable(settings, variables)
    )
    prices, prices_findings = load_prices(source)
    checked = leveled(_checked(manifests, settings, prices), settings.lint)
    findings = ordered((*settings_findings, *prices_findings, *manifests.findings, *checked))
    desired = Resolved(State(), {})
    if not errors(findings):
        desired = resolve(manifests.state, moment, prices)
        rules = rules_of(settings.gateways.get(settings.default_gateway), prices)
        violations = policy_findings(manifests, desired, moment, prices, rules)
        findings = ordered((*findings, *violations))
    loaded = Loaded(
        directory=directory,
        settings=settings,
        manifests=manifests,
        desired=desired,
        findings=findings,
        now=moment,
        variables=variables,
        prices=prices,
        environment=environment,
        revision=commit,
        renamed=renamed,
    )
    if renamed is None:
        return loaded
    return replace(loaded, findings=tuple(located(loaded, finding) for finding in findings))


def _checked(manifests: Manifests, settings: Settings, prices: PriceMap) -> tuple[Finding, ...]:
    """What is wrong as written, with its place."""
    state = manifests.state
    findings: tuple[Finding, ...] = (
        *check(state, declared=tuple(manifests.files), complete=manifests.complete),
        *unpriced_selections(state, prices),
    )
    if any(backend_of(gateway.backend).undeclared for gateway in settings.gateways.values()):
        findings = put_off(findings)
    return tuple(locate(manifests, finding) for finding in findings)


def located(loaded: Loaded, finding: Finding) -> Finding:
    """The finding with the place of what it is about; a place in a git revision is said as one."""
    placed = locate(loaded.manifests, finding)
    if loaded.renamed is None or placed.origin is None:
        return placed
    file = placed.origin.file.replace(*loaded.renamed)
    return replace(placed, origin=replace(placed.origin, file=file))


def require_valid(loaded: Loaded) -> None:
    """Raises ReconcilerError with all findings where the config has errors that leave nothing to plan.

    A violated policy is no such error: the plan is shown with it, and apply refuses that plan.
    """
    if any(finding.code != VIOLATION for finding in errors(loaded.findings)):
        raise ReconcilerError(*loaded.findings)


def require_readable(loaded: Loaded) -> None:
    """Raises ReconcilerError with all findings where the config has errors, those of its policies apart.

    Drift and explanations need no policies: neither does it matter what they say, nor that nobody can evaluate them.
    """
    if any(finding.code not in POLICY_CODES for finding in errors(loaded.findings)):
        raise ReconcilerError(*loaded.findings)
