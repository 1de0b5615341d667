"""The training loop of all checkpoints: it saves its state to disk and resumes after any interruption.

>>> [round(learning_rate(100, 10, 0.5, 1.0, step), 2) for step in (0, 9, 49, 75, 99)]
[0.1, 1.0, 1.0, 0.5, 0.02]
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from tqdm.auto import tqdm
from transformers import PreTrainedModel

from fullstack_llm.models.recipes import Recipe

# The loss of a step, and what the record keeps of it: the loss itself, or the mean reward.
Step = Callable[[int], tuple[Tensor, float]]


def learning_rate(steps: int, warmup: int, decay: float, peak: float, step: int) -> float:
    """Warm up, stay at the peak, and fall to zero in a straight line over the last share `decay` of the steps.

    A short fall is WSD (Hu et al. 2024, arXiv 2404.06395); with `decay=1` all after the warm-up is fall (Bergsma et
    al. 2025, arXiv 2502.15938).
    """
    return peak * min(1.0, (step + 1) / warmup, (steps - step) / (decay * steps))


def optimizers(model: PreTrainedModel, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Return AdamW for all, or Muon for the matrices within the layers where the recipe has a rate for it.

    Muon orthogonalises a matrix's momentum, so that rare directions move as far as frequent ones (Jordan et al. 2024);
    the embedding and the norms' gains stay with AdamW.
    """
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and ".layers." in name]
    chosen = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in chosen]
    if not recipe.muon_lr:
        return [torch.optim.AdamW([*matrices, *others], lr=recipe.lr, betas=(0.9, 0.95), weight_decay=0.0)]
    return [
        torch.optim.Muon(matrices, lr=recipe.muon_lr, weight_decay=0.0),
        torch.optim.AdamW(others, lr=recipe.lr, betas=(0.9, 0.95), weight_decay=0.0),
    ]


@dataclass
class Trained:
    """Hold the outcome of training: what was recorded at every step, and the seconds of all steps together."""

    record: list[float]
    seconds: float


def train(model: PreTrainedModel, recipe: Recipe, step_of: Step, state_file: Path, save_every: int = 100) -> Trained:
    """Train the model in place to the recipe's last step, starting from `state_file` if it exists.

    `step_of` must depend on nothing but the number of the step and the model's weights. Then an interrupted call and
    its successor, which resumes from the last saved state, reach the same weights, bit for bit (same versions, same
    number of threads). Raises ValueError if the file belongs to another recipe.
    """
    chain = optimizers(model, recipe)
    peaks = [group["lr"] for optimizer in chain for group in optimizer.param_groups]
    done, record, spent = 0, list[float](), 0.0
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        if state["recipe"] != repr(recipe):
            raise ValueError(f"{state_file} was left by another recipe; remove it to start anew.")
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(chain, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        done, record, spent = state["step"], state["record"], state["seconds"]

    model.train()
    began = time.perf_counter() - spent
    bar = tqdm(range(done, recipe.steps), initial=done, total=recipe.steps, unit="step", desc=recipe.name)
    for step in bar:
        groups = [group for optimizer in chain for group in optimizer.param_groups]
        for group, peak in zip(groups, peaks, strict=True):
            group["lr"] = learning_rate(recipe.steps, recipe.warmup, recipe.decay, peak, step)
        loss, shown = step_of(step)
        model.zero_grad()
        loss.backward()
        clip_grad_norm_(model.parameters(), recipe.clip)
        for optimizer in chain:
            optimizer.step()
        record.append(shown)
        bar.set_postfix({recipe.records: f"{shown:.3f}"}, refresh=False)
        if (step + 1) % save_every == 0 or step + 1 == recipe.steps:
            spent = time.perf_counter() - began
            state = {"recipe": repr(recipe), "step": step + 1, "record": record, "seconds": spent}
            state |= {"model": model.state_dict(), "optimizers": [optimizer.state_dict() for optimizer in chain]}
            _save(state, state_file)
    model.eval()
    return Trained(record, spent)


def _save(state: dict[str, object], state_file: Path) -> None:
    # Written beside it and renamed: an interruption leaves the old state or the new one, never half of one.
    beside = state_file.with_suffix(".new")
    torch.save(state, beside)
    beside.replace(state_file)


def seed_of(recipe: Recipe, step: int) -> int:
    """Return the seed of a step's random numbers, which does not depend on earlier interruptions."""
    return int.from_bytes(hashlib.sha256(f"{recipe.name} {recipe.seed} {step}".encode()).digest()[:4])
