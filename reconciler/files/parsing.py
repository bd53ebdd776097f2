"""Files to documents, on several processors where there is enough to read."""

import gc
import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from reconciler.core.model.findings import Finding, Origin, error
from reconciler.files.discovery import shown
from reconciler.files.yaml.read import MAX_BYTES, read_yaml
from reconciler.system.disk import read_regular

_WORTH_A_POOL = (
    6_000_000  # bytes: starting processes and moving the values costs about as much as reading 2 MB
)


@dataclass(frozen=True, slots=True)
class Parsed:
    """One file's documents; `variables` says that `${` occurs in it, `empty` that nothing does."""

    path: Path
    documents: tuple[object, ...]
    findings: tuple[Finding, ...]
    complete: bool
    variables: bool
    empty: bool = False


def parse_files(paths: Sequence[Path], within: Path) -> tuple[Parsed, ...]:
    """Every file parsed, in the given order. What cannot be read, or lies outside of `within`, is a finding."""
    with collection_paused():
        if _pays(paths):
            with suppress(
                OSError, BrokenProcessPool
            ):  # no shared memory, or a worker was killed: read here instead
                return _in_parallel(paths, within)
        return tuple(parse_file(path, within) for path in paths)


def parse_file(path: Path, within: Path) -> Parsed:
    name = shown(path)
    try:
        data = read_regular(path, MAX_BYTES, within)
    except OSError as failure:
        return Parsed(path, (), (unreadable(path, failure),), complete=False, variables=False)
    read = read_yaml(data, name)
    return Parsed(
        path,
        read.documents,
        read.findings,
        read.complete,
        b"${" in data,
        not data.strip(b"\xef\xbb\xbf \r\n"),
    )


def unreadable(path: Path, failure: OSError) -> Finding:
    """What cannot be read, and why."""
    reason = failure.strerror or type(failure).__name__
    return error(
        "unreadable-file", f"the file cannot be read: {reason}", origin=Origin(shown(path), 1, 1)
    )


@contextmanager
def collection_paused() -> Iterator[None]:
    """No cyclic garbage collection meanwhile: with 100,000 small objects alive it only costs (measured: up to 5x)."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _pays(paths: Sequence[Path]) -> bool:
    """Several processors, much to read, and a process that can be forked safely (one thread)."""
    able = (os.cpu_count() or 1) > 1 and "fork" in multiprocessing.get_all_start_methods()
    free = threading.active_count() == 1 and not multiprocessing.current_process().daemon
    return able and free and len(paths) > 1 and sum(map(_size, paths)) > _WORTH_A_POOL


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _in_parallel(paths: Sequence[Path], within: Path) -> tuple[Parsed, ...]:
    workers = min(os.cpu_count() or 1, len(paths), 8)
    with ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("fork"), initializer=gc.disable
    ) as pool:
        return tuple(pool.map(partial(parse_file, within=within), paths))
