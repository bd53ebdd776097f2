"""May this team call this model now? The checks in the documented order: group, active, credits, alias."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.embedded.http.in_flight import Hold, Team
from reconciler.embedded.http.refusals import CallRefused
from reconciler.embedded.resources.credit_rows import Credits
from reconciler.embedded.resources.team_rows import allowed
from reconciler.embedded.resources.teams import key_hash

_BY_KEY = "SELECT rowid AS number, * FROM teams WHERE key_hash = ?"
_IN_A_GROUP = """
    SELECT 1 FROM team_groups JOIN group_aliases USING (group_name) WHERE team_id = ? AND alias = ? LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A call that may go to LiteLLM. `key_hash` finds its team again, should that be renamed meanwhile."""

    team_id: str
    key_hash: str
    alias: str
    litellm_model: str
    parameters: dict[str, Any]


def team_of(db: sqlite3.Connection, virtual_key: str | None) -> sqlite3.Row:
    """The team whose key it is; 401 for any other."""
    row: sqlite3.Row | None = (
        db.execute(_BY_KEY, (key_hash(virtual_key),)).fetchone() if virtual_key else None
    )
    if row is None:
        raise CallRefused(
            401, "Invalid API key", "Send the team's virtual key as Authorization: Bearer sk-..."
        )
    return row


def admit(db: sqlite3.Connection, virtual_key: str | None, model: str, hold: Hold) -> Admitted:
    """The call, checked; it holds a credit from now on. Raises CallRefused with the documented words."""
    with hold.counted() as in_flight:
        team = team_of(db, virtual_key)
        call = admit_team(db, team, model, in_flight)
        hold.take(team["number"])
    return call


def admit_team(
    db: sqlite3.Connection, team: sqlite3.Row, model: str, in_flight: Mapping[Team, int]
) -> Admitted:
    """The call of a known team, checked in the documented order."""
    if not db.execute(_IN_A_GROUP, (team["team_id"], model)).fetchone():
        raise _denied(db, team["team_id"], f"Team does not have access to model '{model}'")
    require_active(team)
    if Credits.of(team).remaining - in_flight.get(team["number"], 0) <= 0:
        raise no_credits(team["team_id"])
    return _resolved(db, team, model)


def require_active(team: sqlite3.Row) -> None:
    if team["status"] != "active":
        raise CallRefused(
            403, "Team suspended", "Team access is suspended. Please contact support."
        )


def no_credits(team_id: str) -> CallRefused:
    return CallRefused(
        403,
        "Insufficient credits",
        f"Team '{team_id}' has no credits left",
        {"credits_remaining": 0},
    )


def payer(db: sqlite3.Connection, call: Admitted) -> str:
    """The id that the call's team has by now; its key stays when the id changes, its id when the key does."""
    row = db.execute("SELECT team_id FROM teams WHERE key_hash = ?", (call.key_hash,)).fetchone()
    return str(row["team_id"]) if row else call.team_id


def _resolved(db: sqlite3.Connection, team: sqlite3.Row, model: str) -> Admitted:
    alias = db.execute("SELECT * FROM model_aliases WHERE alias = ?", (model,)).fetchone()
    if alias["status"] != "active":
        raise _denied(db, team["team_id"], f"Model '{model}' is {alias['status']}")
    parameters = json.loads(alias["litellm_params"])
    return Admitted(team["team_id"], team["key_hash"], model, alias["litellm_model"], parameters)


def _denied(db: sqlite3.Connection, team_id: str, message: str) -> CallRefused:
    return CallRefused(
        403,
        "Model access denied",
        message,
        {"available_models": allowed(db, team_id)},
        param="model",
    )
