"""looks-like-rename: a plan that deletes one object and creates another with the same content may mean a rename."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from difflib import SequenceMatcher

from reconciler.core.model.changes import Change
from reconciler.core.model.findings import Finding, warning
from reconciler.core.model.kinds import AccessGroup, Key, ModelAlias, Organization, Resource, Team
from reconciler.core.plan.support import Support

# More of the same content than this is a tier whose customers come and go: nobody could say which is which.
MOST_ALIKE = 20
# Of several with the same content, two names this similar belong together.
SIMILAR = 0.6


def lookalikes(changes: Iterable[Change], support: Support) -> Iterator[Finding]:
    """One finding for each pair of a deleted and a created object that are the same but for the name."""
    gone: dict[Hashable, list[Change]] = defaultdict(list)
    come: dict[Hashable, list[Change]] = defaultdict(list)
    for change in changes:
        content = _content(change.after or change.before)
        if content and change.verb in ("create", "delete"):
            side = come if change.after is not None else gone
            side[change.ref.kind, *content].append(change)
    taken = {
        (c.ref.kind, c.renamed_from) for created in come.values() for c in created if c.renamed_from
    }
    for key, created in come.items():
        new = [change for change in created if change.renamed_from is None]
        old = [
            change
            for change in gone.get(key, [])
            if (change.ref.kind, change.ref.name) not in taken
        ]
        for former, latter in _paired(old, new):
            yield _finding(former, latter, support)


def _content(resource: Resource | None) -> tuple[Hashable, ...]:
    """What makes two objects of a kind the same to the teams; empty where there is too little to tell."""
    match resource:
        case Organization():
            return (resource.name,)
        case ModelAlias():
            return (
                resource.litellm_model,
                *(deployment.litellm_model for deployment in resource.deployments),
            )
        case AccessGroup():
            return (resource.model_aliases,) if resource.model_aliases else ()
        case Team():
            return (
                (resource.organization_id, resource.access_groups) if resource.access_groups else ()
            )
        case Key():
            return (resource.team_id, resource.models)
    return ()


def _paired(old: list[Change], new: list[Change]) -> Iterator[tuple[Change, Change]]:
    """The only two, or those of similar names, each once."""
    if len(old) == len(new) == 1:
        yield old[0], new[0]
        return
    if len(old) + len(new) > MOST_ALIKE:
        return
    near = sorted(
        ((-_likeness(a, b), a.ref, b.ref, a, b) for a in old for b in new),
        key=lambda pair: pair[:3],
    )
    used: set[object] = set()
    for likeness, former, latter, a, b in near:
        if -likeness >= SIMILAR and not used & {former, latter}:
            used |= {former, latter}
            yield a, b


def _likeness(old: Change, new: Change) -> float:
    return SequenceMatcher(None, old.ref.name, new.ref.name).ratio()


def _finding(old: Change, new: Change, support: Support) -> Finding:
    lost = ""
    if old.ref.kind in (Team.kind, Key.kind):
        lost = (
            "; its virtual key and what it has left of its credits go with it"
            if old.ref.kind == Team.kind
            else ""
        )
        lost = lost or "; its secret goes with it"
    message = f"{old.ref} is deleted and {new.ref} created with the same content: this looks like a rename{lost}"
    return warning("looks-like-rename", message, hint=_hint(old, new, support), ref=new.ref)


def _hint(old: Change, new: Change, support: Support) -> str:
    if old.ref.kind in (Team.kind, Key.kind) and old.ref.kind not in support.renames:
        return f"{support.backend} cannot rename: keep {old.ref.name}, or declare both until the callers have moved"
    return f"to carry it over, write `renamed_from: {old.ref.name}` in {new.ref.name}"
