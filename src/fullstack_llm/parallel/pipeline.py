"""Run a pipeline on real ranks: each has some layers, and follows its list of jobs."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, cast

import torch
import torch.distributed as dist
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fullstack_llm.transformer import Decoder, positions

from .schedules import Job, Schedule


class Stage(nn.Module):
    """Some neighbouring layers of a decoder; the first stage has the embedding, the last one norm and output."""

    def __init__(self, model: Decoder, stage: int, stages: int) -> None:
        super().__init__()
        self.shape, layers = model.shape, list(model.layers)
        if len(layers) % stages:
            raise ValueError(f"{len(layers)} layers do not make {stages} equal stages")
        each = len(layers) // stages
        self.first, self.last = stage == 0, stage == stages - 1
        self.layers = nn.ModuleList(layers[stage * each : (stage + 1) * each])
        self.embed_tokens = model.embed_tokens if self.first else None
        self.norm: nn.Module | None = model.norm if self.last else None
        self.lm_head: nn.Linear | None = model.lm_head if self.last else None

    def forward(self, x: Tensor) -> Tensor:
        """Return vectors, or logits from the last stage."""
        if self.embed_tokens is not None:
            x = self.embed_tokens(x)
        rotation = positions.angles(x.shape[1], self.shape.head_dim, self.shape.rope_theta)
        for layer in self.layers:
            x = layer(x, rotation=rotation, causal=True)
        return x if self.norm is None or self.lm_head is None else self.lm_head(self.norm(x))


@dataclass
class Trace:
    """What a rank tells of a step: the loss, and for each job when it ran and the CPU seconds that it took."""

    loss: float = 0.0
    jobs: dict[Job, tuple[float, float, float]] = field(default_factory=dict)


def step(
    stages: dict[int, Stage], schedule: Schedule, ids: Int[Tensor, "B T"], labels: Int[Tensor, "B T"], micros: int
) -> Trace:
    """Run this rank's jobs, and leave the gradients of the mean loss over all tokens; the loss is the last stage's.

    Rows are shared out to micro-batches in order. Each micro-batch's losses are summed and divided by the tokens of
    all, so that what is added up needs no division afterwards. A stage's neighbour is the next rank of the ring.
    """
    rank, ranks = dist.get_rank(), dist.get_world_size()
    count = 1 + max(job.stage for jobs in schedule for job in jobs)
    rows, wanted, total = ids.tensor_split(micros), labels.tensor_split(micros), int((labels[:, 1:] != -100).sum())
    kept: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
    sending, trace = [], Trace()

    def tag(job: Job) -> int:
        return 2 * (job.stage * micros + job.micro) + job.forward

    def receive(job: Job, like: Tensor, source: int) -> Float[Tensor, "b T D"]:
        came = torch.empty(*like.shape, stages[job.stage].shape.hidden_size, dtype=torch.float64)
        dist.recv(came, source % ranks, tag=tag(job))
        return came

    def send(x: Tensor, job: Job, to: int) -> None:
        x = x.detach().contiguous()
        sending.append((cast(Any, dist.isend(x, to % ranks, tag=tag(job))), x))

    for job in schedule[rank]:
        stage, micro = job.stage, job.micro
        if job.forward:
            source = rows[micro] if stage == 0 else receive(job, rows[micro], rank - 1).requires_grad_()
        elif stage + 1 < count:
            gradient = receive(job, rows[micro], rank + 1)
        began, cpu = time.perf_counter(), time.thread_time()
        if job.forward:
            out = stages[stage](source)
            if stage + 1 == count:
                losses = cross_entropy(out[:, :-1].flatten(0, 1), wanted[micro][:, 1:].flatten(), reduction="sum")
                out = losses / total
                trace.loss += out.item()
            kept[stage, micro] = source, out
        else:
            source, out = kept.pop((stage, micro))
            out.backward(None if stage + 1 == count else gradient)
        trace.jobs[job] = began, time.perf_counter(), time.thread_time() - cpu
        if job.forward and stage + 1 < count:
            send(out, Job(stage + 1, micro, True), rank + 1)
        if not job.forward and stage > 0:
            send(cast(Any, source).grad, Job(stage - 1, micro, False), rank - 1)
    for handle, _ in sending:
        handle.wait()
    return trace


def tie(stages: dict[int, Stage]) -> None:
    """Add up the gradients of a tied embedding, whose two ends lie on the first and the last rank.

    They may be one rank: then both ends have one tensor, and backward has added them up.
    """
    ranks = dist.get_world_size()
    if ranks == 1:
        return
    group = dist.new_group([0, ranks - 1])
    for stage in stages.values():
        end = stage.embed_tokens if stage.embed_tokens is not None else stage.lm_head
        if end is not None and stage.shape.tied:
            dist.all_reduce(end.weight.grad, group=group)
