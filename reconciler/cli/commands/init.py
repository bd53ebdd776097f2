"""`reconciler init`: a starter config."""

from importlib.resources import files
from pathlib import Path

import click

from reconciler.cli.failures import DONE
from reconciler.cli.options import new_config_option
from reconciler.cli.output import say

STARTER = {
    "reconciler.yaml": "reconciler.yaml",
    "models.yaml": "models.yaml",
    "plans.yaml": "plans.yaml",
    "teams.yaml": "teams.yaml",
    "policies.yaml": "policies.yaml",
    "environments/staging/teams.yaml": "environments/staging/teams.yaml",
    "gitignore": ".gitignore",
}


EPILOG = """\b
Examples:
  reconciler init                     into config/
  reconciler init --config gateway    into another directory
  reconciler init && reconciler apply --yes && reconciler gateway serve"""


@click.command(epilog=EPILOG)
@new_config_option
def command(config: Path) -> int:
    """Write a small working config: two models, two plans, two teams and a policy, on the embedded gateway.

    Nothing that exists is overwritten.
    """
    from reconciler.files.validate.schemas import write_schemas  # noqa: PLC0415  as above
    from reconciler.system.disk import atomic_write  # noqa: PLC0415  not needed for --help

    if config.is_dir() and any(config.iterdir()):
        raise click.ClickException(
            f"{config} is not empty; init writes only into a new or empty directory"
        )
    source = files("reconciler.cli") / "starter"
    for name, target in STARTER.items():
        atomic_write(config / target, (source / name).read_text(encoding="utf-8"))
        say(f"wrote {config / target}")
    for schema in write_schemas(config / "schemas"):
        say(f"wrote {schema}")
    say("\nNext: reconciler plan, then reconciler apply")
    return DONE
