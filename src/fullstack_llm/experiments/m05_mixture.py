"""DoReMi in miniature: a reference, a proxy whose worst domains gain weight, and a model on the weights that it gives.

Three domains in equal shares are the start: biographies, worked sums and programs. Reference, proxy and the last model
have one size. The reference is also what the last model is compared with, since it reads the same number of tokens.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import LlamaForCausalLM

from fullstack_llm.experiments.m05_data import trained
from fullstack_llm.models.pretrain import tokenized
from fullstack_llm.pretraining.mixtures import reweighted
from fullstack_llm.scaling.runs import Run
from fullstack_llm.tinytown.mixture import GENERATORS, Mix, documents
from fullstack_llm.tinytown.world import town
from fullstack_llm.tokenization import course_tokenizer

DOMAINS = ("biography", "sum_steps", "code")
PLAN, ROWS, LENGTH = Run(2, 48, 300), 12, 96
SEEDS, RATE = range(5), 1.0
HELD_OUT = 64  # rows of each domain


@cache
def domain(name: str, seed: int, rows: int) -> Int[Tensor, "B T"]:
    """Return rows of one domain, each one token longer than the model reads."""
    shares: dict[str, Any] = {kind: float(kind == name) for kind in GENERATORS}
    mix = replace(Mix(), **shares)
    texts = (document.text for document in documents(town(), mix, seed))
    return tokenized(texts, rows * (LENGTH + 1), course_tokenizer.load(), name).long().view(rows, LENGTH + 1)


def losses_by_domain(
    model: LlamaForCausalLM, inputs: Int[Tensor, "B T"], targets: Int[Tensor, "B T"]
) -> Float[Tensor, " K"]:
    """Return the loss of each domain in nats a token, for rows of which each domain has as many, in order."""
    logits = model(inputs, use_cache=False).logits
    found = cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    return found.view(len(DOMAINS), -1).mean(1)


@torch.no_grad()
def held_out(model: LlamaForCausalLM) -> list[float]:
    """Return the loss of each domain on rows of another seed."""
    rows = torch.cat([domain(name, 1_000, HELD_OUT) for name in DOMAINS])
    return [round(loss, 4) for loss in losses_by_domain(model, *shifted(rows)).tolist()]


def shifted(rows: Int[Tensor, "B T1"]) -> tuple[Int[Tensor, "B T"], Int[Tensor, "B T"]]:
    """Return rows without their last id, and without their first."""
    return rows[:, :-1], rows[:, 1:]


def mixed(weights: Float[ndarray, " K"], seed: int) -> Int[Tensor, "S B T"]:
    """Return the rows of every step, their domains drawn by weight; no row is read twice."""
    drawn = np.random.default_rng(seed).choice(len(DOMAINS), size=PLAN.steps * ROWS, p=weights)
    rows = torch.empty(len(drawn), LENGTH + 1, dtype=torch.long)
    for k, name in enumerate(DOMAINS):
        mine = np.flatnonzero(drawn == k)
        rows[mine] = domain(name, seed, PLAN.steps * ROWS)[: len(mine)]
    return rows.view(PLAN.steps, ROWS, -1)


def evenly(seed: int, step: int) -> Int[Tensor, "B T"]:
    """Return the rows of a step that has as many of each domain, in order."""
    each = ROWS // len(DOMAINS)
    return torch.cat([domain(name, seed, PLAN.steps * ROWS)[step * each : (step + 1) * each] for name in DOMAINS])


def doremi(seed: int, until: int | None = None) -> dict[str, Any]:
    """Train reference, proxy and the last model; return the weights and each model's held-out losses by domain."""
    run = Run(PLAN.layers, PLAN.width, PLAN.steps, seed)

    def even(step: int) -> tuple[Tensor, Tensor]:
        return shifted(evenly(seed, step))

    reference, losses = trained(run, even, until, lambda *batch: losses_by_domain(*batch).mean())
    row: dict[str, Any] = {"seed": seed, "losses": losses[::10]}
    if until is not None:
        return row
    weights, path = np.full(len(DOMAINS), 1 / len(DOMAINS)), list[ndarray]()

    def proxy_loss(model: LlamaForCausalLM, inputs: Tensor, targets: Tensor) -> Tensor:
        nonlocal weights
        found = losses_by_domain(model, inputs, targets)
        with torch.no_grad():
            excess = found - losses_by_domain(reference, inputs, targets)
        weights = reweighted(weights, excess.numpy(), RATE)
        path.append(weights)
        return (found * torch.tensor(weights, dtype=torch.float32)).sum()

    proxy, _ = trained(run, even, loss_of=proxy_loss)
    chosen = np.mean(path, axis=0)
    rows = mixed(chosen, seed)
    last, _ = trained(run, lambda step: shifted(rows[step]))
    return row | {
        "weights": [round(weight, 4) for weight in chosen.tolist()],
        "path": [[round(weight, 3) for weight in step.tolist()] for step in path[::10]],
        "reference": held_out(reference),
        "proxy": held_out(proxy),
        "reweighted": held_out(last),
    }
