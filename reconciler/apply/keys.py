"""Where new virtual keys go: to a file that only its owner reads, or to a command; never to the screen or a log.

A key is shown once, so it is never only in memory. Where we choose it, it is on disk among the pending ones before the
request that makes it is sent; it leaves them when the file and the command have it.
"""

import asyncio
import json
import secrets
import shlex
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from reconciler.core.model.findings import ReconcilerError, error
from reconciler.core.model.refs import Ref
from reconciler.core.model.settings import GatewaySettings
from reconciler.system.disk import append, atomic_write, open_private

DEFAULT = ".reconciler/keys-{name}.jsonl"
PENDING = ".reconciler/pending-keys-{name}.jsonl"
COMMAND_SECONDS = 60.0


def utc_now() -> datetime:
    return datetime.now(UTC)


def new_key() -> str:
    """43 characters of the alphabet that every gateway takes, after the prefix that LiteLLM asks for."""
    return f"sk-{secrets.token_urlsafe(32)}"


@dataclass(frozen=True, slots=True)
class PendingKey:
    """A key that was prepared and not delivered. `operation`: the creation that was to make it (None: a renewal)."""

    key: SecretStr
    operation: str | None = None


@dataclass
class Delivery:
    """Delivers keys as lines of JSON: {"gateway", "kind", "name", "key", "at"}. `delivered` counts them.

    `file` and `command` are where keys go, `pending_file` holds those that were made or may have been, and that are
    not there yet. All methods raise ReconcilerError, which never holds a key.
    """

    gateway: str
    where: str
    file: Path | None
    pending_file: Path
    command: tuple[str, ...] = ()
    now: Callable[[], datetime] = utc_now
    mint: Callable[[], str] = new_key
    delivered: int = 0
    _handles: dict[Path, Any] = field(default_factory=dict, repr=False)
    _lines_next: list[str] = field(default_factory=list, repr=False)
    _next: asyncio.Task[None] | None = field(default=None, repr=False)
    _before: asyncio.Task[None] | None = field(default=None, repr=False)
    _disk: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def ready(self) -> None:
        """The file is there and can be written, before anything is asked for that could not be kept."""
        if self.file is not None:
            self._open(self.file)

    def prepare(
        self, refs: Sequence[Ref], operations: Mapping[Ref, str | None] | None = None
    ) -> Mapping[Ref, SecretStr]:
        """A new key for each ref, durable among the pending ones when this returns.

        `operations`: ref -> the operation id of the creation that is to make the key.
        """
        self.ready()
        made = {ref: SecretStr(self.mint()) for ref in refs}
        lines = [
            self._line(ref, key, operation=(operations or {}).get(ref)) for ref, key in made.items()
        ]
        if lines:
            handle = self._open(self.pending_file)
            with _explained(self.pending_file):
                append(handle, "\n".join(lines))
        return made

    def pending(self) -> Mapping[Ref, tuple[PendingKey, ...]]:
        """Ref -> the keys that were prepared for it and never delivered, the oldest first."""
        keys: dict[Ref, tuple[PendingKey, ...]] = {}
        for line in _lines(self.pending_file):
            ref = Ref(line["kind"], line["name"])
            keys[ref] = (
                *keys.get(ref, ()),
                PendingKey(SecretStr(line["key"]), line.get("operation")),
            )
        return keys

    async def deliver(self, ref: Ref, key: SecretStr, *, again: bool = False) -> None:
        """Hand over a key: to the file first, then to the command. `again`: a part of it may have been done before."""
        if self.file is not None and not (again and self._holds(self.file, key)):
            await self._written(self.file, self._line(ref, key))
        if self.command:
            await _run(self.command, self._line(ref, key))
        self.delivered += 1

    def settle(self, owed: Collection[Ref]) -> None:
        """Forget the pending keys of all but these."""
        lines = _lines(self.pending_file)
        left = [line for line in lines if Ref(line["kind"], line["name"]) in owed]
        if len(left) == len(lines):
            return
        self._close(self.pending_file)
        with _explained(self.pending_file):
            if left:
                atomic_write(
                    self.pending_file,
                    "".join(json.dumps(line) + "\n" for line in left),
                    private=True,
                )
            else:
                self.pending_file.unlink()

    def close(self) -> None:
        """Closes the files; the next use opens them again."""
        for file in list(self._handles):
            self._close(file)

    def _line(self, ref: Ref, key: SecretStr, operation: str | None = None) -> str:
        at = self.now().isoformat(timespec="seconds")
        fields = {"gateway": self.gateway, "kind": ref.kind, "name": ref.name}
        of = {"operation": operation} if operation else {}
        return json.dumps({**fields, "key": key.get_secret_value(), "at": at, **of})

    def _open(self, file: Path) -> Any:
        if file not in self._handles:
            with _explained(file):
                self._handles[file] = open_private(file)
        return self._handles[file]

    async def _written(self, file: Path, line: str) -> None:
        """The line is on disk when this returns; that of one who is cancelled meanwhile is written all the same."""
        self._lines_next.append(line)
        if self._next is None:
            self._next = asyncio.create_task(self._write(file, self._before))
        write = self._next
        await asyncio.wait([write])
        write.result()

    async def _write(self, file: Path, before: asyncio.Task[None] | None) -> None:
        """Writes the lines of all who came until the write before it was done; who comes later waits for the next."""
        if before is not None and not before.done():
            await asyncio.wait([before])
        lines, self._lines_next = self._lines_next, []
        self._before, self._next = self._next, None
        handle = self._open(file)
        await asyncio.to_thread(self._append_in_thread, file, handle, "\n".join(lines))

    def _append_in_thread(self, file: Path, handle: Any, text: str) -> None:
        with self._disk, _explained(file):
            append(handle, text)

    def _holds(self, file: Path, key: SecretStr) -> bool:
        return any(line.get("key") == key.get_secret_value() for line in _lines(file))

    def _close(self, file: Path) -> None:
        handle = self._handles.pop(file, None)
        if handle is not None:
            with self._disk:
                handle.close()


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    """What the disk says becomes a finding with a hint."""
    try:
        yield
    except OSError as problem:
        hint = "keys_out in the settings names another file"
        message = f"cannot write to {file}: {problem.strerror}"
        raise ReconcilerError(error("keys", message, hint=hint)) from None


