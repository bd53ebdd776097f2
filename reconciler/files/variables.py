"""`${NAME}` and `${NAME:-default}` inside string values of manifests; `$${` writes a literal `${`.

Who may change a manifest must not thereby read the environment of the machine that plans it: a plan, and with it a
comment for all to read, shows what stands in a field. So only some variables can be read (`Variables`).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from reconciler.core.model.refs import FieldPath
from reconciler.files.validate.wording import Problem
from reconciler.files.yaml.scalars import Trap, Unquoted, plain

_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<inner>[^}]*)(?P<end>\}?)")
_INNER = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>.*))?\Z", re.DOTALL)


PREFIX = "RECONCILER_VAR_"


@dataclass(frozen=True, slots=True)
class Variables:
    """The environment, and what of it manifests may read: names with the prefix, and those that the settings list.

    secrets   names that never may, each with the setting that says that it holds a secret
    """

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    listed: frozenset[str] = frozenset()
    secrets: Mapping[str, str] = field(default_factory=dict)

    def refusal(self, name: str) -> tuple[str, str] | None:
        """Why the name may not be read, and what to do instead; None where it may."""
        if name in self.secrets:
            says = f"the environment variable {name} may not be read here: it holds a secret, says {self.secrets[name]}"
            return says, "use another variable for what is no secret"
        if name.startswith(PREFIX) or name in self.listed:
            return None
        other = PREFIX + name.removeprefix("RECONCILER_")
        says = f"the environment variable {name} may not be read here"
        return (
            says,
            f"set {other} and write ${{{other}}}, or list it in the settings: variables: [{name}]",
        )


def substitute(
    value: object, variables: Variables, taken: Callable[[FieldPath], None] = lambda _path: None
) -> tuple[object, tuple[Problem, ...]]:
    """The value with its variables filled in, and a problem for each that is unset, malformed or not to be read.

    As in a shell, `:-` also applies where the variable is set but empty. An unquoted scalar that is one variable is
    read again as a plain YAML scalar, so that `credits_allocated: ${CREDITS:-100}` is a number; quoted, it stays text.
    `taken` is told the path of each value that the environment, not a default, has a part in.
    """
    problems: list[Problem] = []
    return _filled(value, (), _Filling(variables, problems.append, taken)), tuple(problems)


@dataclass(frozen=True, slots=True)
class _Filling:
    variables: Variables
    report: Callable[[Problem], None]
    taken: Callable[[FieldPath], None]


def unshown(problem: Problem, written: object) -> Problem:
    """The problem naming the variable instead of its value, which may be a secret that was meant for another field."""
    value = written
    for step in problem.path:
        try:
            value = value[step]  # type: ignore[index]  # what the path does not fit ends the search
        except (KeyError, IndexError, TypeError):
            return problem
    if not isinstance(value, str) or "${" not in value or problem.found is None:
        return problem
    quoted = f'quote it: "{value}"' if (problem.hint or "").startswith("quote it") else problem.hint
    return replace(problem, found=f"the value of {value}", hint=quoted)


def _filled(value: object, path: FieldPath, filling: _Filling) -> object:
    if isinstance(value, dict):
        return {key: _filled(item, (*path, key), filling) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, (*path, index), filling) for index, item in enumerate(value)]
    if not isinstance(value, str) or "${" not in value:
        return value
    return _filled_text(value, path, filling)


def _filled_text(text: str, path: FieldPath, filling: _Filling) -> object:
    def replacement(match: re.Match[str]) -> str:
        if match["inner"] is None:
            return "${"
        problem, filled = _looked_up(match, filling.variables)
        if problem is not None:
            filling.report(Problem(problem[0], problem[1], problem[2], path))
        if filled is None:
            return _default(match)
        filling.taken(path)
        return filled

    filled = _REFERENCE.sub(replacement, text)
    whole = isinstance(text, Unquoted) and text.count("${") == 1
    return _retyped(filled) if whole else filled


def _default(match: re.Match[str]) -> str:
    inner = _INNER.match(match["inner"])
    return (inner["default"] or "") if inner else ""


def _looked_up(
    match: re.Match[str], variables: Variables
) -> tuple[tuple[str, str, str] | None, str | None]:
    """What is wrong, and the text of the environment; None where there is none, or an empty one and a default."""
    inner = _INNER.match(match["inner"]) if match["end"] else None
    if inner is None:
        hint = "write ${NAME} or ${NAME:-default}; a literal ${ is written $${"
        return ("variable-syntax", "${...} does not name a variable", hint), None
    name, default = inner["name"], inner["default"]
    refusal = variables.refusal(name)
    if refusal is not None:
        return ("variable-refused", *refusal), None
    value = variables.values.get(name)
    if default is not None:
        return None, value or None
    if value is None:
        hint = f"set it, or give it a default: ${{{name}:-...}}"
        return ("variable-unset", f"the environment variable {name} is not set", hint), None
    return None, value


def _retyped(text: str) -> object:
    try:
        return plain(text)
    except Trap:
        return text
