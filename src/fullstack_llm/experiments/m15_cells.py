"""Fine-tune a small encoder of real blood cells, in full and by updates of low rank.

The cells are 700 of the 68,579 that Zheng et al. 2017 (doi 10.1038/ncomms14049) sequenced, with 765 genes and ten
labels; scanpy carries them. The encoder first learns to fill in hidden genes, without labels, and is then fine-tuned.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from jaxtyping import Float, Int
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss, scaled_dot_product_attention, silu

from fullstack_llm.lora.layer import ALL, ATTENTION, adapt
from fullstack_llm.pretraining.schedules import linear

GENES, PATCH, WIDTH, HEADS, LAYERS, INNER, CLASSES = 765, 45, 64, 4, 2, 176, 10
STEPS, BATCH, HIDDEN = 120, 64, 0.3
SEEDS = tuple(range(10))
# A method: targets, rank. Attention alone has as many trained parameters at rank 14 as all layers at rank 6.
METHODS: dict[str, tuple[tuple[str, ...], int] | None] = {
    "full": None,
    "all 2": (ALL, 2),
    "all 6": (ALL, 6),
    "all 16": (ALL, 16),
    "attention 14": (ATTENTION, 14),
    "head": ((), 0),
}
RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)


@cache
def cells() -> tuple[Float[Tensor, "C G"], Int[Tensor, " C"]]:
    """Return the cells' genes, clipped to ten standard deviations, and their labels.

    Raises FileNotFoundError that says what to install where scanpy is missing; scanpy itself is not imported.
    """
    found = find_spec("scanpy")
    if found is None or found.origin is None:
        raise FileNotFoundError("The cells come with scanpy, which is missing: run `pip install --no-deps scanpy`.")
    with h5py.File(Path(found.origin).parent / "datasets" / "10x_pbmc68k_reduced.h5ad") as file:
        genes, labels = file["X"][:], file["obs"]["bulk_labels"].astype(np.int64)
    return torch.from_numpy(genes).float().clamp(-10, 10), torch.from_numpy(labels)


class Block(nn.Module):
    """A transformer layer without a mask, its linear layers named as in a Llama."""

    def __init__(self) -> None:
        super().__init__()
        layer = partial(nn.Linear, bias=False)
        self.attention_norm, self.mlp_norm = nn.RMSNorm(WIDTH), nn.RMSNorm(WIDTH)
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (layer(WIDTH, WIDTH) for _ in range(4))
        self.gate_proj, self.up_proj = layer(WIDTH, INNER), layer(WIDTH, INNER)
        self.down_proj = layer(INNER, WIDTH)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Return the residual stream after the layer."""
        B, T, D = x.shape
        normed = self.attention_norm(x)
        q, k, v = (
            p(normed).view(B, T, HEADS, D // HEADS).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj)
        )
        x = x + self.o_proj(scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, T, D))
        normed = self.mlp_norm(x)
        return x + self.down_proj(silu(self.gate_proj(normed)) * self.up_proj(normed))


