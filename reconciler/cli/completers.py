"""What the shell offers while one types: names out of the config, found at a glance."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import click

Complete = Callable[[click.Context, click.Parameter, str], list[str]]
PATTERNS = ("organization=", "label:")


def _directory(ctx: click.Context) -> Path:
    from reconciler.files.discovery import find_config  # noqa: PLC0415  only for completions

    given = ctx.params.get("config") or os.environ.get("RECONCILER_CONFIG")
    return Path(given) if given else find_config(Path.cwd())


def _fitting(names: Iterable[str], typed: str) -> list[str]:
    return [name for name in names if name.startswith(typed)]


def gateways(ctx: click.Context, _param: click.Parameter, typed: str) -> list[str]:
    from reconciler.files.names import gateway_names  # noqa: PLC0415  only for completions

    return _fitting(gateway_names(_directory(ctx)), typed)


def environments(ctx: click.Context, _param: click.Parameter, typed: str) -> list[str]:
    from reconciler.files.names import environment_names  # noqa: PLC0415  only for completions

    return _fitting(environment_names(_directory(ctx)), typed)


def environments_and_base(ctx: click.Context, param: click.Parameter, typed: str) -> list[str]:
    return _fitting(["base"], typed) + environments(ctx, param, typed)


def named(section: str) -> Complete:
    """Completes the names of a section of the manifests, e.g. `teams`."""

    def complete(ctx: click.Context, _param: click.Parameter, typed: str) -> list[str]:
        from reconciler.files.names import declared_names  # noqa: PLC0415  only for completions

        return _fitting(declared_names(_directory(ctx), section), typed)

    return complete


teams, models = named("teams"), named("model_aliases")


def kinds(_ctx: click.Context, _param: click.Parameter, typed: str) -> list[str]:
    from reconciler.core.model.kinds import KINDS  # noqa: PLC0415  only for completions

    return _fitting(["plan" if kind == "pricing_plan" else kind for kind in KINDS], typed)


def of_kind(ctx: click.Context, param: click.Parameter, typed: str) -> list[str]:
    """The names of the kind that stands before."""
    section = _section(str(ctx.params.get("kind", "")))
    return named(section)(ctx, param, typed) if section else []


def scopes(ctx: click.Context, param: click.Parameter, typed: str) -> list[str]:
    """What --only takes: kinds, and after the slash the names of one."""
    kind, slash, name = typed.partition("/")
    section = _section(kind) if slash else None
    if section:
        return [f"{kind}/{found}" for found in named(section)(ctx, param, name)]
    return [] if slash else [*kinds(ctx, param, typed), *_fitting(PATTERNS, typed)]


def lint_codes(_ctx: click.Context, _param: click.Parameter, typed: str) -> list[str]:
    from reconciler.asking import usable_rules  # noqa: PLC0415  only for completions

    return _fitting([rule.code for rule in usable_rules()], typed)


def _section(kind: str) -> str | None:
    from reconciler.core.model.kinds import KINDS, SECTIONS  # noqa: PLC0415  only for completions

    words = {"plan": "pricing_plan", "group": "access_group", "org": "organization"}
    words |= {"alias": "model_alias", "model": "model_alias"}
    word = words.get(kind, kind).replace("-", "_")
    return word if word in SECTIONS else KINDS[word].section if word in KINDS else None
