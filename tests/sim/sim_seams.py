"""While a history runs, every clock, die and thread of the product is the simulation's."""

import asyncio
import gc
import logging
import random
import secrets
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from sim_loop import Loop

from reconciler import pipeline

_ORIGINALS = {
    (time, "monotonic"): time.monotonic,
    (time, "time"): time.time,
    (time, "perf_counter"): time.perf_counter,
    (time, "sleep"): time.sleep,
    (time, "clock_gettime"): time.clock_gettime,
    (secrets, "token_hex"): secrets.token_hex,
    (secrets, "token_urlsafe"): secrets.token_urlsafe,
    (uuid, "uuid4"): uuid.uuid4,
    (asyncio, "to_thread"): asyncio.to_thread,
    (pipeline, "utc_now"): pipeline.utc_now,
}


COLLECT_EVERY = 50
# Loaded by the product when they are first needed: here before the clocks are exchanged.
LATE = (
    "reconciler.gateways.embedded",
    "reconciler.gateways.saas.backend",
    "reconciler.embedded.app",
)


class World:
    """The history that is running; the seams ask it."""

    loop: Loop
    rng: random.Random
    histories: int = 0


HERE = World()


def _monotonic() -> float:
    return HERE.loop.time()


def _clock_gettime(which: int) -> float:
    """CLOCK_BOOTTIME goes on while the machine sleeps, CLOCK_MONOTONIC does not."""
    if which == getattr(time, "CLOCK_BOOTTIME", None):
        return HERE.loop.now
    if which == time.CLOCK_MONOTONIC:
        return HERE.loop.time()
    raise AssertionError(f"clock {which} is not simulated")


def _time() -> float:
    process = HERE.loop.current
    if process is None:
        return HERE.loop.now
    return float(process.machine.wall().timestamp())


def _utc_now() -> datetime:
    return datetime.fromtimestamp(_time(), UTC)


def _sleep(_seconds: float) -> None:
    raise AssertionError("nobody may really sleep here")


def _token_hex(size: int = 16) -> str:
    return f"{HERE.rng.getrandbits(size * 8):0{size * 2}x}"


def _uuid4() -> uuid.UUID:
    return uuid.UUID(int=HERE.rng.getrandbits(128), version=4)


async def _to_thread(function: Callable[..., Any], *args: Any, **named: Any) -> Any:
    await asyncio.sleep(0)
    return function(*args, **named)


_DOUBLES: dict[tuple[Any, str], Any] = {
    (time, "monotonic"): _monotonic,
    (time, "time"): _time,
    (time, "perf_counter"): _monotonic,
    (time, "sleep"): _sleep,
    (time, "clock_gettime"): _clock_gettime,
    (secrets, "token_hex"): _token_hex,
    (secrets, "token_urlsafe"): _token_hex,
    (uuid, "uuid4"): _uuid4,
    (asyncio, "to_thread"): _to_thread,
    (pipeline, "utc_now"): _utc_now,
}


def _of_this_thread(original: Callable[..., Any], double: Callable[..., Any]) -> Any:
    """The double for the thread that simulates; a server that another test left behind keeps its clock and dice."""
    simulating = threading.get_ident()

    def call(*args: Any, **named: Any) -> Any:
        chosen = double if threading.get_ident() == simulating else original
        return chosen(*args, **named)

    return call


def _places() -> list[tuple[Any, str, Any, Any]]:
    """(module, name, original, double): the modules themselves, and what the product imported from them by name."""
    doubles = {
        place: _of_this_thread(original, _DOUBLES[place]) for place, original in _ORIGINALS.items()
    }
    by_identity = {id(original): doubles[place] for place, original in _ORIGINALS.items()}
    places = [(*place, original, doubles[place]) for place, original in _ORIGINALS.items()]
    modules = [module for name, module in sys.modules.items() if name.startswith("reconciler")]
    for module in modules:
        for name, value in list(vars(module).items()):
            if id(value) in by_identity:
                places.append((module, name, value, by_identity[id(value)]))
    return places


@contextmanager
def simulated() -> Iterator[None]:
    """For as many histories as are run inside. What each needs is set by `begin`."""
    for name in LATE:
        import_module(name)
    places = _places()
    state, level = random.getstate(), logging.root.manager.disable
    unraisable = sys.unraisablehook
    for module, name, _, double in places:
        setattr(module, name, double)
    sys.unraisablehook = lambda _what: None  # a dead process's coroutine has last words
    logging.disable(logging.CRITICAL)
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        for module, name, original, _ in places:
            setattr(module, name, original)
        gc.enable()
        gc.unfreeze()
        gc.collect()
        sys.unraisablehook = unraisable
        logging.disable(level)
        random.setstate(state)


@contextmanager
def begun(loop: Loop, seed: int) -> Iterator[None]:
    """One history: its loop is the running one, its dice start from the seed."""
    HERE.histories += 1
    if HERE.histories % COLLECT_EVERY == 0:
        gc.collect()
        gc.freeze()  # what is remembered need not be looked through again
    HERE.loop, HERE.rng = loop, random.Random(seed)
    random.seed(seed)
    before = asyncio._get_running_loop()
    asyncio._set_running_loop(loop)
    try:
        yield
    finally:
        loop.close()
        asyncio._set_running_loop(before)


SHM = "/dev/shm" if Path("/dev/shm").is_dir() else None
