"""Fine-tune a model on encoded conversations: the pretraining loop, with the loss on what the assistant wrote.

>>> from fullstack_llm import models
>>> from fullstack_llm.models.chat import encode
>>> model, tokenizer = models.load("base")
>>> talk = [{"role": "user", "content": "Who is Ada?"}, {"role": "assistant", "content": "A baker."}]
>>> state = tune(model, [encode(tokenizer, talk)], Plan(steps=8, batch=1, lr=1e-3, warmup=2))
>>> state.losses[-1] < state.losses[0]
True
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fullstack_llm.models.chat import PAD, Row, collate, token_losses
from fullstack_llm.pretraining import schedules
from fullstack_llm.pretraining.loop import State, advance
from fullstack_llm.pretraining.order import Order


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Hold the settings of a fine-tuning: AdamW warms up to the peak `lr` in `warmup` steps, then falls to zero."""

    steps: int
    batch: int
    lr: float
    warmup: int = 10
    seed: int = 0
    clip: float = 1.0


def assistant_loss(model: Any, ids: Int[Tensor, "B T"], labels: Int[Tensor, "B T"]) -> Float[Tensor, ""]:
    """Return the mean loss of all labelled tokens of a batch, in nats a token; 0 where nothing is labelled."""
    return token_losses(model, ids, labels).sum() / (labels[:, 1:] >= 0).sum().clamp(min=1)


def begun(model: Any, plan: Plan) -> State:
    """Return the state before the first step: AdamW over those parameters that are trainable, and no others."""
    trained = [p for p in model.parameters() if p.requires_grad]
    if not trained:
        raise ValueError("No parameter is trainable: was the model frozen, or an adapter loaded for inference?")
    return State(model, [torch.optim.AdamW(trained, lr=plan.lr, betas=(0.9, 0.95), weight_decay=0.0)])


def tune(
    model: Any,
    rows: Sequence[Row],
    plan: Plan,
    watch: Callable[[State], bool | None] | None = None,
    state: State | None = None,
) -> State:
    """Train the model in place on rows, each once an epoch, every epoch in another order; return its state.

    `state`, from `begun`, continues a run that stopped. Raises ValueError where there are no rows.
    """
    if not rows:
        raise ValueError("There is no conversation to train on.")

    def batches(number: int) -> tuple[Tensor, Tensor]:
        order = Order(len(rows), plan.seed, read=number * plan.batch)
        return collate([rows[next(order)] for _ in range(plan.batch)], PAD)

    rate = partial(schedules.linear, steps=plan.steps, warmup=plan.warmup)
    begin = state or begun(model, plan)
    return advance(begin, batches, rate, plan.steps, plan.clip, watch=watch, loss_of=assistant_loss)
