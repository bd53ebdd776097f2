"""schedule: changes -> steps with needs, so that no team loses, at any instant, a model that it keeps.

    1. An update is at most an expand (scalars, old and new references together) and a contract (the rest goes).
    2. A step needs the creation of what it starts to refer to; a delete needs every step that lets go of it.
       A rename comes before everything that says the new name.
    3. A contract that cuts a path which a team keeps only by a new path needs the steps that build that path.

Everything else runs in any order: a failing create never holds up an offboarding. Order follows from references
and from effective access alone; there are no waves and no priorities. With `revoke-first` an update contracts
before it expands, and a grant waits for the revokes without which it would show a team more than before and after.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from reconciler.core.access.rules import Access, access
from reconciler.core.model.changes import Action, Change, Step
from reconciler.core.model.kinds import AccessGroup, Resource, Status, Team, gateway_fields, links
from reconciler.core.model.refs import Ref, names_in
from reconciler.core.model.state import State, references
from reconciler.core.plan.credits.allocation import ALLOCATION
from reconciler.core.plan.credits.change import without_credits
from reconciler.core.plan.order.replacements import replacements, spills
from reconciler.core.plan.support import Support


class Order(StrEnum):
    """grant-first never takes what a team keeps; revoke-first never shows a team more than before and after."""

    GRANT_FIRST = "grant-first"
    REVOKE_FIRST = "revoke-first"


GRANTING = (Action.CREATE, Action.EXPAND)
Needs = Mapping[Step, frozenset[Step]]
# (step, one that must be done before it)
Pairs = Iterator[tuple[Step, Step]]
ByRef = Mapping[Ref, Mapping[Action, Step]]


@dataclass(frozen=True)
class Transition:
    """From where to where: the live state, the desired one after all changes, and effective access in both."""

    live: State
    desired: State
    before: Access
    after: Access


def transition_of(changes: Collection[Change], live: State, support: Support) -> Transition:
    before = access(live, support.rules)
    if not changes:
        return Transition(live, live, before, before)
    desired = live.updated({change.ref: change.after for change in changes})
    return Transition(live, desired, before, access(desired, support.rules))


def schedule(
    changes: Collection[Change],
    live: State,
    support: Support,
    ours: Collection[Ref] = (),
    order: Order = Order.GRANT_FIRST,
) -> Needs:
    """Step -> the steps that must be done before it. Acyclic and deterministic.

    `ours` are the declared refs: only those teams are sent again after a group of theirs changed.
    """
    changes = sorted(changes, key=lambda change: change.ref)
    steps = [step for change in changes for step in steps_of(change, support, order)]
    steps += touches(changes, live, ours) if support.touch_teams else []
    by_ref = by_ref_of(steps)
    own = chain(
        _within_an_object(steps, by_ref),
        _allocation_before_top_ups(steps),
        _by_references(steps, by_ref),
        _renames_first(steps, by_ref),
    )
    needs = _collected(steps, own)
    transition = transition_of(changes, live, support)
    if order is Order.GRANT_FIRST:
        by_access = _replacements_first(transition, by_ref)
    else:
        by_access = _revokes_first(transition, by_ref, needs)
    return _collected(steps, chain(by_access, _groups_before_touches(steps, by_ref)), needs)


NO_NEEDS: Needs = {}


def _collected(
    steps: Sequence[Step], pairs: Iterable[tuple[Step, Step]], before: Needs = NO_NEEDS
) -> Needs:
    """What each step needs by the pairs, and needed before."""
    needs = {step: set(before.get(step, ())) for step in steps}
    for step, need in pairs:
        if need is not step:
            needs[step].add(need)
    return {step: frozenset(needed) for step, needed in needs.items()}


def expanded_state(changes: Iterable[Change], live: State) -> State:
    """The widest state that a grant-first apply can pass through: everything granted, nothing revoked yet."""
    wide = {
        c.ref: expanded(c.before, c.after) if c.before else c.after
        for c in changes
        if c.after is not None
    }
    return live.updated(wide)


# ---- 1. changes -> steps


def steps_of(change: Change, support: Support, order: Order = Order.GRANT_FIRST) -> list[Step]:
    """The requests of one change: create, or expand and contract, or delete; and its credit grants."""
    apart = support.credits == "operations"
    written = without_credits(change) if apart else change
    ref, before, after = written.ref, written.before, written.after
    if after is None:
        return [Step(ref, Action.DELETE, before, None)]
    steps = [Step(ref, Action.CREATE, None, after)]
    if before is not None:
        steps = _updates(ref, before, after, order)
    grants: list[Step] = []
    if apart:
        grants = [Step(ref, Action.GRANT, after, after, credit=grant) for grant in change.credits]
    return [*_rename(change), *steps[:1], *grants, *steps[1:]]


def _rename(change: Change) -> list[Step]:
    """First of all: under the old name nothing else of the change would find its object."""
    ref, before = change.ref, change.before
    if change.renamed_from is None or before is None:
        return []
    return [Step(ref, Action.RENAME, before, before, renamed_from=change.renamed_from)]


def _updates(ref: Ref, before: Resource, after: Resource, order: Order) -> list[Step]:
    """Two halves, less what no gateway would notice. Revokes come first where that leaves something to hold."""
    less = contracted(before, after) if order is Order.REVOKE_FIRST else None
    if less is not None:
        halves = [Step(ref, Action.CONTRACT, before, less), Step(ref, Action.EXPAND, less, after)]
    else:
        more = expanded(before, after)
        halves = [Step(ref, Action.EXPAND, before, more), Step(ref, Action.CONTRACT, more, after)]
    return [half for half in halves if _sends(half)]


def _sends(half: Step) -> bool:
    """Whether its sides differ in something that a gateway holds: a git-only field needs no request."""
    old, new = half.before, half.after
    if old is new or new is None:
        return False
    return any(getattr(old, name) != getattr(new, name) for name in gateway_fields(type(new)))


def expanded(before: Resource, after: Resource) -> Resource:
    """The desired resource, still holding every name of the old one; what stops calls waits for the contract."""
    update: dict[str, object] = {}
    for name, old, new in _name_sets(before, after):
        if old - new:
            update[name] = old | new
    aliases, kept = _team_aliases(before), _team_aliases(after)
    if aliases.keys() - kept.keys():
        update["model_aliases"] = {**aliases, **kept}
    if _field(after, "status") not in (None, Status.ACTIVE):
        update["status"] = _field(before, "status")
    return after.model_copy(update=update) if update else after


def contracted(before: Resource, after: Resource) -> Resource | None:
    """The old resource without what goes; None where nothing would be left, which some gateways take for everything."""
    update: dict[str, object] = {}
    for name, old, new in _name_sets(before, after):
        if old and new and not old & new:
            return None
        if old - new:
            update[name] = old & new
    aliases, kept = _team_aliases(before), _team_aliases(after)
    if aliases.keys() - kept.keys():
        update["model_aliases"] = {
            name: target for name, target in aliases.items() if name in kept
        } or None
    if _field(after, "status") not in (None, Status.ACTIVE):
        update["status"] = _field(after, "status")
    return before.model_copy(update=update) if update else before


def _team_aliases(resource: Resource) -> Mapping[str, str]:
    """A team's own aliases, which grant access as names in a list do (`core.access.litellm`)."""
    return (resource.model_aliases or {}) if isinstance(resource, Team) else {}


