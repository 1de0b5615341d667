"""One thread and the CPU's preset: the runs are then the same each time."""

from collections.abc import Iterator

import pytest

from fullstack_llm.presets import preset


@pytest.fixture(autouse=True)
def one_thread_on_cpu(one_thread: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("FULLSTACK_LLM_PRESET", "cpu")
    preset.cache_clear()
    yield
    preset.cache_clear()
