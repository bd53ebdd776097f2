"""diff: desired and live -> changes, and findings for what this gateway cannot do."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from reconciler.core.model.changes import Change, CreditGrant
from reconciler.core.model.findings import Finding, error, warning
from reconciler.core.model.inventory import Inventory, Known
from reconciler.core.model.kinds import KINDS, Resource, Status, Team
from reconciler.core.model.refs import Ref
from reconciler.core.model.secrets.typed import veiled
from reconciler.core.model.state import State, referrers
from reconciler.core.plan.comparison import Comparison, differences, unstored
from reconciler.core.plan.credits.allocation import credit_grants
from reconciler.core.plan.credits.change import Crediting, credited, field_changes
from reconciler.core.plan.safety import secret_lost
from reconciler.core.plan.support import KindSupport, Support


@dataclass(frozen=True)
class Diff:
    """`refused`: what is not done unasked. `gone`: refs of ours that are neither in git nor live.

    `held`: ref -> the declared fields that differ and that this gateway cannot change; they do not count as applied.
    """

    changes: tuple[Change, ...]
    findings: tuple[Finding, ...]
    refused: tuple[Finding, ...]
    foreign: tuple[Ref, ...]
    gone: tuple[Ref, ...]
    unchanged: int
    held: Mapping[Ref, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Compared:
    """What a declared object comes to: its change (None: it is as declared), what is to be told, and `Diff.held`."""

    change: Change | None
    findings: tuple[Finding, ...] = ()
    held: frozenset[str] = frozenset()


def diff(desired: State, live: State, known: Known, support: Support, prune: str = "owned") -> Diff:
    """Every change that takes live to desired. Deterministic: sorted by ref, whatever the order of the inputs."""
    wanted, findings = _supported(desired, support)
    waiting: list[Finding] = []
    if support.top_ups_when_active:
        wanted, waiting = _top_ups_waiting(wanted, known, support)
    live = veiled_state(live, wanted, known.inventory)
    upserts: list[Change] = []
    held: dict[Ref, frozenset[str]] = {}
    for ref in sorted(wanted):
        compared = _compared(ref, wanted[ref], live.get(ref), known, support)
        findings += compared.findings
        if compared.change is not None:
            upserts.append(compared.change)
        if compared.held:
            held[ref] = compared.held
    deletes, refused, foreign, kept = _removals(wanted, live, known, support, prune)
    dropped = _still_referenced(live, upserts, deletes)
    changes = upserts + [change for change in deletes if change.ref not in dropped]
    unflagged = [finding for finding in findings if finding.flag is None]
    refused += [finding for finding in findings if finding.flag is not None]
    return Diff(
        changes=tuple(sorted(changes, key=lambda change: change.ref)),
        findings=(*unflagged, *waiting, *kept, *dropped.values(), *_unstored(wanted, support)),
        refused=tuple(refused),
        foreign=tuple(foreign),
        gone=tuple(sorted(_gone(wanted, live, known, support))),
        unchanged=len(wanted) - len(upserts),
        held=held,
    )


def veiled_state(
    live: State, wanted: Mapping[Ref, Resource] | State, inventory: Inventory
) -> State:
    """The live state without the texts of secrets that we fill in or once filled in."""
    hidden: dict[Ref, Resource] = {}
    for ref, resource in live.resources.items():
        record = inventory.get(ref)
        hidden[ref] = veiled(resource, wanted.get(ref), record.applied if record else None)
    return State(hidden)


def _gone(
    wanted: Mapping[Ref, Resource], live: State, known: Known, support: Support
) -> Iterator[Ref]:
    """A kind that the gateway does not show (LiteLLM's organizations need a licence) says nothing of what is there."""
    for ref in known.inventory:
        if ref not in wanted and ref not in live and ref.kind in support.kinds:
            yield ref


def _supported(desired: State, support: Support) -> tuple[dict[Ref, Resource], list[Finding]]:
    wanted = {ref: res for ref, res in desired.resources.items() if ref.kind in support.kinds}
    missing: dict[str, list[Ref]] = {}
    for ref, resource in desired.resources.items():
        if ref.kind not in support.kinds and not resource.virtual:
            missing.setdefault(ref.kind, []).append(ref)
    findings = [
        warning(
            "kind-not-supported",
            f"{support.backend} has no {KINDS[kind].section}: {_examples(refs)} stay in git only",
            ref=min(refs),
        )
        for kind, refs in sorted(missing.items())
    ]
    return wanted, findings


def _examples(refs: Collection[Ref]) -> str:
    first = ", ".join(ref.name for ref in sorted(refs)[:3])
    return first if len(refs) <= 3 else f"{first} and {len(refs) - 3:,} more"  # noqa: PLR2004  three examples


def _top_ups_waiting(
    wanted: dict[Ref, Resource], known: Known, support: Support
) -> tuple[dict[Ref, Resource], list[Finding]]:
    """The wishes without new top-ups of suspended teams: nobody could see whether one was granted before."""
    wishes: dict[Ref, Resource] = dict(wanted)
    findings: list[Finding] = []
    for ref, wish in wanted.items():
        if not isinstance(wish, Team) or wish.status is not Status.SUSPENDED:
            continue
        granted = known.granted.get(ref.name, ())
        new = [top_up.id for top_up in wish.top_ups if top_up.id not in granted]
        if not new:
            continue
        given = tuple(top_up for top_up in wish.top_ups if top_up.id in granted)
        wishes[ref] = wish.model_copy(update={"top_ups": given})
        message = (
            f"{ref}: {', '.join(new)} waits until the team is active: "
            f"{support.backend} shows no credits before"
        )
        findings.append(warning("top-up-waits", message, ref=ref, path=("top_ups",)))
    return wishes, findings


def _compared(
    ref: Ref, wish: Resource, live: Resource | None, known: Known, support: Support
) -> Compared:
    if live is None:
        return _create(ref, wish, known, support)
    if ref in known.fixed:
        return _fixed(ref, wish, live, support)
    return _update(ref, wish, live, known, support)


def _create(ref: Ref, wish: Resource, known: Known, support: Support) -> Compared:
    if not support.kinds[ref.kind].create:
        impossible = error("cannot-create", f"{support.backend} cannot create {ref}", ref=ref)
        return Compared(None, (impossible,))
    declared = support.wished(ref, wish, None, None)
    after = support.normalise(ref, declared)
    granted = known.granted.get(ref.name, frozenset())
    grants: tuple[CreditGrant, ...] = ()
    if isinstance(declared, Team):
        grants = credit_grants(ref.name, declared, None, None, granted)
    findings = (
        *support.check(ref, None, after),
        *_granted_before(ref, declared, known),
        *secret_lost(ref, known, support.owes_secret(ref, after)),
    )
    return Compared(Change(ref, None, after, credits=grants), findings)


def _granted_before(ref: Ref, wish: Resource, known: Known) -> Iterator[Finding]:
    """A team that comes back does not get a top-up a second time: each is granted once ever."""
    ids = {top_up.id for top_up in wish.top_ups} if isinstance(wish, Team) else set()
    again = sorted(ids & set(known.granted.get(ref.name, ())))
    if again:
        message = (
            f"{ref} was granted {', '.join(again)} before it was deleted; that is not granted again"
        )
        hint = "give the top-up a new id if it is meant to be granted once more"
        yield warning("top-up-granted", message, hint=hint, ref=ref, path=("top_ups",))


def _fixed(ref: Ref, wish: Resource, live: Resource, support: Support) -> Compared:
    sides = Comparison(ref, wish, live, None, support)
    differing = differences(sides.visible, sides.aimed, sides.kind)
    if not differing:
        return Compared(None)
    names = ", ".join(difference.name for difference in differing)
    message = f"{ref} can only be read on this gateway, and its {names} differ from what is declared; it stays as it is"
    return Compared(None, (warning("read-only", message, ref=ref),))


def _update(ref: Ref, wish: Resource, live: Resource, known: Known, support: Support) -> Compared:
    """The steps up to `before` and `aimed` are those of `Comparison`; from there:

    granted   aimed, with the credits that the team has when its grants are done
    after     granted, but for the fields that this gateway cannot change: they stay as they are
    """
    record = known.inventory.get(ref)
    sides = Comparison(ref, wish, live, record, support)
    before = sides.assumed
    grants, granted = credited(_crediting(sides, known), sides.aimed, support)
    differing = differences(before, granted, sides.kind)
    held = {
        difference.name: difference.before for difference in differing if not difference.updatable
    }
    after = granted.model_copy(update=held) if held else granted
    fields = field_changes(differing, support)
    findings = [_cannot_change(ref, name, sides.kind, support) for name in held]
    if fields:
        findings += support.check(ref, before, after)
    change = None
    if fields or grants or record is None:
        change = Change(ref, before, after, fields, adopt=record is None, credits=grants)
    return Compared(change, tuple(findings), frozenset(held))


def _crediting(sides: Comparison, known: Known) -> Crediting:
    team = sides.ref.name
    return Crediting(
        ref=sides.ref,
        wish=sides.declared,
        before=sides.assumed,
        record=sides.record,
        granted=known.granted.get(team, frozenset()),
        undecided=team in known.undecided,
        elsewhere=known.given.get(team),
    )


def _cannot_change(ref: Ref, name: str, kind: KindSupport, support: Support) -> Finding:
    why = kind.notes.get(name, "it is set when the object is created")
    return warning(
        "cannot-change",
        f"{name} of {ref} differs, but {support.backend} cannot change it: {why}",
        hint=f"declare the live value, or delete and re-create {ref.name}",
        ref=ref,
        path=(name,),
    )


def _unstored(wanted: Mapping[Ref, Resource], support: Support) -> Iterator[Finding]:
    """One finding per kind and field, however many objects declare it."""
    refs_by_field: dict[tuple[str, str], list[Ref]] = {}
    for ref, wish in wanted.items():
        for name in (*unstored(wish, support.kinds[ref.kind]), *sorted(support.unkept(ref, wish))):
            refs_by_field.setdefault((ref.kind, name), []).append(ref)
    for (kind, name), refs in sorted(refs_by_field.items()):
        why = support.kinds[kind].notes.get(name)
        message = (
            f"{support.backend} does not keep {name} of {KINDS[kind].section}: {_examples(refs)}"
        )
        yield warning(
            "not-stored", message + (f" ({why})" if why else ""), ref=min(refs), path=(name,)
        )


def _removals(
    wanted: Mapping[Ref, Resource], live: State, known: Known, support: Support, prune: str
) -> tuple[list[Change], list[Finding], list[Ref], list[Finding]]:
    deletes: list[Change] = []
    refused: list[Finding] = []
    kept: list[Finding] = []
    foreign: list[Ref] = []
    for ref in sorted(ref for ref in live if ref not in wanted and ref.kind in support.kinds):
        record = known.inventory.get(ref)
        if ref in known.fixed or (record is None and prune != "all"):
            foreign.append(ref)
        elif prune == "never":
            kept.append(
                warning(
                    "not-pruned",
                    f"{ref} is ours and no longer declared, but prune is `never`",
                    ref=ref,
                )
            )
        elif not support.kinds[ref.kind].delete:
            kept.append(_cannot_delete(ref, support))
        else:
            deletes.append(Change(ref, live[ref], None))
            refused += [_protected(ref)] if record and record.applied.get("protect") else []
    return deletes, refused, foreign, kept


def _cannot_delete(ref: Ref, support: Support) -> Finding:
    why = support.kinds[ref.kind].notes.get("", "its API has no such call")
    return warning(
        "cannot-delete",
        f"{ref} is no longer declared, but {support.backend} cannot delete it: {why}",
        ref=ref,
    )


def _protected(ref: Ref) -> Finding:
    message = f"{ref} was declared with `protect: true` and would be deleted"
    return error(
        "protected", message, hint="--allow-protected deletes it", ref=ref, flag="--allow-protected"
    )


def _still_referenced(
    live: State, upserts: list[Change], deletes: list[Change]
) -> dict[Ref, Finding]:
    """Deletions that would leave something of others dangling (or be refused by the gateway), until none is left."""
    dropped: dict[Ref, Finding] = {}
    if not deletes:
        return dropped
    kinds = {change.ref.kind for change in deletes}
    while True:
        going = {change.ref: None for change in deletes if change.ref not in dropped}
        after = live.updated({**{change.ref: change.after for change in upserts}, **going})
        holders = referrers(after, kinds)
        held = {ref: holders[ref] for ref in going if ref in holders}
        if not held:
            return dropped
        dropped |= {ref: _held(ref, refs) for ref, refs in held.items()}


def _held(ref: Ref, holders: frozenset[Ref]) -> Finding:
    return error(
        "still-referenced",
        f"{ref} cannot be deleted: {_examples(holders)} would lose it and stay behind",
        hint="declare those that use it, let them go of it first, or declare it again",
        ref=ref,
    )
