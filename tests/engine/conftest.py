"""One thread, and small models: the course's own, and random ones of each kind that the engine is for."""

from collections.abc import Iterator

import engines
import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", params=engines.NAMES)
def served(request: pytest.FixtureRequest) -> engines.Served:
    """A model with prompts and what `transformers` answers to them."""
    return engines.served(request.param)
