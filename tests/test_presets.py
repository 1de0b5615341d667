"""The dial has two positions, and says so when it is given a third."""

import pytest

from fullstack_llm import presets


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    presets.preset.cache_clear()
    yield
    monkeypatch.undo()
    presets.preset.cache_clear()


def gpu(monkeypatch, there: bool) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: there)


@pytest.mark.parametrize(
    ("asked", "there", "got"), [("cpu", True, "cpu"), ("", True, "gpu"), ("", False, "cpu"), (" GPU ", True, "gpu")]
)
def test_the_preset_is_found_or_set(monkeypatch, asked, there, got):
    monkeypatch.setenv(presets.VARIABLE, asked)
    gpu(monkeypatch, there)
    assert presets.preset().name == got
    assert presets.pick(cpu="small", gpu="large") == {"cpu": "small", "gpu": "large"}[got]
    assert presets.preset().device == {"cpu": "cpu", "gpu": "cuda"}[got]


def test_asking_for_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setenv(presets.VARIABLE, "gpu")
    gpu(monkeypatch, False)
    with pytest.raises(RuntimeError, match="finds no GPU"):
        presets.preset()


def test_an_unknown_preset_is_named(monkeypatch):
    monkeypatch.setenv(presets.VARIABLE, "tpu")
    with pytest.raises(ValueError, match="'tpu' is not a preset"):
        presets.preset()
