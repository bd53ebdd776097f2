"""`reconciler drift`: where the gateway differs from what was last applied."""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.events import emit, log_format_option, quiet_option
from reconciler.cli.failures import DONE, PENDING
from reconciler.cli.options import loaded, world
from reconciler.cli.output import color, note, say, width
from reconciler.cli.running import run
from reconciler.cli.signals import stoppable

if TYPE_CHECKING:
    from reconciler.core.plan.drift import Drift
    from reconciler.core.plan.plan import Target
    from reconciler.pipeline import Loaded
    from reconciler.watch import Metrics


EPILOG = """\b
Examples:
  reconciler drift                                       look once
  reconciler drift --format markdown                     for an issue
  reconciler drift --watch 300 --metrics-port 9108       every 5 minutes, with metrics
  reconciler drift --quiet || echo drifted               only the exit code
  reconciler drift --adopt                               take the gateway's side into the YAML

Exit codes: 0 no drift, 1 an error, 2 drift."""


@click.command(epilog=EPILOG)
@world
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
)
@click.option("--full", is_flag=True, help="Name the foreign objects, too.")
@quiet_option
@log_format_option
@click.option(
    "--watch",
    type=click.FloatRange(min=0.1),
    metavar="SECONDS",
    help="Look again and again, until ^C.",
)
@click.option(
    "--metrics-port",
    type=click.IntRange(1, 65535),
    help="With --watch: serve Prometheus metrics at /metrics.",
)
@click.option("--metrics-host", default="127.0.0.1", show_default=True)
@click.option(
    "--webhook-env",
    metavar="NAME",
    help="With --watch: variable with a URL that gets drift as JSON, its `text` for a chat.",
)
@click.option(
    "--adopt", is_flag=True, help="Write the live side of what drifted into the manifests."
)
def command(
    config: Path,
    environment: str | None,
    gateway: str | None,
    form: str,
    full: bool,
    watch: float | None,
    metrics_port: int | None,
    metrics_host: str,
    webhook_env: str | None,
    quiet: bool,
    adopt: bool,
) -> int:
    """Show where the gateway differs from what was last applied; exit with 2 where it does.

    The ledger tells the two sides apart: what somebody changed on the gateway is drift; what git changed since the
    last apply is counted, and shown by `plan`. On LiteLLM Proxy, legacy access groups and router aliases that another
    hand moved are drift, too: apply leaves them, and what its plan told counts as known.
    """
    if adopt:
        return _adopted(config, environment, gateway, form, quiet=quiet, full=full, watch=watch)
    if watch is None:
        found, target = run(look_once(loaded(config, environment), gateway))
        tell(found, target, form, quiet=quiet, full=full)
        return PENDING if found.drifted else DONE
    webhook = os.environ.get(webhook_env) if webhook_env else None
    if webhook_env and not webhook:
        raise click.UsageError(f"the environment variable {webhook_env} is not set")
    if webhook:
        from reconciler.watch import require_webhook  # noqa: PLC0415  not needed for --help

        require_webhook(webhook)
    told = partial(tell, form=form, quiet=quiet, full=full)
    with suppress(asyncio.CancelledError):  # a second signal
        run(_watch(config, environment, gateway, told, watch, metrics_port, metrics_host, webhook))
    return DONE


def _adopted(
    config: Path,
    environment: str | None,
    gateway: str | None,
    form: str,
    *,
    quiet: bool,
    full: bool,
    watch: float | None,
) -> int:
    """Tells the drift and writes its live side into the files: what is left for git is a diff to review."""
    from reconciler.cli.commands.import_ import finish  # noqa: PLC0415  not needed for --help
    from reconciler.importing import adopted  # noqa: PLC0415  as above
    from reconciler.pipeline import drift, opened, require_readable  # noqa: PLC0415  as above

    if watch is not None:
        raise click.UsageError("--adopt looks once: leave out --watch")

    async def look() -> int:
        base = loaded(config, environment)
        require_readable(base)
        async with opened(base, gateway) as session:
            found = await drift(session)
            tell(found, session.target, form, quiet=quiet, full=full)
            return finish(await adopted(session, found), config)

    return run(look())


def tell(found: "Drift", target: "Target", form: str, *, quiet: bool, full: bool) -> None:
    """One event, and unless `quiet` the drift on standard output."""
    emit(
        "drift",
        "warning" if found.drifted else "info",
        gateway=target.name,
        identity=target.identity,
        drifted=len(found.objects),
        refs=[str(each.ref) for each in found.objects],
        moved=[fact.text for fact in found.moved],
        ahead=len(found.ahead),
        unchanged=found.unchanged,
        foreign=len(found.foreign),
    )
    if not quiet:
        say(_rendered(found, target, form, full=full))


def _rendered(found: "Drift", target: "Target", form: str, *, full: bool) -> str:
    from reconciler.render.drift import drift_json, drift_markdown, render_drift  # noqa: PLC0415  not for --help

    if form == "json":
        return drift_json(found, target)
    if form == "markdown":
        return drift_markdown(found, target)
    return render_drift(found, target, color=color(), width=width(), full=full)


async def look_once(config: "Loaded", gateway: str | None) -> tuple["Drift", "Target"]:
    """The drift as of now. Raises ReconcilerError where nobody can tell."""
    from reconciler.pipeline import drift, opened, require_readable  # noqa: PLC0415  not needed for --help

    require_readable(config)
    async with opened(config, gateway) as session:
        return await drift(session), session.target


async def _watch(
    config: Path,
    environment: str | None,
    gateway: str | None,
    told: "Callable[[Drift, Target], None]",
    interval: float,
    port: int | None,
    host: str,
    webhook: str | None,
) -> None:
    from reconciler.core.plan.plan import Target  # noqa: PLC0415  not needed for --help
    from reconciler.render.drift import drift_data, drift_sentence  # noqa: PLC0415  as above
    from reconciler.render.findings.text import render_findings  # noqa: PLC0415  as above
    from reconciler.watch import Metrics, Unmeasured, Watch, watch  # noqa: PLC0415  as above

    seen = [Target("", "", "")]

    async def look() -> "Drift":
        found, seen[0] = await look_once(loaded(config, environment), gateway)
        return found

    stop = asyncio.Event()
    metrics: Metrics | Unmeasured = Unmeasured()
    ended = None
    if port:
        metrics = Metrics(gateway or loaded(config, environment).settings.default_gateway)
        ended = _serving(metrics, port, host)
        note(f"metrics on http://{host}:{port}/metrics")
    plan = Watch(
        look=look,
        data=lambda found: {"text": drift_sentence(found, seen[0]), **drift_data(found, seen[0])},
        told=lambda found: told(found, seen[0]),
        failed=lambda problem: note(render_findings(problem.findings)),
        interval=interval,
        webhook=webhook,
    )
    try:
        with stoppable(stop, lambda _text: None):
            await watch(plan, metrics, stop)
    finally:
        if ended:
            ended()


def _serving(metrics: "Metrics", port: int, host: str) -> Callable[[], None]:
    from reconciler.core.model.findings import ReconcilerError, error  # noqa: PLC0415  not needed for --help

    try:
        return metrics.serve(port, host)
    except OSError as problem:
        message = f"cannot serve metrics on {host}:{port}: {problem.strerror}"
        raise ReconcilerError(
            error("metrics", message, hint="--metrics-port chooses another port")
        ) from None
