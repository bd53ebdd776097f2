"""`reconciler help`: the help of a command, as `reconciler COMMAND --help` prints it."""

import click

from reconciler.cli.failures import DONE
from reconciler.cli.output import say

EPILOG = """\b
Examples:
  reconciler help apply
  reconciler help history decide"""


@click.command(epilog=EPILOG)
@click.argument("words", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def command(ctx: click.Context, words: tuple[str, ...]) -> int:
    """Show the help of a command."""
    here = ctx.find_root()
    for word in words:
        if not isinstance(here.command, click.Group):
            raise click.UsageError(f"{here.command_path} has no commands of its own")
        name, found, _ = here.command.resolve_command(here, [word])
        assert found is not None  # noqa: S101  resolve_command refuses what there is not
        here = click.Context(found, info_name=name, parent=here)
    say(here.command.get_help(here))
    return DONE
