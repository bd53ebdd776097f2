"""Scope: the part of the world that a plan may touch (`--only`); outside of it nothing is changed or recorded."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from reconciler.core.model.changes import Change
from reconciler.core.model.findings import Finding, ReconcilerError, did_you_mean, error
from reconciler.core.model.inventory import Inventory
from reconciler.core.model.kinds import KINDS, SECTIONS, Organization, Team
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State, references, referrers


@dataclass(frozen=True)
class Scope:
    """Patterns of which one must fit; none at all means everything.

    team/acme-*              kind/name with wildcards
    teams                    a whole kind (its name or its section in YAML)
    organization=org_acme    an organization with its teams
    label:env=prod           whatever carries the label
    """

    patterns: tuple[str, ...] = ()

    def fits(self, change: Change, inventory: Inventory) -> bool:
        return not self.patterns or any(
            _fits(pattern, change, inventory) for pattern in self.patterns
        )


EVERYTHING = Scope()


def parse_scope(patterns: Collection[str]) -> Scope:
    """The scope of some `--only` values. Raises ReconcilerError for one that can fit nothing."""
    for pattern in patterns:
        kind = pattern.partition("/")[0]
        special = pattern.startswith(("organization=", "label:")) and "=" in pattern
        if not special and kind not in KINDS and kind not in SECTIONS:
            hint = "kind/name with wildcards, a kind, organization=ID or label:NAME=VALUE"
            raise ReconcilerError(error("scope", f"--only {pattern} names no kind", hint=hint))
    return Scope(tuple(patterns))


def unmatched(
    scope: Scope, candidates: Collection[Change], inventory: Inventory
) -> Iterator[Finding]:
    """Patterns that fit none of the candidates (every declared, live or recorded object): a slip, not an empty plan."""
    for pattern in scope.patterns:
        if any(_fits(pattern, candidate, inventory) for candidate in candidates):
            continue
        hint = _meant(pattern, candidates) or "nothing declared, live or owned has that name"
        yield error("scope-empty", f"nothing matches --only {pattern}", hint=hint)


def _meant(pattern: str, candidates: Collection[Change]) -> str | None:
    """The hint with the nearest pattern that fits something: only its name is compared, not what stands before it."""
    kind, slash, name = pattern.partition("/")
    if pattern.startswith("organization="):
        kind, slash, name = "organization", "=", pattern.removeprefix("organization=")
    if pattern.startswith("label:"):
        labels = (candidate.after.labels for candidate in candidates if candidate.after is not None)
        kind, slash, name = "label", ":", pattern.removeprefix("label:")
        names = {f"{label}={value}" for of_one in labels for label, value in of_one.items()}
    else:
        meant = SECTIONS[kind].kind if kind in SECTIONS else kind
        names = {candidate.ref.name for candidate in candidates if candidate.ref.kind == meant}
    hint = did_you_mean(name, names) if slash else None
    return hint.replace("did you mean ", f"did you mean {kind}{slash}", 1) if hint else None


def _fits(pattern: str, change: Change, inventory: Inventory) -> bool:
    if pattern.startswith("label:"):
        name, _, value = pattern.removeprefix("label:").partition("=")
        return _labels(change, inventory).get(name) == value
    if pattern.startswith("organization="):
        return _belongs(change, pattern.removeprefix("organization="))
    kind, slash, name = pattern.partition("/")
    kind = SECTIONS[kind].kind if kind in SECTIONS else kind
    return change.ref.kind == kind and (not slash or fnmatchcase(change.ref.name, name))


def _labels(change: Change, inventory: Inventory) -> Mapping[str, str]:
    if change.after is not None:
        return change.after.labels
    record = inventory.get(change.ref)
    return record.applied.get("labels", {}) if record else {}


def _belongs(change: Change, organization: str) -> bool:
    sides = [side for side in (change.before, change.after) if side is not None]
    if change.ref.kind == Organization.kind:
        return change.ref.name == organization
    teams = [side.organization_id for side in sides if isinstance(side, Team)]
    return organization in teams


def out_of_scope(
    changes: Collection[Change], live: State, kinds: Collection[str]
) -> Iterator[Finding]:
    """What the scope leaves out but the rest cannot do without; `kinds` are those that the gateway has."""
    after = live.updated({change.ref: change.after for change in changes})
    for change in changes:
        for name, target in references(change.after) if change.after else ():
            if target.kind in kinds and target not in after:
                message = f"{change.ref} needs {target}, which --only leaves out"
                yield error(
                    "out-of-scope",
                    message,
                    hint=f"--only {target} takes it in",
                    ref=change.ref,
                    path=(name,),
                )
    gone: set[Ref] = {change.ref for change in changes if change.after is None}
    holders = referrers(after, {ref.kind for ref in gone})
    for ref in sorted(gone & holders.keys()):
        message = f"{ref} cannot be deleted: {min(holders[ref])} still uses it, and --only leaves that out"
        yield error(
            "out-of-scope", message, hint=f"--only {min(holders[ref])} takes it in", ref=ref
        )
