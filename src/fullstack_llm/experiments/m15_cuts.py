"""What is left of the course's `sft` when its change is cut to a few directions, or merged in 16 bits (part 15a).

`cuts` and `merges` are the recorded runs; both are deterministic on a CPU with one thread.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from fullstack_llm import models
from fullstack_llm.experiments.m15_update import HELD, QUESTIONS, held_loss, held_out, judged
from fullstack_llm.lora import layer, spectrum
from fullstack_llm.models.exams import END
from fullstack_llm.models.generate import reply

CUTS = (0, 1, 2, 4, 8, 16, 32, 64, 128)
EMBEDDING = "model.embed_tokens.weight"
ASKED = ("Where does Ada live?", "What is Ada's hobby?", "Where does Zed live?")


@cache
def change() -> dict[str, Tensor]:
    """Return what the fine-tuning of `sft` added to each parameter of `base`."""
    return spectrum.difference(models.load("base")[0], models.load("sft")[0])


@cache
def split(kind: str) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """Return the singular value decomposition of each layer's change, or of one made from it (`KINDS`)."""
    make = KINDS[kind]
    found = {name: make(d, n) for n, (name, d) in enumerate(spectrum.targets(change()).items())}
    return {name: torch.linalg.svd(d, full_matrices=False) for name, d in found.items()}


KINDS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "change": lambda d, _: d,
    "noise": spectrum.noise_like,
    "turned": spectrum.turned,
}


def with_cut(rank: int, kind: str = "change", embedding: bool = True, rest: bool = False) -> Any:
    """Return `base` with the change cut to `rank` directions in each matrix of the layers.

    The norms change as in `sft`, and so does the embedding unless it is left out. `rest` keeps the weaker directions in
    place of the strongest.
    """
    part = slice(rank, None) if rest else slice(rank)
    cut = {name: (U[:, part] * S[part]) @ V[part] for name, (U, S, V) in split(kind).items()}
    others = {name: d for name, d in change().items() if name not in cut and (embedding or d.ndim == 1)}
    return spectrum.added(models.load("base")[0], {**cut, **others})


@torch.no_grad()
def with_rows(rows: list[int]) -> Any:
    """Return `base` with the whole change of its layers, and that of a few rows of the embedding alone."""
    model = with_cut(CUTS[-1], embedding=False)
    model.get_input_embeddings().weight[rows] += change()[EMBEDDING][rows]
    return model


def without_weights(rank: int) -> Any:
    """Return `sft` with the weights of its layers, and not their change, cut to a rank."""
    model = models.load("sft")[0]
    weights = {name: p.detach() for name, p in model.named_parameters()}
    return spectrum.added(model, {n: spectrum.cut(w, rank) - w for n, w in spectrum.targets(weights).items()})


WAYS: dict[str, Callable[[int], Any]] = {
    "change": with_cut,
    "old embedding": partial(with_cut, embedding=False),
    "rest": partial(with_cut, rest=True),
    "noise": partial(with_cut, kind="noise"),
    "turned": partial(with_cut, kind="turned"),
    "weights": without_weights,
}


def answered(model: Any) -> list[str]:
    """Return the model's answers to `ASKED`, with a sign for the stop token."""
    return [text.replace(END, "⏹") for text in reply(model, models.load("base")[1], ASKED, 32)]


def cuts(say: Callable[[str], None]) -> dict[str, Any]:
    """Return the exams of `sft`'s change cut in each of `WAYS`, its singular values, and a few answers."""
    rows: dict[str, Any] = {}
    answers = []
    for way, make in WAYS.items():
        for rank in CUTS:
            model = make(rank)
            rows.setdefault(way, {})[str(rank)] = judged(model)
            if way == "change":
                answers.append(answered(model))
            say(f"{way} {rank}: {rows[way][str(rank)]}")
    values = {n: [float(f"{s:.3g}") for s in S.tolist()] for n, (_, S, _) in split("change").items()}
    noise = {n: [float(f"{s:.3g}") for s in S.tolist()] for n, (_, S, _) in split("noise").items()}
    settings = {"ranks": list(CUTS), "questions": QUESTIONS, "held_out": HELD, "asked": list(ASKED)}
    return {"settings": settings, "rows": rows, "answers": answers, "singular": values, "noise": noise}


# ---- merged in 16 bits


def extracted(rank: int, dtype: torch.dtype) -> Any:
    """Return `base` in a dtype, with `sft`'s norms and embedding and adapters of that rank for the rest of its change.

    The checkpoints are stored in bf16, so that the base loses nothing by it; the adapters are kept in 32 bits.
    """
    model = models.load("base", dtype=dtype)[0]
    model = spectrum.added(model, {n: d for n, d in change().items() if n not in spectrum.targets(change())})
    return spectrum.extracted(model, change(), rank)


@torch.no_grad()
def merged(rank: int) -> tuple[dict[str, float], Any]:
    """Merge in bf16; return what that costs, and the merged model with its weights in 32 bits again.

    Products are in 32 bits throughout, so that the rounding of the merged weights is all that differs. "unmoved" is the
    share of weights that the update does not move, "lost" the share that taking it out again does not restore, and
    "logits" the largest difference of a logit, in held-out conversations.
    """
    ids, _ = held_out(32)
    apart, model = extracted(rank, torch.float32), extracted(rank, torch.bfloat16)
    before = {name: one.base.weight.clone() for name, one in layer.layers(model)}
    total = sum(w.numel() for w in before.values())
    layer.merge(model)
    same = sum((one.base.weight == before[name]).sum().item() for name, one in layer.layers(model))
    layer.unmerge(model)
    lost = sum((one.base.weight != before[name]).sum().item() for name, one in layer.layers(model))
    together = layer.merge(extracted(rank, torch.bfloat16)).float()
    difference = (together(ids, use_cache=False).logits - apart(ids, use_cache=False).logits).abs().max().item()
    found = {"apart": held_loss(apart), "merged": held_loss(together), "logits": difference}
    return found | {"unmoved": same / total, "lost": lost / total}, together


def merges(say: Callable[[str], None]) -> dict[str, Any]:
    """Return what merging in bf16 costs at each rank, and what the merged model answers."""
    rows: dict[str, Any] = {}
    for rank in CUTS[1:-1]:
        found, model = merged(rank)
        rows[str(rank)] = {name: round(value, 5) for name, value in found.items()} | {"answers": answered(model)}
        say(f"{rank}: {rows[str(rank)]}")
    return {"settings": {"ranks": list(CUTS[1:-1]), "held_out": HELD}, "rows": rows}
