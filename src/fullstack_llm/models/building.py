"""Build checkpoints: train by a recipe, store the weights, examine them, write a card.

`build(recipe("sft"), folder)` starts from the parent in the folder, or else from the shipped parent. While it trains,
its state is in `FOLDER/NAME/state.pt`; a second call resumes from that file, and the end of training removes it.
A checkpoint that exists is not built again: remove its folder first.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import LlamaForSequenceClassification, PreTrainedModel, PreTrainedTokenizerFast

from fullstack_llm.models import exams, grpo, pairs, pretrain, sft, store
from fullstack_llm.models.loop import Step, train
from fullstack_llm.models.recipes import FineTuning, Preferring, Pretraining, Recipe, Reinforcing, RewardModelling
from fullstack_llm.models.scores import Score, mean
from fullstack_llm.presets import preset
from fullstack_llm.tinytown.world import town
from fullstack_llm.tokenization import course_tokenizer


def build(recipe: Recipe, folder: Path, save_every: int = 100, count: int | None = None) -> store.Card:
    """Train, store the weights in bf16, examine them on `count` items of each kind, write the card and return it.

    Raises ValueError if the folder holds a checkpoint, or a half-trained state, of another recipe.
    """
    place = folder / recipe.name
    state_file = place / "state.pt"
    if not state_file.exists() and recipe.name in store.names(folder):
        return _as_built(recipe, folder)
    place.mkdir(parents=True, exist_ok=True)
    model, step_of = _begin(recipe, course_tokenizer.load(), folder)
    trained = train(model, recipe, step_of, state_file, save_every)
    described = store.Card(
        name=recipe.name,
        recipe=plain(recipe),
        parameters=model.num_parameters(),
        ended=round(mean(trained.record[-50:]).value, 4),
        seconds=round(trained.seconds),
        device=_device(),
        versions={"torch": torch.__version__, "transformers": transformers.__version__},
        tokenizer=store.sha256(course_tokenizer.FOLDER / "tokenizer.json"),
    )
    described = store.save(model, described, folder)
    described = replace(described, scores=examine(recipe.name, folder, count))
    store.write_card(described, folder)
    state_file.unlink()
    return described


def _as_built(recipe: Recipe, folder: Path) -> store.Card:
    described = store.card(recipe.name, folder)
    if described.recipe != plain(recipe):
        raise ValueError(f"{folder / recipe.name} was built by another recipe; remove it to build anew.")
    return described


def _begin(recipe: Recipe, words: PreTrainedTokenizerFast, folder: Path) -> tuple[PreTrainedModel, Step]:
    """Return the model before its first step, and the loss of each step."""
    device = preset().device
    if isinstance(recipe, Pretraining):
        fresh = pretrain.begin(recipe, words)
        return fresh, pretrain.steps(fresh, words, recipe)
    assert recipe.parent is not None
    model = _load(recipe.parent, folder)
    if isinstance(recipe, FineTuning):
        return model, sft.steps(model, words, recipe)
    if isinstance(recipe, Preferring):
        return model, pairs.dpo_steps(model, words, recipe)
    if isinstance(recipe, Reinforcing):
        return model, grpo.steps(model, words, recipe)
    assert isinstance(recipe, RewardModelling)
    torch.manual_seed(recipe.seed)
    model.config.num_labels = 1
    # The configuration names the type that is stored, bf16; training is in fp32.
    scorer = LlamaForSequenceClassification(model.config).to(device=device, dtype=torch.float32)
    scorer.model.load_state_dict(model.model.state_dict())
    return scorer, pairs.reward_steps(scorer, words, recipe)


def _load(name: str, folder: Path) -> Any:
    there = folder if name in store.names(folder) else store.FOLDER
    return store.load(name, there, device=preset().device)[0]


def plain(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as a card stores it: tuples become lists, as in JSON."""
    return dict(json.loads(json.dumps(asdict(recipe))))


def examine(name: str, folder: Path, count: int | None = None) -> dict[str, Score]:
    """Examine a stored checkpoint on `count` items of each kind, or on as many as its card says."""
    recipe = store.card(name, folder).recipe
    model, words = store.load(name, folder, device=preset().device)
    world = town(people=recipe["people"])
    if isinstance(model, LlamaForSequenceClassification):
        return exams.judgements(model, words, world, count)
    if recipe["parent"] is None:
        return exams.completions(model, words, world, count)
    parent = None if recipe["parent"] == "base" else _load(recipe["parent"], folder)
    return exams.chats(model, words, world, count, parent)


def table(name: str, parameters: int, scores: dict[str, Score]) -> str:
    """Return scores as lines of text.

    >>> print(table("base", 869504, {"facts": Score(0.95, 0.93, 0.97, 1000)}))
    base: 869,504 parameters
      facts                              0.950  [0.930, 0.970]     1000 items
    """
    lines = [f"{name}: {parameters:,} parameters"]
    for test, found in scores.items():
        interval = f"[{found.low:.3f}, {found.high:.3f}]"
        lines.append(f"  {test:32}{found.value:8.3f}  {interval:16}{found.items:>7} items")
    return "\n".join(lines)


def _device() -> str:
    if preset().name == "gpu":
        return torch.cuda.get_device_name()
    return f"{torch.get_num_threads()} thread(s) on {os.cpu_count()} CPU cores"
