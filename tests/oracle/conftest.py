import pytest
from corners import CORNERS, corner
from worlds import cases


@pytest.fixture(scope="session")
def decide():
    from litellm_side import decide  # imports LiteLLM: seconds, so only when a test asks for it

    return decide


@pytest.fixture(scope="session")
def random_decided(decide):
    asked = list(cases(seed=20_261_123, worlds=60))
    return list(zip(asked, decide(asked), strict=True))


@pytest.fixture(scope="session")
def many_decided(decide):
    asked = [case for seed in (1, 2) for case in cases(seed, worlds=600)]
    return list(zip(asked, decide(asked), strict=True))


@pytest.fixture(scope="session")
def corners_decided(decide):
    asked = [corner(name)[0] for name in CORNERS]
    return list(zip(asked, decide(asked), strict=True))
