"""Credits over the API: add, exactly once where the caller names the operation; balance; transactions."""

import sqlite3
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import HTTPException, Query
from fastapi.responses import JSONResponse

from reconciler.embedded.context import Here
from reconciler.embedded.http.answers import Balance, CreditsAdded, Transactions
from reconciler.embedded.http.bodies import ID_PATTERN, MAX_CREDITS, CreditsAdd, Limit
from reconciler.embedded.http.refusals import Refused
from reconciler.embedded.http.routing import admin_router, answers, page
from reconciler.embedded.resources.credit_rows import Credits, record, transaction, transaction_id
from reconciler.embedded.resources.operations import require_not_void
from reconciler.embedded.resources.team_rows import team_row
from reconciler.embedded.resources.writes import Answer, Writing

router = admin_router("credits", "credits")

_ALLOCATE = "UPDATE teams SET credits_allocated = ?, updated_at = ? WHERE team_id = ?"
_BY_OPERATION = "SELECT * FROM transactions WHERE operation_id = ?"
_NEWEST_OPERATION = """
    SELECT operation_id FROM transactions
    WHERE team_id = :team_id AND substr(operation_id, 1, length(:namespace)) = :namespace ORDER BY id DESC LIMIT 1
"""
_CONDITIONS = {
    "team_id": "team_id = :team_id",
    "operation_id": "operation_id = :operation_id",
    # Within the index of those that have an operation id, in the page's order.
    "operation_prefix": """
        operation_id IS NOT NULL AND substr(operation_id, 1, length(:operation_prefix)) = :operation_prefix
    """,
}
_START = {"newest": 2**63 - 1, "oldest": -1}
TeamId = Annotated[str, Query(pattern=ID_PATTERN, max_length=200)]
AnyTeam = Annotated[str | None, Query(pattern=ID_PATTERN, max_length=200)]
OperationQuery = Annotated[str | None, Query(min_length=1, max_length=500)]
Order = Literal["newest", "oldest"]
Cursor = Annotated[
    str | None, Query(pattern=r"^txn_[0-9]{1,18}$", description="The page goes on after it.")
]


@router.post("/add", **answers(CreditsAdded))
async def add_credits(body: CreditsAdd, here: Here, write: Writing) -> JSONResponse:
    """Adds to `credits_allocated`. With an `operation_id`, again is no second grant: the first answer comes back."""

    def work(db: sqlite3.Connection) -> Answer:
        if body.operation_id:
            if known := db.execute(_BY_OPERATION, (body.operation_id,)).fetchone():
                return _again(known, body)
            require_not_void(db, body.operation_id)
        before = Credits.of(team_row(db, body.team_id))
        if "previous_operation_id" in body.model_fields_set:
            _require_previous(db, body)
        after = before.allocate(_within_bounds(before.allocated + body.amount))
        now = here.stamp()
        db.execute(_ALLOCATE, (after.allocated, now, body.team_id))
        description = body.description if body.description is not None else body.reason
        row = record(
            db,
            "addition",
            before,
            after,
            now,
            description=description,
            operation_id=body.operation_id,
        )
        return {**_added(row), "duplicate": False}

    return await write.new(work)


@router.get("/balance", **answers(Balance))
async def get_balance(team_id: TeamId, here: Here) -> JSONResponse:
    """What the team was granted in all, has used, and has left."""
    row = await here.store.read(lambda db: team_row(db, team_id))
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
    operation_id: OperationQuery = None,
    operation_prefix: OperationQuery = None,
    order: Order = "newest",
    limit: Limit = None,
    after: Cursor = None,
) -> JSONResponse:
    """What changed credits, newest first; a deleted team's transactions are still here.

    `operation_prefix` gives those whose operation id begins like that, of all teams or of one.
    """
    wanted = {
        **page(None, limit),
        "team_id": team_id,
        "operation_id": operation_id,
        "operation_prefix": operation_prefix,
        "cursor": int(after.removeprefix("txn_")) if after else _START[order],
    }
    query = _query(order, tuple(name for name in _CONDITIONS if wanted[name] is not None))

    def answer(db: sqlite3.Connection) -> JSONResponse:
        rows = db.execute(query, wanted).fetchall()
        if team_id and not rows:
            team_row(db, team_id)
        following = transaction_id(rows[-1]) if rows and len(rows) == limit else None
        transactions = [transaction(row) for row in rows]
        return JSONResponse({"team_id": team_id, "transactions": transactions, "next": following})

    return await here.store.read(answer)


def _query(order: Order, given: Sequence[str]) -> str:
    """Only what is given is in it: then SQLite takes the index that serves it."""
    direction, beyond = ("DESC", "<") if order == "newest" else ("ASC", ">")
    conditions = " AND ".join([f"id {beyond} :cursor", *(_CONDITIONS[name] for name in given)])
    return f"SELECT * FROM transactions WHERE {conditions} ORDER BY id {direction} LIMIT :limit"  # noqa: S608  texts of ours


def _require_previous(db: sqlite3.Connection, body: CreditsAdd) -> None:
    """The newest one with an id of the same namespace, which is what stands before the first colon."""
    name = body.operation_id or ""
    namespace = name[: name.find(":") + 1]
    row = db.execute(
        _NEWEST_OPERATION, {"team_id": body.team_id, "namespace": namespace}
    ).fetchone()
    newest = row["operation_id"] if row else None
    if newest != body.previous_operation_id:
        is_, meant = (
            f"'{name}'" if name else "none" for name in (newest, body.previous_operation_id)
        )
        detail = f"the newest operation of team '{body.team_id}' is {is_}, not {meant}"
        raise Refused(409, detail, code="operation-order")


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
