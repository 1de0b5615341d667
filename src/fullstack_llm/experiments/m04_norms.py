"""The runs of module 04 that compare pre-norm with post-norm, for two sizes of the initial weights and with a warm-up.

A run on the CPU with one thread gives the same losses each time. With `until` only the first steps of a run are made,
so that a notebook can compare them with the recorded run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from fullstack_llm.experiments.m04_trials import EVERY, SHAPE, TRAIN, Plan, tokens
from fullstack_llm.presets import preset
from fullstack_llm.transformer.decoder import Decoder, Stack, initialise
from fullstack_llm.transformer.fit import evaluate, fit, windows
from fullstack_llm.transformer.shape import Place

DEEP = replace(SHAPE, num_layers=8)
PLAN = Plan(steps=200, batch=8, length=64, lr=4e-3, warmup=60)
LARGE, SMALL = 0.125, 0.02  # standard deviations of the initial matrices: 1/√D, and GPT-2's
SEEDS, FEWER_SEEDS = tuple(range(10)), tuple(range(5))
TWICE, HALF = 8e-3, 2e-3  # other learning rates: twice for every case with fewer seeds, half for one case, as a control
FAILED = 0.1  # nats below the unigram model's loss that a run must reach


class Case(NamedTuple):
    """Where the norm stands, the standard deviation of the initial matrices, and the steps before the full rate.

    `settle` is the number of steps at a rate of zero that come first, in which AdamW's averages fill.
    """

    place: Place
    std: float
    warmup: int = 0
    settle: int = 0


CASES = {
    f"{place}, {size}{', warm-up' if warmup else ''}": Case(place, std, warmup)
    for place in ("pre", "post")
    for size, std in (("large", LARGE), ("small", SMALL))
    for warmup in (0, PLAN.warmup)
}
# The control: the averages of AdamW have sixty steps to settle, and the weights have none.
SETTLED = {"post, large, settled": Case("post", LARGE, settle=PLAN.warmup)}


@dataclass
class Run:
    """The result of a run, with what was seen of the model every `EVERY` steps, before that step.

    `alike` is the mean cosine of the final vectors at two positions of a held-out text, `gradients` the norm of the
    gradient of the first block and of the last. `moved` says by how much the first update moved the predictions on that
    text: the mean Kullback-Leibler divergence in nats per token. `held_out` is NaN if the run was cut short.
    """

    losses: list[float] = field(default_factory=list)
    alike: list[float] = field(default_factory=list)
    gradients: list[tuple[float, float]] = field(default_factory=list)
    moved: float = float("nan")
    held_out: float = float("nan")


def run(case: Case, seed: int = 0, *, lr: float = PLAN.lr, until: int | None = None) -> Run:
    """Train the decoder of a case; the seed decides its initial weights and the order of the text."""
    model = Decoder(replace(DEEP, norm_place=case.place))
    initialise(model, std=case.std, seed=seed)
    model = model.to(preset().device)
    rows, held_out = tokens(TRAIN)
    text = windows(held_out, 8, PLAN.length, seed=2)[0].to(preset().device)
    found = Run()
    before: list[Tensor] = []

    @torch.no_grad()
    def watch(step: int) -> None:
        if step == 0:
            before.append(model(text).log_softmax(-1))
        elif step == 1:
            after = model(text).log_softmax(-1)
            found.moved = (before[0].exp() * (before[0] - after)).sum(-1).mean().item()
        if step % EVERY == 0:
            found.alike.append(alike(Stack.forward(model, text)))
            found.gradients.append((gradient(model, 0), gradient(model, -1)))

    found.losses = fit(
        model,
        rows,
        steps=PLAN.steps,
        batch=PLAN.batch,
        length=PLAN.length,
        lr=lr,
        warmup=case.warmup,
        seed=seed,
        until=until,
        settle=case.settle,
        watch=watch,
    )
    if until is None or until >= PLAN.steps:
        found.held_out = evaluate(model, held_out, batch=256, length=PLAN.length)
    return found


def alike(x: Float[Tensor, "B T D"]) -> float:
    """Return the mean cosine of the vectors at two different positions of a row.

    >>> alike(torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])), alike(torch.tensor([[[1.0, 0.0], [3.0, 0.0]]]))
    (0.0, 1.0)
    """
    unit, T = torch.nn.functional.normalize(x, dim=-1), x.shape[1]
    return ((unit @ unit.mT).sum((1, 2)) - T).mean().item() / (T * (T - 1))


def gradient(model: Decoder, block: int) -> float:
    """Return the norm of the gradient of all parameters of a block."""
    found = [p.grad for p in model.layers[block].parameters() if p.grad is not None]
    return math.sqrt(sum(grad.square().sum().item() for grad in found))
