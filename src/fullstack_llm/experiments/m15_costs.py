"""Time what part 15c compares: a step and an answer of each of LoRA's relatives, and batches of many tenants."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from fullstack_llm import models
from fullstack_llm.experiments import m15_regret as regret
from fullstack_llm.finetuning.tune import assistant_loss
from fullstack_llm.lora import layer, qlora, tenants
from fullstack_llm.lora.relatives import NAMES, relative
from fullstack_llm.models.chat import PAD, collate

ROWS, RANK = 40, 16
COUNTS = (1, 4, 10, 40)
WAYS: dict[str, tenants.Way] = {
    "row by row": tenants.one_row,
    "adapter by adapter": tenants.one_adapter,
    "gathered": tenants.gathered,
}


def best(works: Mapping[str, Callable[[], object]], times: int) -> dict[str, float]:
    """Return the least CPU seconds of each work, taken in turns; a first turn is not counted.

    >>> found = best({"short": lambda: sum(range(1_000)), "long": lambda: sum(range(100_000))}, 3)
    >>> found["short"] < found["long"]
    True
    """
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(times + 1):
        for name, work in works.items():
            began = time.process_time()
            work()
            found[name].append(time.process_time() - began)
    return {name: min(seconds[1:]) for name, seconds in found.items()}


def _step(model: Any, ids: Tensor, labels: Tensor, chosen: torch.optim.Optimizer) -> None:
    model.zero_grad()
    assistant_loss(model, ids, labels).backward()
    chosen.step()


@torch.no_grad()
def _answer(model: Any, ids: Tensor) -> None:
    model(ids, use_cache=False)


def methods(times: int = 7) -> dict[str, dict[str, float]]:
    """Return the seconds of a training step and of a forward pass of each method, and of the bare model's pass."""
    made = {name: relative(name, models.load("base")[0]) for name in NAMES}
    made["qlora"] = layer.adapt(qlora.quantized(models.load("base")[0]), 4, 32.0)
    ids, labels = collate(regret.rows()[:16], PAD)
    adam = {
        name: torch.optim.AdamW([p for p in one.parameters() if p.requires_grad], lr=0.0) for name, one in made.items()
    }
    steps = best({name: partial(_step, one, ids, labels, adam[name]) for name, one in made.items()}, times)
    bare = {"bare": models.load("base")[0]}
    answers = best({name: partial(_answer, one.eval(), ids) for name, one in {**bare, **made}.items()}, times)
    return {"step": steps, "answer": answers}


def adapters(count: int, rank: int = RANK) -> list[dict[str, Tensor]]:
    """Return adapters of several tenants for `base`, with random numbers in both matrices, drawn by their numbers."""
    model = layer.adapt(models.load("base")[0], rank, float(rank))
    found = []
    for number in range(count):
        generator = torch.Generator().manual_seed(number)
        shapes = layer.adapter(model)
        found.append({name: 0.02 * torch.randn(one.shape, generator=generator) for name, one in shapes.items()})
    return found


def shared(count: int, rank: int = RANK) -> Any:
    """Return `base` with the adapters of several tenants."""
    model = layer.adapt(models.load("base")[0], rank, float(rank))
    return tenants.share(model, adapters(count, rank)).eval()


def served(length: int, counts: tuple[int, ...] = COUNTS, times: int = 7) -> dict[str, dict[str, float]]:
    """Return the seconds of a batch of 40 rows by way and number of tenants, and of the bare model's."""
    ids = torch.randint(5, 500, (ROWS, length), generator=torch.Generator().manual_seed(0))
    out: dict[str, dict[str, float]] = {}
    bare = models.load("base")[0].eval()
    for count in counts:
        model = shared(count)

        def run(way: tenants.Way, model: Any = model, count: int = count) -> None:
            with tenants.served(model, torch.arange(ROWS) % count, way):
                _answer(model, ids)

        works = {"bare": partial(_answer, bare, ids)} | {name: partial(run, way) for name, way in WAYS.items()}
        out[str(count)] = best(works, times)
    return out


def measured() -> dict[str, Any]:
    """Return all timings."""
    return {**methods(), "served": {str(length): served(length) for length in (1, 64)}}
