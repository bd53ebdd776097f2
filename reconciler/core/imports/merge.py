"""merging: where live differs from what is declared -> fields to write, so that a plan has nothing left to change.

A field is changed on the object that it is about. A pricing plan is never changed for one team's sake: what a team has
beyond its plan becomes its own, and what it lacks of its plan is a finding.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reconciler.core.imports.export import Export, Source, everything, export, plain
from reconciler.core.imports.live import ABSENT, Fields, sound, with_fields
from reconciler.core.imports.masks import secret_paths
from reconciler.core.model.changes import Change
from reconciler.core.model.findings import Finding, info, warning
from reconciler.core.model.kinds import (
    AccessGroup,
    CreditsMode,
    IfDeclared,
    PricingPlan,
    Resource,
    Team,
    marked,
)
from reconciler.core.model.prices import PriceMap
from reconciler.core.model.refs import Ref
from reconciler.core.model.secrets.typed import FREE
from reconciler.core.model.state import State
from reconciler.core.plan.credits.allocation import ALLOCATION, CREDITS
from reconciler.core.plan.diff import Diff, diff
from reconciler.core.plan.resolve import Resolved, resolve

_SAID = ("import-taken", "import-secret", "import-unwritable")


@dataclass(frozen=True)
class Merge:
    """What to write into the files.

    changed   ref -> fields with their new plain value, or ABSENT
    added     objects that are live and not declared
    gone      objects that we applied once, that are declared, and that the gateway no longer has
    """

    changed: Mapping[Ref, Fields] = field(default_factory=dict)
    added: Export = field(default_factory=lambda: Export({}))
    gone: tuple[Ref, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Declared:
    """What the files say, as written and as it resolves at `now`."""

    written: State
    now: datetime
    prices: PriceMap

    @property
    def resolved(self) -> Resolved:
        return resolve(self.written, self.now, self.prices)


def merge(
    declared: Declared,
    source: Source,
    only: Callable[[Ref], bool] = everything,
    *,
    new: bool = True,
    fields: Mapping[Ref, frozenset[str]] | None = None,
) -> Merge:
    """The live side of everything in scope; without `new` only of what is declared.

    `fields` narrows an object to some of its fields: what git changed in the others stays as git has it.
    """
    desired = declared.resolved
    found = diff(desired.state, source.live, source.known, source.support, prune="never")
    values = _live_values(source, found)
    if fields is not None:
        values = {ref: _only(some, fields.get(ref, frozenset())) for ref, some in values.items()}
    changed, findings = _changed(declared, desired, source, values, only)
    written = declared.written
    live_only = _Unwritten(source.live, written, only)
    added = export(source, live_only, written.resources.keys()) if new else Export({})
    changed, refused = sound(changed, written, added.state)
    findings += refused
    missing = [change.ref for change in found.changes if change.before is None and only(change.ref)]
    gone = tuple(ref for ref in missing if ref in source.known.inventory)
    told = (*findings, *_missing(missing, gone), *added.findings)
    done = Merge(changed, _on_known_plans(added, written), gone, told)
    left = _left(done, declared, source, only) if fields is None else ()
    return Merge(done.changed, done.added, done.gone, (*told, *left))


def _only(values: Fields, names: frozenset[str]) -> Fields:
    return {name: value for name, value in values.items() if name in names}


@dataclass(frozen=True)
class _Unwritten:
    live: State
    written: State
    only: Callable[[Ref], bool]

    def __call__(self, ref: Ref) -> bool:
        return ref not in self.written and self.only(ref)


def _on_known_plans(added: Export, written: State) -> Export:
    """A new team keeps the plan that the ledger names only where the files have that plan."""
    plans = written.of(PricingPlan)
    objects = dict(added.objects)
    for ref, each in added.objects.items():
        if ref.kind == Team.kind and each.spec.get("plan") not in (None, *plans):
            spec = {name: value for name, value in each.spec.items() if name != "plan"}
            objects[ref] = type(each)(each.ref, spec, each.remarks, each.aside)
    return Export(objects, added.skipped, added.extra, added.lint)


def _changed(
    declared: Declared,
    desired: Resolved,
    source: Source,
    live_values: Mapping[Ref, Fields],
    only: Callable[[Ref], bool],
) -> tuple[dict[Ref, Fields], list[Finding]]:
    changed: dict[Ref, Fields] = {}
    findings: list[Finding] = []
    for ref, values in live_values.items():
        if not only(ref) or ref not in declared.written:
            continue
        teller = _Teller(ref, declared.written[ref], desired, source)
        fields = {name: teller.written_as(name, value) for name, value in values.items()}
        findings += teller.findings
        fields = {name: value for name, value in fields.items() if value is not Ellipsis}
        if fields:
            changed[ref] = fields
    return changed, findings


def _live_values(source: Source, found: Diff) -> Mapping[Ref, Fields]:
    """Ref -> the fields whose live value is another than the declared one, with that live value."""
    values: dict[Ref, dict[str, Any]] = {}
    for change in found.changes:
        if change.before is not None and change.after is not None:
            values[change.ref] = {
                **{each.name: each.before for each in change.fields},
                **_credits(change, source),
            }
    for ref, names in found.held.items():
        live = source.live[ref]
        values.setdefault(ref, {}).update({name: getattr(live, name) for name in names})
    return {ref: fields for ref, fields in values.items() if fields}


def _credits(change: Change, source: Source) -> Fields:
    """Credits as they must be declared so that nothing is granted: the managed part is what was declared last."""
    if not any(grant.grant_id == ALLOCATION for grant in change.credits):
        return {}
    wish, before = change.after, change.before
    live: int | None = getattr(before, CREDITS)
    if live is None and source.support.unlimited_credits:
        return {CREDITS: None}
    record = source.known.inventory.get(change.ref)
    last = record.applied.get(CREDITS) if record else None
    mode = getattr(wish, "credits_mode", None) or CreditsMode.MANAGED
    if mode is CreditsMode.MANAGED and last is not None:
        return {CREDITS: min(int(last), live or 0)}
    return {CREDITS: live}


@dataclass
class _Teller:
    """One object's fields: from the live value to what its file must say. Ellipsis: it cannot be said there."""

    ref: Ref
    written: Resource
    desired: Resolved
    source: Source
    findings: list[Finding] = field(default_factory=list)

    def written_as(self, name: str, live: Any) -> Any:
        if name in FREE and any(secret_paths({name: plain(live)})):
            self._tell(
                "import-secret",
                f"{name} of {self.ref} holds a secret on the gateway; it is not written",
                name,
            )
            return ...
        if name == "access_groups" and isinstance(self.written, Team):
            return self._names(name, live, self._granted(self.written), "its plan or a grant gives")
        if (
            name == "model_aliases"
            and isinstance(self.written, AccessGroup)
            and self.written.select is not None
        ):
            chosen = self.desired.state[self.ref].model_aliases - self.written.model_aliases  # type: ignore[attr-defined]  # a group
            return self._names(name, live, chosen, "its select chooses")
        return self._value(name, live)

    def _granted(self, team: Team) -> frozenset[str]:
        plan = self.desired.plans.get(team.plan or "")
        inherited = plan.access_groups if plan else frozenset()
        effective: frozenset[str] = getattr(self.desired.state[self.ref], "access_groups")  # noqa: B009  a team has them
        return inherited | (effective - team.access_groups)

    def _names(self, name: str, live: frozenset[str], given: frozenset[str], who: str) -> Any:
        """Its own names: those that it had and still has, and what it has beyond what others give it."""
        own: frozenset[str] = getattr(self.written, name)
        for lacking in sorted(given - live):
            says = f"{self.ref} has no {lacking} on the gateway, but {who} it"
            hint = (
                "move it to another plan, or let apply give it back"
                if self.ref.kind == Team.kind
                else None
            )
            self._tell("import-taken", says, name, hint)
        said = sorted((own & live) | (live - given))
        return said if said or not given else ABSENT

    def _value(self, name: str, live: Any) -> Any:
        info_ = type(self.written).model_fields[name]
        if live in (None, (), frozenset()) and not info_.is_required():
            inherits = isinstance(self.written, Team) and self._plan_says(name)
            return None if inherits and name in marked(type(self.written), IfDeclared) else ABSENT
        return plain(live)

    def _plan_says(self, name: str) -> bool:
        plan = self.desired.plans.get(getattr(self.written, "plan", None) or "")
        return plan is not None and getattr(plan, name, None) is not None

    def _tell(self, code: str, message: str, name: str, hint: str | None = None) -> None:
        self.findings.append(warning(code, message, hint=hint, ref=self.ref, path=(name,)))


def _missing(missing: list[Ref], gone: tuple[Ref, ...]) -> Iterator[Finding]:
    for ref in missing:
        if ref in gone:
            hint = "--prune-files takes it out of the files; apply makes it again"
            says = f"{ref} is declared and was applied, but is gone from the gateway"
            yield warning("import-gone", says, hint=hint, ref=ref)
        else:
            yield info(
                "import-not-applied", f"{ref} is declared and not yet on the gateway", ref=ref
            )


def _left(
    merge: Merge, declared: Declared, source: Source, only: Callable[[Ref], bool]
) -> Iterator[Finding]:
    """What a plan will still change after the merge, and what was not said about yet."""
    state = with_fields(merge.changed, declared.written, merge.added.state)
    after = resolve(state, declared.now, declared.prices).state
    said = {finding.ref for finding in merge.findings if finding.code in _SAID}
    for change in diff(after, source.live, source.known, source.support, prune="never").changes:
        if (
            change.before is None
            or change.verb == "adopt"
            or not only(change.ref)
            or change.ref in said
        ):
            continue
        names = ", ".join(each.name for each in change.fields) or "top_ups"
        yield info(
            "import-differs", f"plan will still change {names} of {change.ref}", ref=change.ref
        )
