"""Credits over the API: add, exactly once where the caller names the operation; balance; transactions."""

import sqlite3
from typing import Annotated, Any

from fastapi import HTTPException, Query
from fastapi.responses import JSONResponse

from reconciler.embedded.answers import Balance, CreditsAdded, Transactions
from reconciler.embedded.bodies import ID_PATTERN, MAX_CREDITS, CreditsAdd, Limit
from reconciler.embedded.context import Here
from reconciler.embedded.credit_rows import Credits, record, transaction, transaction_id
from reconciler.embedded.routing import admin_router, answers, page
from reconciler.embedded.team_rows import team_row

router = admin_router("credits", "credits")

_ALLOCATE = "UPDATE teams SET credits_allocated = ?, updated_at = ? WHERE team_id = ?"
_BY_OPERATION = "SELECT * FROM transactions WHERE operation_id = ?"
_BY_TEAM = """
    SELECT * FROM transactions WHERE team_id = :team_id AND id < :before
    AND (:operation_id IS NULL OR operation_id = :operation_id) ORDER BY id DESC LIMIT :limit
"""
_OF_ALL = """
    SELECT * FROM transactions WHERE id < :before
    AND (:operation_id IS NULL OR operation_id = :operation_id) ORDER BY id DESC LIMIT :limit
"""
_LATEST = 2**63 - 1
TeamId = Annotated[str, Query(pattern=ID_PATTERN, max_length=200)]
AnyTeam = Annotated[str | None, Query(pattern=ID_PATTERN, max_length=200)]
OperationId = Annotated[str | None, Query(min_length=1, max_length=500)]
Before = Annotated[str | None, Query(pattern=r"^txn_[0-9]{1,18}$", description="Cursor: the page goes on after it.")]


@router.post("/add", **answers(CreditsAdded))
async def add_credits(body: CreditsAdd, here: Here) -> JSONResponse:
    """Adds to `credits_allocated`. With an `operation_id`, again is no second grant: the first answer comes back."""
    with here.store.write() as db:
        if body.operation_id and (known := db.execute(_BY_OPERATION, (body.operation_id,)).fetchone()):
            return JSONResponse(_again(known, body))
        before = Credits.of(team_row(db, body.team_id))
        after = before.allocate(_within_bounds(before.allocated + body.amount))
        now = here.stamp()
        db.execute(_ALLOCATE, (after.allocated, now, body.team_id))
        description = body.description if body.description is not None else body.reason
        row = record(db, "addition", before, after, now, description=description, operation_id=body.operation_id)
        return JSONResponse({**_added(row), "duplicate": False})


@router.get("/balance", **answers(Balance))
async def get_balance(team_id: TeamId, here: Here) -> JSONResponse:
    """What the team was granted in all, has used, and has left."""
    with here.store.read() as db:
        row = team_row(db, team_id)
    credits_ = Credits.of(row)
    share = round(100 * credits_.used / credits_.allocated, 2) if credits_.allocated else 0.0
    return JSONResponse(
        {
            "team_id": team_id,
            "credits_allocated": credits_.allocated,
            "credits_used": credits_.used,
            "credits_remaining": credits_.remaining,
            "percentage_used": share,
            "status": row["status"],
        }
    )


@router.get("/transactions", **answers(Transactions))
async def list_transactions(
    here: Here,
    team_id: AnyTeam = None,
    operation_id: OperationId = None,
    limit: Limit = None,
    after: Before = None,
) -> JSONResponse:
    """What changed credits, newest first; a deleted team's transactions are still here."""
    before = int(after.removeprefix("txn_")) if after else _LATEST
    wanted = {**page(None, limit), "team_id": team_id, "operation_id": operation_id, "before": before}
    with here.store.read() as db:
        rows = db.execute(_BY_TEAM if team_id else _OF_ALL, wanted).fetchall()
        if team_id and not rows:
            team_row(db, team_id)
    return JSONResponse({"team_id": team_id, "transactions": [transaction(row) for row in rows]})


def _again(known: sqlite3.Row, body: CreditsAdd) -> dict[str, Any]:
    if (known["team_id"], known["amount"]) != (body.team_id, body.amount):
        was = f"{known['amount']} credits to team '{known['team_id']}'"
        raise HTTPException(409, f"operation_id '{body.operation_id}' already added {was}")
    return {**_added(known), "duplicate": True}


def _within_bounds(allocated: int) -> int:
    if allocated > MAX_CREDITS:
        raise HTTPException(422, f"amount: credits_allocated would be more than {MAX_CREDITS}")
    if allocated < 0:
        raise HTTPException(422, "amount: credits_allocated would be less than 0")
    return allocated


def _added(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "team_id": row["team_id"],
        "credits_added": row["amount"],
        "credits_allocated": row["allocated_after"],
        "credits_remaining": row["allocated_after"] - row["used_after"],
        "transaction_id": transaction_id(row),
        "operation_id": row["operation_id"],
    }
