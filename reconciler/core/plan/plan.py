"""Plan: the set of changes with what they mean, as data. Nothing here can be executed; steps are derived at apply."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from reconciler.core.access.facts import AccessFacts
from reconciler.core.model.changes import Change
from reconciler.core.model.findings import Finding, Origin
from reconciler.core.model.refs import FieldPath, Ref
from reconciler.core.plan.renaming import Renames


class Risk(StrEnum):
    """none: nothing that a team would notice; low: gains, costs; high: losses, everything opened, deletions."""

    NONE = "none"
    LOW = "low"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why the plan means something for a team: an edit in git, a date that came, or a hand on the gateway.

    `ref`, `path` and `origin` say where that is written; `lost` and `gained` are the models that it takes and gives.
    """

    kind: Literal["edit", "date", "hand"]
    text: str
    ref: Ref
    path: FieldPath = ()
    origin: Origin | None = None
    lost: frozenset[str] = frozenset()
    gained: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class TeamImpact:
    """What the plan means for one team. Prices in USD per month, `dearest` in USD per million output tokens.

    `gained` and `lost` are effective: a model that stays reachable by another path is in neither, and a team that is
    refused every call (`refused_after`: why) has lost all. Of the lost, those in `announced` go by a date that came.
    `left_*` is what it has to spend in `unit`, credits or usd.
    """

    team: str
    gained: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()
    plan_before: str | None = None
    plan_after: str | None = None
    price_before: float | None = None
    price_after: float | None = None
    credits_before: int | None = None
    credits_after: int | None = None
    left_with_nothing: bool = False
    everything: bool = False
    dearest_before: tuple[str, float] | None = None
    dearest_after: tuple[str, float] | None = None
    created: bool = False
    deleted: bool = False
    left_before: float | None = None
    left_after: float | None = None
    unit: Literal["credits", "usd"] | None = None
    refused_before: str | None = None
    refused_after: str | None = None
    announced: frozenset[str] = frozenset()
    causes: tuple[Cause, ...] = ()

    @property
    def unannounced(self) -> frozenset[str]:
        """The lost models that nobody announced."""
        return self.lost - self.announced

    @property
    def dearer(self) -> bool:
        """Whether it reaches a dearer model than before; a new team has no before."""
        if self.created or self.dearest_after is None:
            return False
        return self.dearest_before is None or self.dearest_after[1] > self.dearest_before[1]

    @property
    def cut_off(self) -> bool:
        """Whether it could call something, and from now on every call is refused."""
        return bool(self.refused_after and not self.refused_before and self.lost)

    @property
    def revived(self) -> bool:
        """Whether every call was refused, and no longer is."""
        return bool(self.refused_before and not self.refused_after and not self.deleted)


@dataclass(frozen=True, slots=True, order=True)
class Exposure:
    """A model that a team can reach while the plan is applied though neither before nor after."""

    team: str
    model: str
    because: str


@dataclass(frozen=True, slots=True)
class Impact:
    """The meaning of a plan. `teams` holds only those for which something changes, sorted by name.

    Revenue: USD per month over the plans of all declared teams. Credits: sums of what is added and taken.
    `silent` are all teams that can call nothing after the plan, whatever the reason.
    """

    teams: tuple[TeamImpact, ...] = ()
    exposures: tuple[Exposure, ...] = ()
    revenue_before: float = 0.0
    revenue_after: float = 0.0
    credits_granted: int = 0
    credits_taken: int = 0
    risk: Risk = Risk.NONE
    reasons: tuple[str, ...] = ()
    silent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Target:
    """Which gateway a plan is for: the name in settings, and the identity (backend and URL)."""

    name: str
    identity: str
    backend: str


@dataclass(frozen=True, slots=True)
class PricesUsed:
    """The version and digest of the prices of a plan; `decisive` says that a selection or a policy is by price.

    `former` is the version of the last apply (of the saved plan), where these are others, and `moved` says of each
    model whose price is another one since: `openai/x: $1 in, $4 out -> $2 in, $4 out`, USD per million tokens.
    """

    version: str
    digest: str
    decisive: bool = False
    former: str | None = None
    moved: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """All changes and their meaning.

    `refusals` are what apply will not do unasked; each finding's `flag` allows just that.
    `foreign` are live objects that are not ours and stay untouched. `unchanged` counts objects in their desired state.
    `scope` are the patterns that it is cut to; `partial` says that it is cut, by them or to a saved plan.
    `held`: ref -> declared fields that this gateway cannot change and that therefore do not count as applied.
    `owed`: objects whose virtual key was not delivered yet; the next apply tries again.
    `fingerprints`: ref -> digest of the live object as it was read, for every object that the plan relies on.
    `noted` are changes for which nothing is sent, only written down: pricing plans, and what else lives in git only.
    `on_plans`: pricing plan -> the teams that are declared to be on it, sorted.
    `renames` are the declared renames that it carries out.
    `facts`: what decides access on the gateway and no object holds, as it was read.
    `prices`: what it was computed with; None where no prices are known.
    """

    target: Target
    changes: tuple[Change, ...] = ()
    impact: Impact = Impact()
    findings: tuple[Finding, ...] = ()
    refusals: tuple[Finding, ...] = ()
    foreign: tuple[Ref, ...] = ()
    unchanged: int = 0
    held: Mapping[Ref, frozenset[str]] = field(default_factory=dict)
    gone: tuple[Ref, ...] = ()
    fingerprints: Mapping[Ref, str] = field(default_factory=dict)
    order: str = "grant-first"
    scope: tuple[str, ...] = ()
    partial: bool = False
    revision: str | None = None
    noted: tuple[Change, ...] = ()
    on_plans: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    owed: tuple[Ref, ...] = ()
    renames: Renames = field(default_factory=Renames)
    facts: AccessFacts = field(default_factory=dict)
    prices: PricesUsed | None = None

    @property
    def counts(self) -> Mapping[str, int]:
        """create, update, delete, adopt -> how many."""
        verbs = [change.verb for change in self.changes]
        return {verb: verbs.count(verb) for verb in ("create", "update", "delete", "adopt")}

    @property
    def told(self) -> tuple[Change, ...]:
        """What is noted and says something to people: all but another way of writing the same."""
        return tuple(change for change in self.noted if change.telling)

    @property
    def pending(self) -> bool:
        """Whether there is anything to apply, be it only to be written down."""
        return bool(self.changes or self.told)
