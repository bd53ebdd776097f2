"""safety: what apply refuses to do unasked, each with the flag that allows just that."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from reconciler.core.model.changes import Change
from reconciler.core.model.findings import Finding, error
from reconciler.core.model.inventory import Known
from reconciler.core.model.kinds import KINDS, Team
from reconciler.core.model.refs import Ref
from reconciler.core.model.settings import Safety
from reconciler.core.model.state import State
from reconciler.core.plan.plan import Cause, Impact, TeamImpact

EXAMPLES = 3
BUDGET_CUT = "budget-cut"
SECRET_LOST = "secret-lost"  # noqa: S105  a code of findings
FLAGS = {
    "too-many-updates": "--allow-updates",
    "too-many-deletes": "--allow-deletes",
    "config-empty": "--allow-empty",
    "protected": "--allow-protected",
    "loss": "--allow-loss",
    "cascade": "--allow-cascade",
    BUDGET_CUT: "--allow-budget-cut",
    SECRET_LOST: "--allow-secret-lost",
}


Runtime = Mapping[Ref, Mapping[str, Any]]
NO_RUNTIME: Runtime = {}


def refusals(
    changes: Collection[Change],
    live: State,
    desired: State,
    impact: Impact,
    safety: Safety,
    runtime: Runtime = NO_RUNTIME,
    resumed: Collection[Ref] = (),
    dated: Collection[Ref] = (),
) -> tuple[Finding, ...]:
    """One finding per danger; `FLAGS` maps their codes to the flags that override them.

    `resumed` is what an unfinished apply has created: to go on with it counts against no share, nor do pure grants.
    `dated` are the refs that change by an announced date alone: they are many on some days, and no accident.
    `runtime` holds facts about live objects, e.g. `keys_count` of a team: its virtual keys, which die with it.
    """
    return (
        *_empty(changes, desired),
        *_shares(
            [change for change in changes if _counts(change, resumed) and change.ref not in dated],
            live,
            safety,
        ),
        *_losses(impact, safety),
        *_cascades(changes, safety, runtime),
    )


def _cascades(changes: Collection[Change], safety: Safety, runtime: Runtime) -> Iterator[Finding]:
    """Virtual keys that a gateway deletes along with their team, and that nothing brings back."""
    gone = {change.ref for change in changes if change.after is None}
    for ref in sorted(ref for ref in gone if ref.kind == Team.kind and not safety.allow_cascade):
        keys = int(runtime.get(ref, {}).get("keys_count") or 0)
        if keys:
            text = f"{ref}: {keys:,} {'key dies' if keys == 1 else 'keys die'} with this team"
            yield replace(refusal("cascade", text), ref=ref)


def _empty(changes: Collection[Change], desired: State) -> Iterator[Finding]:
    if not len(desired) and any(change.after is None for change in changes):
        yield refusal(
            "config-empty",
            f"the config declares nothing, and {len(changes):,} live objects would be deleted",
        )


def _counts(change: Change, resumed: Collection[Ref]) -> bool:
    pure_grant = change.verb == "update" and not change.fields and change.renamed_from is None
    return change.ref not in resumed and not pure_grant


def _shares(changes: Collection[Change], live: State, safety: Safety) -> Iterator[Finding]:
    for kind, cls in KINDS.items():
        there = len(live.of(cls))
        if there <= safety.min_objects:
            continue
        verbs = [change.verb for change in changes if change.ref.kind == kind]
        for verb, code, limit in (
            ("update", "too-many-updates", safety.max_update_percent),
            ("delete", "too-many-deletes", safety.max_delete_percent),
        ):
            count = verbs.count(verb)
            if count * 100 > there * limit:
                text = (
                    f"{count:,} of {there:,} {cls.section} would be {verb}d, more than {limit:g} %"
                )
                yield refusal(code, text)


def _losses(impact: Impact, safety: Safety) -> Iterator[Finding]:
    if safety.allow_loss:
        return
    silenced = [team for team in impact.teams if team.cut_off]
    losing = [team for team in impact.teams if team.unannounced and not team.cut_off]
    if silenced:
        verb = (
            "team would be refused every call"
            if len(silenced) == 1
            else "teams would be refused every call"
        )
        reasons = [f"{team.team} ({cut_off(team)})" for team in silenced]
        yield refusal("loss", f"{len(silenced):,} {verb}: {listed(reasons)}", reasons)
    if losing:
        verb = "team would lose" if len(losing) == 1 else "teams would lose"
        shown = [f"{team.team} ({listed(sorted(team.unannounced))})" for team in losing]
        whole = [f"{team.team} ({', '.join(sorted(team.unannounced))})" for team in losing]
        yield refusal("loss", f"{len(losing):,} {verb} access to models: {listed(shown)}", whole)


def at_their_lines(refused: Collection[Finding], impact: Impact) -> tuple[Finding, ...]:
    """The refusals for annotations: unannounced losses stand once for each cause, on the line that says it."""
    losses = _by_cause(impact) if any(finding.code == "loss" for finding in refused) else ()
    return (*(finding for finding in refused if not losses or finding.code != "loss"), *losses)


def _by_cause(impact: Impact) -> tuple[Finding, ...]:
    losing: dict[Cause, list[TeamImpact]] = {}
    for team in impact.teams:
        for cause in team.causes:
            lost = cause.lost & team.unannounced
            if lost and cause.kind != "date":
                losing.setdefault(replace(cause, lost=lost, gained=frozenset()), []).append(team)
    return tuple(_placed(cause, [team.team for team in teams]) for cause, teams in losing.items())


def _placed(cause: Cause, teams: list[str]) -> Finding:
    models = listed(sorted(cause.lost))
    message = f"{listed(teams)} would lose {models}: {cause.text}"
    details = tuple(f"{team} ({', '.join(sorted(cause.lost))})" for team in teams)
    return replace(
        refusal("loss", message, details), ref=cause.ref, path=cause.path, origin=cause.origin
    )


def cut_off(team: TeamImpact) -> str:
    """What refuses every call of the team, e.g. `970 credits left -> -10`."""
    if team.left_after is None or team.left_after > 0:
        return str(team.refused_after)
    return (
        f"{left(team.left_before, team.unit)} left -> {left(team.left_after, team.unit, bare=True)}"
    )


def left(amount: float | None, unit: str | None, *, bare: bool = False) -> str:
    """`970 credits`, `$12.50`; no limit where there is none."""
    if amount is None:
        return "no limit"
    if unit == "usd":
        return f"{'-' if amount < 0 else ''}${abs(amount):,.2f}"
    number = f"{amount:,.0f}"
    if bare:
        return number
    return f"{number} credit" if amount == 1 else f"{number} credits"


def listed(names: Sequence[str], most: int = EXAMPLES) -> str:
    """The first names and how many more there are; a cut never goes without saying."""
    if len(names) <= most + 1:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most:,} more"


def secret_lost(ref: Ref, known: Known, lacks: str | None) -> Iterator[Finding]:
    """What secret an object had that was adopted was on the gateway only: created anew it has none.

    `lacks` are the fields that would say where the secret comes from, None where one is declared or none is needed.
    """
    if lacks is None:
        return
    record = known.inventory.get(ref)
    if record is not None and record.adopted:
        what = "was adopted and is gone"
    elif str(ref) in known.deleted_with_secret:
        what = "was not created from these files when it was deleted"
    else:
        return
    flag = FLAGS[SECRET_LOST]
    message = (
        f"{ref} {what}: what secret it had was only on the gateway, and {lacks} is not declared"
    )
    hint = f"declare it as os.environ/NAME; {flag} creates it without"
    yield error(SECRET_LOST, message, hint=hint, ref=ref, flag=flag)


def refusal(code: str, message: str, details: Sequence[str] = ()) -> Finding:
    """What apply does not do unasked; `details` are all that the message may cut."""
    return error(
        code, message, hint=f"{FLAGS[code]} allows it", flag=FLAGS[code], details=tuple(details)
    )


def standing(refused: Collection[Finding], allowed: Collection[str]) -> tuple[Finding, ...]:
    """The refusals that no flag overrides; `allowed` holds finding codes."""
    return tuple(finding for finding in refused if finding.code not in allowed)
