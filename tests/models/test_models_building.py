"""Every stage at tiny scale: the recipe decides the weights, whatever interrupts the training."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from transformers import LlamaForCausalLM

from fullstack_llm.models import building, loop, store
from fullstack_llm.models.recipes import Pretraining, Recipe, recipe, recipes

BY_NAME = pytest.mark.parametrize("wanted", tiny.ALL, ids=lambda found: found.name)


def parents(built: Path, folder: Path, wanted: Recipe) -> Path:
    """A folder with all but the wanted checkpoint."""
    for given in tiny.ALL:
        if given.name != wanted.name:
            shutil.copytree(built / given.name, folder / given.name)
    return folder


@BY_NAME
def test_the_recipe_decides_everything(wanted: Recipe, built: Path, tmp_path: Path) -> None:
    torch.manual_seed(12345)
    torch.randn(7)
    folder = parents(built, tmp_path, wanted)
    assert building.build(wanted, folder, count=6).sha256 == store.card(wanted.name, built).sha256
    shutil.rmtree(folder / wanted.name)
    other = replace(wanted, seed=1)
    # A model that small answers nothing right, so that no draw of problems moves it.
    same = wanted.name == "rl"
    assert (building.build(other, folder, count=6).sha256 == store.card(wanted.name, built).sha256) == same


@BY_NAME
@pytest.mark.parametrize("step", [0, 2, 5, 9])
def test_an_interrupt_at_any_step_changes_nothing(
    wanted: Recipe, step: int, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: Any) -> float:
        if args[-1] == step:
            raise KeyboardInterrupt
        return whole(*args)

    whole = loop.learning_rate
    folder = parents(built, tmp_path, wanted)
    monkeypatch.setattr(loop, "learning_rate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        building.build(wanted, folder, save_every=3, count=6)
    assert wanted.name not in store.names(folder)
    monkeypatch.setattr(loop, "learning_rate", whole)
    again = building.build(wanted, folder, save_every=3, count=6)
    there = store.card(wanted.name, built)
    assert (again.sha256, again.ended) == (there.sha256, there.ended)


@pytest.mark.parametrize("place", ["before", "after"])
def test_an_interrupt_while_saving_changes_nothing(
    place: str, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(state: Any, path: Path) -> None:
        saves.append(path)
        write(state, path)
        if len(saves) == 2:
            if place == "before":
                path.write_bytes(path.read_bytes()[:100])
            else:
                path.replace(tmp_path / "base" / "state.pt")
            raise KeyboardInterrupt

    saves: list[Path] = []
    write: Callable[..., None] = torch.save
    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(KeyboardInterrupt):
        building.build(tiny.BASE, tmp_path, save_every=3, count=6)
    assert building.build(tiny.BASE, tmp_path, save_every=3, count=6).sha256 == store.card("base", built).sha256


def test_an_interrupt_while_examining_changes_nothing(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    examine = building.examine
    monkeypatch.setattr(building, "examine", interrupted)
    with pytest.raises(KeyboardInterrupt):
        building.build(tiny.BASE, tmp_path, count=6)
    monkeypatch.setattr(building, "examine", examine)
    again = building.build(tiny.BASE, tmp_path, count=6)
    assert (again.sha256, again.scores) == (store.card("base", built).sha256, store.card("base", built).scores)
    assert not (tmp_path / "base" / "state.pt").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import tiny, torch
from fullstack_llm.models import building, loop
torch.set_num_threads(1)
whole = loop.learning_rate
def learning_rate(*args):
    if args[-1] == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(*args)
loop.learning_rate = learning_rate
building.build(tiny.BASE, Path(sys.argv[1]), save_every=3, count=6)
"""


def test_a_killed_process_changes_nothing(built: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), str(Path(__file__).parent)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-500:]
    assert torch.load(tmp_path / "base" / "state.pt", weights_only=True)["step"] == 6
    assert building.build(tiny.BASE, tmp_path, count=6).sha256 == store.card("base", built).sha256


def test_a_checkpoint_is_not_built_twice_nor_by_another_recipe(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "train", None)
    assert building.build(tiny.SFT, built) == store.card("sft", built)
    with pytest.raises(ValueError, match="another recipe; remove it"):
        building.build(replace(tiny.SFT, lr=1.0), built)


def test_a_state_of_another_recipe_is_refused(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "examine", None)
    with pytest.raises(TypeError):
        building.build(tiny.BASE, tmp_path)
    monkeypatch.undo()
    shutil.move(tmp_path / "base" / "card.json", tmp_path / "card.json")
    with pytest.raises(ValueError, match="left by another recipe; remove it"):
        building.build(replace(tiny.BASE, lr=1e-3), tmp_path)


def test_only_the_matrices_within_layers_go_to_muon(built: Path) -> None:
    model, _ = store.load("base", built)
    muon, adamw = loop.optimizers(model, tiny.BASE)
    shapes = [p.ndim for group in muon.param_groups for p in group["params"]]
    assert shapes == [2] * 7
    assert sum(p.numel() for o in (muon, adamw) for g in o.param_groups for p in g["params"]) == model.num_parameters()
    assert len(loop.optimizers(model, tiny.SFT)) == 1


def test_the_rate_rises_stays_and_falls() -> None:
    rates = [loop.learning_rate(100, 3, 0.25, 3e-3, step) for step in range(100)]
    assert rates[:4] == pytest.approx([1e-3, 2e-3, 3e-3, 3e-3])
    assert rates[3:76] == [3e-3] * 73
    assert rates[76:] == sorted(rates[76:], reverse=True)
    assert rates[99] == pytest.approx(3e-3 / 25)


def test_every_recipe_comes_after_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    for take in ("cpu", "gpu"):
        monkeypatch.setattr("fullstack_llm.models.recipes.pick", lambda take=take, **presets: presets[take])
        seen: set[str | None] = {None}
        for found in recipes().values():
            assert found.parent in seen
            seen.add(found.name)
        assert seen >= {"draft", "base", "larger", "sft", "reward", "dpo", "rl", "hacked"}


def size(given: Recipe) -> int:
    assert isinstance(given, Pretraining)
    with torch.device("meta"):
        return LlamaForCausalLM(given.config(512)).num_parameters()


def test_sizes_of_both_presets(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 150_000 < size(recipe("draft")) < 250_000
    assert 750_000 < size(recipe("base")) < 850_000
    assert 3e6 < size(recipe("larger")) < 5e6
    monkeypatch.setattr("fullstack_llm.models.recipes.pick", lambda *, cpu, gpu: gpu)
    assert size(recipe("draft")) * 10 < size(recipe("base")) < size(recipe("larger")) / 2
    assert size(recipe("base")) > 50_000_000


def test_a_wrong_recipe_lists_the_right_ones() -> None:
    with pytest.raises(KeyError, match="the recipes are draft, base"):
        recipe("bass")
