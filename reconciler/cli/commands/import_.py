"""`reconciler import`: a running gateway, a LiteLLM config.yaml or a Terraform state as manifests."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.failures import DONE
from reconciler.cli.options import Backend, loaded, only_option, world
from reconciler.cli.output import color, note, say
from reconciler.cli.running import run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.core.plan.plan import Plan
    from reconciler.importing import Written
    from reconciler.pipeline import Loaded

EPILOG = """\b
Examples:
  reconciler import --backend saas-litellm --url https://gw.example --admin-key-env GW_ADMIN_KEY
  reconciler import --gateway prod --out imported     every live object, as new files
  reconciler import --update                          the live side into the files that are there
  reconciler import --from-config-yaml config.yaml    a LiteLLM proxy's model_list"""


@click.command(epilog=EPILOG)
@world
@only_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write there instead.",
)
@click.option(
    "--backend",
    type=Backend(),
    help="With --url: its API.",
)
@click.option(
    "--url", metavar="URL", help="A gateway that is in no settings yet; they are written too."
)
@click.option(
    "--admin-key-env",
    metavar="NAME",
    help="With --url: the environment variable with its admin key.",
)
@click.option(
    "--update",
    is_flag=True,
    help="Merge into the files that are there, keeping comments and order.",
)
@click.option(
    "--prune-files",
    is_flag=True,
    help="With --update: take out of the files what is gone on the gateway.",
)
@click.option(
    "--adopt", is_flag=True, help="Make the objects ours as well, so that the next plan is empty."
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Write nothing; show what would be written, with --update as a diff.",
)
@click.option(
    "--suggest-plans/--no-suggest-plans",
    default=True,
    show_default=True,
    help="Group similar teams.",
)
@click.option(
    "--from-config-yaml",
    "config_yaml",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Read the model_list of a LiteLLM proxy's config.yaml instead of a gateway.",
)
@click.option(
    "--from-terraform",
    "terraform",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Read a Terraform state of LiteLLM's providers (terraform state pull) instead of a gateway.",
)
def command(
    config: Path,
    environment: str | None,
    gateway: str | None,
    only: tuple[str, ...],
    out: Path | None,
    backend: str | None,
    url: str | None,
    admin_key_env: str | None,
    update: bool,
    prune_files: bool,
    adopt: bool,
    dry_run: bool,
    suggest_plans: bool,
    config_yaml: Path | None,
    terraform: Path | None,
) -> int:
    """Read a running gateway and write it as YAML: models, groups, organizations, teams, and suggested plans.

    Applying the files changes nothing on the gateway; it only makes its objects ours. Teams with the same groups and
    credits are put on a plan, which is a suggestion. Secrets are never written: references take their place.
    With --update, the live side goes into the files that are there. It reads the gateway and changes nothing on it.
    """
    from reconciler.core.plan.scope import parse_scope  # noqa: PLC0415  not needed for --help
    from reconciler.importing import converted, refuse_overwriting, require_settings, with_gateway  # noqa: PLC0415  as above
    from reconciler.system.disk import HOME, leaving_nothing  # noqa: PLC0415  as above

    _consistent(update=update, out=out, prune=prune_files, source=config_yaml or terraform, url=url)
    target, scope = out or config, parse_scope(only)
    with leaving_nothing(target / HOME), leaving_nothing(config / HOME):
        if update:
            written = run(_updated(loaded(config, environment), gateway, scope, prune=prune_files))
        else:
            refuse_overwriting(target)
            if config_yaml or terraform:
                written = converted(config_yaml, terraform, target, suggest=suggest_plans)
            else:
                found = loaded(config)
                if url:
                    found = with_gateway(found, gateway, backend, url, admin_key_env, out=target)
                else:
                    require_settings(found)
                written = run(
                    _fresh(found, None if url else gateway, target, scope, suggest=suggest_plans)
                )
    code = finish(written, target, dry_run=dry_run, fresh=not update)
    if adopt and not dry_run:
        run(_adopted(loaded(target, environment), gateway))
    return code


async def _adopted(config: "Loaded", gateway: str | None) -> None:
    """Take over what the files declare, where that changes nothing on the gateway; the connection refuses writes."""
    from reconciler.apply.run import Options, apply  # noqa: PLC0415  not needed for --help
    from reconciler.cli.actor import actor  # noqa: PLC0415  as above
    from reconciler.pipeline import opened, require_valid  # noqa: PLC0415  as above

    require_valid(config)
    async with opened(config, gateway) as session:
        options = Options(
            actor=actor(), command="reconciler import --adopt", approve=_changes_nothing
        )
        report = await apply(session, options)
    if report.approved:
        say(f"Adopted {len(report.plan.changes):,}: the next plan is empty.")
    else:
        note(
            "Nothing was adopted: the files say something else than the gateway; reconciler plan shows it"
        )


def _changes_nothing(plan: "Plan") -> bool:
    return all(change.verb == "adopt" for change in plan.changes)


def _consistent(
    *, update: bool, out: Path | None, prune: bool, source: Path | None, url: str | None
) -> None:
    if update and (out or source or url):
        raise click.UsageError(
            "--update works on the files of --config, with a gateway of their settings"
        )
    if prune and not update:
        raise click.UsageError("--prune-files goes with --update")


async def _fresh(
    config: "Loaded", gateway: str | None, out: Path, scope: object, *, suggest: bool
) -> "Written":
    from reconciler.importing import fresh  # noqa: PLC0415  not needed for --help
    from reconciler.pipeline import opened  # noqa: PLC0415  as above

    async with opened(config, gateway) as session:
        return await fresh(session, out, suggest=suggest, scope=scope)  # type: ignore[arg-type]  # a Scope


async def _updated(
    config: "Loaded", gateway: str | None, scope: object, *, prune: bool
) -> "Written":
    from reconciler.importing import updated  # noqa: PLC0415  not needed for --help
    from reconciler.pipeline import opened, require_readable  # noqa: PLC0415  as above

    require_readable(config)
    async with opened(config, gateway) as session:
        return await updated(session, scope=scope, prune=prune)  # type: ignore[arg-type]  # a Scope


def finish(written: "Written", target: Path, *, dry_run: bool = False, fresh: bool = False) -> int:
    """Writes the files and says which."""
    from reconciler.files.saving import difference, save  # noqa: PLC0415  not needed for --help
    from reconciler.render.findings.text import render_findings  # noqa: PLC0415  as above

    if written.findings:
        note(render_findings(written.findings, color=color()))
    if dry_run:
        for name, text in written.files.items():
            say(f"--- {target / name}\n{text}" if fresh else difference(target / name, text))
        if not written.files:
            say(_closing(written.counts, changed=False, fresh=fresh))
        return DONE
    save(target, written.files, fresh=fresh)
    for name in written.files:
        say(f"wrote {target / name}")
    say(_closing(written.counts, changed=bool(written.files), fresh=fresh))
    return DONE


def _closing(counts: "Mapping[str, int]", *, changed: bool, fresh: bool) -> str:
    if not changed:
        return "The files already say what the gateway has."
    from reconciler.core.model.kinds import KINDS  # noqa: PLC0415  not needed for --help
    from reconciler.render.words import count, kind_noun  # noqa: PLC0415  as above

    said = ", ".join(count(counts[kind], kind_noun(kind)) for kind in KINDS if kind in counts)
    verb = "Imported" if fresh else "Merged"
    return f"\n{verb} {said}. Next: reconciler validate, then reconciler plan"
