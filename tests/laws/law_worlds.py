"""Random worlds for the laws: states, pairs of states, and an apply that runs in any order and may fail."""

import random

from hypothesis import strategies as st

from reconciler.core.access.rules import GroupRules
from reconciler.core.model.changes import Action
from reconciler.core.model.inventory import Record, record_of
from reconciler.core.model.kinds import AccessGroup, ModelAlias, Organization, Status, Team
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State, references
from reconciler.core.plan.renaming import Renaming
from reconciler.core.plan.support import Support, everything

KINDS = ("organization", "model_alias", "access_group", "team")
SUPPORT = Support("test", {kind: everything(kind) for kind in KINDS}, GroupRules())
RENAMING = Support(
    "test", {kind: everything(kind) for kind in KINDS}, GroupRules(), renames=frozenset(KINDS)
)
TOUCHING = Support(
    "test", {kind: everything(kind) for kind in KINDS}, GroupRules(), touch_teams=True
)


def random_state(rng: random.Random) -> State:
    """A small dense world: few names, so that two of them overlap in every way that matters."""
    orgs = rng.sample(["o1", "o2"], rng.randint(1, 2))
    aliases = rng.sample([f"m{n}" for n in range(4)], rng.randint(1, 4))
    groups = rng.sample([f"g{n}" for n in range(4)], rng.randint(0, 4))
    teams = rng.sample([f"t{n}" for n in range(3)], rng.randint(0, 3))
    found = {Ref("organization", org): Organization(name=rng.choice("AB")) for org in orgs}
    for alias in aliases:
        status = rng.choice([Status.ACTIVE] * 9 + [Status.INACTIVE])
        found[Ref("model_alias", alias)] = ModelAlias(
            litellm_model=rng.choice(["openai/a", "openai/b"]), status=status
        )
    for group in groups:
        found[Ref("access_group", group)] = AccessGroup(model_aliases=some(aliases, rng))
    for team in teams:
        found[Ref("team", team)] = Team(
            organization_id=rng.choice(orgs),
            access_groups=some(groups, rng),
            status=rng.choice([Status.ACTIVE] * 9 + [Status.SUSPENDED]),
            credits_allocated=rng.choice([None, 0, 100, 500]),
        )
    return State(found)


def some(names, rng):
    return frozenset(rng.sample(names, rng.randint(0, len(names))))


def states():
    return st.integers(0, 2**64).map(lambda seed: random_state(random.Random(seed)))


def owning(state: State) -> dict[Ref, Record]:
    return {ref: Record(record_of(resource)) for ref, resource in state.resources.items()}


def perform(state: State, step) -> State:
    """What a gateway does with a step; refuses what a real one refuses."""
    current = state.get(step.ref)
    match step.action:
        case Action.RENAME:
            former = Ref(step.ref.kind, step.renamed_from)
            assert former in state, f"{step.id}: nothing to rename"
            assert current is None, f"{step.id}: the name is taken"
            return Renaming({former: step.ref}).state(state)
        case Action.CREATE:
            assert current is None, f"{step.id}: exists already"
            return state.updated({step.ref: step.after})
        case Action.DELETE:
            assert current is not None, f"{step.id}: not there"
            return state.updated({step.ref: None})
        case Action.GRANT:
            total = (current.credits_allocated or 0) + step.credit.amount
            return state.updated(
                {step.ref: current.model_copy(update={"credits_allocated": total})}
            )
        case Action.TOUCH:
            assert current is not None
            return state
    assert current is not None, f"{step.id}: not there"
    after = (
        step.after.model_copy(update={"credits_allocated": current.credits_allocated})
        if step.ref.kind == "team"
        else step.after
    )
    return state.updated({step.ref: after})


def dangling(state: State) -> set:
    return {
        (ref, target)
        for ref, resource in state.resources.items()
        for _, target in references(resource)
        if target not in state
    }


def run(steps, state, choose, fails=lambda step: False):
    """Apply in the order that `choose(ready)` picks; yields (step, state after it). Blocked steps never run."""
    done, failed = set(), set()
    todo = dict(steps)
    while todo:
        blocked = [step for step, needs in todo.items() if needs & failed]
        for step in blocked:
            failed.add(step)
            del todo[step]
        ready = [step for step, needs in todo.items() if needs <= done]
        if not ready:
            assert not todo or blocked, f"cycle among {[step.id for step in todo]}"
            continue
        step = choose(ready)
        del todo[step]
        if fails(step):
            failed.add(step)
            continue
        state = perform(state, step)
        done.add(step)
        yield step, state
