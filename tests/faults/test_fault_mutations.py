"""Each rule of exactly-once, broken on purpose, is caught: the same scenario passes without the mutation."""

import threading
from dataclasses import replace

import mutations
import pytest
from driver import APPLY, KILLED
from fault_company import Company, TeamWish
from fault_world import settle_strangers, world

ALONE = Company(
    aliases={"m0": "openai/gpt-4"},
    groups={"g0": frozenset({"m0"})},
    plans={"starter": (frozenset({"g0"}), 100), "pro": (frozenset({"g0"}), 1000)},
    teams={"t0": TeamWish("starter"), "t1": TeamWish("starter")},
)
UPGRADED = replace(
    ALONE,
    teams={
        "t0": TeamWish("pro"),
        "t1": TeamWish("starter", top_ups=(("promo", 500), ("extra", 50))),
    },
)


def begun(here):
    settle_strangers(here.gateway)
    here.declare(ALONE)
    assert here.apply().code == 0, here.last.said
    here.account.applied(ALONE)
    here.declare(UPGRADED)
    return here.strangers()


def ended(here, before, mutation):
    """Applies until there is nothing left to do."""
    here.proxy.heal()
    for _ in range(6):
        if here.apply(before=mutation).code == 0:
            break
    here.settle()
    here.account.applied(UPGRADED)
    here.verify(UPGRADED, before)


def killed(here, stage, mutation, hold=0.0):
    """A sabotaged apply that is killed at the first write that reaches the stage."""
    process = here.driver.start(*APPLY, before=mutation)
    done = threading.Event()

    def watch(now, _number):
        if now != stage or done.is_set():
            return done.is_set() and stage != "arrived"
        process.kill()
        done.set()
        here.proxy.hold = hold
        return not hold

    here.proxy.watch = watch
    assert process.wait().code == KILLED
    here.proxy.watch = lambda _stage, _number: False
    here.unlock()


def a_kill_before_the_commit(here, mutation):
    before = begun(here)
    killed(here, "arrived", mutation)
    ended(here, before, mutation)


def a_kill_after_the_commit(here, mutation):
    before = begun(here)
    killed(here, "committed", mutation)
    ended(here, before, mutation)


def a_late_commit(here, mutation):
    before = begun(here)
    killed(here, "arrived", mutation, hold=4.0)
    ended(here, before, mutation)


def a_lost_answer(here, mutation):
    before = begun(here)
    here.proxy.rates = {"drop-after": 1.0}
    here.apply(before=mutation)
    ended(here, before, mutation)


def two_at_once(here, mutation):
    before = begun(here)
    here.proxy.rates = {"slow": 1.0}
    both = [here.driver.start(*APPLY, before=mutation) for _ in range(2)]
    for process in both:
        process.wait()
    ended(here, before, mutation)


SCENES = {
    "kill before the commit": a_kill_before_the_commit,
    "kill after the commit": a_kill_after_the_commit,
    "late commit": a_late_commit,
    "lost answer": a_lost_answer,
    "two at once": two_at_once,
}
CAUGHT = [
    ("settled before performed", mutations.settled_before_performed, "kill before the commit"),
    ("no intent", mutations.no_intent, "kill after the commit"),
    ("no look", mutations.no_look, "lost answer"),
    ("grants sent again in doubt", mutations.grants_are_sent_again_in_doubt, "lost answer"),
    ("no recovery", mutations.no_recovery, "kill after the commit"),
    ("no grace", mutations.no_grace, "late commit"),
    ("operation id forgotten", mutations.operation_id_forgotten, "kill after the commit"),
    ("no lock", mutations.no_lock, "two at once"),
]


def play(scene, tmp_path, mutation):
    with world("saas", tmp_path, 0, timeout=5.0 if scene == "late commit" else 0.8) as here:
        SCENES[scene](here, mutation)


QUICK = ("lost answer",)
# How two processes meet is up to the machine: often enough, one of so many times.
RACES = 6


def marked(scene, *values):
    return pytest.param(*values, marks=[] if scene in QUICK else [pytest.mark.slow])


@pytest.mark.parametrize("scene", [marked(scene, scene) for scene in SCENES])
def test_the_scene_passes_with_all_rules_in_place(scene, tmp_path):
    play(scene, tmp_path, None)


@pytest.mark.parametrize(
    ("mutation", "scene"),
    [marked(scene, broken, scene) for _, broken, scene in CAUGHT],
    ids=[each[0] for each in CAUGHT],
)
def test_a_broken_rule_is_caught(mutation, scene, tmp_path):
    with pytest.raises(AssertionError) as caught:
        for attempt in range(RACES if scene == "two at once" else 1):
            (tmp_path / str(attempt)).mkdir()
            play(scene, tmp_path / str(attempt), mutation)
    assert "credits: name" in str(caught.value), caught.value


def most_at_once(here, mutation):
    """The most grants of one team that were ever on their way together."""
    begun(here)
    here.proxy.rates = {"slow": 1.0}
    open_now, most = set(), 0

    def watch(stage, number):
        nonlocal most
        if stage in ("arrived", "answered") and path_of(here, number).endswith("/t1/add"):
            (open_now.add if stage == "arrived" else open_now.discard)(number)
            most = max(most, len(open_now))
        return False

    here.proxy.watch = watch
    assert here.apply(before=mutation).code == 0
    return most


def path_of(here, number):
    return next(
        entry.path for entry in here.proxy.log if entry.number == number and entry.method != "GET"
    )


def test_one_write_per_object_at_a_time(tmp_path):
    with world("saas", tmp_path, 0) as here:
        assert most_at_once(here, None) == 1


def test_without_serialisation_two_writes_of_one_object_are_on_their_way(tmp_path):
    with world("saas", tmp_path, 0) as here:
        assert most_at_once(here, mutations.not_one_at_a_time) > 1
