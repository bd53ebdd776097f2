"""Operations: management writes by an id that the caller gave them, so that each takes effect at most once.

An id is done, with the answer that its first request got, or void: nobody carried it out, and nobody will.
"""

import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from reconciler.embedded.http.refusals import Refused

_VOID = """
    INSERT INTO operations (operation_id, state, created_at) SELECT value, 'void', :now FROM json_each(:ids)
    WHERE NOT EXISTS (SELECT 1 FROM transactions WHERE operation_id = value) ON CONFLICT DO NOTHING
"""
_STATES = """
    SELECT value, coalesce((SELECT state FROM operations WHERE operation_id = value), 'done') FROM json_each(?)
"""
_RECORD = "INSERT INTO operations VALUES (:operation_id, 'done', :digest, :status, :answer, :now)"


@dataclass(frozen=True, slots=True)
class Operation:
    """A request's own id, and what tells it from another request with the same one."""

    operation_id: str
    digest: str


async def operation(operation_id: str, request: Request) -> Operation:
    """The operation that the request is. The digest is of its method, its path and what its body means."""
    body = await request.json() if await request.body() else None
    asked = json.dumps([request.method, request.url.path, body], sort_keys=True)
    return Operation(operation_id, hashlib.sha256(asked.encode()).hexdigest())


def known(db: sqlite3.Connection, asked: Operation) -> tuple[int, dict[str, Any]] | None:
    """The status and the answer of an operation that is done; None for a new one.

    Refused: one that is void (409), and an id that another request has used (422).
    """
    row = _row(db, asked.operation_id)
    if row is None:
        return None
    _refuse_void(row)
    if row["digest"] != asked.digest:
        detail = f"operation_id '{asked.operation_id}' was another request: its method, path or body differed"
        raise Refused(422, detail, code="operation-reused")
    return row["status"], json.loads(row["answer"])


def require_not_void(db: sqlite3.Connection, operation_id: str) -> None:
    """409 for an operation that is void."""
    if row := _row(db, operation_id):
        _refuse_void(row)


def record(
    db: sqlite3.Connection, asked: Operation, status: int, answer: Mapping[str, Any], now: str
) -> None:
    """Remembers the answer; a key must not be in it."""
    values = {
        "operation_id": asked.operation_id,
        "digest": asked.digest,
        "status": status,
        "now": now,
    }
    db.execute(_RECORD, {**values, "answer": json.dumps(answer, ensure_ascii=False)})


def void(db: sqlite3.Connection, operation_ids: Sequence[str], now: str) -> dict[str, str]:
    """Makes each that is not done void for ever; all of them, with their state: done or void."""
    ids = json.dumps(operation_ids)
    db.execute(_VOID, {"ids": ids, "now": now})
    return {operation_id: state for operation_id, state in db.execute(_STATES, (ids,))}  # noqa: C416  rows are no pairs


def _row(db: sqlite3.Connection, operation_id: str) -> sqlite3.Row | None:
    query = "SELECT * FROM operations WHERE operation_id = ?"
    row: sqlite3.Row | None = db.execute(query, (operation_id,)).fetchone()
    return row


def _refuse_void(row: sqlite3.Row) -> None:
    if row["state"] == "void":
        raise Refused(
            409, f"operation_id '{row['operation_id']}' was voided", code="operation-voided"
        )