def _name_sets(
    before: Resource, after: Resource
) -> Iterator[tuple[str, frozenset[str], frozenset[str]]]:
    for name in links(type(after)):
        new = getattr(after, name)
        if isinstance(new, frozenset):
            yield name, getattr(before, name), new


def _field(resource: Resource, name: str) -> object:
    return getattr(resource, name, None)


def touches(changes: Iterable[Change], live: State, ours: Collection[Ref]) -> list[Step]:
    """Teams to send again because a group of theirs changed: on SaaS LiteLLM nothing else reaches its LiteLLM."""
    changes = tuple(changes)
    groups = {
        c.ref.name
        for c in changes
        if c.ref.kind == AccessGroup.kind and c.before and c.after and _regrouped(c)
    }
    desired = live.updated({change.ref: change.after for change in changes})
    teams = sorted(desired.of(Team).items()) if groups else ()
    refs = [(Ref(Team.kind, name), team) for name, team in teams if team.access_groups & groups]
    return [Step(ref, Action.TOUCH, team, team) for ref, team in refs if ref in ours]


def _regrouped(change: Change) -> bool:
    return any(field.name == "model_aliases" for field in change.fields)


def by_ref_of(steps: Iterable[Step]) -> ByRef:
    """Ref -> action -> step; grants are looked up nowhere and left out."""
    by_ref: dict[Ref, dict[Action, Step]] = {}
    for step in steps:
        if step.action is not Action.GRANT:
            by_ref.setdefault(step.ref, {})[step.action] = step
    return by_ref


# ---- 2. needs by identity and by reference


def _within_an_object(steps: Iterable[Step], by_ref: ByRef) -> Pairs:
    """The second half of an update needs the first; credits need the team as it starts out; all need a rename."""
    last: dict[Ref, Step] = {}
    for step in steps:
        if step.ref in last:
            yield step, last[step.ref]
        if step.action is not Action.GRANT:
            last[step.ref] = step
        if step.action is Action.TOUCH:
            yield from ((step, other) for other in by_ref[step.ref].values())


