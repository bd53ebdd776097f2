"""The command line: one file per command, each parse -> one pipeline call -> render -> exit code.

Commands are loaded when they are called, so that `--help` stays fast.
"""

import gc
from collections.abc import Mapping
from functools import wraps
from importlib import import_module
from typing import Any

import click

from reconciler import __version__
from reconciler.cli.failures import guarded
from reconciler.core.model.findings import ReconcilerError
from reconciler.system import plugins

# Command -> (module, what it does). To add a command: a file in `commands` and a line here.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "init": ("init", "Write a starter config to learn from and grow."),
    "validate": ("validate", "Check settings and manifests; needs no gateway."),
    "plan": ("plan", "Show what apply would change, and what that means."),
    "apply": ("apply", "Take the gateway to the declared state, without an outage."),
    "drift": ("drift", "Show where the gateway differs from what was last applied."),
    "list": ("list_", "List the objects of a kind, with counts."),
    "show": ("show", "Show one object: declared, live, and as last applied."),
    "explain": ("explain", "Say why a team can or cannot call a model."),
    "compare": ("compare", "Show what differs between two environments."),
    "access": ("access", "Show which teams or plans reach which models."),
    "lint": ("lint", "Look for what is allowed but unwise."),
    "policy": ("policy", "Test policies against cases."),
    "prices": ("prices", "Show which prices hold, or take a newer version."),
    "history": ("history", "Show earlier applies and their steps."),
    "unlock": ("unlock", "Break a lock that a dead apply left behind."),
    "import": ("import_", "Write a running gateway as YAML, or merge it into the files."),
    "schema": ("schema", "Print or write the JSON Schemas for editors and CI."),
    "completion": ("completion", "Print the completion script of a shell."),
    "help": ("help", "Show the help of a command."),
    "ci": ("ci", "Plan, apply and look for drift in GitHub Actions and GitLab CI."),
    "version": ("version", "Show which reconciler this is."),
    "gateway": ("gateway", "Serve the embedded gateway."),
}


# What a command was called before, and is called still by scripts; help and completion do not list it.
FORMER: Mapping[str, str] = {"promote": "compare"}
# What other tools call it, and what it is here.
OTHER_WORDS: Mapping[str, str] = {
    "get": "did you mean show (one object) or list (all of a kind)?",
    "describe": "did you mean show?",
    "ls": "did you mean list?",
    "diff": "did you mean plan?",
    "sync": "did you mean apply?",
    "status": "did you mean drift?",
}


# Allocations before the youngest objects are looked at, and how many such looks before the older ones are.
COLLECTED_AFTER = (50_000, 20, 100)


def _added() -> Mapping[str, plugins.Plugin]:
    """The commands of plug-ins; an entry point names the `click.Command`, which is imported when it is called."""
    return plugins.plugins(plugins.COMMANDS, (*COMMANDS, *FORMER))


def _plugged(plugin: plugins.Plugin) -> click.Command:
    """The command of a plug-in; what it raises that is no mistake of its user is an error that names the package."""
    command = plugin.loaded(click.Command)
    callback = command.callback
    if callback is None:
        return command

    @wraps(callback)
    def called(*args: Any, **named: Any) -> Any:
        try:
            return callback(*args, **named)
        except (click.ClickException, click.exceptions.Exit, click.Abort, ReconcilerError):
            raise
        except Exception as problem:
            raise plugins.failed(plugin, problem) from problem

    command.callback = called
    return command


class Commands(click.Group):
    """A group whose commands are modules, imported when needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return [*COMMANDS, *_added()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's signature
        name = FORMER.get(cmd_name, cmd_name)
        if name in _added():
            return _plugged(_added()[name])
        if name not in COMMANDS:
            return None
        module = import_module(f"reconciler.cli.commands.{COMMANDS[name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  as above
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])
        if _added():
            with formatter.section("Commands of plug-ins"):
                formatter.write_dl(
                    [(name, f"From {plugin.package}.") for name, plugin in _added().items()]
                )

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a suggestion for a misspelt command."""
        name = args[0] if args else ""
        known = (*COMMANDS, *_added())
        if name and not name.startswith("-") and name not in (*known, *FORMER):
            from reconciler.core.model.findings import did_you_mean  # noqa: PLC0415  only for a mistake

            hint = OTHER_WORDS.get(name) or did_you_mean(name, known)
            ctx.fail(f"no such command {name!r}" + (f"; {hint}" if hint else ""))
        return super().resolve_command(ctx, args)


EPILOG = """\b
Examples:
  reconciler init && reconciler apply --yes     a working company on the embedded gateway
  reconciler plan --gateway prod --exit-code    in CI: 2 where changes are pending
  reconciler explain acme-prod gpt-4            who may call what, and why

Exit codes: 0 done or no change, 1 an expected error, 2 changes pending or drift, 3 a bug, 130 interrupted."""


# Help is at most this wide; examples and tables are written for it.
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(cls=Commands, epilog=EPILOG, context_settings=SETTINGS)
@click.version_option(__version__, "-V", "--version", prog_name="reconciler")
def group() -> None:
    """GitOps for LLM gateways: access groups, model aliases, organizations, teams and pricing plans as YAML."""


def main(args: list[str] | None = None) -> Any:
    """Run the command line and exit with its code."""
    # Of 100,000 objects next to none is garbage: looking for it at every 700th takes a third of a plan's time.
    gc.set_threshold(*COLLECTED_AFTER)
    guarded(group, args)
