"""A saved plan as data, and whether it still holds: the right gateway, untouched, and nothing moved since.

A saved plan is an approval, not a script: apply plans afresh and carries out just what was approved, or refuses.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, Field

from reconciler.core.access.facts import AccessFacts
from reconciler.core.model.changes import Change
from reconciler.core.model.digest import digest
from reconciler.core.model.findings import Finding, error
from reconciler.core.model.inventory import record_of
from reconciler.core.model.refs import Ref
from reconciler.core.plan.plan import Plan, PricesUsed

FORMAT = "reconciler.plan/1"
REPORT_FORMAT = "reconciler-plan-report"
EXAMPLES = 10
SAME_CONFIG = "check out the planned revision, or plan again"


@dataclass(frozen=True)
class Approved:
    """What a saved plan lets a fresh one hold: the refs of its changes, and ref -> digest of what is only noted."""

    refs: frozenset[Ref]
    noted: Mapping[Ref, str] = field(default_factory=dict)

    def notes(self, change: Change) -> bool:
        return self.noted.get(change.ref) == change_digest(change)


@dataclass(frozen=True)
class SavedPlan:
    """What a plan file holds for apply. `digests`: ref -> digest of the approved change.

    `noted`: the same for changes that are only written down.

    `fingerprints`: ref -> digest of every live object that was read; `revision` and `created` are told, not checked.
    `scope` are the patterns that the plan was cut to. `facts` is the digest of those that decide access and that no
    object holds, `prices` what it was computed with; None in plan files of earlier versions.
    """

    gateway: str
    identity: str
    order: str
    digests: Mapping[Ref, str]
    fingerprints: Mapping[Ref, str]
    revision: str | None = None
    created: str | None = None
    tool_version: str | None = None
    scope: tuple[str, ...] = ()
    noted: Mapping[Ref, str] = field(default_factory=dict)
    facts: str | None = None
    prices: PricesUsed | None = None

    @property
    def approved(self) -> Approved:
        return Approved(frozenset(self.digests), self.noted)


def change_digest(change: Change) -> str:
    """Names a change: what it does, from what, to what, with which credits."""
    before, after = (
        record_of(side) if side is not None else None for side in (change.before, change.after)
    )
    grants = [[grant.grant_id, grant.amount] for grant in change.credits]
    former = [change.renamed_from] if change.renamed_from else []
    return digest([str(change.ref), change.verb, change.adopt, before, after, grants, *former])


def facts_digest(facts: AccessFacts) -> str:
    return digest(facts)[:16]


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content with a digest of itself, so that a changed file is noticed (it is no signature)."""
    return {**content, "sha256": digest(content)}


def unsealed(document: Any) -> SavedPlan | Finding:
    """The saved plan of a document, or why it is none that can be trusted."""
    if not isinstance(document, dict) or not isinstance(document.get("format"), str):
        return error(
            "plan-file", "this is no plan file", hint="reconciler plan --out FILE writes one"
        )
    if document["format"] == REPORT_FORMAT:
        says = (
            "this is a report of a plan, for people and programs to read; apply needs a saved plan"
        )
        return error("plan-file", says, hint="reconciler plan --out FILE saves one")
    if document["format"] != FORMAT:
        found = document["format"]
        return error(
            "plan-format",
            f"the plan file has format {found!r}, this reconciler reads {FORMAT!r}",
            hint="plan again",
        )
    content = {name: value for name, value in document.items() if name != "sha256"}
    if document.get("sha256") != digest(content):
        return error(
            "plan-tampered",
            "the plan file was changed after it was written",
            hint="plan again, and review again",
        )
    return _parsed(content)


class _Target(BaseModel):
    name: str
    identity: str


class _Prices(BaseModel):
    version: str
    digest: str


class _Content(BaseModel):
    """What of a plan file apply reads, in the types that it needs."""

    gateway: _Target
    order: Literal["grant-first", "revoke-first"]
    digests: dict[str, str]
    fingerprints: dict[str, str]
    revision: str | None = None
    created: str | None = None
    tool_version: str | None = None
    scope: tuple[str, ...] = ()
    noted: dict[str, str] = Field(default_factory=dict)
    facts: str | None = None
    prices: _Prices | None = None


def _parsed(content: Mapping[str, Any]) -> SavedPlan:
    """Raises ValueError where a value is missing or of another type: anybody can make a seal."""
    found = _Content.model_validate(content)
    return SavedPlan(
        gateway=found.gateway.name,
        identity=found.gateway.identity,
        order=found.order,
        digests=_by_ref(found.digests),
        fingerprints=_by_ref(found.fingerprints),
        revision=found.revision,
        created=found.created,
        tool_version=found.tool_version,
        scope=found.scope,
        noted=_by_ref(found.noted),
        facts=found.facts,
        prices=PricesUsed(found.prices.version, found.prices.digest) if found.prices else None,
    )


