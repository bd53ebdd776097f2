"""Ctrl-C during apply: what is in flight is finished, exit 130, and the next apply does the rest exactly once."""

import signal
import time
from collections import Counter
from pathlib import Path

from e2e_world import Place, company, finished, process
from saas_litellm import SaasDouble, saas_double

CUSTOMERS = 60
ENOUGH = 8


def many_customers(directory: Path, url: str) -> Place:
    """A short time-out: what a killed apply had on its way is waited out for that long."""
    gateway = f"{{backend: saas-litellm, url: '{url}', admin_key_env: KEY, timeout_seconds: 3}}"
    settings = f"default_gateway: s\ngateways: {{s: {gateway}}}\n"
    lines = [f"  org_{n:02}: {{name: Customer {n}}}" for n in range(CUSTOMERS)]
    return company(directory, settings, all="\n".join(["organizations:", *lines, ""]))


def wait_for_writes(double: SaasDouble, count: int, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while len(double.writes) < count:
        assert time.monotonic() < end, f"{len(double.writes)} writes"
        time.sleep(0.01)


def test_an_interrupted_apply_exits_with_130_and_the_next_one_converges(tmp_path):
    with saas_double(request_seconds=0.05) as double:
        place = many_customers(tmp_path, double.url)
        place.environ["KEY"] = double.admin_key
        command = process("apply", "--yes", cwd=tmp_path, environ=place.environ)
        wait_for_writes(double, ENOUGH)
        command.send_signal(signal.SIGINT)
        done = finished(command)
        assert done.code == 130, done.text
        assert "Traceback" not in done.text
        first = len(double.store.organizations)
        assert ENOUGH <= first < CUSTOMERS

        assert "interrupted" in place.reconciler("history").out
        place.applied()
        place.settled()
        assert len(double.store.organizations) == CUSTOMERS
        sent = Counter((write.method, write.path) for write in double.writes)
        assert sum(sent.values()) == CUSTOMERS  # nothing was sent twice
        assert double.max_in_flight <= 8


def test_a_killed_apply_converges_too(tmp_path):
    with saas_double(request_seconds=0.05) as double:
        place = many_customers(tmp_path, double.url)
        place.environ["KEY"] = double.admin_key
        command = process("apply", "--yes", cwd=tmp_path, environ=place.environ)
        wait_for_writes(double, ENOUGH)
        command.kill()
        finished(command)
        assert "locked" in place.reconciler("apply", "--yes", code=1).err
        assert "locked by" in place.reconciler("unlock", "--yes").out
        place.applied()
        place.settled()
        assert len(double.store.organizations) == CUSTOMERS
