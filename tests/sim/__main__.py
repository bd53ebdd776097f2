"""Hunting: `python -m tests.sim --seed 0 --histories 10000` carries out the histories of so many seeds."""

import os
import sys
from pathlib import Path

# The order of a set of texts is another in each process, unless this says which.
if "PYTHONHASHSEED" not in os.environ:
    os.execve(
        sys.executable,
        [sys.executable, "-m", "tests.sim", *sys.argv[1:]],
        {**os.environ, "PYTHONHASHSEED": "0"},
    )

sys.path.insert(0, str(Path(__file__).parent))

from sim_hunt import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
