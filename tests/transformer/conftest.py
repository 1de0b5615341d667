"""One thread and the CPU's preset: the runs are then the same each time."""

from collections.abc import Iterator

import pytest
import torch

from fullstack_llm.presets import preset


@pytest.fixture(autouse=True)
def one_thread_on_cpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("FULLSTACK_LLM_PRESET", "cpu")
    preset.cache_clear()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    preset.cache_clear()
