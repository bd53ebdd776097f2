"""Finding: something to tell the user, with its code, its place and a hint. Errors are collected values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum

from reconciler.core.model.refs import FieldPath, Ref


class Level(StrEnum):
    """How much a finding weighs: an error stops plan and apply, a warning is shown, info is shown on request."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    OFF = "off"


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to tell the user.

    `ref` and `path` say which value it is about (path is relative to the resource's spec, e.g. `("access_groups", 1)`);
    `origin` comes from `files.manifests.locate` where a manifest declares it. `flag` is the option that allows what
    was refused; `details` are the whole of a list that the message cuts, a line each. `stands_for` is what it may
    turn out to be once more is known.
    """

    level: Level
    code: str
    message: str
    hint: str | None = None
    ref: Ref | None = None
    path: FieldPath = ()
    origin: Origin | None = None
    flag: str | None = None
    details: tuple[str, ...] = ()
    stands_for: "Finding | None" = None

    @property
    def cut(self) -> bool:
        """Whether the message leaves out some of the details."""
        return any(line not in self.message for line in self.details)

    def __str__(self) -> str:
        """`file:line:column: error code: message (hint)`, on one line; without a file the ref is the place."""
        where = self.origin or self.ref
        place = f"{where}: " if where else ""
        return f"{place}{self.level.value} {self.code}: {self.message}" + (
            f" ({self.hint})" if self.hint else ""
        )


def error(code: str, message: str, **where: object) -> Finding:
    return Finding(Level.ERROR, code, message, **where)  # type: ignore[arg-type]  # keywords of Finding, passed on


def warning(code: str, message: str, **where: object) -> Finding:
    return Finding(Level.WARNING, code, message, **where)  # type: ignore[arg-type]  # keywords of Finding, passed on


def info(code: str, message: str, **where: object) -> Finding:
    return Finding(Level.INFO, code, message, **where)  # type: ignore[arg-type]  # keywords of Finding, passed on


def errors(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(finding for finding in findings if finding.level is Level.ERROR)


# Without these nothing can be planned: no setting lowers them.
INTEGRITY = frozenset({"dangling-reference", "extends-cycle", "replacement-cycle", "alias-target"})


def leveled(findings: Iterable[Finding], levels: Mapping[str, Level]) -> tuple[Finding, ...]:
    """The findings at the levels that settings give their codes; those set to `off` are gone.

    What `INTEGRITY` names stays what it is.
    """
    at_level = (
        f if f.code in INTEGRITY else replace(f, level=levels.get(f.code, f.level))
        for f in findings
    )
    return tuple(finding for finding in at_level if finding.level is not Level.OFF)


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sorted by place, then by what they say, and each said once: stable output."""
    return tuple(sorted(dict.fromkeys(findings), key=_sort_key))


def _sort_key(finding: Finding) -> tuple[object, ...]:
    place = finding.origin or Origin("￿", 0, 0)
    return (
        place,
        str(finding.ref or ""),
        tuple(map(str, finding.path)),
        finding.code,
        finding.message,
    )


def did_you_mean(wrong: str, known: Iterable[str]) -> str | None:
    """The hint for a name that does not exist, or None where nothing is near."""
    lowered = {name.lower(): name for name in sorted(known, reverse=True)}
    near = get_close_matches(wrong.lower(), sorted(lowered), n=1, cutoff=0.6)
    return f"did you mean {lowered[near[0]]}?" if near else None


def slip_of(wrong: str, known: Iterable[str]) -> str | None:
    """The name that was meant by a slip of the pen, or None. Another number is another name: gpt-5 is no gpt-4."""
    near = get_close_matches(wrong.lower(), {name.lower(): name for name in known}, n=3, cutoff=0.8)
    spelled = {name.lower(): name for name in sorted(known, reverse=True)}
    return next((spelled[name] for name in near if _numbers(name) == _numbers(wrong)), None)


def _numbers(name: str) -> str:
    return "".join(filter(str.isdigit, name))


class ReconcilerError(Exception):
    """An expected error: the command line prints its findings and exits with 1, without a traceback."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__("; ".join(finding.message for finding in findings))
        self.findings = findings

    @property
    def first_hint(self) -> str | None:
        """What its first finding that knows advises."""
        return next((finding.hint for finding in self.findings if finding.hint), None)
