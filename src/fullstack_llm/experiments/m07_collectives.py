"""What part 07a runs on several ranks: one model from one seed, one batch of Tinytown, and messages with a clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from fullstack_llm import models
from fullstack_llm.models.padding import rectangle
from fullstack_llm.parallel import costs, launch, tensor
from fullstack_llm.parallel.data_parallel import gradients, loss_sum, share
from fullstack_llm.tinytown.mixture import documents
from fullstack_llm.tinytown.world import town
from fullstack_llm.transformer import Decoder, Shape, initialise
from fullstack_llm.transformer.norms import RMSNorm

SHAPE = Shape(vocab_size=512, hidden_size=64, intermediate_size=176, num_layers=2, num_heads=4, num_kv_heads=2)
LONGEST = 96  # tokens in a row
RATE = 0.1


def seed_model(layers: int = SHAPE.num_layers) -> Decoder:
    """Return the model that every layout begins with, in 64 bits.

    The decoder's own norm rounds to 32 bits, which would hide differences under 1e-7; PyTorch's does not.
    """
    model = Decoder(replace(SHAPE, num_layers=layers))
    for part in list(model.modules()):
        for name, child in part.named_children():
            if isinstance(child, RMSNorm):
                setattr(part, name, torch.nn.RMSNorm(SHAPE.hidden_size, eps=SHAPE.eps))
    model = model.double()
    initialise(model, 0.05, seed=0)
    return model


def batch(rows: int = 8, multiple: int = 1) -> tuple[Tensor, Tensor]:
    """Return ids and labels of some documents, one about Ada first; labels of padding are -100.

    The number of tokens in a row is cut to a multiple, so that ranks can share it out.
    """
    _, tokenizer = models.load("base")
    texts = [document.text for document in islice(documents(town(0)), 300)]
    texts = [next(text for text in texts if "Ada" in text), *texts[: rows - 1]]
    ids, seen = rectangle([row[:LONGEST] for row in tokenizer(texts).input_ids], side="right")
    labels, tokens = ids.masked_fill(~seen, -100), ids.shape[1] // multiple * multiple
    return ids[:, :tokens], labels[:, :tokens]


def alone(ids: Tensor, labels: Tensor, layers: int = SHAPE.num_layers) -> tuple[float, dict[str, Tensor]]:
    """Return the loss of the seed model on one process, and its gradients by the names of the weights."""
    model = seed_model(layers)
    total, count = loss_sum(model, ids, labels)
    (total / count).backward()
    return total.item() / count, tensor.gradients(model)


def off(got: dict[str, Tensor], wanted: dict[str, Tensor]) -> dict[str, float]:
    """Return by how much each gradient differs from the wanted one, as a share of its norm."""
    return {name: float((got[name] - one).norm() / one.norm()) for name, one in wanted.items()}


def weights(model: Any) -> Tensor:
    """Return a copy of all weights in one row."""
    return torch.cat([p.detach().flatten() for p in model.parameters()]).clone()


def trained(ids: Tensor, labels: Tensor, steps: int = 3) -> tuple[list[float], Tensor]:
    """Train on this rank's rows with plain gradient descent; return the losses and the weights."""
    model, rank, ranks = seed_model(), dist.get_rank(), dist.get_world_size()
    optimizer, losses = torch.optim.SGD(model.parameters(), lr=RATE), []
    for _ in range(steps):
        losses.append(gradients(model, share(ids, rank, ranks), share(labels, rank, ranks)))
        optimizer.step()
    return losses, weights(model)


def ping(sizes: list[int], repeats: int) -> list[float]:
    """Return the least seconds of a message in one direction, for each size in bytes: half of there and back."""
    found, rank = [], dist.get_rank()
    for size in sizes:
        x, best = torch.zeros(size, dtype=torch.uint8), float("inf")
        for _ in range(repeats):
            began = time.perf_counter()
            if rank == 0:
                dist.send(x, 1)
                dist.recv(x, 1)
            else:
                dist.recv(x, 0)
                dist.send(x, 0)
            best = min(best, (time.perf_counter() - began) / 2)
        found.append(best)
    return found


SIZES = [2**power for power in range(10, 25)]
ROUNDS = 7


def messages(say: Callable[[str], None]) -> dict[str, Any]:
    """Return times of messages of 1 KB to 16 MB between two ranks, in several rounds, and α and β of each round."""
    rows = []
    for number in range(ROUNDS):
        times = launch(ping, 2, SIZES, 30)[0].value
        alpha, beta = costs.fit(SIZES, times)
        rows.append({"times": [float(f"{one:.4g}") for one in times], "alpha": alpha, "beta": beta})
        say(f"round {number}: alpha {alpha * 1e6:.1f} µs, {1 / beta / 1e9:.2f} GB/s")
    return {"sizes": SIZES, "rows": rows}
