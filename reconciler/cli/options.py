"""Options that several commands share."""

import os
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from reconciler.cli.completers import environments, gateways, scopes
from reconciler.cli.output import note

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from reconciler.pipeline import Loaded

TOLD = "reconciler.config-told"
HERE = (Path("config"), Path())
# What people call kinds beside the kinds' own names and the sections of YAML.
KIND_WORDS = {
    "model": "model_alias",
    "alias": "model_alias",
    "group": "access_group",
    "org": "organization",
    "plan": "pricing_plan",
}
F = TypeVar("F", bound=Callable[..., Any])


class Moment(click.ParamType[datetime]):
    """A day or an instant, in UTC unless it says otherwise."""

    name = "date"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            parsed = datetime.fromisoformat(value) if "T" in value else date.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value!r} is no date (2026-12-31) and no instant (2026-12-31T12:00:00Z)",
                param,
                ctx,
            )
        moment = parsed if isinstance(parsed, datetime) else datetime.combine(parsed, time())
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Backend(click.ParamType[str]):
    """The name of a backend, also of a plug-in's."""

    name = "backend"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        return self._choice().get_metavar(param, ctx)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return str(self._choice().convert(value, param, ctx))

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> "list[CompletionItem]":
        return self._choice().shell_complete(ctx, param, incomplete)

    def _choice(self) -> click.Choice[str]:
        from reconciler.gateways import backend_names  # noqa: PLC0415  only for this option

        return click.Choice(backend_names())


def _nearest_config() -> Path:
    from reconciler.files.discovery import find_config  # noqa: PLC0415  not needed for --help

    return find_config(Path.cwd())


def config_option(command: F) -> F:
    """--config of commands that work with a config that is there."""
    return _config_option(_nearest_config, "config, here or above", command)


def new_config_option(command: F) -> F:
    """--config of a command that makes one."""
    return _config_option(Path("config"), "config", command)


def _config_option(default: Path | Callable[[], Path], shown: str, command: F) -> F:
    return click.option(
        "--config",
        "config",
        type=click.Path(path_type=Path, file_okay=False),
        default=default,
        envvar="RECONCILER_CONFIG",
        metavar="DIR",
        help=f"Directory of settings and manifests  [default: $RECONCILER_CONFIG, or {shown}]",
    )(command)


def environment_option(command: F) -> F:
    return click.option(
        "--environment",
        "-e",
        metavar="NAME",
        help="Overlay of environments/NAME over the manifests.",
        shell_complete=environments,
    )(command)


def gateway_option(command: F) -> F:
    return click.option(
        "--gateway",
        "-g",
        metavar="NAME",
        help="A gateway of the settings instead of the default.",
        shell_complete=gateways,
    )(command)


def as_of_option(command: F) -> F:
    return click.option(
        "--as-of",
        type=Moment(),
        metavar="DATE",
        help="Pretend that it is this day: grants and sunsets follow.",
    )(command)


def revision_option(command: F) -> F:
    return click.option(
        "--revision",
        metavar="GITREV",
        help="The manifests as of a git revision, e.g. HEAD~1 to roll back.",
    )(command)


def text_or_json_option(command: F) -> F:
    return click.option(
        "--format",
        "form",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
    )(command)


def only_option(command: F) -> F:
    return click.option(
        "--only",
        multiple=True,
        metavar="PATTERN",
        help="Just this part: team/acme-*, a kind, organization=ID or label:NAME=VALUE. Repeatable.",
        shell_complete=scopes,
    )(command)


def world(command: F) -> F:
    """--config, --environment and --gateway: what a command looks at."""
    return config_option(environment_option(gateway_option(command)))


def loaded(
    config: Path,
    environment: str | None = None,
    now: datetime | None = None,
    revision: str | None = None,
    settings_revision: str | None = None,
) -> "Loaded":
    """The config that a command is about, under the settings of the `settings_revision` where there is one.

    By default that is RECONCILER_SETTINGS_REVISION.
    """
    _tell_config_above(config)
    from reconciler.files.base_settings import REVISION  # noqa: PLC0415  not needed for --help
    from reconciler.pipeline import load  # noqa: PLC0415  as above

    return load(
        config,
        variables=os.environ,
        environment=environment,
        now=now,
        revision=revision,
        settings_revision=settings_revision or os.environ.get(REVISION) or None,
    )


def kind_named(word: str) -> str:
    """The kind that a user's word means. Raises ReconcilerError for a word that means none."""
    from reconciler.core.model.findings import ReconcilerError, did_you_mean, error  # noqa: PLC0415  not for --help
    from reconciler.core.model.kinds import KINDS, SECTIONS  # noqa: PLC0415  as above
    from reconciler.render.words import plural  # noqa: PLC0415  as above

    words = {
        **{kind: kind for kind in KINDS},
        **{section: cls.kind for section, cls in SECTIONS.items()},
        **KIND_WORDS,
        **{plural(word): kind for word, kind in KIND_WORDS.items()},
    }
    kind = words.get(word.lower().replace("-", "_"))
    if kind is None:
        hint = did_you_mean(word, words) or f"one of {', '.join((*KIND_WORDS, 'team', 'key'))}"
        raise ReconcilerError(error("unknown-kind", f"there is no kind {word!r}", hint=hint))
    return kind


def _tell_config_above(config: Path) -> None:
    """Says once which config is meant where nobody named one and it does not lie here."""
    ctx = click.get_current_context(silent=True)
    if ctx is None or config in HERE or ctx.meta.get(TOLD) or ctx.params.get("quiet"):
        return
    if ctx.get_parameter_source("config") is ParameterSource.DEFAULT:
        ctx.meta[TOLD] = True
        note(f"Config: {config}")
