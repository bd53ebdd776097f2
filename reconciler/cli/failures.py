"""The one place that turns errors into text and an exit code."""

import os
import sys
import tempfile
import traceback
from typing import TYPE_CHECKING, NoReturn

import click

from reconciler.cli.events import as_json, emit, emit_failure, log_as

if TYPE_CHECKING:
    from reconciler.core.findings import ReconcilerError

DONE, EXPECTED, PENDING, BUG, INTERRUPTED = 0, 1, 2, 3, 130


def guarded(command: click.Command, args: list[str] | None) -> NoReturn:
    """Run a command and leave: an expected error in a few lines, a bug with a log to report, never a bare traceback."""
    log_as("text")
    try:
        code = command.main(args, prog_name="reconciler", standalone_mode=False)
        sys.stdout.flush()
        sys.exit(code if isinstance(code, int) else DONE)
    except click.exceptions.Exit as left:
        sys.exit(left.exit_code)
    except (click.exceptions.Abort, KeyboardInterrupt):
        _say("interrupted", INTERRUPTED)
        sys.exit(INTERRUPTED)
    except click.ClickException as mistake:
        if as_json():
            emit("failed", "error", exit_code=EXPECTED, message=mistake.format_message())
        else:
            mistake.show()
        sys.exit(EXPECTED)
    except BrokenPipeError:
        # The reader (head, less) has gone: not an error of anybody's.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXPECTED)
    except Exception as problem:  # noqa: BLE001  everything else ends here
        sys.exit(_told(problem))


def _told(problem: Exception) -> int:
    from reconciler.core.findings import ReconcilerError  # noqa: PLC0415  not needed for --help
    from reconciler.ledger.errors import LedgerError  # noqa: PLC0415  as above

    if isinstance(problem, ReconcilerError):
        _tell(problem)
        return EXPECTED
    if isinstance(problem, LedgerError):
        _say(f"error ledger: {problem.message}" + (f"\n    {problem.hint}" if problem.hint else ""), EXPECTED)
        return EXPECTED
    return _bug(problem)


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


def _bug(problem: Exception) -> int:
    with tempfile.NamedTemporaryFile("w", prefix="reconciler-bug-", suffix=".log", delete=False) as log:
        traceback.print_exception(problem, file=log)
    told = f"This is a bug in the reconciler: {type(problem).__name__}."
    _say(f"{told}\nPlease report it with {log.name} (check that it holds nothing private).", BUG)
    return BUG
