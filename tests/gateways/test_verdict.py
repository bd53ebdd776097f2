"""`verdict`, row by row: what a look says about a step of unknown outcome."""

import ast
from pathlib import Path

import pytest

import reconciler
from reconciler.core.model.changes import Action, Step
from reconciler.core.model.kinds import Organization
from reconciler.core.model.refs import Ref
from reconciler.gateways.base import Landed, Seen, verdict

PACKAGE = Path(reconciler.__file__).parent
OLD, NEW, OTHER = (Organization(name=name) for name in ("old", "new", "other"))
APPLIED, ABSENT, UNKNOWN = Landed.APPLIED, Landed.ABSENT, Landed.UNKNOWN
DONE, NOT_DONE, NOT_TOLD, NOTHING = Seen(done=True), Seen(done=False), Seen(), Seen()

TABLE = [
    (Action.GRANT, DONE, APPLIED),
    (Action.GRANT, NOT_DONE, ABSENT),
    (Action.GRANT, NOT_TOLD, UNKNOWN),
    (Action.RENAME, DONE, APPLIED),
    (Action.RENAME, NOT_DONE, ABSENT),
    (Action.RENAME, Seen(now=NEW), APPLIED),
    (Action.RENAME, Seen(former=OLD), ABSENT),
    (Action.RENAME, Seen(now=NEW, former=OLD), UNKNOWN),
    (Action.RENAME, NOTHING, UNKNOWN),
    (Action.DELETE, NOTHING, APPLIED),
    (Action.DELETE, Seen(now=OLD), ABSENT),
    (Action.TOUCH, NOTHING, UNKNOWN),
    (Action.TOUCH, Seen(now=NEW), ABSENT),
    (Action.CREATE, NOTHING, ABSENT),
    (Action.CREATE, Seen(now=NEW), APPLIED),
    (Action.CREATE, Seen(now=OTHER), UNKNOWN),
    (Action.EXPAND, NOTHING, UNKNOWN),
    (Action.EXPAND, Seen(now=NEW), APPLIED),
    (Action.EXPAND, Seen(now=OLD), ABSENT),
    (Action.EXPAND, Seen(now=OTHER), UNKNOWN),
    (Action.CONTRACT, NOTHING, UNKNOWN),
    (Action.CONTRACT, Seen(now=NEW), APPLIED),
    (Action.CONTRACT, Seen(now=OLD), ABSENT),
    (Action.CONTRACT, Seen(now=OTHER), UNKNOWN),
]


def by_name(found):
    return [(found.name == NEW.name, found.name == OLD.name)]


@pytest.mark.parametrize(("action", "seen", "landed"), TABLE)
def test_the_truth_table(action, seen, landed):
    before = None if action is Action.CREATE else OLD
    step = Step(Ref("organization", "o"), action, before, NEW)
    same = by_name if action is not Action.CREATE else lambda found: [(found.name == "new", False)]
    assert verdict(step, seen, same) is landed


def test_the_table_has_every_action():
    assert {action for action, *_ in TABLE} == set(Action)


@pytest.mark.parametrize(
    ("fields", "landed"),
    [
        ([], APPLIED),
        ([(True, False), (True, True)], APPLIED),
        ([(True, False), (False, True)], ABSENT),
        ([(False, True), (False, True)], ABSENT),
        ([(False, True), (False, False)], UNKNOWN),
    ],
)
def test_several_fields_are_as_new_as_the_least_of_them(fields, landed):
    step = Step(Ref("organization", "o"), Action.EXPAND, OLD, NEW)
    assert verdict(step, Seen(now=NEW), lambda _found: fields) is landed


def test_members_of_a_gateway_are_never_looked_up_by_name():
    """`base.Gateway` holds them all: what is fetched by `getattr`, whoever writes a backend cannot know of."""
    wrong = [
        f"{module}:{call.lineno}"
        for module in sorted(PACKAGE.rglob("*.py"))
        for call in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id in ("getattr", "hasattr")
        and "gateway" in ast.unparse(call.args[0])
    ]
    assert not wrong
