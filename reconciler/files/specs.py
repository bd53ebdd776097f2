"""What is written under an id, or in the settings, to its typed value: variables filled in, judged, told in words."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Generic, NamedTuple, TypeVar

from reconciler.core.model.kinds import Spec
from reconciler.core.model.refs import FieldPath
from reconciler.files.validate.typed import typed
from reconciler.files.validate.wording import Problem
from reconciler.files.variables import Variables, substitute, unshown

S = TypeVar("S", bound=Spec)

AT_THE_KEY = frozenset({"unknown-key", "secret-in-settings"})
"""Codes of problems with a key itself: their place is the key's, not its value's."""


class Reading(NamedTuple, Generic[S]):
    """The value, or what is wrong.

    document    what was judged, variables filled in; None where they could not be
    filled      where the environment, not a default, had a part in a value
    """

    value: S | None = None
    problems: tuple[Problem, ...] = ()
    document: object = None
    filled: tuple[FieldPath, ...] = ()


def read_spec(
    cls: type[S],
    written: object,
    variables: Variables | None,
    *,
    subject: object,
    prepared: Callable[[object], object] | None = None,
    further: Callable[[object], Iterable[Problem]] | None = None,
    reworded: Callable[[Problem, object], Problem] | None = None,
) -> Reading[S]:
    """Reads what is written as a model. Without `variables` nothing is filled in.

    `subject` is what sentences call it (`team/acme`), `prepared` changes the document before it is judged, `further`
    tells what no model knows is wrong with that, `reworded` changes what is said about one of its values. No problem
    shows a value that a variable brought.
    """
    document, filled = written, list[FieldPath]()
    if variables is not None:
        document, unset = substitute(written, variables, filled.append)
        if unset:
            return Reading(problems=unset)
    judged = prepared(document) if prepared else document
    value = typed(cls, judged)
    more = tuple(further(judged)) if further else ()
    if isinstance(value, cls) and not more:
        return Reading(value, (), document, tuple(filled))
    problems = []
    for problem in (*value, *more) if isinstance(value, tuple) else more:
        told = reworded(problem, document) if reworded else problem
        told = replace(told, message=told.message.replace("the spec", str(subject)))
        problems.append(told if variables is None else unshown(told, written))
    return Reading(None, tuple(problems), document)
