"""A training loop that can go back: its whole state is a value, and a step depends on nothing else.

>>> batches = planned(torch.arange(13), rows=2, length=3)
>>> [found.tolist() for found in batches(1)]
[[[6, 7, 8], [9, 10, 11]], [[7, 8, 9], [10, 11, 12]]]
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from transformers import LlamaForCausalLM

from fullstack_llm.models.pretrain import batch, next_token_loss

# A batch by its number: ids (B, T), and the id that follows each of them.
Batches = Callable[[int], tuple[Int[Tensor, "B T"], Int[Tensor, "B T"]]]
# The loss of a model on a batch, in nats a token.
Loss = Callable[[LlamaForCausalLM, Int[Tensor, "B T"], Int[Tensor, "B T"]], Tensor]
# What a step's learning rates are multiplied by.
Rate = Callable[[int], float]


def planned(tokens: Int[Tensor, " N"], rows: int, length: int) -> Batches:
    """Return the batches of a row of tokens, each token read once."""
    return lambda number: batch(tokens, rows, length, number)


@dataclass
class State:
    """Hold a run between two steps: weights, optimizers, the next step and the next batch, and what was recorded.

    `losses` and `norms` have an entry for each step: the loss before it, in nats a token, and the norm of its gradient
    before clipping. `read` has the number of the batch that the step read.
    """

    model: LlamaForCausalLM
    chain: list[torch.optim.Optimizer]
    peaks: list[float] = field(default_factory=list)
    step: int = 0
    batch: int = 0
    losses: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    read: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Take the optimizers' present rates as the peaks."""
        self.peaks = self.peaks or [group["lr"] for one in self.chain for group in one.param_groups]


def advance(
    state: State,
    batches: Batches,
    rate: Rate,
    until: int,
    clip: float | None = 1.0,
    skip: Collection[int] = (),
    watch: Callable[[State], bool | None] | None = None,
    loss_of: Loss = next_token_loss,
) -> State:
    """Train in place up to step `until`, leaving out the batches in `skip`, and return the state.

    `watch(state)` is called when the gradient is there and the weights have not moved yet; True ends the run there.
    """
    parameters = list(state.model.parameters())
    state.model.train()
    while state.step < until:
        while state.batch in skip:
            state.batch += 1
        for group, peak in zip((g for one in state.chain for g in one.param_groups), state.peaks, strict=True):
            group["lr"] = peak * rate(state.step)
        inputs, targets = (found.to(state.model.device) for found in batches(state.batch))
        state.model.zero_grad()  # first, so that the forward pass has the memory of the last gradients
        loss = loss_of(state.model, inputs, targets)
        loss.backward()
        norm = clip_grad_norm_(parameters, torch.inf if clip is None else clip)
        state.losses.append(loss.item())
        state.norms.append(norm.item())
        state.read.append(state.batch)
        if watch and watch(state):
            break
        for one in state.chain:
            one.step()
        state.step += 1
        state.batch += 1
    state.model.eval()
    return state


def saved(state: State) -> dict[str, Any]:
    """Return a copy of all that the next steps depend on, and of what was recorded."""
    kept = {name: getattr(state, name) for name in ("step", "batch", "losses", "norms", "read")}
    parts = {"model": state.model.state_dict(), "chain": [one.state_dict() for one in state.chain]}
    return copy.deepcopy({**kept, **parts})


def restore(state: State, kept: dict[str, Any]) -> State:
    """Put a state back to what `saved` returned; the copy may be used again."""
    kept = copy.deepcopy(kept)
    state.model.load_state_dict(kept["model"])
    for one, found in zip(state.chain, kept["chain"], strict=True):
        one.load_state_dict(found)
    for name in ("step", "batch", "losses", "norms", "read"):
        setattr(state, name, kept[name])
    return state
