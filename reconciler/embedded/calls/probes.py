"""Would this team's call be let through now? The gateway's own decision, without a key and without a provider."""

import sqlite3
from typing import Annotated

from fastapi.responses import JSONResponse
from pydantic import BaseModel, StringConstraints

from reconciler.embedded.calls.admission import admit_team
from reconciler.embedded.context import Here
from reconciler.embedded.http.bodies import Body, PathId
from reconciler.embedded.http.refusals import CallRefused
from reconciler.embedded.http.routing import admin_router, answers
from reconciler.embedded.resources.team_rows import team_row

router = admin_router("teams", "teams")
OUT_OF_CREDITS = "Insufficient credits"


class ProbeBody(Body):
    model: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class ProbeAnswer(BaseModel):
    """`access`: whether the team has the model at all; `allowed`: whether a call would go through, credits counted."""

    team_id: str
    model: str
    access: bool
    allowed: bool
    reason: str | None


@router.post("/{team_id}/probe", **answers(ProbeAnswer))
async def probe_team(team_id: PathId, body: ProbeBody, here: Here) -> JSONResponse:
    """Takes the decision that a call of the team would meet now; nothing is called, nothing is charged."""

    def decided(db: sqlite3.Connection) -> str | None:
        try:
            with here.in_flight.counted() as number:
                admit_team(db, team_row(db, team_id), body.model, number)
        except CallRefused as refused:
            return refused.error
        return None

    error = await here.store.read(decided)
    access = error in (None, OUT_OF_CREDITS)
    answer = {
        "team_id": team_id,
        "model": body.model,
        "access": access,
        "allowed": error is None,
        "reason": error,
    }
    return JSONResponse(answer)
