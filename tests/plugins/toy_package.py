"""A package that somebody else would install: a backend, an output format, a lint rule and a command, by entry points."""

from pathlib import Path

ENTRY_POINTS = """\
[reconciler.backends]
toy = reconciler_toy:BACKEND

[reconciler.formats]
count = reconciler_toy:FORMAT

[reconciler.rules]
no-odd-teams = reconciler_toy:RULE

[reconciler.commands]
toys = reconciler_toy:command
"""
MODULE = '''\
"""What the toy adds; nothing in the product knows of it."""

import click

from reconciler.core.model.findings import Level
from reconciler.core.model.kinds import Team
from reconciler.core.model.refs import Ref
from reconciler.core.rules.lint.rule import Hit, rule
from reconciler.gateways import Backend
from reconciler.render import Format

BACKEND = Backend("reconciler_toy_gateway")
FORMAT = Format("count", ".count", lambda report: f"{len(report.plan.changes)} changes")


@rule("odd", Level.WARNING, "a team is odd", reason="Odd teams are odd.", hint="make it even")
def RULE(world):
    for name in world.teams:
        if "odd" in name:
            yield Hit(f"{name} is odd", Ref(Team.kind, name))


@click.command()
def command():
    """Count toys."""
    click.echo("3 toys")
'''
GATEWAY = '''\
"""Its gateway: plain REST collections, so rows are all there is to say."""

from contextlib import asynccontextmanager

from reconciler.core.access.rules import GroupRules
from reconciler.core.model.kinds import KINDS
from reconciler.core.plan.support import Support
from reconciler.gateways.endpoints import Endpoint, echoed, names, optional, plain
from reconciler.gateways.http import open_http
from reconciler.gateways.saas.dialect import Dialect
from reconciler.gateways.saas.gateway import RestGateway

ROWS = {
    "model_alias": Endpoint("model_alias", "id", "/models", (plain("litellm_model"), plain("status"))),
    "access_group": Endpoint("access_group", "id", "/groups", (names("model_aliases"),)),
    "team": Endpoint("team", "id", "/teams", (names("access_groups"), plain("status"))),
}
if "badge" in KINDS:
    ROWS["badge"] = Endpoint("badge", "id", "/badges", (optional("colour"), plain("team")))
SUPPORT = Support(
    backend="toy",
    kinds={kind: row.support() for kind, row in ROWS.items()},
    rules=GroupRules(),
    normalise=echoed(ROWS),
)


@asynccontextmanager
async def opened(opening):
    async with open_http(
        opening.settings.url, headers={}, concurrency=2, seconds=10, read_only=opening.read_only
    ) as http:
        yield RestGateway(f"toy {opening.settings.url}", 2, http, Dialect(ROWS, SUPPORT))
'''
METADATA = "Metadata-Version: 2.1\nName: reconciler-toy\nVersion: 1.0\n"


def install(directory: Path, *, entry_points: str = ENTRY_POINTS, module: str = MODULE) -> Path:
    """The package as pip would lay it out; returns the directory for PYTHONPATH."""
    info = directory / "reconciler_toy-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text(entry_points)
    (directory / "reconciler_toy.py").write_text(module)
    (directory / "reconciler_toy_gateway.py").write_text(GATEWAY)
    return directory