class Encoder(nn.Module):
    """Read a cell as 17 patches of 45 genes; `fill` guesses all genes, `forward` gives the labels' logits."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.rebuild = nn.Linear(PATCH, WIDTH), nn.Linear(WIDTH, GENES)
        self.places = nn.Parameter(0.02 * torch.randn(GENES // PATCH, WIDTH))
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm, self.head = nn.RMSNorm(WIDTH), nn.Linear(WIDTH, CLASSES)

    def encode(self, genes: Float[Tensor, "B G"]) -> Float[Tensor, "B D"]:
        """Return one vector for a cell, the mean of those of its patches."""
        patches = self.embed(genes.view(len(genes), -1, PATCH)) + self.places
        return self.norm(self.blocks(patches).mean(1))

    def fill(self, genes: Float[Tensor, "B G"]) -> Float[Tensor, "B G"]:
        """Guess every gene of a cell, also those that are hidden, from its one vector."""
        return self.rebuild(self.encode(genes))

    def forward(self, genes: Float[Tensor, "B G"]) -> Float[Tensor, "B C"]:
        """Return the logits of the labels."""
        return self.head(self.encode(genes))


@cache
def pretrained(steps: int = 1_500) -> dict[str, Tensor]:
    """Return the weights of an encoder that fills in hidden patches, learned on all cells without their labels."""
    genes, _ = cells()
    torch.manual_seed(0)
    model, generator = Encoder(), torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.0)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * linear(step, steps, warmup=50)
        some = genes[torch.randint(len(genes), (BATCH,), generator=generator)]
        hidden = (torch.rand(BATCH, GENES // PATCH, generator=generator) < HIDDEN).repeat_interleave(PATCH, 1)
        loss = mse_loss(model.fill(some.masked_fill(hidden, 0.0))[hidden], some[hidden])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.state_dict()


def split(seed: int) -> tuple[Int[Tensor, " A"], Int[Tensor, " V"], Int[Tensor, " T"]]:
    """Return the numbers of 350 cells to train on, 100 to choose a rate by, and 250 to test on, each label in share."""
    _, labels = cells()
    rest, test = train_test_split(np.arange(len(labels)), test_size=250, random_state=seed, stratify=labels)
    train, chosen = train_test_split(rest, test_size=100, random_state=seed, stratify=labels[rest])
    return torch.from_numpy(train), torch.from_numpy(chosen), torch.from_numpy(test)


@dataclass
class Fitted:
    """Hold a fine-tuned encoder's accuracy on both held-out parts, its trained parameters, and its seconds."""

    chosen: float
    test: float
    trained: int
    seconds: float


def fitted(method: str, rate: float, seed: int, steps: int = STEPS) -> Fitted:
    """Fine-tune the pretrained encoder; its head, which is new, is trained by every method."""
    genes, labels = cells()
    train, chosen, test = split(seed)
    model = Encoder()
    model.load_state_dict(pretrained())
    torch.manual_seed(seed)
    model.head.reset_parameters()
    if (targets := METHODS[method]) is not None:
        model.requires_grad_(False)
        if targets[0]:
            adapt(model, targets[1], alpha=32.0, targets=targets[0], seed=seed)
        model.head.requires_grad_(True)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=rate, weight_decay=0.0)
    generator, began = torch.Generator().manual_seed(seed), time.process_time()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * linear(step, steps, warmup=10)
        some = train[torch.randint(len(train), (BATCH,), generator=generator)]
        optimizer.zero_grad()
        cross_entropy(model(genes[some]), labels[some]).backward()
        optimizer.step()
    seconds = time.process_time() - began
    with torch.no_grad():
        right = [(model(genes[part]).argmax(-1) == labels[part]).float().mean().item() for part in (chosen, test)]
    return Fitted(round(right[0], 4), round(right[1], 4), sum(p.numel() for p in trained), round(seconds, 2))


def row(method: str, seed: int) -> dict[str, Any]:
    """Return a method's accuracy on a split's test cells, at the rate that is best on the cells set apart for that."""
    if method == "logistic":
        return straight(seed)
    found = {rate: fitted(method, rate, seed) for rate in RATES}
    rate = max(found, key=lambda rate: found[rate].chosen)
    return {"method": method, "seed": seed, "rate": rate, **vars(found[rate])}


def straight(seed: int) -> dict[str, Any]:
    """Return what logistic regression on the genes reaches on the same cells, its penalty chosen in the same way."""
    genes, labels = (found.numpy() for found in cells())
    train, chosen, test = (part.numpy() for part in split(seed))
    models = [LogisticRegression(C=c, max_iter=1_000).fit(genes[train], labels[train]) for c in (1e-3, 1e-2, 1e-1)]
    best = max(models, key=lambda model: model.score(genes[chosen], labels[chosen]))
    return {"method": "logistic", "seed": seed, "test": round(best.score(genes[test], labels[test]), 4)}
