"""What part 07c runs on several ranks: the seed model with four layers, as stages, under a schedule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import pipelining
from torch.nn.functional import cross_entropy

from fullstack_llm.parallel import pipeline, schedules

from . import m07_collectives as seed

LAYERS = 4
SCHEDULES: dict[str, Callable[[int, int], schedules.Schedule]] = {
    "naive": lambda ranks, micros: schedules.gpipe(ranks, 1),
    "GPipe": schedules.gpipe,
    "1F1B": schedules.one_forward_one_backward,
    "interleaved": schedules.interleaved,
}
Found = tuple[pipeline.Trace, dict[str, Tensor]]


def step(ids: Tensor, labels: Tensor, kind: str, micros: int, tied: bool = True) -> Found:
    """Take one step under a schedule; return the trace, and gradients by the names that the whole model has.

    Without `tied` the two ends of the embedding keep their own gradients: the control.
    """
    rank, ranks = dist.get_rank(), dist.get_world_size()
    plan = SCHEDULES[kind](ranks, micros)
    micros = 1 if kind == "naive" else micros
    count = 1 + max(job.stage for jobs in plan for job in jobs)
    stages = {n: pipeline.Stage(seed.seed_model(LAYERS), n, count) for n in sorted({job.stage for job in plan[rank]})}
    trace = pipeline.step(stages, plan, ids, labels, micros)
    if tied:
        pipeline.tie(stages)
    found: dict[str, Tensor] = {}
    for number, stage in stages.items():
        for name, p in stage.named_parameters():
            if p.grad is not None:
                found.setdefault(whole_name(name, number * LAYERS // count), p.grad.clone())
    return trace, found


def whole_name(name: str, first: int) -> str:
    """Return a stage's weight by the name that it has in the whole model.

    >>> whole_name("layers.0.mlp.up_proj.weight", 2), whole_name("lm_head.weight", 3)
    ('layers.2.mlp.up_proj.weight', 'embed_tokens.weight')
    """
    parts = name.split(".")
    if parts[0] == "layers":
        parts[1] = str(int(parts[1]) + first)
    return ".".join(["embed_tokens" if part == "lm_head" else part for part in parts])


def off(found: list[Found], wanted: dict[str, Tensor]) -> dict[str, float]:
    """Return by how much each gradient differs from that of one process, as a share of its norm."""
    whole = {name: gradient for _, gradients in reversed(found) for name, gradient in gradients.items()}
    return seed.off(whole, wanted)


def library(ids: Tensor, labels: Tensor, micros: int, **how: Any) -> dict[str, Tensor]:
    """Take the step with `torch.distributed.pipelining`'s 1F1B, and return this stage's gradients."""
    rank, ranks = dist.get_rank(), dist.get_world_size()
    total = int((labels[:, 1:] != -100).sum())

    def loss(logits: Tensor, wanted: Tensor) -> Tensor:
        return cross_entropy(logits[:, :-1].flatten(0, 1), wanted[:, 1:].flatten(), reduction="sum") / total

    mine = pipeline.Stage(seed.seed_model(LAYERS), rank, ranks)
    stage = pipelining.PipelineStage(mine, rank, ranks, torch.device("cpu"))
    schedule = pipelining.Schedule1F1B(stage, micros, loss_fn=loss, **how)
    if rank == 0:
        schedule.step(ids)
    elif rank == ranks - 1:
        schedule.step(target=labels)
    else:
        schedule.step()
    pipeline.tie({rank: mine})
    each = LAYERS // ranks
    return {whole_name(name, rank * each): p.grad.clone() for name, p in mine.named_parameters() if p.grad is not None}
