"""The one place that turns errors into text and an exit code."""

import errno
import io
import os
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import TYPE_CHECKING, NoReturn

import click

from reconciler.cli.events import (
    acting,
    answered,
    as_json,
    begin,
    emit,
    emit_failure,
    finding_facts,
    log_as,
)
from reconciler.cli.output import color, note, say
from reconciler.cli.streams import OutputLostError, lost, tolerant
from reconciler.core.model.printable import json_text

if TYPE_CHECKING:
    from pydantic import SecretStr

    from reconciler.core.model.findings import ReconcilerError

DONE, EXPECTED, PENDING, BUG, INTERRUPTED = 0, 1, 2, 3, 130
_FILE_SYSTEM = frozenset(
    {errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.ENOENT, errno.ESTALE}
)


_TAKEN: "list[SecretStr]" = []


def taken(variable: str) -> "SecretStr | None":
    """What the environment variable holds, which it does from now on no more; None where that is nothing.

    So neither a file that is read can name it nor a program that is started see it. No log of a bug shows it either.
    """
    from pydantic import SecretStr  # noqa: PLC0415  not needed for --help

    value = os.environ.pop(variable, "").strip()
    if not value:
        return None
    _TAKEN.append(SecretStr(value))
    return _TAKEN[-1]


def guarded(command: click.Command, args: list[str] | None) -> NoReturn:
    """Run a command and leave: an expected error in a few lines, a bug with a log to report, never a bare traceback."""
    with tolerant():
        code = _ended(command, args)
        sys.stdout.flush()
        sys.stderr.flush()
        gone = lost()
        if gone is not None and code == DONE and not acting():
            code = EXPECTED
        if gone is not None and not gone.unheard:
            _say(f"standard output could not be written: {gone.why}", code)
    sys.exit(code)


def _ended(command: click.Command, args: list[str] | None) -> int:
    """The exit code of a command, with everything said."""
    log_as("text")
    begin()
    document = _wants_json(sys.argv[1:] if args is None else args)
    try:
        code = command.main(args, prog_name="reconciler", standalone_mode=False)
    except click.exceptions.Exit as left:
        code = left.exit_code
    except (click.exceptions.Abort, KeyboardInterrupt):
        _say("interrupted", INTERRUPTED)
        code = INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as alone:
        # A group without a command asks what there is: an answer, as `--help` is one.
        say(alone.ctx.get_help() if alone.ctx else alone.format_message())
        code = DONE
    except click.ClickException as mistake:
        code = _mistaken(mistake, document=document)
    except OutputLostError:
        code = EXPECTED
    except Exception as problem:  # noqa: BLE001  everything else ends here
        code = _told(problem, document=document)
    return code if isinstance(code, int) else DONE


def _mistaken(mistake: click.ClickException, *, document: bool) -> int:
    if as_json():
        emit("failed", "error", exit_code=EXPECTED, message=mistake.format_message())
    else:
        note(_usage(mistake))
    if document:
        _answer(
            {"level": "error", "code": "usage", "message": mistake.format_message()}, code=EXPECTED
        )
    return EXPECTED


def _wants_json(args: Sequence[str]) -> bool:
    """Whether `--format json` was asked for, also on a command line that cannot be understood."""
    return "--format=json" in args or ("--format", "json") in pairwise(args)


def _answer(*findings: "dict[str, object]", code: int) -> None:
    """The document of a failed command, on standard output, unless another document stands there already."""
    if not answered():
        with suppress(OutputLostError):  # the exit code tells, and standard error
            say(json_text({"exit_code": code, "findings": findings}))


def _told(problem: Exception, *, document: bool) -> int:
    from reconciler.core.model.findings import ReconcilerError  # noqa: PLC0415  not needed for --help

    expected = problem if isinstance(problem, ReconcilerError) else _expected(problem)
    if expected is None:
        return _bug(problem, document=document)
    _tell(expected)
    if document:
        _answer(*map(finding_facts, expected.findings), code=EXPECTED)
    return EXPECTED


@contextmanager
def as_expected() -> Iterator[None]:
    """Raises ReconcilerError for what is nobody's bug meanwhile: the ledger, the file system, the memory."""
    try:
        yield
    except Exception as problem:
        known = _expected(problem)
        if known is None:
            raise
        raise known from problem


def _expected(problem: Exception) -> "ReconcilerError | None":
    """What is nobody's bug, as an error with a finding: the ledger, the file system, the memory."""
    from reconciler.core.model.findings import ReconcilerError, error  # noqa: PLC0415  not needed for --help
    from reconciler.ledger.errors import LedgerError  # noqa: PLC0415  as above

    if isinstance(problem, LedgerError):
        return ReconcilerError(error("ledger", problem.message, hint=problem.hint or None))
    if isinstance(problem, OSError) and problem.errno is not None:
        where = (
            f"{os.fsdecode(problem.filename)}: "
            if isinstance(problem.filename, (str, bytes))
            else ""
        )
        hint = (
            "is the file system full, read-only, or gone?"
            if problem.errno in _FILE_SYSTEM
            else None
        )
        return ReconcilerError(error("file-system", f"{where}{problem.strerror}", hint=hint))
    if isinstance(problem, MemoryError):
        return ReconcilerError(error("memory", "there is not enough memory for this"))
    return None


def _say(text: str, code: int) -> None:
    """A line for people, or the event that the command ends with."""
    if as_json():
        emit("failed", "error", exit_code=code, message=text)
    else:
        note(text)


def _usage(mistake: click.ClickException) -> str:
    """What click would print."""
    told = io.StringIO()
    mistake.show(file=told)
    return told.getvalue()


def _tell(problem: "ReconcilerError") -> None:
    from reconciler.render.findings.text import render_findings  # noqa: PLC0415  not needed for --help

    if as_json():
        emit_failure(problem.findings, EXPECTED)
    else:
        note(render_findings(problem.findings, color=color(sys.stderr)))


def _bug(problem: Exception, *, document: bool) -> int:
    told = f"This is a bug in the reconciler: {type(problem).__name__}."
    if document:
        _answer({"level": "error", "code": "bug", "message": told}, code=BUG)
    _say(
        f"{told}\nPlease report it with {_logged(problem)} (check that it holds nothing private).",
        BUG,
    )
    return BUG


def _without_secrets(text: str) -> str:
    """The text without the values of environment variables that are named as secrets are, and without forms of such."""
    from reconciler.core.model.secrets.names import names_a_secret  # noqa: PLC0415  as above
    from reconciler.core.model.secrets.redaction import redacted  # noqa: PLC0415  only for bugs

    secrets = [
        value for name, value in os.environ.items() if names_a_secret(name) or name.endswith("_URL")
    ]
    secrets += [value.get_secret_value() for value in _TAKEN]
    return redacted(text, [value for value in secrets if value.strip()])


def _logged(problem: Exception) -> str:
    """The file with the traceback, or the place in the code where none can be written."""
    try:
        with tempfile.NamedTemporaryFile(
            "w",
            prefix="reconciler-bug-",
            suffix=".log",
            delete=False,
            encoding="utf-8",
            errors="backslashreplace",
        ) as log:
            log.write(_without_secrets("".join(traceback.format_exception(problem))))
    except (OSError, ValueError):
        last = traceback.extract_tb(problem.__traceback__)[-1]
        return f"{last.filename}:{last.lineno}"
    return log.name
