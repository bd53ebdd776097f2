"""One patience: the attempts of a step and those of its requests do not multiply."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from reconciler.apply.attempt import attempt
from reconciler.apply.means import Means, Pace
from reconciler.core.access.litellm.providers import no_provider
from reconciler.core.model.changes import Action, CreditGrant, Result, Step
from reconciler.core.model.kinds import AccessGroup, Key, ModelAlias, Organization, Team
from reconciler.core.model.refs import Ref
from reconciler.core.plan.credits.allocation import ALLOCATION
from reconciler.gateways.http import Patience, open_http
from reconciler.gateways.litellm.backend import LiteLLM
from reconciler.gateways.litellm.connection import Desk
from reconciler.gateways.saas import documented, real
from reconciler.gateways.saas.gateway import RestGateway

ATTEMPTS = 5
HURRY = Patience(attempts=ATTEMPTS, first_seconds=0, most_seconds=0)
ALWAYS = {
    "too busy": b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 2\r\nretry-after: 0\r\n\r\n{}",
    "broken": b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 2\r\n\r\n{}",
    "unavailable": b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\n{}",
    "cut": b"",
}
OBJECTS = {
    "organization": (Organization(name="A"), Organization(name="B")),
    "model_alias": (
        ModelAlias(litellm_model="openai/gpt-4"),
        ModelAlias(litellm_model="openai/gpt-4o"),
    ),
    "access_group": (AccessGroup(model_aliases={"a"}), AccessGroup(model_aliases={"a", "b"})),
    "team": (
        Team(organization_id="o", access_groups={"a"}),
        Team(organization_id="o", access_groups={"a", "b"}),
    ),
    "key": (Key(team_id="t"), Key(team_id="t", models={"a"})),
}


def steps_of(kind):
    ref, (old, new) = Ref(kind, "x"), OBJECTS[kind]
    yield Step(ref, Action.CREATE, None, new)
    yield Step(ref, Action.EXPAND, old, new)
    yield Step(ref, Action.CONTRACT, new, old)
    yield Step(ref, Action.DELETE, old, None)
    yield Step(ref, Action.RENAME, old, old, renamed_from="former")
    if kind == "team":
        credit = CreditGrant(ALLOCATION, 5, "more", operation_id="reconciler:x:1")
        yield Step(ref, Action.GRANT, old, old, credit)


class Paper:
    """A journal of a lock that nobody takes, and keys that need no file."""

    def check(self):
        return None


@asynccontextmanager
async def saying(answer):
    """A server that says the same to everybody, and how often it was asked."""
    asked = []

    async def serve(reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.lower().split(b"\r\n")
                sizes = [int(line[15:]) for line in lines if line.startswith(b"content-length")]
                await reader.readexactly(sum(sizes))
                asked.append(lines[0])
                writer.write(answer)
                await writer.drain()
                if not answer:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with open_http(url, headers={}, concurrency=1, seconds=5, patience=HURRY) as http:
        yield http, asked
    server.close()


def litellm(http):
    return LiteLLM(
        "litellm x", 1, Desk(http, organizations=True, usd_per_credit=0.1), "1", no_provider
    )


GATEWAYS = {
    "documented": lambda http: RestGateway("d", 1, http, documented.DIALECT),
    "real": lambda http: RestGateway("r", 1, http, real.DIALECT),
    "litellm": litellm,
}


@pytest.mark.parametrize("answer", ALWAYS)
@pytest.mark.parametrize("name", GATEWAYS)
def test_a_gateway_in_trouble_is_not_asked_more_often_than_one_patience_allows(name, answer):
    async def work(step):
        async with saying(ALWAYS[answer]) as (http, asked):
            gateway = GATEWAYS[name](http)
            pace = Pace(attempts=ATTEMPTS, first=0, longest=0)
            tried = await attempt(step, Means(gateway, Paper(), None, asyncio.Event(), pace))
            return tried, len(asked)

    for kind in OBJECTS:
        if name != "litellm" and kind == "key":
            continue
        for step in steps_of(kind):
            if step.action is Action.RENAME and name != "litellm":
                continue
            tried, sent = asyncio.run(work(step))
            # aiohttp itself sends a GET, PUT or DELETE once more where its connection was cut.
            most = ATTEMPTS + 1 if answer != "cut" else 2 * (ATTEMPTS + 1)
            assert sent <= most, step
            assert tried.result is Result.FAILED or not sent, step
