"""The training runs that module 04 compares, with the settings that its recorded runs and its notebooks share.

A run on the CPU with one thread gives the same losses each time. With `until` only the first steps of a run are made,
so that a notebook can compare them with the recorded run; the tolerances bound the difference between processors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import islice
from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from fullstack_llm.presets import preset
from fullstack_llm.tinytown.mixture import documents
from fullstack_llm.tinytown.world import town
from fullstack_llm.tokenization import course_tokenizer
from fullstack_llm.transformer import attention as ways
from fullstack_llm.transformer import masks
from fullstack_llm.transformer.count import parameters
from fullstack_llm.transformer.decoder import Decoder, Record, initialise
from fullstack_llm.transformer.fit import evaluate, fit, windows
from fullstack_llm.transformer.moe import load
from fullstack_llm.transformer.shape import Positions, Shape

TRAIN, HELD_OUT, OTHER_SEED = 400_000, 100_000, 1_000
EVERY = 10  # steps between two recorded losses
# In nats, over the first 41 steps. With other instruction sets, the losses of dense models differed by at most 4e-5.
# Those of mixtures differed by up to 0.013, since a tiny difference can make a router choose another expert.
TOLERANCE, MIXTURE_TOLERANCE = 1e-3, 0.05


@dataclass(frozen=True)
class Plan:
    """Steps, batch, length of a window, learning rate and warm-up steps of a run."""

    steps: int
    batch: int
    length: int
    lr: float
    warmup: int


SHAPE = Shape(vocab_size=512, hidden_size=64, intermediate_size=176, num_layers=4, num_heads=4, num_kv_heads=4)
PLAN = Plan(steps=300, batch=16, length=64, lr=1e-2, warmup=30)
Mixture = Literal["balanced", "unbalanced", "dense-active", "dense-total"]
MIXTURE = replace(SHAPE, intermediate_size=88, num_experts=8, num_active=2)
BALANCE = 0.01


@dataclass
class Run:
    """The result of a run: model, loss of each step in nats per token, and held-out loss if the run is complete.

    For mixtures, `loads` holds each expert's share of the choices in each layer, recorded every `EVERY` steps.
    """

    model: Decoder
    losses: list[float] = field(default_factory=list)
    held_out: float = float("nan")
    loads: list[list[list[float]]] = field(default_factory=list)


@cache
def read(count: int, seed: int = 0) -> tuple[Int[Tensor, " N"], list[str]]:
    """Return the first tokens of Tinytown, <|eos|> before each document, and for each token the kind of its document.

    >>> ids, kinds = read(1000)
    >>> len(ids), len(kinds), ids[0].item(), kinds[0]
    (1000, 1000, 2, 'biography')
    """
    words = course_tokenizer.load()
    source = documents(town(), seed=seed)
    ids: list[int] = []
    kinds: list[str] = []
    while len(ids) < count:
        some = list(islice(source, 500))
        for document, found in zip(some, words([each.text for each in some]).input_ids, strict=True):
            ids += [words.eos_token_id, *found]
            kinds += [document.kind] * (1 + len(found))
    return torch.tensor(ids[:count]), kinds[:count]


def tokens(count: int, held_out: int = HELD_OUT) -> tuple[Int[Tensor, " N"], Int[Tensor, " M"]]:
    """Return tokens to train on, and held-out tokens of other documents about the same town."""
    return read(count)[0], read(held_out, OTHER_SEED)[0]


def train(shape: Shape, plan: Plan, *, seed: int = 0, balance: float = 0.0, until: int | None = None) -> Run:
    """Train a decoder from scratch; 1/√D is the standard deviation of its initial matrices."""
    model = Decoder(shape)
    initialise(model, std=shape.hidden_size**-0.5, seed=seed)
    run = Run(model.to(preset().device))
    rows, held_out = tokens(TRAIN)

    def note(step: int, record: Record) -> None:
        if step % EVERY == 0:
            run.loads.append([load(found, shape.num_active).tolist() for found in record["routing"]])

    run.losses = fit(
        run.model,
        rows,
        steps=plan.steps,
        batch=plan.batch,
        length=plan.length,
        lr=plan.lr,
        warmup=plan.warmup,
        balance=balance,
        seed=seed,
        until=until,
        seen=note,
    )
    if until is None or until >= plan.steps:
        run.held_out = evaluate(run.model, held_out, batch=256, length=plan.length)
    return run


def unigram() -> float:
    """Return the held-out loss of a unigram model: the frequencies of tokens in the training data, plus one."""
    rows, held_out = tokens(TRAIN)
    counts = torch.bincount(rows, minlength=SHAPE.vocab_size) + 1.0
    _, targets = windows(held_out, 256, PLAN.length, seed=1)
    return -(counts / counts.sum()).log()[targets].mean().item()


def widened(kv_heads: int) -> int:
    """Return the smallest MLP width at which a decoder with `kv_heads` has at least as many parameters as `SHAPE`.

    >>> widened(4), widened(1)
    (176, 208)
    """
    inner, goal = SHAPE.intermediate_size, sum(parameters(SHAPE).values())
    while sum(parameters(replace(SHAPE, num_kv_heads=kv_heads, intermediate_size=inner)).values()) < goal:
        inner += 1
    return inner


def kv(kv_heads: int, seed: int = 0, *, inner: int = SHAPE.intermediate_size, until: int | None = None) -> Run:
    """Train with multi-head (4 key-value heads), grouped-query (2) or multi-query attention (1)."""
    shape = replace(SHAPE, num_kv_heads=kv_heads, intermediate_size=inner)
    return train(shape, PLAN, seed=seed, until=until)


def moe_shape(kind: Mixture) -> Shape:
    """Return the shape with eight experts, two of them active, or with one MLP of the size of two or of all eight."""
    times = {"dense-active": MIXTURE.num_active, "dense-total": MIXTURE.num_experts}
    if kind in times:
        return replace(SHAPE, intermediate_size=MIXTURE.intermediate_size * times[kind])
    return MIXTURE


def moe(kind: Mixture, seed: int = 0, *, until: int | None = None) -> Run:
    """Train a mixture with or without the balance loss, or one of the dense models to compare with."""
    return train(moe_shape(kind), PLAN, seed=seed, balance=BALANCE if kind == "balanced" else 0.0, until=until)


def positions(kind: Positions, seed: int = 0, *, until: int | None = None) -> Run:
    """Train with one kind of position encoding; learned positions end at the length of the training windows."""
    return train(replace(SHAPE, positions=kind, max_length=PLAN.length), PLAN, seed=seed, until=until)


@torch.no_grad()
def by_position(model: Decoder, length: int, rows: int = 256, width: int = 16) -> list[float]:
    """Return the held-out loss by position in a window, averaged over `rows` windows and `width` positions."""
    inputs, targets = windows(tokens(TRAIN)[1], rows, length, seed=1)
    device = next(model.parameters()).device
    total = torch.zeros(length)
    for some, wanted in zip(inputs.split(32), targets.split(32), strict=True):
        logits = model(some.to(device)).transpose(1, 2)
        total += cross_entropy(logits, wanted.to(device), reduction="none").sum(0).cpu()
    return [found.mean().item() for found in (total / rows).split(width)]


def attention(
    kind: Literal["naive", "tiled", "fused"], length: int, backward: bool = False
) -> Callable[[], tuple[Tensor, ...]]:
    """Return a function to be measured, which computes causal attention on inputs made here, 4 heads of 32 columns."""
    generator = torch.Generator().manual_seed(0)
    device = preset().device
    q, k, v = (torch.randn(1, 4, length, 32, generator=generator).to(device) for _ in range(3))
    mask = masks.causal(length, device)
    calls: dict[str, Callable[[], Tensor]] = {
        "naive": lambda: ways.attention(q, k, v, mask),
        "tiled": lambda: ways.tiled(q, k, v, mask),
        "fused": lambda: ways.fused(q, k, v, causal=True),
    }
    if not backward:
        return lambda: (calls[kind](),)
    for tensor in (q, k, v):
        tensor.requires_grad_()
    return lambda: torch.autograd.grad(calls[kind]().sum(), (q, k, v))
