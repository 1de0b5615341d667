"""Train a decoder on a sequence of tokens: the short runs with which module 04 compares shapes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_
from tqdm.auto import trange

from .decoder import Decoder, Record
from .moe import balance_loss


def windows(tokens: Int[Tensor, " N"], batch: int, length: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return `batch` windows of `length` tokens from random positions, and the next token for each of their tokens.

    >>> inputs, targets = windows(torch.arange(50), batch=2, length=4, seed=0)
    >>> inputs.shape, bool((targets == inputs + 1).all())
    (torch.Size([2, 4]), True)
    """
    generator = torch.Generator().manual_seed(seed)
    starts = torch.randint(len(tokens) - length, (batch,), generator=generator)
    rows = torch.stack([tokens[start : start + length + 1] for start in starts.tolist()]).long()
    return rows[:, :-1], rows[:, 1:]


def fit(
    model: Decoder,
    tokens: Int[Tensor, " N"],
    *,
    steps: int,
    batch: int,
    length: int,
    lr: float,
    warmup: int = 0,
    clip: float | None = 1.0,
    balance: float = 0.0,
    seed: int = 0,
    until: int | None = None,
    settle: int = 0,
    watch: Callable[[int], None] | None = None,
    seen: Callable[[int, Record], None] | None = None,
) -> list[float]:
    """Train a model in place with AdamW; return the loss of each step in nats per token, without the balance loss.

    The learning rate grows linearly over `warmup` steps, then falls linearly to zero. `balance` is the weight of the
    routers' balance loss; `seen(step, record)` is called with the routers' probabilities of each step, if the model has
    routers. `until` ends the run before that step, with the learning rates of a run of `steps`, so that the losses are
    the first ones of the longer run. `settle` puts steps at a rate of zero before the first: they fill AdamW's averages
    and leave the weights alone. `watch(step)` is called after each backward pass, while the gradients are as computed,
    before clipping. A run whose loss becomes NaN continues.
    """
    device = next(model.parameters()).device
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.95), weight_decay=0.0)
    losses: list[float] = []
    for step in trange(-settle, steps if until is None else min(until, steps), desc="training", leave=False):
        share = min((step + 1) / (warmup + 1), 1.0, (steps - step) / max(steps - warmup, 1))
        for group in optimizer.param_groups:
            group["lr"] = lr * share if step >= 0 else 0.0
        inputs, targets = (found.to(device) for found in windows(tokens, batch, length, seed * 1_000_003 + step))
        record: Record | None = {"routing": []} if model.shape.num_experts else None
        loss = cross_entropy(model(inputs, record=record).flatten(0, 1), targets.flatten())
        if step >= 0:
            losses.append(loss.item())
        if record:
            terms = [balance_loss(found, model.shape.num_active) for found in record["routing"]]
            loss = loss + balance * torch.stack(terms).mean()
            if seen:
                seen(step, record)
        optimizer.zero_grad()
        loss.backward()
        if watch and step >= 0:
            watch(step)
        if clip is not None:
            clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
    return losses


@torch.no_grad()
def evaluate(model: Decoder, tokens: Int[Tensor, " N"], *, batch: int, length: int, seed: int = 1) -> float:
    """Return the mean loss in nats per token on windows of held-out tokens; the same seed gives the same windows."""
    inputs, targets = (found.to(next(model.parameters()).device) for found in windows(tokens, batch, length, seed))
    return cross_entropy(model(inputs).flatten(0, 1), targets.flatten()).item()
