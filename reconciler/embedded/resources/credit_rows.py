"""A team's credits and the transactions that changed them: each change is written with what was before and after."""

import sqlite3
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

Type = Literal["allocation", "addition", "deduction", "refund"]

_INSERT = """
    INSERT INTO transactions (team_id, type, amount, description, operation_id, allocated_before, allocated_after,
    used_before, used_after, created_at) VALUES (:team_id, :type, :amount, :description, :operation_id,
    :allocated_before, :allocated_after, :used_before, :used_after, :now) RETURNING *
"""
_USE = """
    UPDATE teams SET credits_used = credits_used + 1 WHERE team_id = ? AND credits_used < credits_allocated RETURNING *
"""
_GIVE_BACK = "UPDATE teams SET credits_used = credits_used - 1 WHERE team_id = ? AND credits_used > 0 RETURNING *"


@dataclass(frozen=True, slots=True)
class Credits:
    """What a team was granted in all, and what it has used."""

    team_id: str
    allocated: int
    used: int

    @classmethod
    def of(cls, row: sqlite3.Row) -> Self:
        return cls(row["team_id"], row["credits_allocated"], row["credits_used"])

    @property
    def remaining(self) -> int:
        return self.allocated - self.used

    def allocate(self, allocated: int) -> Self:
        return replace(self, allocated=allocated)

    def use(self, calls: int) -> Self:
        return replace(self, used=self.used + calls)


def record(
    db: sqlite3.Connection,
    kind: Type,
    before: Credits,
    after: Credits,
    now: str,
    *,
    description: str | None = None,
    operation_id: str | None = None,
) -> sqlite3.Row:
    """Writes the transaction, and gives it as stored; `amount` is positive where the balance grew, or its size used."""
    moved = after.remaining - before.remaining
    row: sqlite3.Row = db.execute(
        _INSERT,
        {
            "team_id": before.team_id,
            "type": kind,
            "amount": -moved if kind == "deduction" else moved,
            "description": description,
            "operation_id": operation_id,
            "allocated_before": before.allocated,
            "allocated_after": after.allocated,
            "used_before": before.used,
            "used_after": after.used,
            "now": now,
        },
    ).fetchall()[0]
    return row


def deduct(db: sqlite3.Connection, team_id: str, description: str, now: str) -> bool:
    """Takes one credit; False, and nothing taken, where none is left or the team is gone."""
    return _move(db, _USE, "deduction", 1, team_id, description, now)


def refund(db: sqlite3.Connection, team_id: str, description: str, now: str) -> bool:
    """Gives one used credit back; False where the team is gone."""
    return _move(db, _GIVE_BACK, "refund", -1, team_id, description, now)


def _move(
    db: sqlite3.Connection,
    update: str,
    kind: Type,
    calls: int,
    team_id: str,
    description: str,
    now: str,
) -> bool:
    moved = db.execute(update, (team_id,)).fetchall()
    for row in moved:
        after = Credits.of(row)
        record(db, kind, after.use(-calls), after, now, description=description)
    return bool(moved)


def transaction_id(row: sqlite3.Row) -> str:
    return f"txn_{row['id']:08d}"


def transaction(row: sqlite3.Row) -> dict[str, Any]:
    """A transaction as the API shows it."""
    return {
        "transaction_id": transaction_id(row),
        "team_id": row["team_id"],
        "type": row["type"],
        "amount": row["amount"],
        "description": row["description"],
        "operation_id": row["operation_id"],
        "timestamp": row["created_at"],
        "balance_before": row["allocated_before"] - row["used_before"],
        "balance_after": row["allocated_after"] - row["used_after"],
        "credits_allocated_before": row["allocated_before"],
        "credits_allocated_after": row["allocated_after"],
    }
