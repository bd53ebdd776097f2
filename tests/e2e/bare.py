"""A process that lacks the packages of all extras: runs one command after the other, and says how each ended.

Usage: python bare.py MODULE,MODULE,... < JSON list of commands; writes a JSON list of [exit code, stdout, stderr].
"""

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from importlib.abc import MetaPathFinder


class Without(MetaPathFinder):
    """As where they were never installed: no import of them succeeds, and nothing finds them."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names

    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def ran(args: list[str]) -> tuple[int, str, str]:
    from reconciler.cli import main

    out, err, code = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main(args)
        except SystemExit as left:
            code = int(left.code or 0)
    return code, out.getvalue(), err.getvalue()


if __name__ == "__main__":
    sys.meta_path.insert(0, Without(frozenset(sys.argv[1].split(","))))
    json.dump([ran(args) for args in json.load(sys.stdin)], sys.stdout)
