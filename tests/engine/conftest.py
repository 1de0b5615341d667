"""One thread, and small models: the course's own, and random ones of each kind that the engine is for."""

import engines
import pytest


@pytest.fixture(autouse=True)
def always(one_thread: None) -> None:
    pass


@pytest.fixture(scope="session", params=engines.NAMES)
def served(request: pytest.FixtureRequest) -> engines.Served:
    """A model with prompts and what `transformers` answers to them."""
    return engines.served(request.param)
