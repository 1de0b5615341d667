"""Four networks and tables on one text: at equal compute, at equal seconds, and what each knows of the town.

The layers of all networks have nearly as many parameters as those of the course's `base`. Rows have 256 tokens and
begin with no state; no token is read twice. AdamW trains all four, each at the best of the rates that were tried.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from fullstack_llm.models.pretrain import batch, begin, stream
from fullstack_llm.pretraining.loop import State, advance
from fullstack_llm.recurrence.network import Recurrent
from fullstack_llm.scaling.exams import answered
from fullstack_llm.scaling.flops import per_token, shape_of
from fullstack_llm.scaling.runs import LENGTH, OTHER_SEED, ROWS, Run, Size
from fullstack_llm.tokenization import course_tokenizer

BASE = Size(4, 128)
WIDTHS = {"rnn": 608, "gru": 352, "lstm": 304}
KINDS = ("rnn", "gru", "lstm", "transformer")
GATES = {"rnn": 1, "gru": 3, "lstm": 4}
FLOP = 6e12
SEEDS = range(3)
RATES = (2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2)
HELD_OUT = 64  # rows


@cache
def text(seed: int, steps: int) -> Int[Tensor, " N"]:
    """Return the tokens of so many steps, as the course's model reads them."""
    return stream(replace(Run(*BASE, steps).recipe, seed=seed, batch=ROWS), course_tokenizer.load())


def flop_a_token(kind: str) -> int:
    """Return the FLOP of training for one token: three times those of a forward pass.

    >>> {kind: round(flop_a_token(kind) / 1e6, 2) for kind in KINDS}
    {'rnn': 6.3, 'gru': 5.54, 'lstm': 5.37, 'transformer': 6.39}
    """
    if kind == "transformer":
        return per_token(shape_of(BASE), LENGTH)
    width = WIDTHS[kind]
    return 3 * 2 * (GATES[kind] * 2 * width**2 + len(course_tokenizer.load()) * width)


def made(kind: str, seed: int) -> Any:
    """Return a network before its first step."""
    words = course_tokenizer.load()
    if kind == "transformer":
        return begin(replace(Run(*BASE, 1).recipe, seed=seed), words)
    torch.manual_seed(seed)
    return Recurrent(kind, len(words), WIDTHS[kind])  # type: ignore[arg-type]


def steps_of(kind: str, flop: float = FLOP) -> int:
    """Return how many steps of 1,024 tokens a network can make for so much compute."""
    return round(flop / flop_a_token(kind) / (ROWS * LENGTH))


def trained(
    kind: str, seed: int, steps: int, rate: float, watch: Callable[[State], bool | None] | None = None
) -> tuple[Any, float]:
    """Return a network after training on the text of a seed, and the CPU seconds that it took."""
    model, tokens = made(kind, seed), text(seed, steps)
    chain: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(model.parameters(), rate, betas=(0.9, 0.95), weight_decay=0.0)
    ]
    warm = max(1, min(100, steps // 10))
    began = time.process_time()
    advance(
        State(model, chain),
        lambda number: batch(tokens, ROWS, LENGTH, number),
        lambda step: min(1.0, (step + 1) / warm) * (1 - step / steps),
        steps,
        watch=watch,
    )
    return model, time.process_time() - began


def beginning(kind: str, rate: float, steps: int = 8) -> list[float]:
    """Return the losses of the first steps of a run of the ladder, seed 0, in nats a token."""
    found: list[float] = []

    def watch(state: State) -> bool:
        found.append(round(state.losses[-1], 4))
        return len(found) == steps

    trained(kind, 0, steps_of(kind), rate, watch)
    return found


@torch.no_grad()
def by_place(model: Any) -> Tensor:
    """Return the loss at each place of a row, the mean over held-out rows, in nats."""
    inputs, targets = batch(text(OTHER_SEED, HELD_OUT // ROWS), HELD_OUT, LENGTH, 0)
    logits = torch.cat([model(some).logits for some in inputs.split(16)])
    return cross_entropy(logits.transpose(1, 2), targets, reduction="none").mean(0)


def report(model: Any) -> dict[str, Any]:
    """Return what a trained network is measured by: its loss, at which place of a row, and its answers."""
    places = by_place(model)
    groups = [round(places[a:b].mean().item(), 4) for a, b in ((0, 4), (4, 16), (16, 64), (64, 256))]
    return {"loss": round(places.mean().item(), 4), "places": groups, **answered(model)}
