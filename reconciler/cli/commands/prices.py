"""`reconciler prices`: which prices hold, and a newer version of them."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.failures import DONE, EXPECTED
from reconciler.cli.options import config_option
from reconciler.cli.output import note, say
from reconciler.core.model.printable import json_text

if TYPE_CHECKING:
    from reconciler.core.model.findings import Finding
    from reconciler.core.model.prices import PriceMap

EPILOG = """\b
Examples:
  reconciler prices show                   the version, and where it is from
  reconciler prices update --from-litellm  of the LiteLLM that is installed here
  reconciler prices update map.json --label "litellm 1.108.0"   of its map, downloaded
  reconciler plan                          what the new prices change, and who notices"""
EXAMPLES = 5


@click.group(epilog=EPILOG)
def command() -> None:
    """What models cost: a snapshot ships with the reconciler, and prices.json of the config goes before it.

    Selections by price, policies and plans are computed from it. It changes when git does, never by itself.
    """


@command.command()
@config_option
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
def show(config: Path, form: str) -> int:
    """Show the version of the prices, its digest, and how many models it knows."""
    from reconciler.files.prices.loading import load_prices  # noqa: PLC0415  not needed for --help

    prices, findings = load_prices(config)
    place = _place(config)
    if form == "json":
        facts = {"version": prices.version, "digest": prices.digest, "models": len(prices.prices)}
        say(json_text({**facts, "file": place}))
    else:
        say(f"{prices.version}, {len(prices.prices):,} models, from {place or 'the package'}")
        say(f"sha256:{prices.digest}")
    return _ended(findings)


def _place(config: Path) -> str | None:
    """The config's own file, where it has one."""
    from reconciler.files.discovery import PRICES_FILE, shown  # noqa: PLC0415  not needed for --help

    file = config / PRICES_FILE
    return shown(file) if file.exists() else None


def _ended(findings: "tuple[Finding, ...]") -> int:
    from reconciler.core.model.findings import errors  # noqa: PLC0415  not needed for --help
    from reconciler.render.findings.text import render_findings  # noqa: PLC0415  as above

    if findings:
        note(render_findings(findings))
    return EXPECTED if errors(findings) else DONE


@command.command()
@click.argument(
    "file", required=False, metavar="[FILE]", type=click.Path(path_type=Path, dir_okay=False)
)
@click.option("--from-litellm", is_flag=True, help="Of the LiteLLM that is installed here.")
@click.option("--label", metavar="TEXT", help="What to call the version of FILE.")
@config_option
def update(file: Path | None, from_litellm: bool, label: str | None, config: Path) -> int:
    """Write a newer version into prices.json of the config, for review.

    FILE is LiteLLM's price map (model_prices_and_context_window.json), or a prices.json of another config.
    """
    from reconciler.files.prices.loading import load_prices  # noqa: PLC0415  not needed for --help
    from reconciler.files.prices.updating import (  # noqa: PLC0415  as above
        prices_of_file,
        prices_of_litellm,
        write_prices,
    )

    if (file is None) is not from_litellm:
        raise click.UsageError("name either a FILE or --from-litellm")
    if label and file is None:
        raise click.UsageError("--label is for a FILE: LiteLLM says its own version")
    before, _ = load_prices(config)
    after = prices_of_litellm() if file is None else prices_of_file(file, label)
    written = write_prices(config, after)
    say(f"{written}: {before.version} -> {after.version}, {_changes(before, after)}")
    return DONE


def _changes(before: "PriceMap", after: "PriceMap") -> str:
    from reconciler.core.model.prices import price_changes  # noqa: PLC0415  not needed for --help

    changes = price_changes(before, after)
    said = [
        f"{len(names):,} {word} ({_some(names)})"
        for names, word in (
            (changes.added, "new"),
            (changes.removed, "gone"),
            (changes.moved, "with another price"),
        )
        if names
    ]
    return ", ".join(said) or "the same prices"


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - EXAMPLES:,} more" if len(names) > EXAMPLES else ""
    return ", ".join(names[:EXAMPLES]) + more
