"""How fast and how large, against other ways to do the same: `python -m benchmarks`."""
