"""What must be true after every history, whatever happened in it. Each law is an account of its own, kept by the gateway."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sim_embedded import Effect
from sim_network import Request
from sim_world import MOST_TRIES, Run, World

from reconciler.core.plan.credits.allocation import operation_id

OURS = "A"


@dataclass(frozen=True)
class Broken:
    """A law that does not hold: its name, and in what it does not."""

    law: str
    text: str

    def __str__(self) -> str:
        return f"{self.law}: {self.text}"


@dataclass
class Watch:
    """Looks at the gateway after every write: what every version gives a team, the team keeps."""

    found: list[Broken] = field(default_factory=list)
    settled: bool = False

    def __call__(self, world: World, request: Request) -> None:
        if not self.settled:
            return
        for team in world.history.versions[0].teams:
            if team in world.edited or team not in world.gateway.tables.teams:
                continue
            if not all(team in company.teams for company in world.history.versions):
                continue
            kept = frozenset.intersection(
                *(company.models(team) for company in world.history.versions)
            )
            missing = kept - world.gateway.allowed(team)
            if missing and not self.found:
                text = (
                    f"{team} has lost {', '.join(sorted(missing))} by {request.sender}: {request}"
                )
                self.found.append(Broken("kept model", text))


def ours(sender: str) -> bool:
    return sender.startswith(OURS)


def at_all_times(world: World) -> Iterator[Broken]:
    """True at any instant, of any history, whatever became of the ledgers."""
    yield from _bugs(world)
    yield from _nothing_twice(world)
    yield from _strangers(world)


def when_done(world: World) -> Iterator[Broken]:
    """True when an apply of the last version has said that it is done, and for ever after."""
    yield from at_all_times(world)
    yield from _as_declared(world)
    if not world.broken:
        yield from _credits(world)
        yield from _keys(world)


def _bugs(world: World) -> Iterator[Broken]:
    for run in world.runs:
        if run.problem is not None:
            yield Broken("exit 3", f"{run.process.name}: {run.said}")


def _effects(world: World, team: str) -> list[Effect]:
    """What we did to the credits of the team in its present life."""
    life = world.gateway.account.births.get(team)
    return [
        e
        for e in world.gateway.account.effects
        if (e.team, e.born) == (team, life) and ours(e.sender)
    ]


def _top_up(effect: Effect) -> bool:
    return ":top-up:" in (effect.operation or "")


def _nothing_twice(world: World) -> Iterator[Broken]:
    """No team has at any time more from us than its highest allocation; no top-up counts twice."""
    lives: dict[tuple[str, int], int] = {}
    given: dict[str, int] = {}
    for effect in world.gateway.account.effects:
        if not ours(effect.sender):
            continue
        if _top_up(effect):
            given[str(effect.operation)] = given.get(str(effect.operation), 0) + 1
            continue
        wishes = [
            company.teams[effect.team].credits
            for company in world.history.versions
            if effect.team in company.teams
        ]
        life = (effect.team, effect.born)
        lives[life] = lives.get(life, 0) + effect.amount
        if lives[life] > max(wishes):
            law = "granted twice by two memories" if world.broken else "granted twice"
            yield Broken(
                law,
                f"{effect.team} was allocated {lives[life]}, and {max(wishes)} at most is declared",
            )
            return
    apart = world.broken and world.history.dialect != "embedded"
    for operation, times in given.items():
        if (
            times > 1 and not apart
        ):  # two ledgers at once, and a gateway that counts twice: nobody could tell
            yield Broken("granted twice", f"{operation} counted {times} times")


def _strangers(world: World) -> Iterator[Broken]:
    """What others made stays as they left it: its row, its key; and no request of before takes away what came later."""
    for team, maker, sender in world.gateway.account.rotated:
        if not ours(maker) and ours(sender):
            yield Broken(
                "foreign key", f"{sender} gave a new key to {team}, which {maker} had made"
            )
    for team, maker, born, sender, sent in world.gateway.account.deleted:
        if not ours(maker) and ours(sender) and sent < born:
            yield Broken(
                "foreign team",
                f"{sender} deleted {team}, which {maker} made after the request had left",
            )
    for kind, name, sender in world.gateway.account.blind:
        if ours(sender):
            yield Broken(
                "older state",
                f"{sender} changed {kind} {name}, which had changed since it was read",
            )
    declared = {team for company in world.history.versions for team in company.teams}
    for kind, name, sender in world.gateway.account.touched:
        if kind == "team" and name not in declared and ours(sender):
            yield Broken("foreign team", f"{sender} changed {name}, which nobody declared")


def _as_declared(world: World) -> Iterator[Broken]:
    wish, tables = world.last, world.gateway.tables
    for group, aliases in wish.groups.items():
        live = tables.groups.get(group)
        if live is None or frozenset(live["model_aliases"]) != aliases:
            yield Broken(
                "not as declared",
                f"{group} is {live and live['model_aliases']}, declared {sorted(aliases)}",
            )
    for team, said in wish.teams.items():
        row = tables.teams.get(team)
        status = "suspended" if said.suspended else "active"
        if row is None:
            yield Broken("not as declared", f"{team} is gone")
        elif (frozenset(row["access_groups"]), row["status"]) != (said.groups, status):
            now = f"{sorted(row['access_groups'])} {row['status']}"
            yield Broken(
                "not as declared", f"{team} is {now}, declared {sorted(said.groups)} {status}"
            )
    for team in tables.teams:
        if team not in wish.teams and ours(world.gateway.account.makers[team]) and not world.broken:
            yield Broken("not as declared", f"{team} is not declared any more, and still there")


def _amounts(world: World, team: str, name: str) -> set[int]:
    """What was ever declared for a top-up."""
    wishes = (company.teams[team] for company in world.history.versions if team in company.teams)
    return {amount for wish in wishes for top_up, amount in wish.top_ups if top_up == name}


def _credits(world: World) -> Iterator[Broken]:
    for team, wish in world.last.teams.items():
        if not ours(world.gateway.account.makers.get(team, "")):
            continue
        allocated = sum(effect.amount for effect in _effects(world, team) if not _top_up(effect))
        if allocated != wish.credits:
            yield Broken("credits", f"{team} was allocated {allocated}, declared {wish.credits}")
        for name, amount in wish.top_ups:
            wanted = operation_id(team, name)
            counted = [
                e.amount
                for e in world.gateway.account.effects
                if e.operation == wanted and ours(e.sender)
            ]
            if counted == [] and wish.suspended and world.history.dialect == "saas-litellm":
                continue  # it waits, and says so, until the team is active: nobody could see whether it was given
            if len(counted) == 1 and counted[0] in _amounts(world, team, name):
                continue  # what was granted stays as it was: another amount needs another id
            if counted != [amount]:
                yield Broken(
                    "credits", f"top-up {name} of {team} counted {counted}, declared once {amount}"
                )


def _keys(world: World) -> Iterator[Broken]:
    hand = world.keys_in_hand()
    for team in world.last.teams:
        maker = world.gateway.account.makers.get(team, "")
        if ours(maker) and world.gateway.keys.get(team) not in hand:
            yield Broken("key", f"the key of {team}, made by {maker}, is in nobody's hands")


def ending(world: World, watch: Watch) -> Iterator[Broken]:
    """The end of a history: applies until one is done; what is late arrives; what was true is still true."""
    if world.history.patient:
        world.drained()
    for _ in range(MOST_TRIES):
        done = yield from _until_done(world, patient=world.history.patient)
        if done is None:
            return
        yield from when_done(world)
        if world.trace:
            world.trace("world", "a minute later: everything late arrives")
        world.drained()
        if not _followed(world, done):
            break
    yield from when_done(world)
    again = world.tried(gap=60.0)
    if again.code != 0 or again.changes:
        said = f"exit {again.code}, {again.changes} steps, {again.said}"
        yield Broken("not quiet", f"{again.process.name} after all was done: {said}")
    world.drained()
    yield from when_done(world)
    yield from watch.found


def _followed(world: World, done: Run) -> bool:
    """Whether another apply, that waited or stood still until then, got the lock afterwards: it has its own word."""
    return any(run.process.acquired > done.process.acquired for run in world.runs)


def _until_done(world: World, *, patient: bool) -> Iterator[Broken]:
    """The first apply that says that it is done (None: not in so many, and that may be)."""
    run = None
    for _ in range(MOST_TRIES):
        run = world.tried(gap=30.0)
        if run.code == 0:
            return run
    if not patient:
        world.drained()
        return (yield from _until_done(world, patient=True))
    yield from at_all_times(world)
    if run is not None and not _may_refuse(world, run):
        yield Broken(
            "stuck", f"{MOST_TRIES} applies, and the last one says: exit {run.code} {run.said}"
        )
    return None


def _may_refuse(world: World, run: Run) -> bool:
    """After a ledger was lost, or beside another one, to refuse is right; and an id that LiteLLM keeps is gone.

    A top-up whose amount changed under its id, after it was taken back before it arrived, needs a new id.
    """
    said_why = "use a different team id" in run.said or "was voided" in run.said
    return run.code == 1 and (world.broken or said_why)
