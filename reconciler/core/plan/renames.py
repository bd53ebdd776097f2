"""renames: what `renamed_from` comes to on this gateway, and the world as it reads once that is done.

Teams and keys that the gateway cannot rename are refused: their secret and credits would be lost. A plan compares
against the renamed view of live and of what is known, so that a rename alone changes nothing else.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from reconciler.core.model.changes import Change
from reconciler.core.model.findings import Finding, error, info, warning
from reconciler.core.model.inventory import Inventory, Known, Record
from reconciler.core.model.kinds import IfDeclared, Key, ModelAlias, Resource, Team, marked
from reconciler.core.model.refs import Ref
from reconciler.core.model.secrets.literal import literal_secrets
from reconciler.core.model.state import State
from reconciler.core.plan.diff import Diff
from reconciler.core.plan.renaming import Renames, Renaming
from reconciler.core.plan.support import Support

# What a deletion takes with it for good: the virtual key, and a team's credits.
IRREPLACEABLE = (Team.kind, Key.kind)


def renames(desired: State, live: State, known: Known, support: Support) -> Renames:
    """Every declared rename, by what becomes of it. Expects that no old name is declared (`core.rules.check`)."""
    ways: dict[str, dict[Ref, Ref]] = {"in_place": {}, "replaced": {}, "settled": {}, "refused": {}}
    findings: list[Finding] = []
    for ref in sorted(desired):
        former = desired[ref].renamed_from
        old = Ref(ref.kind, former or "")
        if not former or ref.kind not in support.kinds or old in desired:
            continue
        way, way_findings = _way(ref, old, live, known, support)
        findings += way_findings
        if way:
            ways[way][old] = ref
    refused = ways["refused"]
    return Renames(
        in_place=Renaming(ways["in_place"]),
        replaced=Renaming(ways["replaced"]),
        settled=Renaming(ways["settled"]),
        refused=frozenset((*refused.keys(), *refused.values())),
        findings=tuple(findings),
    )


def _way(
    ref: Ref, old: Ref, live: State, known: Known, support: Support
) -> tuple[str | None, list[Finding]]:
    """Which of the ways it is; None where there is nothing to do.

    old live   new live
    no         any        settled, where only the old name is in the ledger; else done
    yes        yes        replaced half-way, where the old one is ours and can go; else it changes nothing
    yes        no         refused, in place, or replaced, by what the gateway can do
    """
    if old not in live:
        granted = known.granted if ref.kind == Team.kind else ()
        remembered = old in known.inventory or old.name in granted
        moves = ref not in known.inventory and remembered
        return "settled" if moves else None, [_done(ref, old, live)]
    if ref in live:
        ours = old in known.inventory and old not in known.fixed
        if ours and ref.kind not in IRREPLACEABLE:
            return "replaced", []
        return None, [_both(ref, old)]
    if hindrance := _hindrance(ref, old, known, support):
        return "refused", [hindrance]
    recalled = [_recalled(ref, old)] if ref.kind == ModelAlias.kind else []
    if ref.kind not in support.renames:
        return "replaced", recalled
    return "in_place", [*recalled, *_unfit(ref, live[old], support)]


def _hindrance(ref: Ref, old: Ref, known: Known, support: Support) -> Finding | None:
    if old in known.fixed:
        message = f"{old} can only be read on this gateway, so it cannot become {ref}"
        return _cannot(ref, message, "take renamed_from out: the new one is then created beside it")
    if ref.kind == Team.kind and old.name in known.undecided:
        message = f"whether an earlier credit grant for {old} happened cannot be told; under another name nobody could"
        return _cannot(
            ref, message, "compare its balance on the gateway, then run `reconciler history decide`"
        )
    if ref.kind in IRREPLACEABLE and ref.kind not in support.renames:
        lost = "virtual key and credits" if ref.kind == Team.kind else "secret"
        message = f"{support.backend} cannot rename {old} to {ref.name}: its {lost} would be lost"
        hint = f"declare it as {old.name} and show another name by team_alias; or declare both, move the callers"
        return _cannot(
            ref,
            message,
            hint if ref.kind == Team.kind else "declare both, move the callers, drop the old",
        )
    return None


def _cannot(ref: Ref, message: str, hint: str) -> Finding:
    return error("cannot-rename", message, hint=hint, ref=ref, path=("renamed_from",))


def _unfit(ref: Ref, resource: Resource, support: Support) -> Iterator[Finding]:
    """A name that the gateway would not take: what its check says of the ids of new objects."""
    for finding in support.check(ref, None, resource):
        if finding.code.startswith("id-"):
            yield finding


def _done(ref: Ref, old: Ref, live: State) -> Finding:
    state = (
        f"{ref} has its new name already"
        if ref in live
        else f"there is no {old} on the gateway to rename"
    )
    return info("rename-done", f"{state}: renamed_from can go", ref=ref, path=("renamed_from",))


def _both(ref: Ref, old: Ref) -> Finding:
    message = f"{ref} exists already beside {old}: renamed_from changes nothing"
    hint = f"take renamed_from out, and decide what becomes of {old.name}"
    return warning("rename-done", message, hint=hint, ref=ref, path=("renamed_from",))


def _recalled(ref: Ref, old: Ref) -> Finding:
    message = f"calls to {old.name} stop when it becomes {ref.name}"
    hint = f"to give clients time, declare both for a while (without renamed_from) and take {old.name} out later"
    return warning("alias-renamed", message, hint=hint, ref=ref, path=("renamed_from",))


# ---- the world under its new names


@dataclass(frozen=True)
class View:
    """What a plan is made of once renames are seen through. `called`: live, but aliases by the names called now."""

    desired: State
    live: State
    known: Known
    called: State


def view(desired: State, live: State, known: Known, given: Renames) -> View:
    """The world as it reads after the renames in place; an old object that is replaced is ours to delete."""
    wishes: dict[Ref, Resource | None] = {
        new: _carried(desired[new], live[old], known.inventory.get(old))
        for old, new in given.replaced.new_of.items()
    }
    renamed = (given.in_place | given.settled).known(known)
    going = _adopted(given.replaced.new_of, known.inventory)
    return View(
        desired=desired.updated(wishes) if wishes else desired,
        live=given.in_place.state(live),
        known=replace(renamed, inventory={**renamed.inventory, **going}),
        called=given.in_place.of_callers().state(live),
    )


def _carried(wish: Resource, old: Resource, record: Record | None) -> Resource:
    """The wish with the old object's values of what is not managed, without those that hold a secret or its mask."""
    ours = record.applied if record else {}
    unsaid = marked(type(wish), IfDeclared) - wish.model_fields_set - ours.keys()
    kept: dict[str, object] = {}
    for name in sorted(unsaid):
        value = getattr(old, name)
        if value is not None and not any(literal_secrets({name: value})):
            kept[name] = value
    return wish.model_copy(update=kept) if kept else wish