def _lines(file: Path) -> list[dict[str, Any]]:
    """The whole lines of a file of keys; a torn one was never told to anybody as written."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    except OSError as problem:
        raise ReconcilerError(error("keys", f"cannot read {file}: {problem.strerror}")) from None
    lines: list[dict[str, Any]] = []
    for line in text.splitlines():
        with suppress(ValueError):
            fields = json.loads(line)
            if isinstance(fields, dict) and {"kind", "name", "key"} <= fields.keys():
                lines.append(fields)
    return lines


def delivery(name: str, settings: GatewaySettings, directory: Path) -> Delivery:
    """The delivery that a gateway's settings ask for; by default a private file beside the ledger."""
    command = tuple(shlex.split(settings.keys_command)) if settings.keys_command else ()
    wanted = settings.keys_out or (None if command else DEFAULT.format(name=name))
    file = directory / wanted if wanted else None
    pending = directory / PENDING.format(name=name)
    return Delivery(name, str(file) if file else command[0], file, pending, command)


async def _run(command: tuple[str, ...], line: str) -> None:
    try:
        process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE)
    except OSError as problem:
        raise ReconcilerError(
            error("keys", f"cannot run keys_command {command[0]}: {problem.strerror}")
        ) from None
    try:
        async with asyncio.timeout(COMMAND_SECONDS):
            await process.communicate(line.encode())
    except TimeoutError:
        process.kill()
        await process.wait()
        message = f"keys_command {command[0]} did not end within {COMMAND_SECONDS:g} s"
        raise ReconcilerError(error("keys", message)) from None
    if process.returncode:
        raise ReconcilerError(
            error("keys", f"keys_command {command[0]} ended with {process.returncode}")
        )
