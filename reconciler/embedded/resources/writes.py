"""Management writes: a transaction each, once where the caller names the operation, never on an older generation."""

import re
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, HTTPException, Request
from fastapi.responses import JSONResponse

from reconciler.embedded.context import Context, Here
from reconciler.embedded.resources import operations
from reconciler.embedded.resources.generations import Place, require_generation

_REPLAYED = {"Idempotent-Replayed": "true"}
Answer = dict[str, Any]
Work = Callable[[sqlite3.Connection], Answer]

_OPERATION_ID = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,498}[\x21-\x7e])?")
_GENERATIONS = re.compile(r'\s*"[0-9]{1,18}"\s*(?:,\s*"[0-9]{1,18}"\s*)*')

OperationHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="An id of the caller's for this write: again is answered as the first time, without effect.",
    ),
]
GenerationHeader = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description='A generation, quoted as in the ETag ("3"): 412 where it is another by now.',
    ),
]


def shown(
    answer: Answer, status: int = 200, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """An answer about one object: its generation is the ETag as well."""
    tag = {"ETag": f'"{answer["generation"]}"'} if "generation" in answer else {}
    return JSONResponse(answer, status, {**tag, **(headers or {})})


@dataclass(frozen=True, slots=True)
class Write:
    """One write: what its headers ask for is checked in the transaction that carries it out.

    `work` gives the answer. What it was asked before is answered from memory, first of all: the write itself has made
    its object's generation another one.
    """

    here: Context
    operation: operations.Operation | None
    generations: frozenset[int] | None

    async def to(
        self, place: Place, name: str, work: Work, *, once: Mapping[str, str] | None = None
    ) -> JSONResponse:
        """A write to one object that exists. `once` is shown in this answer only, and remembered nowhere."""

        def checked(db: sqlite3.Connection) -> Answer:
            if self.generations is not None:
                require_generation(db, place, name, self.generations)
            return work(db)

        return await self._carried_out(checked, once)

    async def new(self, work: Work, *, once: Mapping[str, str] | None = None) -> JSONResponse:
        """A write that creates an object, or is about none."""
        if self.generations is not None:
            raise HTTPException(
                400, "If-Match: this request does not change one object that exists"
            )
        return await self._carried_out(work, once)

    async def _carried_out(self, work: Work, once: Mapping[str, str] | None) -> JSONResponse:
        def written(db: sqlite3.Connection) -> JSONResponse:
            if self.operation and (known := operations.known(db, self.operation)):
                status, answer = known
                return shown(answer, status, _REPLAYED)
            answer = work(db)
            if self.operation:
                operations.record(db, self.operation, 200, answer, self.here.stamp())
            return shown({**answer, **(once or {})})

        return await self.here.store.write(written)


async def _write(
    request: Request,
    here: Here,
    operation_id: OperationHeader = None,
    if_match: GenerationHeader = None,
) -> Write:
    if operation_id is not None and not _OPERATION_ID.fullmatch(operation_id):
        raise HTTPException(400, "Idempotency-Key: 1 to 500 printable ASCII characters")
    operation = (
        await operations.operation(operation_id, request) if operation_id is not None else None
    )
    return Write(here, operation, _generations(if_match))


Writing = Annotated[Write, Depends(_write)]


def _generations(if_match: str | None) -> frozenset[int] | None:
    if if_match is None or if_match.strip() == "*":
        return None
    if not _GENERATIONS.fullmatch(if_match):
        raise HTTPException(400, 'If-Match: a generation in quotes, like "3"')
    return frozenset(int(number) for number in re.findall("[0-9]+", if_match))
