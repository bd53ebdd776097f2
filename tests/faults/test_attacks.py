"""Attacks on exactly-once: requests that arrive whenever they like, paused processes, two memories, strangers, lost keys.

Each is a class: the delay, the step and the fault are parameters. Only a delay beyond what a gateway without operation
ids can be protected against is left out.
"""

import json
import os
import shutil
import signal
import threading
import time
import urllib.error
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from driver import APPLY, KILLED
from fault_company import Company, TeamWish
from fault_world import World, settle_strangers, world

from reconciler.ledger import open_ledger

TIMEOUT = 0.8
ALONE = Company(
    aliases={"m0": "openai/gpt-4", "m1": "openai/gpt-4o-mini"},
    groups={"g0": frozenset({"m0"}), "g1": frozenset({"m1"})},
    plans={"starter": (frozenset({"g0"}), 100), "pro": (frozenset({"g0", "g1"}), 600)},
    teams={"t0": TeamWish("starter")},
)
UPGRADED = replace(ALONE, teams={"t0": TeamWish("pro")})
GRANTED = replace(ALONE, teams={"t0": TeamWish("starter", credits=600)})
TOPPED_UP = replace(ALONE, teams={"t0": TeamWish("starter", top_ups=(("promo", 500),))})
GROWN = replace(ALONE, teams={"t0": TeamWish("starter", groups=frozenset({"g1"}))})
GONE = replace(ALONE, teams={})
MORE = replace(ALONE, teams={**ALONE.teams, "t1": TeamWish("starter")})

# What is on its way when its sender dies: the path of the write, and the company that asks for it.
LATE = {
    "allocation": (GRANTED, "/credits/", "POST"),
    "top-up": (TOPPED_UP, "/credits/", "POST"),
    "groups of a team": (GROWN, "/api/teams/t0", "PUT"),
    "a deletion": (GONE, "/api/teams/t0", "DELETE"),
    "a creation": (MORE, "/api/teams/create", "POST"),
}
SLOW = pytest.mark.slow


def begun(here: World, company: Company = ALONE) -> dict:
    settle_strangers(here.gateway)
    here.declare(company)
    assert here.apply().code == 0, here.last.said
    here.account.applied(company)
    return here.strangers()


def killed_with(here: World, method: str, path: str, hold: float) -> None:
    """An apply that dies when its write to the path is with the proxy, which lets it through `hold` seconds later."""
    process = here.driver.start(*APPLY)
    on_the_way = threading.Event()

    def watch(stage: str, number: int) -> bool:
        entry = next((e for e in here.proxy.log if e.number == number and e.method != "GET"), None)
        if (
            stage == "arrived"
            and entry
            and entry.method == method
            and path in entry.path
            and not on_the_way.is_set()
        ):
            process.kill()
            on_the_way.set()
            here.proxy.hold = hold
        return False

    here.proxy.watch = watch
    assert on_the_way.wait(30), process.output.read_text()
    assert process.wait().code == KILLED
    here.proxy.watch = lambda _stage, _number: False
    here.unlock()


def converged(here: World, company: Company, before: dict) -> None:
    """Applies until one says that all is done; what arrives later changes nothing any more."""
    for _ in range(8):
        if here.apply().code == 0:
            break
    assert here.last.code == 0, here.last.said
    here.settle()
    here.account.applied(company)
    here.verify(company, before)


@pytest.mark.parametrize(
    "time_outs", [0.5, pytest.param(3, marks=SLOW), pytest.param(8, marks=SLOW)]
)
@pytest.mark.parametrize(
    "what", ["allocation", *(pytest.param(n, marks=SLOW) for n in LATE if n != "allocation")]
)
def test_a_late_request_of_a_dead_apply_changes_nothing_any_more(what, time_outs, tmp_path):
    company, path, method = LATE[what]
    with world("embedded", tmp_path, 0) as here:
        before = begun(here)
        here.declare(company)
        killed_with(here, method, path, hold=time_outs * TIMEOUT)
        converged(here, company, before)


@SLOW
@pytest.mark.parametrize("what", LATE)
def test_a_late_request_that_git_took_back_meanwhile_changes_nothing(what, tmp_path):
    company, path, method = LATE[what]
    with world("embedded", tmp_path, 0) as here:
        before = begun(here)
        here.declare(company)
        killed_with(here, method, path, hold=3 * TIMEOUT)
        here.declare(ALONE)
        converged(here, ALONE, before)


@SLOW
@pytest.mark.parametrize("what", ["allocation", "top-up"])
def test_without_operation_ids_a_late_grant_is_waited_out(what, tmp_path):
    company, path, method = LATE[what]
    with world("saas", tmp_path, 0) as here:
        before = begun(here)
        here.declare(company)
        killed_with(here, method, path, hold=3 * TIMEOUT)
        converged(here, company, before)


# ---- a process that stands still