def _allocation_before_top_ups(steps: Iterable[Step]) -> Pairs:
    """Where the allocation raises to what is declared, a top-up that came first would count as part of it."""
    grants = [(step, step.credit) for step in steps if step.credit]
    allocations = {step.ref: step for step, credit in grants if credit.grant_id == ALLOCATION}
    for step, _ in grants:
        if step.ref in allocations:
            yield step, allocations[step.ref]


def _by_references(steps: Iterable[Step], by_ref: ByRef) -> Pairs:
    """What starts to refer to an object needs its creation; its deletion needs what lets go of it."""
    for step in steps:
        if step.action in (Action.GRANT, Action.TOUCH):
            continue
        old, new = _targets(step.before), _targets(step.after)
        for target in new - old:
            yield from ((step, creation) for creation in _of(by_ref, target, Action.CREATE))
        for target in old - new:
            yield from ((deletion, step) for deletion in _of(by_ref, target, Action.DELETE))


def _renames_first(steps: Iterable[Step], by_ref: ByRef) -> Pairs:
    """What is sent says new names, so it waits for the renames; a rename says only its own, a deletion none."""
    if not any(Action.RENAME in actions for actions in by_ref.values()):
        return
    for step in steps:
        if step.action in (Action.RENAME, Action.DELETE):
            continue
        for target in _named(step.before) | _named(step.after):
            yield from ((step, rename) for rename in _of(by_ref, target, Action.RENAME))


def _named(resource: Resource | None) -> frozenset[Ref]:
    """Everything that a resource names, also where it need not exist."""
    if resource is None:
        return frozenset()
    refs: set[Ref] = set()
    for name, to in links(type(resource)).items():
        refs.update(Ref(to.kind, target) for target in names_in(getattr(resource, name)))
    return frozenset(refs)


def _targets(resource: Resource | None) -> frozenset[Ref]:
    return frozenset(target for _, target in references(resource)) if resource else frozenset()


def _of(by_ref: ByRef, ref: Ref, *actions: Action) -> set[Step]:
    steps = by_ref.get(ref, {})
    return {steps[action] for action in actions if action in steps}


def _groups_before_touches(steps: Iterable[Step], by_ref: ByRef) -> Pairs:
    for step in steps:
        if step.action is Action.TOUCH and isinstance(step.after, Team):
            for group in step.after.access_groups:
                ref = Ref(AccessGroup.kind, group)
                halves = _of(by_ref, ref, Action.EXPAND, Action.CONTRACT)
                yield from ((step, half) for half in halves)


# ---- 3. needs by effective access


def _replacements_first(transition: Transition, by_ref: ByRef) -> Pairs:
    """What cuts a path that a team keeps only by a new one needs the steps that build that."""
    for name, cuts in replacements(transition.before, transition.after):
        team = Ref(Team.kind, name)
        for cut in cuts:
            builders = _of_groups(by_ref, cut.growing, *GRANTING)
            if cut.team_joins:
                builders |= _of(by_ref, team, *GRANTING)
            cutters = _of_groups(by_ref, cut.shrinking, Action.CONTRACT)
            if cut.team_leaves:
                cutters |= _of(by_ref, team, Action.CONTRACT)
            yield from ((cutter, builder) for cutter in cutters for builder in builders)


def _of_groups(by_ref: ByRef, groups: Iterable[str], *actions: Action) -> set[Step]:
    steps: set[Step] = set()
    for group in groups:
        steps |= _of(by_ref, Ref(AccessGroup.kind, group), *actions)
    return steps


def _revokes_first(transition: Transition, by_ref: ByRef, needs: Needs) -> Pairs:
    """revoke-first: a grant waits for the revokes without which a team would reach what it never should."""
    for name, spill in spills(transition.before, transition.after):
        team = Ref(Team.kind, name)
        for group in spill.joined_shrinking:
            revokes = _leading(by_ref, Ref(AccessGroup.kind, group), needs)
            grants = _of(by_ref, team, *GRANTING)
            yield from ((grant, revoke) for grant in grants for revoke in revokes)
        for group in spill.left_growing:
            revokes = _leading(by_ref, team, needs)
            grants = _of(by_ref, Ref(AccessGroup.kind, group), Action.EXPAND)
            yield from ((grant, revoke) for grant in grants for revoke in revokes)


def _leading(by_ref: ByRef, ref: Ref, needs: Needs) -> set[Step]:
    """The revokes of an object that wait for no grant of its own: waiting for one that does could close a circle."""
    grants = _of(by_ref, ref, *GRANTING)
    revokes = _of(by_ref, ref, Action.CONTRACT, Action.DELETE)
    return {revoke for revoke in revokes if not needs[revoke] & grants}
