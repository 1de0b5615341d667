"""Draw inputs for lab 15, and name what an answer is asked not to use."""

import torch
from jaxtyping import Float
from torch import Tensor

from fullstack_llm.checks import Draw

# The lab's text says: none of them in any answer.
LIBRARIES = ("peft", "bitsandbytes", "fullstack_llm.lora")


def normal(draw: Draw, *shape: int, scale: float = 1.0) -> Float[Tensor, "..."]:
    """Draw normal numbers of a shape."""
    count = torch.Size(shape).numel()
    return torch.tensor([draw.gauss(0, scale) for _ in range(count)]).reshape(shape)


def coarse(draw: Draw, *shape: int) -> Float[Tensor, "..."]:
    """Draw small multiples of a power of two, so that products and sums are exact in 32 bits, in any order."""
    count = torch.Size(shape).numel()
    return torch.tensor([draw.randint(-31, 31) / 64 for _ in range(count)]).reshape(shape)


def run(draw: Draw, tied: bool, adapted: str, head: bool = False, resumed: bool = False, **faults: str):
    """Draw two checkpoints of a run; each fault is `name=kind`, where `__` in a name stands for a point."""
    V, D, scale, shrink = 11, 6, draw.choice((0.5, 2.0, 3.0)), draw.uniform(0.9, 0.98)
    shapes = {"embed_tokens": (V, D)}
    for layer in range(2):
        shapes |= {f"layers.{layer}.{name}": (D, D) if name != "norm" else (D,) for name in ("q", "v", "o", "norm")}
    shapes |= {"norm": (D,), "lm_head": (V, D)}
    before = {}
    for name, size in shapes.items():
        on = name.rpartition(".")[2] in adapted.split() or (name == "lm_head" and head)
        base = name + (".base.weight" if on else ".weight")
        before[base] = before["embed_tokens.weight"].clone() if name == "lm_head" and tied else normal(draw, *size)
        if on:
            before[name + ".A"] = normal(draw, 2, size[1])
            before[name + ".B"] = normal(draw, size[0], 2, scale=0.2) if resumed else torch.zeros(size[0], 2)
    faults = {name.replace("__", "."): kind for name, kind in faults.items()}
    for name, kind in faults.items():
        if kind == "zeros":
            before[name + ".A"], before[name + ".B"] = before[name + ".A"] * 0, before[name + ".B"] * 0
    after = {}
    for name, one in before.items():
        layer, _, end = name.rpartition(".")
        step = normal(draw, *one.shape, scale=0.1) if end in "AB" and layer not in faults else 0.0
        after[name] = one + step
    for name, kind in faults.items():
        base = name + (".base.weight" if name + ".A" in before else ".weight")
        if kind == "merged":
            for end in (".A", ".B"):
                after[name + end] = before[name + end] + normal(draw, *before[name + end].shape, scale=0.1)
            after[base] = before[base] + scale * after[name + ".B"] @ after[name + ".A"]
        elif kind == "decayed":
            after[base] = before[base] * shrink
        elif kind == "trained":
            after[base] = before[base] + normal(draw, *before[base].shape, scale=0.02)
        if kind in ("decayed", "trained", "A", "B") and name + ".A" in before:
            for end in ("." + kind,) if kind in ("A", "B") else (".A", ".B"):
                after[name + end] = before[name + end] + normal(draw, *before[name + end].shape, scale=0.1)
    if tied and "lm_head" in faults:
        after["embed_tokens.weight"] = after["lm_head.base.weight" if head else "lm_head.weight"].clone()
    return before, after, scale, shrink