def stand_still(here: World, other: Callable[[], None], lock_seconds: float) -> tuple[int, str]:
    """An apply is stopped in a pause that the gateway asked for; `other` happens; it goes on."""
    here.proxy.rates = {"throttle": 1.0}
    process = here.driver.start(*APPLY)

    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not any(
        entry.fault == "throttle" for entry in here.proxy.log
    ):
        time.sleep(0.01)
    os.kill(process.process.pid, signal.SIGSTOP)
    here.proxy.heal()
    time.sleep(lock_seconds * 1.2)
    other()
    writes = here.proxy.writes
    os.kill(process.process.pid, signal.SIGCONT)
    ended = process.wait()
    assert here.proxy.writes == writes, "the process that had stood still wrote to the gateway"
    return ended.code, ended.said


@pytest.mark.parametrize("company", [GRANTED, pytest.param(GROWN, marks=SLOW)])
def test_a_process_that_stood_still_sends_nothing_when_it_goes_on(company, tmp_path):
    with world("embedded", tmp_path, 0) as here:
        before = begun(here)
        here.declare(company, lock_seconds=1)

        def other() -> None:
            here.unlock()
            here.declare(UPGRADED)
            assert here.apply().code == 0, here.last.said

        code, said = stand_still(here, other, 1)
        assert code == 1
        assert "lock-lost" in said
        here.account.applied(UPGRADED)
        here.verify(UPGRADED, before)


# ---- two memories


def test_the_same_gateway_by_two_names_is_one_memory(tmp_path):
    with world("embedded", tmp_path, 0) as here:
        before = begun(here)
        here.declare(GRANTED)
        file = here.directory / "reconciler.yaml"
        settings = yaml.safe_load(file.read_text())
        url = settings["gateways"]["test"]["url"]
        settings["gateways"]["again"] = {
            **settings["gateways"]["test"],
            "url": url.replace("127.0.0.1", "localhost") + "/",
        }
        file.write_text(yaml.safe_dump(settings))
        assert here.apply().code == 0
        assert here.apply("-g", "again").code == 0, here.last.said
        here.account.applied(GRANTED)
        here.verify(GRANTED, before)


@pytest.mark.parametrize("kind", ["embedded", pytest.param("saas", marks=SLOW)])
@pytest.mark.parametrize(
    "memory", ["second", pytest.param("restored", marks=SLOW), pytest.param("lost", marks=SLOW)]
)
def test_another_memory_of_the_same_gateway_grants_nothing_again(kind, memory, tmp_path):
    with world(kind, tmp_path, 0) as here:
        begun(here)
        ledger, other = tmp_path / "ledger.db", tmp_path / "other.db"
        shutil.copy(ledger, other)
        if memory == "second":
            here.driver.variables["RECONCILER_TEST_LEDGER"] = f"sqlite:///{other}"
            here.declare(ALONE)
            assert here.apply().code == 0
            here.driver.variables["RECONCILER_TEST_LEDGER"] = f"sqlite:///{ledger}"
        here.declare(GRANTED)
        assert here.apply().code == 0
        assert here.gateway.credits()["t0"] == 600
        if memory == "lost":
            other.unlink()
        here.driver.variables["RECONCILER_TEST_LEDGER"] = f"sqlite:///{other}"
        told = here.driver.run("plan").said
        looked_at = (
            memory != "lost" or kind == "embedded"
        )  # a server that keeps no first credits is not asked
        assert ("credits-elsewhere" in told) == looked_at, told
        assert here.apply().code == 0, here.last.said
        assert here.gateway.credits()["t0"] == 600
        assert "credits-elsewhere" not in here.driver.run("plan").said
        here.declare(ALONE)
        assert here.apply().code == 0, here.last.said
        assert here.gateway.credits()["t0"] == 100


# ---- strangers


@pytest.mark.parametrize("kind", ["embedded", pytest.param("saas", marks=SLOW)])
def test_somebody_elses_team_of_the_same_id_keeps_its_key(kind, tmp_path):
    """Our creation never arrives, and meanwhile another admin makes a team of that id with other settings."""
    with world(kind, tmp_path, 0) as here:
        begun(here)
        here.declare(MORE)
        process = here.driver.start(*APPLY)
        theirs: dict = {}

        def watch(stage: str, number: int) -> bool:
            entry = next(
                (e for e in here.proxy.log if e.number == number and e.method != "GET"), None
            )
            if (
                stage != "arrived"
                or entry is None
                or not entry.path.endswith("/teams/create")
                or theirs
            ):
                return False
            process.kill()
            body = {
                "organization_id": "foreign-org",
                "team_id": "t1",
                "team_alias": "x",
                "access_groups": ["foreign-g"],
            }
            theirs.update(
                here.gateway.ask("POST", "/api/teams/create", {**body, "credits_allocated": 5})
            )
            return True

        here.proxy.watch = watch
        assert process.wait().code == KILLED
        here.proxy.watch = lambda _stage, _number: False
        here.unlock()
        for _ in range(3):
            here.apply()
        assert works(here, theirs["virtual_key"]), "somebody else's team lost its key"
        assert theirs["virtual_key"] not in keys_file(here)
        keys = [line for line in lines_of(here) if line["name"] == "t1"]
        assert keys == []


# ---- keys


