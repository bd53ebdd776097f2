import pytest
from embedded_world import served


@pytest.fixture
def gateway(tmp_path):
    with served(tmp_path / "gateway.db") as running:
        yield running


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
