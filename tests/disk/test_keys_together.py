"""Virtual keys that are delivered while others are being written share a sync; none counts before its line is synced."""

import asyncio
import errno
import json
import os
import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydantic import SecretStr

from reconciler.apply.keys import Delivery
from reconciler.core.model.findings import ReconcilerError
from reconciler.core.model.refs import Ref


@dataclass
class Disk:
    """What the operating system was asked to sync: `synced` is what the file held at the end of each."""

    file: Path
    failing: frozenset[int] = frozenset()
    synced: list[str] = field(default_factory=list)
    real = staticmethod(os.fsync)

    def fsync(self, descriptor: int) -> None:
        if len(self.synced) + 1 in self.failing:
            self.synced.append("")
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self.real(descriptor)
        self.synced.append(self.file.read_text("utf-8"))

    @property
    def safe(self) -> list[str]:
        """The keys whose lines were synced."""
        newest = max(self.synced, key=len, default="")
        return [json.loads(line)["key"] for line in newest.splitlines()]


def delivery(home: Path, monkeypatch: pytest.MonkeyPatch, *failing: int) -> tuple[Delivery, Disk]:
    keys = Delivery("local", "keys", home / "keys.jsonl", home / "pending.jsonl")
    keys.ready()
    disk = Disk(home / "keys.jsonl", frozenset(failing))
    monkeypatch.setattr(os, "fsync", disk.fsync)
    return keys, disk


def secret(number: int) -> SecretStr:
    return SecretStr(f"sk-{number:04}")


@pytest.mark.parametrize("seed", range(5))
def test_keys_that_come_together_share_syncs_and_keep_their_order(tmp_path, monkeypatch, seed):
    keys, disk = delivery(tmp_path, monkeypatch)
    rng = random.Random(seed)
    counts = [rng.randint(1, 30) for _ in range(10)]

    async def one(number: int) -> None:
        await keys.deliver(Ref("team", f"team-{number}"), secret(number))
        assert secret(number).get_secret_value() in disk.safe

    async def come() -> None:
        async with asyncio.TaskGroup() as group:
            for wave, count in enumerate(counts):
                for number in range(count):
                    group.create_task(one(sum(counts[:wave]) + number))
                for _ in range(rng.randint(1, 3)):
                    await asyncio.sleep(0)

    asyncio.run(come())
    assert disk.safe == [secret(number).get_secret_value() for number in range(sum(counts))]
    assert len(disk.synced) <= len(counts)
    assert keys.delivered == sum(counts)


def test_a_failing_sync_is_told_to_each_that_waits_for_it_and_to_nobody_else(tmp_path, monkeypatch):
    keys, disk = delivery(tmp_path, monkeypatch, 1)

    async def come() -> list[BaseException | None]:
        refs = [Ref("team", f"team-{number}") for number in range(6)]
        first = [asyncio.create_task(keys.deliver(refs[n], secret(n))) for n in range(3)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        later = [asyncio.create_task(keys.deliver(refs[n], secret(n))) for n in range(3, 6)]
        return await asyncio.gather(*first, *later, return_exceptions=True)

    told = asyncio.run(come())
    assert [type(problem) for problem in told] == [ReconcilerError] * 3 + [type(None)] * 3
    assert keys.delivered == 3
    assert disk.safe[-3:] == [secret(number).get_secret_value() for number in range(3, 6)]


def test_who_is_cancelled_takes_nobody_along(tmp_path, monkeypatch):
    keys, disk = delivery(tmp_path, monkeypatch)

    async def come() -> None:
        tasks = [
            asyncio.create_task(keys.deliver(Ref("team", str(number)), secret(number)))
            for number in range(4)
        ]
        await asyncio.sleep(0)
        tasks[0].cancel()
        told = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(told[0], asyncio.CancelledError)
        assert told[1:] == [None] * 3

    asyncio.run(come())
    assert {secret(number).get_secret_value() for number in range(1, 4)} <= set(disk.safe)
    assert keys.delivered == 3
