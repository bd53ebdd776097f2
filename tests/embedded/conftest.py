import sqlite3
from contextlib import closing

import pytest
from embedded_world import served

CHILDREN_FIRST = (
    "operations",
    "transactions",
    "team_groups",
    "group_aliases",
    "teams",
    "access_groups",
    "model_aliases",
    "organizations",
)


@pytest.fixture(scope="module")
def one_server(tmp_path_factory):
    with served(tmp_path_factory.mktemp("embedded") / "gateway.db") as gateway:
        yield gateway


@pytest.fixture
def gateway(one_server):
    """An empty gateway; the server itself lasts for the file of tests."""
    with closing(sqlite3.connect(one_server.database)) as db, db:
        for table in CHILDREN_FIRST:
            db.execute(f"DELETE FROM {table}")
    return one_server


@pytest.fixture
def world(gateway):
    """Aliases a, b and c; group g with a and b, group h with b; organization org_acme; team t with g."""
    for alias in ("a", "b", "c"):
        gateway.alias(alias, description=f"model {alias}")
    gateway.group("g", "a", "b", description="first")
    gateway.group("h", "b")
    gateway.organization()
    gateway.team("t", "g", credits_allocated=100)
    return gateway


@pytest.fixture
def full(world):
    """The world, with an organization that has no teams and a suspended team."""
    world.organization("org_empty")
    world.team("s", status="suspended")
    return world
