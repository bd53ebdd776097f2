"""Voiding operations: a request that got no answer and may still arrive is dead from then on, or known to be done."""

import sqlite3

from fastapi.responses import JSONResponse

from reconciler.embedded.context import Here
from reconciler.embedded.http.answers import Operations
from reconciler.embedded.http.bodies import OperationsVoid
from reconciler.embedded.http.routing import admin_router, answers
from reconciler.embedded.resources.operations import void
from reconciler.embedded.resources.writes import Answer, Writing

router = admin_router("operations", "operations")


@router.post("/void", **answers(Operations))
async def void_operations(body: OperationsVoid, here: Here, write: Writing) -> JSONResponse:
    """Makes each operation that was not carried out void for ever, all at one instant; says which were done.

    The ids are those of `Idempotency-Key` and of the bodies of /api/credits/add. A request with a void one is refused
    with 409.
    """

    def work(db: sqlite3.Connection) -> Answer:
        return {"operations": void(db, body.operation_ids, here.stamp())}

    return await write.new(work)
