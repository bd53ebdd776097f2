"""`reconciler fmt`: manifests in their canonical form."""

from pathlib import Path

import click

from reconciler.cli.failures import DONE, EXPECTED
from reconciler.cli.options import config_option
from reconciler.cli.output import color, note, say

EPILOG = """\b
Examples:
  reconciler fmt                      everything below config/
  reconciler fmt config/teams.yaml    one file
  reconciler fmt --check              in CI: exit 1 where a file would change"""


@click.command(epilog=EPILOG)
@config_option
@click.option(
    "--check",
    is_flag=True,
    help="Write nothing; exit with 1 where a file is not in its canonical form.",
)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, exists=True))
def command(config: Path, check: bool, paths: tuple[Path, ...]) -> int:
    """Format manifests: two spaces, short lists inline, sections in order. Comments stay, meaning too.

    PATHS are files or directories; without any, everything below --config. A file with errors is never touched.
    """
    from reconciler.core.model.findings import errors  # noqa: PLC0415  not needed for --help
    from reconciler.files.fmt import format_files  # noqa: PLC0415  as above
    from reconciler.render.findings.text import render_findings  # noqa: PLC0415  as above

    done = format_files(paths or (config,), write=not check)
    if done.findings:
        note(render_findings(done.findings, color=color()))
    for file in done.changed:
        say(f"{'would format' if check else 'formatted'} {file}")
    kept = f"{done.unchanged:,} {'file' if done.unchanged == 1 else 'files'} already formatted"
    say(
        kept
        if not done.changed
        else f"{len(done.changed):,} {'to format' if check else 'formatted'}, {kept}"
    )
    return EXPECTED if errors(done.findings) or (check and done.changed) else DONE