def _adopted(olds: Collection[Ref], inventory: Inventory) -> dict[Ref, Record]:
    """The old objects as ours; `renamed_from` says that they are meant to go, whatever protects them."""
    records: dict[Ref, Record] = {}
    for old in olds:
        record = inventory.get(old, Record(adopted=True))
        unprotected = {name: value for name, value in record.applied.items() if name != "protect"}
        records[old] = replace(record, applied=unprotected)
    return records


# ---- renames as changes


def with_renames(compared: Diff, given: Renames, seen: View) -> Diff:
    """The diff of the view, its changes saying their former names; what is refused is neither made nor deleted."""
    kept = (change for change in compared.changes if change.ref not in given.refused)
    changes = [_with_former_name(change, given) for change in kept]
    changed = {change.ref for change in changes}
    alone = [
        Change(new, seen.live[new], seen.live[new], renamed_from=old.name)
        for old, new in given.in_place.new_of.items()
        if new not in changed
    ]
    return replace(
        compared,
        changes=tuple(sorted([*changes, *alone], key=lambda change: change.ref)),
        findings=(*compared.findings, *given.findings),
        unchanged=compared.unchanged - len(alone),
    )


def _with_former_name(change: Change, given: Renames) -> Change:
    """A replacement that was begun before has its new object already: what is left of it is no rename."""
    way = given.replaced if change.before is None else given.in_place
    former = way.old_of.get(change.ref)
    if former is None or change.after is None:
        return change
    return replace(change, renamed_from=former.name)