def keys_file(here: World) -> str:
    file = here.directory / ".reconciler" / "keys-test.jsonl"
    return file.read_text() if file.exists() else ""


def lines_of(here: World) -> list[dict]:
    return [json.loads(line) for line in keys_file(here).splitlines()]


def works(here: World, key: str) -> bool:
    try:
        if here.gateway.documented:
            here.gateway.ask("GET", "/v1/models", bearer=key)
        else:
            team = next(
                row
                for row in here.gateway.listed("/api/teams", "teams")
                if row["virtual_key"] == key
            )
            return bool(team)
    except (urllib.error.HTTPError, StopIteration):
        return False
    return True


def full_disk(at: int, times: int) -> None:
    """In the process of an apply: writing a key fails at the n-th time."""
    import errno

    from reconciler.apply import keys

    write, count = keys.append, 0

    def failing(handle, line):
        nonlocal count
        count += 1
        if at <= count < at + times:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(handle, line)

    keys.append = failing


KEY_FAULTS: dict[str, dict] = {
    "the answer is lost": {"rates": {"drop-after": 1.0}},
    "saved, and answered 500": {"rates": {"saved-500": 1.0}},
    "half an answer": {"rates": {"half": 1.0}},
    "the request is late": {"rates": {"late": 1.0}},
    "the request is doubled": {"rates": {"double": 1.0}},
    "doubled, and the answer is lost": {"rates": {"double-drop": 1.0}},
    "the disk is full before": {"disk": (1, 1)},
    "the disk is full after": {"disk": (2, 1)},
    "the disk stays full": {"disk": (1, 99)},
    "the command fails once": {"command": True},
}


QUICK = ("the answer is lost", "the disk is full after")


@pytest.mark.parametrize("kind", ["embedded", pytest.param("saas", marks=SLOW)])
@pytest.mark.parametrize(
    "fault", [name if name in QUICK else pytest.param(name, marks=SLOW) for name in KEY_FAULTS]
)
def test_every_team_has_its_key_in_hand_in_the_end(kind, fault, tmp_path):
    how = KEY_FAULTS[fault]
    with world(kind, tmp_path, 0) as here:
        settle_strangers(here.gateway)
        here.declare(MORE)
        delivered = with_command(here, tmp_path) if "command" in how else None
        here.proxy.rates = how.get("rates", {})
        first = here.apply(before=full_disk, given=how["disk"]) if "disk" in how else here.apply()
        here.proxy.heal()
        if first.code != 0 and here.gateway.credits():
            for command in (("plan",), ("drift",)):
                said = here.driver.run(*command).said
                assert not owed(here) or "virtual key" in said.lower(), said
        for _ in range(6):
            if here.apply().code == 0:
                break
        assert here.last.code == 0, here.last.said
        here.settle()
        lines = (
            [json.loads(line) for line in delivered.read_text().splitlines()]
            if delivered
            else lines_of(here)
        )
        for team in MORE.teams:
            keys = [line["key"] for line in lines if line["name"] == team]
            assert keys, (team, first.said)
            assert works(here, keys[-1]), (team, first.said)
        pending = here.directory / ".reconciler" / "pending-keys-test.jsonl"
        assert not pending.exists()


def owed(here: World) -> bool:
    with open_ledger(here.ledger_url) as ledger:
        return bool(ledger.owed_keys(here.identity))


def with_command(here: World, tmp_path: Path) -> Path:
    """keys_command that fails at its first call."""
    script, out, flag = tmp_path / "keys.sh", tmp_path / "delivered.jsonl", tmp_path / "failed"
    script.write_text(
        f'#!/bin/sh\n[ -e "{flag}" ] || {{ touch "{flag}"; exit 1; }}\ncat >> "{out}"\necho >> "{out}"\n'
    )
    script.chmod(0o700)
    file = here.directory / "reconciler.yaml"
    settings = yaml.safe_load(file.read_text())
    settings["gateways"]["test"]["keys_command"] = str(script)
    file.write_text(yaml.safe_dump(settings))
    out.touch()
    return out


# ---- going on after a crash


def test_going_on_after_a_crash_is_not_refused(tmp_path):
    """Fourteen new teams with a top-up each, killed before any grant: what is left to do is no danger."""
    with world("embedded", tmp_path, 0) as here:
        before = begun(here)
        wishes = {
            f"n{number:02}": TeamWish("starter", top_ups=(("welcome", 7),)) for number in range(14)
        }
        company = replace(ALONE, teams={**ALONE.teams, **wishes})
        here.declare(company)
        process = here.driver.start("apply", "--yes", "--quiet")

        def watch(stage: str, number: int) -> bool:
            entry = next(
                (e for e in here.proxy.log if e.number == number and e.method != "GET"), None
            )
            if stage == "arrived" and entry and "/credits/" in entry.path:
                process.kill()
                return True
            return False

        here.proxy.watch = watch
        assert process.wait().code == KILLED
        here.proxy.watch = lambda _stage, _number: False
        here.unlock()
        again = here.driver.run("apply", "--yes", "--quiet")
        assert again.code == 0, again.said
        here.account.applied(company)
        here.verify(company, before)
