"""Support: what a gateway can store, change and show, as data, so that no quirk lives in the core."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from reconciler.core.access.facts import AccessFacts, MovedFact
from reconciler.core.access.rules import AccessRules
from reconciler.core.model.findings import Finding
from reconciler.core.model.inventory import Record
from reconciler.core.model.kinds import KINDS, Resource, gateway_fields
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State


@dataclass(frozen=True, slots=True, eq=False)
class KindSupport:
    """What a gateway does with one kind. Compared by identity: a backend makes one for each kind, once.

    `stored`: fields it keeps when they are sent at creation. `updatable`: those that can change later.
    `readable`: those that a read gives back; the others are taken from the ledger.
    `notes`: field -> why it cannot be stored or changed, said in the finding.
    """

    stored: frozenset[str]
    updatable: frozenset[str]
    readable: frozenset[str]
    create: bool = True
    delete: bool = True
    notes: Mapping[str, str] = field(default_factory=dict)


def _same(_ref: Ref, resource: Resource) -> Resource:
    return resource


def _as_wished(
    _ref: Ref, wish: Resource, _live: Resource | None, _record: Record | None
) -> Resource:
    return wish


def _as_live(_ref: Ref, _wish: Resource, live: Resource, _record: Record | None) -> Resource:
    return live


def _unmoved(_then: AccessFacts, _live: State, _ours: Collection[Ref]) -> tuple[MovedFact, ...]:
    return ()


def _all_known(told: AccessFacts, _live: State, _former_names: Mapping[Ref, Ref]) -> AccessFacts:
    return told


def _all_kept(_ref: Ref, _wish: Resource) -> frozenset[str]:
    return frozenset()


@dataclass(frozen=True, slots=True)
class Support:
    """One backend's abilities.

    `normalise(ref, resource)` is the resource as this gateway would echo it: no plan shows a phantom change.
    `wished` and `seen` bring wish and live into common terms, where one column of the gateway can be meant in two ways
    (LiteLLM: a budget as USD or as credits) or is shared with others (metadata, of which only some keys are ours).
    `unkept(ref, wish)`: fields of this very wish that cannot be kept, though the kind stores them.
    `check(ref, before, after)` tells what the gateway must not be sent: an error, or a warning where it is sent all the
    same; one with a `flag` is sent when that is given (`core.plan.safety`).
    `credits`: "operations" where credits are added by an identified request, "set" where a number is written.
    `serving(state)(name)`: whether a group that names what no alias is grants something all the same; None where groups
    hold aliases only.
    `owes_secret(ref, wish)`: the fields, in words, of which a creation lacks one if the gateway alone had the secret.
    `unlimited_credits`: a live team whose credits are None has no limit, which is more than any number of them.
    `topped_up(ref, wish)` is the sum of the declared top-ups that the gateway itself says the team was given.
    `repeatable_grants`: the gateway itself refuses an operation id twice, so a grant may be sent again in doubt.
    `voids`: every write bears an operation id that counts once, and one that may still arrive can be made void.
    `keys`: kinds whose creation makes a virtual key; `chosen_keys`: those of them whose key the creation names.
    `top_ups_when_active`: only an active team shows what it was granted, so the top-ups of a suspended one wait.
    `renames`: kinds whose objects get another name in place; who refers to them follows, keys and credits stay.
    `balance`: what a team's calls use up, credits or a budget in USD; without any left every call is refused, unless
    `answers_when_spent`.
    `touch_teams`: after a group or alias changed, teams that hold it are sent again.
    `lifetimes`: kind -> for how many seconds a process of the gateway may go on with an object as it knew it
    (`core.plan.order.holding`); nothing where every change holds at once. `processes` is what they are called in
    sentences.
    `facts`: what decides access on this gateway beside the state, as last read; the ledger keeps it.
    `moved(then, live, ours)`: how the facts differ from those of `then`, with what that means for the teams in `ours`.
    `facts_after(told, live, former_names)`: what counts as known once an apply that told these facts has made `live`.
    """

    backend: str
    kinds: Mapping[str, KindSupport]
    rules: AccessRules
    normalise: Callable[[Ref, Resource], Resource] = _same
    wished: Callable[[Ref, Resource, Resource | None, Record | None], Resource] = _as_wished
    seen: Callable[[Ref, Resource, Resource, Record | None], Resource] = _as_live
    unkept: Callable[[Ref, Resource], frozenset[str]] = _all_kept
    check: Callable[[Ref, Resource | None, Resource | None], tuple[Finding, ...]] = (
        lambda _ref, _before, _after: ()
    )
    credits: str = "operations"
    unlimited_credits: bool = False
    topped_up: Callable[[Ref, Resource], int] = lambda _ref, _wish: 0
    serving: Callable[[State], Callable[[str], bool]] | None = None
    owes_secret: Callable[[Ref, Resource], str | None] = lambda _ref, _wish: None
    repeatable_grants: bool = False
    voids: bool = False
    keys: frozenset[str] = frozenset()
    chosen_keys: frozenset[str] = frozenset()
    top_ups_when_active: bool = False
    touch_teams: bool = False
    balance: Literal["credits", "usd"] | None = None
    answers_when_spent: bool = False
    renames: frozenset[str] = frozenset()
    lifetimes: Mapping[str, float] = field(default_factory=dict)
    processes: str = "the gateway's processes"
    facts: AccessFacts = field(default_factory=dict)
    moved: Callable[[AccessFacts, State, Collection[Ref]], tuple[MovedFact, ...]] = _unmoved
    facts_after: Callable[[AccessFacts, State, Mapping[Ref, Ref]], AccessFacts] = _all_known


def everything(kind: str, **changes: object) -> KindSupport:
    """Support for every gateway field of the kind, but for what `without` takes away."""
    fields = frozenset(gateway_fields(KINDS[kind]))
    return KindSupport(stored=fields, updatable=fields, readable=fields, **changes)  # type: ignore[arg-type]
