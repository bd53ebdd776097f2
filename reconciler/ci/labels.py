"""Labels by which a reviewer allows what apply refuses, each its own: `reconciler:allow-loss` for --allow-loss.

| the plan is refused for | the labels have its own | it is allowed |
|---|---|---|
| nothing | any | there is nothing to allow: no label counts |
| what a flag allows | no | no |
| what a flag allows | yes | yes, just that |
| what no flag allows | any | no |
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from reconciler.core.plan.safety import FLAGS

PREFIX = "reconciler:"
_CODES = {flag: code for code, flag in FLAGS.items()}


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the labels of a pull request make of a plan's refusals.

    `given` and `missing` are labels; `codes` are the refusals that the given ones allow; with `never` there is a
    refusal that no label allows.
    """

    given: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    codes: frozenset[str] = frozenset()
    never: bool = False

    @property
    def refused(self) -> bool:
        return self.never or bool(self.missing)


def allowance(flags: Iterable[str | None], labels: Collection[str]) -> Allowance:
    """`flags`: of each refusal of the plan the option that allows it, None for none."""
    wanted = set(flags)
    known = sorted(flag for flag in wanted if flag in _CODES)
    given = tuple(flag for flag in known if label(flag) in labels)
    return Allowance(
        tuple(map(label, given)),
        tuple(label(flag) for flag in known if flag not in given),
        frozenset(_CODES[flag] for flag in given),
        never=bool(wanted - _CODES.keys()),
    )


def label(flag: str) -> str:
    """The label that stands for an option."""
    return PREFIX + flag.removeprefix("--")
