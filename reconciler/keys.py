"""Where new virtual keys go: to a file that only its owner reads, or to a command; never to the screen or a log."""

import asyncio
import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reconciler.core.changes import Step
from reconciler.core.findings import ReconcilerError, error
from reconciler.core.settings import GatewaySettings
from reconciler.disk import append, open_private
from reconciler.gateways.base import Receipt

DEFAULT = ".reconciler/keys-{name}.jsonl"


@dataclass
class Delivery:
    """Delivers keys as lines of JSON: {"gateway", "kind", "name", "key"}. `delivered` counts them."""

    gateway: str
    where: str
    file: Path | None
    command: tuple[str, ...] = ()
    delivered: int = 0

    async def deliver(self, step: Step, receipt: Receipt) -> None:
        """Hand over the receipt's secret, if it has one. Raises ReconcilerError where that fails."""
        if receipt.secret is None:
            return
        fields = {"gateway": self.gateway, "kind": step.ref.kind, "name": step.ref.name}
        line = json.dumps({**fields, "key": receipt.secret.get_secret_value()})
        if self.file is not None:
            _kept(self.file, line)
        if self.command:
            await _run(self.command, line)
        self.delivered += 1


@contextmanager
def delivery(name: str, settings: GatewaySettings, directory: Path) -> Iterator[Delivery]:
    """The delivery that a gateway's settings ask for; by default a private file beside the ledger."""
    command = tuple(shlex.split(settings.keys_command)) if settings.keys_command else ()
    wanted = settings.keys_out or (None if command else DEFAULT.format(name=name))
    file = directory / wanted if wanted else None
    yield Delivery(name, str(file) if file else command[0], file, command)


def _kept(file: Path, line: str) -> None:
    try:
        _append(file, line)
    except OSError as problem:
        hint = "keys_out in the settings names another file"
        raise ReconcilerError(error("keys", f"cannot write to {file}: {problem.strerror}", hint=hint)) from None


def _append(file: Path, line: str) -> None:
    with open_private(file) as handle:
        append(handle, line)


async def _run(command: tuple[str, ...], line: str) -> None:
    try:
        process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE)
    except OSError as problem:
        raise ReconcilerError(error("keys", f"cannot run keys_command {command[0]}: {problem.strerror}")) from None
    await process.communicate(line.encode())
    if process.returncode:
        raise ReconcilerError(error("keys", f"keys_command {command[0]} ended with {process.returncode}"))
