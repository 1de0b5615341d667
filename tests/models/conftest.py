"""One thread, the CPU's preset, and a folder with every tiny checkpoint."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny
import torch

from fullstack_llm.models import building
from fullstack_llm.presets import preset


@pytest.fixture(autouse=True)
def one_thread_on_cpu(one_thread: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("FULLSTACK_LLM_PRESET", "cpu")
    preset.cache_clear()
    yield
    preset.cache_clear()


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All tiny checkpoints, trained without an interruption."""
    folder = tmp_path_factory.mktemp("built")
    torch.set_num_threads(1)
    for recipe in tiny.ALL:
        building.build(recipe, folder, count=6)
    return folder
