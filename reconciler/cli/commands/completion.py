"""`reconciler completion`: the script that makes a shell complete commands, options and names of the config."""

import click

from reconciler.cli.failures import DONE
from reconciler.cli.output import say

EPILOG = """\b
Examples:
  bash:  echo 'eval "$(reconciler completion bash)"' >> ~/.bashrc
  zsh:   echo 'eval "$(reconciler completion zsh)"' >> ~/.zshrc
  fish:  reconciler completion fish > ~/.config/fish/completions/reconciler.fish

Completed are commands, options and their values, and from the config: gateways, environments, teams, models, and what
`show`, `explain` and --only name."""


@click.command(epilog=EPILOG)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> int:
    """Print the completion script of a shell (bash 4.4 or newer, zsh, fish)."""
    from click.shell_completion import get_completion_class  # noqa: PLC0415  not needed for --help

    from reconciler.cli import group  # noqa: PLC0415  which knows this module only by its name

    found = get_completion_class(shell)
    assert found is not None  # noqa: S101  the choice above
    # `source` of click asks the installed bash for its version; the script itself does not depend on the machine.
    completion = found(group, {}, "reconciler", "_RECONCILER_COMPLETE")
    say(completion.source_template % completion.source_vars())
    return DONE
