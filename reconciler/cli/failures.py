"""The one place that turns errors into text and an exit code."""

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NoReturn

import click

from reconciler.cli.events import answered, as_json, emit, emit_failure, finding_facts, log_as, not_answered

if TYPE_CHECKING:
    from reconciler.core.findings import ReconcilerError

DONE, EXPECTED, PENDING, BUG, INTERRUPTED = 0, 1, 2, 3, 130


def guarded(command: click.Command, args: list[str] | None) -> NoReturn:
    """Run a command and leave: an expected error in a few lines, a bug with a log to report, never a bare traceback."""
    log_as("text")
    not_answered()
    document = _wants_json(sys.argv[1:] if args is None else args)
    try:
        code = command.main(args, prog_name="reconciler", standalone_mode=False)
        sys.stdout.flush()
        sys.exit(code if isinstance(code, int) else DONE)
    except click.exceptions.Exit as left:
        sys.exit(left.exit_code)
    except (click.exceptions.Abort, KeyboardInterrupt):
        _say("interrupted", INTERRUPTED)
        sys.exit(INTERRUPTED)
    except click.exceptions.NoArgsIsHelpError as alone:
        # A group without a command asks what there is: an answer, as `--help` is one.
        click.echo(alone.ctx.get_help() if alone.ctx else alone.format_message())
        sys.exit(DONE)
    except click.ClickException as mistake:
        if as_json():
            emit("failed", "error", exit_code=EXPECTED, message=mistake.format_message())
        else:
            mistake.show()
        if document:
            _answer({"level": "error", "code": "usage", "message": mistake.format_message()}, code=EXPECTED)
        sys.exit(EXPECTED)
    except BrokenPipeError:
        # The reader (head, less) has gone: not an error of anybody's.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXPECTED)
    except Exception as problem:  # noqa: BLE001  everything else ends here
        sys.exit(_told(problem, document=document))


def _wants_json(args: Sequence[str]) -> bool:
    """Whether `--format json` was asked for, also on a command line that cannot be understood."""
    return "--format=json" in args or ("--format", "json") in pairwise(args)


def _answer(*findings: "dict[str, object]", code: int) -> None:
    """The document of a failed command, on standard output, unless another document stands there already."""
    if not answered():
        click.echo(json.dumps({"exit_code": code, "findings": findings}, indent=2))


def _told(problem: Exception, *, document: bool) -> int:
    from reconciler.core.findings import ReconcilerError, error  # noqa: PLC0415  not needed for --help
    from reconciler.ledger.errors import LedgerError  # noqa: PLC0415  as above

    if isinstance(problem, LedgerError):
        found = error("ledger", problem.message, hint=problem.hint or None)
        problem = ReconcilerError(found)
    if not isinstance(problem, ReconcilerError):
        return _bug(problem, document=document)
    _tell(problem)
    if document:
        _answer(*map(finding_facts, problem.findings), code=EXPECTED)
    return EXPECTED


def _say(text: str, code: int) -> None:
    """A line for people, or the event that the command ends with."""
    if as_json():
        emit("failed", "error", exit_code=code, message=text)
    else:
        click.echo(text, err=True)


def _tell(problem: "ReconcilerError") -> None:
    from reconciler.cli.output import color, note  # noqa: PLC0415  not needed for --help
    from reconciler.render.findings import render_findings  # noqa: PLC0415  as above

    if as_json():
        emit_failure(problem.findings, EXPECTED)
    else:
        note(render_findings(problem.findings, color=color(sys.stderr)))


def _bug(problem: Exception, *, document: bool) -> int:
    with tempfile.NamedTemporaryFile("w", prefix="reconciler-bug-", suffix=".log", delete=False) as log:
        traceback.print_exception(problem, file=log)
    told = f"This is a bug in the reconciler: {type(problem).__name__}."
    if document:
        _answer({"level": "error", "code": "bug", "message": told}, code=BUG)
    _say(f"{told}\nPlease report it with {log.name} (check that it holds nothing private).", BUG)
    return BUG
