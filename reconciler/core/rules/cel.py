"""cel: compiles and evaluates CEL expressions over teams, models and access groups, with every name and type known.

Variables are declared under their dotted names, so that `team.plann` is a compile error with its position. Numbers that
may be absent are `dyn`: a number, or null. https://cel.dev is the language; the library is the CEL project's own.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import import_module
from typing import Any

from reconciler.core.model.findings import did_you_mean

# Name -> (CEL type, what it means). The one place that documents the variables of policies.
VARIABLES: Mapping[str, tuple[str, str]] = {
    "team.id": ("string", "the team's id"),
    "team.organization_id": ("string", 'its organization; "" without one'),
    "team.plan": ("string", 'its pricing plan; "" without one'),
    "team.status": ("string", "active or suspended"),
    "team.env": ("string", 'its label env; "" without one'),
    "team.labels": ("map", "its labels; has(team.labels.x) before team.labels.x"),
    "team.access_groups": (
        "list",
        "its access groups, those of its plan and of grants in force too",
    ),
    "team.models": ("list", "the aliases that it can call"),
    "team.credits_allocated": ("number", "credits; 0 where none are declared"),
    "team.price_usd_per_month": ("number", "what it pays; 0 without a price"),
    "model.alias": ("string", "the alias that the team can call"),
    "model.litellm_model": (
        "string",
        "provider/model behind it (the first, where there are several)",
    ),
    "model.provider": ("string", "the provider of that"),
    "model.price_input": ("number", "USD per million input tokens; null where it is not known"),
    "model.price_output": ("number", "USD per million output tokens; null where it is not known"),
    "model.tags": ("list", "its tags"),
    "model.labels": ("map", "its labels"),
    "model.status": ("string", "active, inactive or deprecated"),
    "group.id": (
        "string",
        "an access group of the team (of those that grant the model, where there is one)",
    ),
    "group.labels": ("map", "its labels"),
    "group.models": ("list", "its aliases"),
    "via": ("list", "the access groups through which the team reaches the model"),
}
DEFAULTS: Mapping[str, object] = {"string": "", "map": {}, "list": [], "number": 0}
_NAME = re.compile(r"\b(?:team|model|group)\.[a-z_]+|\bvia\b")
_TEXT = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'")
_MISTAKE = re.compile(r"<input>:(\d+):(\d+): (.*?)(?: \(in container ''\))?$", re.MULTILINE)
_UNDECLARED = re.compile(r"undeclared reference to '([a-z_.]+)'")


@dataclass(frozen=True, slots=True)
class Mistake:
    """Why an expression does not compile; line and column count from 1 within the expression."""

    message: str
    line: int = 1
    column: int = 1
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """An expression that could not be evaluated for the given values."""

    message: str


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled condition and the variables that it looks at."""

    text: str
    names: tuple[str, ...]
    program: Any

    def holds(self, values: Mapping[str, object]) -> bool | Broken:
        """Whether it is true for values of (at least) its names."""
        given = {name: values[name] for name in self.names}
        try:
            answer = self.program.eval(data=given)
        except RuntimeError as problem:
            return Broken(_first_line(str(problem)))
        value = answer.value()
        return value if isinstance(value, bool) else Broken(_first_line(str(value)))


def _first_line(text: str) -> str:
    return re.sub(r"^[A-Z_]+: ", "", text.strip().splitlines()[0]) if text.strip() else "no value"


@cache
def _environment() -> Any:
    cel: Any = import_module("cel_expr_python.cel")
    kinds = {
        "string": cel.Type.STRING,
        "map": cel.Type.Map(cel.Type.STRING, cel.Type.STRING),
        "list": cel.Type.List(cel.Type.STRING),
        "number": cel.Type.DYN,
    }
    return cel.NewEnv(variables={name: kinds[kind] for name, (kind, _) in VARIABLES.items()})


@lru_cache(maxsize=1024)
def compiled(text: str) -> Expression | tuple[Mistake, ...]:
    """The expression, or everything that is wrong with it."""
    try:
        program = _environment().compile(text)
    except RuntimeError as problem:
        return _mistakes(str(problem))
    kind = program.return_type().name()
    if kind.upper() != "BOOL":
        return (
            Mistake(f"it is a {kind.lower()}, not true or false", hint="compare it with something"),
        )
    return Expression(text, names_in(text), program)


def names_in(text: str) -> tuple[str, ...]:
    """The variables that an expression mentions outside of its string literals."""
    found = {match.group() for match in _NAME.finditer(_TEXT.sub("''", text))}
    return tuple(sorted(name for name in found if name in VARIABLES))


def _mistakes(text: str) -> tuple[Mistake, ...]:
    found = tuple(
        Mistake(says, int(line), int(column), _hint(says))
        for line, column, says in _MISTAKE.findall(text)
    )
    return found or (Mistake(_first_line(text)),)


def _hint(says: str) -> str | None:
    undeclared = _UNDECLARED.search(says)
    if not undeclared:
        return None
    near = did_you_mean(undeclared.group(1), VARIABLES)
    known = [
        name for name in VARIABLES if name.startswith(f"{undeclared.group(1).partition('.')[0]}.")
    ]
    return near or f"there are: {', '.join(known or ('team.*', 'model.*', 'group.*', 'via'))}"
