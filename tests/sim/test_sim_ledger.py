"""The ledger in memory against the real one: the same calls, the same answers, the same refusals."""

import random
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from sim_ledger import Book, Ledger
from sim_loop import Loop
from sim_machine import EPOCH, Machine, Process

from reconciler.ledger import (
    Claim,
    GrantRecord,
    Intent,
    LeaseLost,
    LedgerError,
    LockHeld,
    Renewal,
    Settlement,
    open_ledger,
)

GATEWAY, TTL = "embedded http://gateway", timedelta(seconds=120)
NAMES, GRANTS, STATES = ("t0", "t1"), ("promo", "allocation:1"), ("applied", "failed", "unknown")


class Caller:
    """Makes one random call on both ledgers, with the leases and ids that came of the calls before."""

    def __init__(self, real, double, seed):
        self.both, self.rng = (real, double), random.Random(seed)
        self.now, self.leases, self.applies, self.step = EPOCH, [(None, None)], [0], 0

    def call(self):
        self.now += timedelta(seconds=self.rng.choice((0, 1, 50, 200)))
        name = self.rng.choice([name for name in dir(self) if name.startswith("do_")])
        answers = [
            self._answer(getattr(self, name), ledger, index)
            for index, ledger in enumerate(self._drawn(name))
        ]
        return name, answers

    def _drawn(self, _name):
        """Both ledgers see the same dice."""
        state = self.rng.getstate()
        for ledger in self.both:
            self.rng.setstate(state)
            yield ledger

    def _answer(self, call, ledger, index):
        try:
            return call(ledger, index)
        except (LockHeld, LeaseLost) as refusal:
            return type(refusal)
        except LedgerError:
            return LedgerError

    def _lease(self, index):
        lease = self.rng.choice(self.leases[-2:])[index]
        if lease is None:
            raise LedgerError("no lease yet")
        return lease

    def do_acquire(self, ledger, index):
        watched = ledger.holder(GATEWAY, self.now) if self.rng.random() < 0.3 else None
        lease = ledger.acquire(GATEWAY, "somebody", self.now, TTL, instead_of=watched)
        if index == 0:
            self.leases.append((lease, None))
        else:
            self.leases[-1] = (self.leases[-1][0], lease)
        return lease

    def do_renew(self, ledger, index):
        return ledger.renew(self._lease(index), self.now, TTL)

    def do_release(self, ledger, index):
        return ledger.release(self._lease(index))

    def do_break(self, ledger, _index):
        return ledger.break_lock(GATEWAY, self.now)

    def do_check(self, ledger, index):
        return ledger.check(self._lease(index))

    def do_begin(self, ledger, index):
        names = {
            "actor": "a",
            "revision": None,
            "plan_digest": "d",
            "counts": {},
            "command": "apply",
        }
        number = ledger.begin(self._lease(index), now=self.now, **names)
        self.applies.append(number)
        return number

    def do_finish(self, ledger, index):
        status = self.rng.choice(("done", "failed", "partial"))
        return ledger.finish(
            self._lease(index), max(self.applies), status, {"applied": 1}, self.now
        )

    def _intent(self):
        name, action = self.rng.choice(NAMES), self.rng.choice(("create", "grant", "delete"))
        step = f"{action} {name} {self.rng.randint(0, 9)}"
        if action != "grant":
            return Intent(step, "team", name, action, "op", {"a": 1}, owes_key=action == "create")
        grant = GrantRecord(
            name, self.rng.choice(GRANTS), self.rng.choice((5, 7)), f"op-{self.rng.randint(0, 3)}"
        )
        return Intent(step, "team", name, action, None, {}, grant)

    def do_intend(self, ledger, index):
        entries = [self._intent() for _ in range(self.rng.randint(1, 2))]
        operations = [entry.grant.operation_id for entry in entries if entry.grant]
        keys = [(entry.grant.team, entry.grant.grant_id) for entry in entries if entry.grant]
        if len(set(operations)) < len(operations) or len(set(keys)) < len(keys):
            entries = entries[:1]
        taken = {record.operation_id: key for key, record in ledger.grants(GATEWAY).items()}
        for entry in entries:
            if entry.grant and taken.get(
                entry.grant.operation_id, (entry.name, entry.grant.grant_id)
            ) != (
                entry.name,
                entry.grant.grant_id,
            ):
                return "one operation cannot be two grants"
        return ledger.intend(self._lease(index), max(self.applies), entries, self.now)

    def do_settle(self, ledger, index):
        entries = ledger.unsettled(GATEWAY)
        if not entries:
            return None
        entry = self.rng.choice(entries)
        state = self.rng.choice(STATES)
        own = (
            Claim("team", entry.name, {"n": self.rng.randint(0, 3)}) if state == "applied" else None
        )
        gone = state == "applied" and entry.action == "delete"
        settlement = Settlement(
            entry.step_id,
            state,
            "why",
            0.5,
            own=None if gone else own,
            disown=gone,
            key_settled=self.rng.random() < 0.5,
            doubted=self.rng.random() < 0.3,
        )
        return ledger.settle(self._lease(index), entry.apply_id, [settlement], self.now)

    def do_resolve(self, ledger, index):
        numbers = [entry.journal_id for entry in ledger.unsettled(GATEWAY)] or [99]
        state = self.rng.choice(("applied", "failed"))
        settled = self.rng.random() < 0.5
        number = self.rng.choice(numbers)
        return ledger.resolve(
            self._lease(index), number, state, "seen", self.now, key_settled=settled
        )

    def do_own(self, ledger, index):
        claim = Claim("team", self.rng.choice(NAMES), {"n": 1}, adopted=self.rng.random() < 0.5)
        return ledger.own(self._lease(index), [claim], self.now)

    def do_disown(self, ledger, index):
        return ledger.disown(self._lease(index), [("team", self.rng.choice(NAMES))])

    def do_key_delivered(self, ledger, index):
        return ledger.key_delivered(self._lease(index), [("team", self.rng.choice(NAMES))])

    def do_renewal(self, ledger, index):
        renewal = Renewal("team", self.rng.choice(NAMES), f"key-{self.rng.randint(0, 5)}")
        return ledger.intend_renewal(self._lease(index), renewal)

    def do_forget_renewals(self, ledger, index):
        return ledger.forget_renewals(self._lease(index), [f"key-{self.rng.randint(0, 5)}"])

    def do_remember(self, ledger, index):
        name, grant = self.rng.choice(NAMES), f"elsewhere:{self.rng.randint(0, 1)}"
        record = GrantRecord(name, grant, 9, f"other:{name}:{grant}", state="granted")
        return ledger.remember_grants(self._lease(index), [record], self.now)

    def do_facts(self, ledger, index):
        facts = {self.rng.choice(("legacy", "router")): {"m": [self.rng.choice(NAMES)]}}
        return ledger.remember_facts(self._lease(index), facts, self.now)

    def state(self, ledger):
        return {
            "facts": ledger.facts(GATEWAY),
            "inventory": ledger.inventory(GATEWAY),
            "grants": ledger.grants(GATEWAY),
            "unsettled": ledger.unsettled(GATEWAY),
            "late": ledger.late(GATEWAY),
            "unfinished": ledger.unfinished_creations(GATEWAY),
            "owed": ledger.owed_keys(GATEWAY),
            "renewals": ledger.renewals(GATEWAY),
            "history": ledger.history(GATEWAY),
            "holder": ledger.holder(GATEWAY, self.now),
            "last": self._answer(
                lambda each, _: each.apply_record(GATEWAY, max(self.applies)), ledger, 0
            ),
        }


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 12))]
)
def test_the_ledger_and_its_double_give_the_same_answers(seed, tmp_path):
    machine = Machine("0", Loop())
    double = Ledger(Book(), Process("test", machine))
    with open_ledger(f"sqlite:///{tmp_path}/ledger.db") as real:
        caller = Caller(real, double, seed)
        for number in range(60):
            name, (ours, theirs) = caller.call()
            assert _plain(ours) == _plain(theirs), f"{number}: {name}"
            assert caller.state(real) == caller.state(double), f"{number}: {name}"


def _plain(answer):
    """Leases and holders are equal by value; nothing else needs a hand."""
    with suppress(TypeError):
        return replace(answer)
    return answer
