"""part: what of the world a plan may touch; changes, notes, renames and findings cut to it."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from reconciler.core.model.changes import Change
from reconciler.core.model.findings import Finding
from reconciler.core.model.inventory import Inventory, resource_of
from reconciler.core.model.kinds import PricingPlan, Resource, Team
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.diff import Diff
from reconciler.core.plan.renaming import Renames
from reconciler.core.plan.saved import Approved
from reconciler.core.plan.scope import EVERYTHING, Scope, out_of_scope, unmatched


@dataclass(frozen=True)
class Part:
    """What fits the patterns of `scope` and is in the `approved` plan, where there are such. By default everything.

    `inventory` knows the labels and organizations of what is no longer declared.
    """

    scope: Scope = EVERYTHING
    approved: Approved | None = None
    inventory: Inventory = field(default_factory=dict)

    @property
    def partial(self) -> bool:
        return bool(self.scope.patterns) or self.approved is not None

    def _fits(self, change: Change) -> bool:
        """By the name that its object has, or had."""
        if self.scope.fits(change, self.inventory):
            return True
        if change.renamed_from is None:
            return False
        former = replace(change, ref=Ref(change.ref.kind, change.renamed_from))
        return self.scope.fits(former, self.inventory)

    def _approves(self, ref: Ref) -> bool:
        return self.approved is None or ref in self.approved.refs

    def has(self, change: Change) -> bool:
        return self._approves(change.ref) and self._fits(change)

    def cut_renames(self, given: Renames, live: State, desired: State) -> Renames:
        """The renames of this part: one belongs to it under its old name, too."""
        outside: list[Ref] = []
        for old, new in given.sent.new_of.items():
            renamed = Change(new, live[old], desired[new], renamed_from=old.name)
            if not self.has(renamed):
                outside.append(new)
        return given.without(outside) if outside else given

    def cut(self, whole: Diff, live: State, desired: State, kinds: Collection[str]) -> Diff:
        """The diff of this part; what that leaves dangling is an error. `kinds` are those that the gateway has."""
        if not self.partial:
            return whole
        changes = tuple(change for change in whole.changes if self.has(change))
        refs = {change.ref for change in changes}
        findings: list[Finding] = []
        for finding in whole.findings:
            ref = finding.ref
            if ref is None or self.has(Change(ref, live.get(ref), desired.get(ref))):
                findings.append(finding)
        return replace(
            whole,
            changes=changes,
            refused=tuple(finding for finding in whole.refused if finding.ref in refs),
            findings=(*findings, *out_of_scope(changes, live, kinds)),
            gone=(),
        )

    def cut_notes(self, changes: Iterable[Change]) -> Iterator[Change]:
        """What of it is only written down; of a saved plan just what it says word for word."""
        for change in changes:
            if self._fits(change) and (self.approved is None or self.approved.notes(change)):
                yield change

    def declared(self, desired: State, changes: Iterable[Change]) -> State:
        """What is declared, for money: a team that the scope leaves out stays on the plan that it was applied with."""
        if not self.scope.patterns:
            return desired
        within = {change.ref for change in changes}
        outside: dict[Ref, Resource | None] = {}
        for ref in desired:
            if ref.kind == Team.kind and ref not in within:
                record = self.inventory.get(ref)
                outside[ref] = resource_of(ref, record) if record is not None else None
        return desired.updated(outside)

    def unmatched(
        self, live: State, desired: State, plans: Mapping[str, PricingPlan]
    ) -> Iterator[Finding]:
        """The patterns of the scope that nothing fits, neither declared nor live nor recorded."""
        if not self.scope.patterns:
            return
        refs = desired.resources.keys() | live.resources.keys() | self.inventory.keys()
        candidates = [Change(ref, live.get(ref), desired.get(ref)) for ref in sorted(refs)]
        for ref, wish in desired.resources.items():
            if wish.renamed_from:
                candidates.append(Change(Ref(ref.kind, wish.renamed_from), None, wish))
        for name, plan in plans.items():
            candidates.append(Change(Ref(PricingPlan.kind, name), None, plan))
        yield from unmatched(self.scope, candidates, self.inventory)
