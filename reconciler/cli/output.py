"""What goes to the terminal: colour where one is, plain text where none is."""

import os
import shutil
import sys
from typing import TextIO

import click


def color(stream: TextIO | None = None) -> bool:
    """Whether to colour: a terminal, unless NO_COLOR is set; FORCE_COLOR insists (https://no-color.org)."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (stream or sys.stdout).isatty()


def width() -> int | None:
    """The terminal's width, or None where there is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def say(text: str) -> None:
    """To standard output: what was asked for."""
    click.echo(text.rstrip("\n"), color=color())


def note(text: str) -> None:
    """To standard error: what goes on meanwhile."""
    click.echo(text.rstrip("\n"), err=True, color=color(sys.stderr))
