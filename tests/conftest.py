"""What all tests share: how the process they run in, and those they start, spend less time on themselves."""

import gc
import os
import sys

# Tests start many processes: what these import is compiled for the first of them, not for each.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def pytest_collection_finish() -> None:
    """What is loaded by now stays to the end: the garbage collector need not look through it again and again."""
    gc.collect()
    gc.freeze()


def pytest_xdist_auto_num_workers() -> int:
    """Two for each core: many tests wait for a process, a pause or a disk."""
    return 2 * (os.cpu_count() or 1)
