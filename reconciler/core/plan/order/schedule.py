"""schedule: changes -> steps with needs, so that no team loses, at any instant, a model that it keeps.

    1. An update is at most an expand (scalars, old and new references together) and a contract (the rest goes).
    2. A step needs the creation of what it starts to refer to; a delete needs every step that lets go of it.
       A rename comes before everything that says the new name.
    3. A contract that cuts a path which a team keeps only by a new path needs the steps that build that path.

Everything else runs in any order: a failing create never holds up an offboarding. Order follows from references
and from effective access alone; there are no waves and no priorities. With `revoke-first` an update contracts
before it expands, and a grant waits for the revokes without which it would show a team more than before and after.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from reconciler.core.access.rules import Access, access
from reconciler.core.model.changes import Action, Change, Step
from reconciler.core.model.kinds import AccessGroup, Resource, Status, Team, gateway_fields, links
from reconciler.core.model.refs import Ref, names_in
from reconciler.core.model.state import State, references
from reconciler.core.plan.credits.allocation import ALLOCATION
from reconciler.core.plan.credits.change import without_credits
from reconciler.core.plan.order.replacements import Cut, replacements, spills
from reconciler.core.plan.support import Support


class Order(StrEnum):
    """grant-first never takes what a team keeps; revoke-first never shows a team more than before and after."""

    GRANT_FIRST = "grant-first"
    REVOKE_FIRST = "revoke-first"


GRANTING = (Action.CREATE, Action.EXPAND)
Needs = dict[Step, set[Step]]
ByRef = Mapping[Ref, Mapping[Action, Step]]


@dataclass(frozen=True)
class Transition:
    """From where to where: the live state, the desired one after all changes, and effective access in both."""

    live: State
    desired: State
    before: Access
    after: Access


def transition(changes: Collection[Change], live: State, support: Support) -> Transition:
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
) -> Mapping[Step, frozenset[Step]]:
    """Step -> the steps that must be done before it. Acyclic and deterministic.

    `ours` are the declared refs: only those teams are sent again after a group of theirs changed.
    """
    changes = sorted(changes, key=lambda change: change.ref)
    steps = [step for change in changes for step in steps_of(change, support, order)]
    steps += touches(changes, live, ours) if support.touch_teams else []
    by_ref = by_ref_of(steps)
    needs: Needs = {step: set() for step in steps}
    _need_own(steps, by_ref, needs)
    _need_allocations(steps, needs)
    _need_references(steps, by_ref, needs)
    _need_renames(steps, by_ref, needs)
    world = transition(changes, live, support)
    if order is Order.GRANT_FIRST:
        _need_replacements(world, by_ref, needs)
    else:
        _need_revokes(world, by_ref, needs)
    _need_groups(steps, by_ref, needs)
    return {step: frozenset(found) for step, found in needs.items()}


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
    steps = (
        [Step(ref, Action.CREATE, None, after)]
        if before is None
        else _updates(ref, before, after, order)
    )
    grants = (
        [Step(ref, Action.GRANT, after, after, credit=grant) for grant in change.credits]
        if apart
        else []
    )
    return _rename(change) + steps[:1] + grants + steps[1:]


def _rename(change: Change) -> list[Step]:
    """First of all: under the old name nothing else of the change would find its object."""
    if change.renamed_from is None or change.before is None:
        return []
    return [
        Step(
            change.ref,
            Action.RENAME,
            change.before,
            change.before,
            renamed_from=change.renamed_from,
        )
    ]


def _updates(ref: Ref, before: Resource, after: Resource, order: Order) -> list[Step]:
    between = contracted(before, after) if order is Order.REVOKE_FIRST else expanded(before, after)
    first, second = (
        (Action.CONTRACT, Action.EXPAND)
        if order is Order.REVOKE_FIRST
        else (Action.EXPAND, Action.CONTRACT)
    )
    if between is None:
        return _updates(ref, before, after, Order.GRANT_FIRST)
    pairs = ((first, before, between), (second, between, after))
    return [Step(ref, action, old, new) for action, old, new in pairs if _sends(old, new)]


def _sends(old: Resource, new: Resource) -> bool:
    """Whether the two differ in something that a gateway holds: a git-only field needs no request."""
    return old is not new and any(
        getattr(old, name) != getattr(new, name) for name in gateway_fields(type(new))
    )


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
    """A team's own aliases, which grant access as names in a list do (`core.litellm_rules`)."""
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
    found: dict[Ref, dict[Action, Step]] = {}
    for step in steps:
        if step.action is not Action.GRANT:
            found.setdefault(step.ref, {})[step.action] = step
    return found


# ---- 2. needs by identity and by reference


