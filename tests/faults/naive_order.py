"""A deliberately naive schedule: each object straight to what it should be, groups first. For counting what it breaks."""

from typing import Any

RANKS = {("model_alias", False): 0, ("access_group", True): 1, ("access_group", False): 2}


def naive(changes: Any, *_rest: Any, **_more: Any) -> dict[Any, frozenset[Any]]:
    """One after the other: new aliases, groups in place, new groups, teams, deletes."""
    from reconciler.core.model.changes import Action, Step

    steps: list[Any] = []
    for change in sorted(changes, key=_rank):
        ref, before, after = change.ref, change.before, change.after
        action = (
            Action.DELETE if after is None else Action.CREATE if before is None else Action.EXPAND
        )
        steps.append(Step(ref, action, before, after))
    return {
        step: frozenset(steps[max(0, number - 1) : number]) for number, step in enumerate(steps)
    }


def _rank(change: Any) -> Any:
    if change.after is None:
        return 9, change.ref
    return RANKS.get((change.ref.kind, change.before is not None), 3), change.ref


def install() -> None:
    from reconciler.apply import carry_out

    carry_out.schedule = naive
