"""A step is read back from the journal whatever another hand had put on the gateway."""

from datetime import UTC, datetime

from reconciler.apply.journal import step_of
from reconciler.core.model.changes import Action
from reconciler.core.model.kinds import Team
from reconciler.ledger import JournalEntry


def test_a_live_value_that_no_manifest_could_hold_is_kept_as_it_is():
    names = JournalEntry.__dataclass_fields__
    before = {"access_groups": ["g"], "budget_duration": "monthly", "tpm_limit": 5}
    given = {
        "kind": "team",
        "name": "t",
        "action": "expand",
        "detail": {"before": before, "after": {"tpm_limit": 6}},
    }
    entry = JournalEntry(
        **{
            name: given.get(name, datetime.now(UTC) if name.endswith("at") else None)
            for name in names
        }
    )
    step = step_of(entry)
    assert (step.action, step.after) == (Action.EXPAND, Team(tpm_limit=6))
    assert (step.before.budget_duration, step.before.access_groups, step.before.tpm_limit) == (
        "monthly",
        {"g"},
        5,
    )
