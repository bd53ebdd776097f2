"""A kill -9 at an exact boundary of an apply: every ledger transaction and every write to the gateway is counted.

Each has two boundaries: before it (nothing happened yet) and after it (it happened, and the process does not know yet
or has not written it down). The n-th boundary kills the process, from inside, as SIGKILL would from outside.
"""

import functools
import os
import signal
from pathlib import Path
from typing import Any

WRITES_OF_THE_LEDGER = (
    "acquire",
    "own",
    "disown",
    "begin",
    "intend",
    "settle",
    "resolve",
    "key_delivered",
    "finish",
    "release",
)


class Switch:
    """Counts boundaries into a file, so that the test can see how far a killed process came."""

    def __init__(self, at: int, log: str) -> None:
        self.at, self.log, self.count = at, Path(log), 0

    def passed(self, what: str) -> None:
        self.count += 1
        with self.log.open("a") as out:
            out.write(f"{what}\n")
        if self.count == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def armed(at: int, log: str) -> None:
    """Installs the switch in this process."""
    from reconciler.gateways.http import Http
    from reconciler.ledger.store import Ledger

    switch = Switch(at, log)
    for name in WRITES_OF_THE_LEDGER:
        setattr(Ledger, name, _around(getattr(Ledger, name), switch, f"ledger {name}"))
    once = Http._once

    @functools.wraps(once)
    async def counted(self: Http, request: Any, prepared: Any) -> Any:
        if request.reads:
            return await once(self, request, prepared)
        switch.passed(f"before {request.what}")
        answer = await once(self, request, prepared)
        switch.passed(f"after {request.what}")
        return answer

    Http._once = counted


def _around(call: Any, switch: Switch, what: str) -> Any:
    @functools.wraps(call)
    def counted(*args: Any, **more: Any) -> Any:
        switch.passed(f"before {what}")
        answer = call(*args, **more)
        switch.passed(f"after {what}")
        return answer

    return counted