def _by_ref(digests: Mapping[str, str]) -> Mapping[Ref, str]:
    return {Ref.parse(ref): value for ref, value in digests.items()}


def content_of(
    plan: Plan, report: Any, fingerprints: Mapping[Ref, str], *, created: str, tool_version: str
) -> dict[str, Any]:
    """What goes into a plan file: the whole plan for readers, and what apply checks. No secret is in either."""
    return {
        "format": FORMAT,
        "tool_version": tool_version,
        "created": created,
        "revision": plan.revision,
        "gateway": {
            "name": plan.target.name,
            "identity": plan.target.identity,
            "backend": plan.target.backend,
        },
        "order": plan.order,
        "prices": plan.prices and {"version": plan.prices.version, "digest": plan.prices.digest},
        "scope": list(plan.scope),
        "digests": {str(change.ref): change_digest(change) for change in plan.changes},
        "noted": {str(change.ref): change_digest(change) for change in plan.noted},
        "fingerprints": {str(ref): value for ref, value in sorted(fingerprints.items())},
        "facts": facts_digest(plan.facts),
        "plan": report,
    }


def against(
    saved: SavedPlan, fresh: Plan, fingerprints: Mapping[Ref, str], *, rebase: bool = False
) -> tuple[Finding, ...]:
    """Why the saved plan must not be applied now: nothing, or everything that stands against it.

    `fresh` is the plan as of now, `fingerprints` those of all live objects. With `rebase`, objects that moved but
    are not touched by the saved plan are no hindrance.
    """
    if saved.identity != fresh.target.identity:
        message = f"the plan is for {saved.identity}, not for {fresh.target.identity}"
        return (
            error(
                "plan-gateway", message, hint=f"--gateway {saved.gateway} chooses another gateway"
            ),
        )
    moved = _moved(saved.fingerprints, fingerprints)
    moved += [
        c.ref for c in fresh.changes if c.renamed_from and Ref(c.ref.kind, c.renamed_from) in moved
    ]
    hindering = [ref for ref in moved if ref in saved.digests] if rebase else moved
    return (
        *_facts_moved(saved, fresh, rebase=rebase),
        *_stale(hindering, saved, rebase=rebase),
        *_different(saved, fresh, set(moved), rebase=rebase),
    )


def _moved(then: Mapping[Ref, str], now: Mapping[Ref, str]) -> list[Ref]:
    return sorted(ref for ref in then.keys() | now.keys() if then.get(ref) != now.get(ref))


def _facts_moved(saved: SavedPlan, fresh: Plan, *, rebase: bool) -> Iterator[Finding]:
    if not rebase and saved.facts not in (None, facts_digest(fresh.facts)):
        yield error(
            "plan-stale",
            "what decides access beside the objects (legacy access groups, router aliases) has changed since the plan "
            "was made, so that it may mean something else",
            hint="plan again, and review again; --rebase goes on",
        )


def _stale(moved: list[Ref], saved: SavedPlan, *, rebase: bool) -> Iterator[Finding]:
    for ref in moved[:EXAMPLES]:
        untouched = ref not in saved.digests
        hint = (
            "--rebase goes on: the plan does not touch it"
            if untouched and not rebase
            else "plan again, and review again"
        )
        yield error(
            "plan-stale",
            f"{ref} has changed on the gateway since the plan was made",
            hint=hint,
            ref=ref,
        )
    if len(moved) > EXAMPLES:
        yield error(
            "plan-stale",
            f"{len(moved) - EXAMPLES:,} more objects have changed on the gateway",
            hint="plan again",
        )


def _different(
    saved: SavedPlan, fresh: Plan, moved: set[Ref], *, rebase: bool
) -> Iterator[Finding]:
    """Changes that are not what was approved although the gateway did not move: the config did."""
    now = {change.ref: change_digest(change) for change in fresh.changes}
    for ref in sorted(saved.digests.keys() | now.keys()):
        if (
            ref in moved
            or saved.digests.get(ref) == now.get(ref)
            or (rebase and ref not in saved.digests)
        ):
            continue
        message = f"the change of {ref} is not the one in the plan file: the config is another"
        if ref not in now:
            message = f"there is nothing to change of {ref}: the plan was applied already, or the config is another"
        yield error("plan-config", message, hint=SAME_CONFIG, ref=ref)
    for change in fresh.noted:
        if saved.approved.notes(change) or (rebase and change.ref not in saved.noted):
            continue
        message = (
            f"what git says of {change.ref} is not what the plan file says: the config is another"
        )
        yield error("plan-config", message, hint=SAME_CONFIG, ref=change.ref)