def _need_own(steps: Iterable[Step], by_ref: ByRef, needs: Needs) -> None:
    """The second half of an update needs the first; credits need the team as it starts out; all need a rename."""
    last: dict[Ref, Step] = {}
    for step in steps:
        if step.ref in last:
            needs[step].add(last[step.ref])
        if step.action is not Action.GRANT:
            last[step.ref] = step
        if step.action is Action.TOUCH:
            needs[step].update(set(by_ref[step.ref].values()) - {step})


def _need_allocations(steps: Iterable[Step], needs: Needs) -> None:
    """Top-ups wait for the allocation: where it raises to what is declared, one that came first would count as part."""
    grants = [(step, step.credit) for step in steps if step.credit]
    first = {step.ref: step for step, credit in grants if credit.grant_id == ALLOCATION}
    for step, _ in grants:
        needs[step].update({first[step.ref]} - {step} if step.ref in first else ())


def _need_references(steps: Iterable[Step], by_ref: ByRef, needs: Needs) -> None:
    for step in steps:
        old, new = _targets(step.before), _targets(step.after)
        if step.action in (Action.GRANT, Action.TOUCH):
            continue
        for target in new - old:
            needs[step].update(_of(by_ref, target, Action.CREATE))
        for target in old - new:
            for delete in _of(by_ref, target, Action.DELETE):
                needs[delete].add(step)


def _need_renames(steps: Iterable[Step], by_ref: ByRef, needs: Needs) -> None:
    """What is sent says new names, so it waits for the renames; a rename says only its own, a deletion none."""
    if not any(Action.RENAME in found for found in by_ref.values()):
        return
    for step in steps:
        if step.action not in (Action.RENAME, Action.DELETE):
            for target in _named(step.before) | _named(step.after):
                needs[step].update(_of(by_ref, target, Action.RENAME))


def _named(resource: Resource | None) -> frozenset[Ref]:
    """Everything that a resource names, also where it need not exist."""
    found = links(type(resource)).items() if resource else ()
    return frozenset(
        Ref(to.kind, each) for name, to in found for each in names_in(getattr(resource, name))
    )


def _targets(resource: Resource | None) -> frozenset[Ref]:
    return frozenset(target for _, target in references(resource)) if resource else frozenset()


def _of(by_ref: ByRef, ref: Ref, *actions: Action) -> set[Step]:
    found = by_ref.get(ref, {})
    return {found[action] for action in actions if action in found}


def _need_groups(steps: Iterable[Step], by_ref: ByRef, needs: Needs) -> None:
    for step in steps:
        if step.action is Action.TOUCH and isinstance(step.after, Team):
            for group in step.after.access_groups:
                needs[step].update(
                    _of(by_ref, Ref(AccessGroup.kind, group), Action.EXPAND, Action.CONTRACT)
                )


# ---- 3. needs by effective access


def _need_replacements(world: Transition, by_ref: ByRef, needs: Needs) -> None:
    for team, cuts in replacements(world.before, world.after):
        own = _of(by_ref, Ref(Team.kind, team), *GRANTING)
        contract = _of(by_ref, Ref(Team.kind, team), Action.CONTRACT)
        for cut in cuts:
            builders = _builders(cut, by_ref) | (own if cut.team_joins else set())
            for step in _cutters(cut, by_ref) | (contract if cut.team_leaves else set()):
                needs[step].update(builders - {step})


def _builders(cut: Cut, by_ref: ByRef) -> set[Step]:
    return {
        step
        for group in cut.growing
        for step in _of(by_ref, Ref(AccessGroup.kind, group), *GRANTING)
    }


def _cutters(cut: Cut, by_ref: ByRef) -> set[Step]:
    refs = (Ref(AccessGroup.kind, group) for group in cut.shrinking)
    return {step for ref in refs for step in _of(by_ref, ref, Action.CONTRACT)}


def _need_revokes(world: Transition, by_ref: ByRef, needs: Needs) -> None:
    """revoke-first: a grant waits for the revokes without which a team would reach what it never should."""
    for team, spill in spills(world.before, world.after):
        own = _of(by_ref, Ref(Team.kind, team), *GRANTING)
        revokes = _leading(by_ref, Ref(Team.kind, team), needs)
        for group in spill.joined_shrinking:
            for step in own:
                needs[step].update(_leading(by_ref, Ref(AccessGroup.kind, group), needs))
        for group in spill.left_growing:
            for step in _of(by_ref, Ref(AccessGroup.kind, group), Action.EXPAND):
                needs[step].update(revokes)


def _leading(by_ref: ByRef, ref: Ref, needs: Needs) -> set[Step]:
    """The revokes of an object that wait for no grant of its own: waiting for one that does could close a circle."""
    grants = _of(by_ref, ref, *GRANTING)
    return {
        step
        for step in _of(by_ref, ref, Action.CONTRACT, Action.DELETE)
        if not needs[step] & grants
    }
