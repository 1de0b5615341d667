"""Exercise 8 of lab 04: a decoder block with one fault, the right one, and the cases."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from fullstack_llm.checks import Draw
from fullstack_llm.checks.transformer_cases import normal
from fullstack_llm.checks.transformer_mistakes import turned

Tensors = dict[str, Tensor]
Case = tuple[tuple[Tensor, Tensors, dict[str, Any], Tensors], tuple[Tensor, str]]
Stage = Callable[[Any], Tensor]

CULPRIT = "hidden"
ORDER = ("norm1", "q", "k", "v", "weights", "mixed", "middle", "norm2", "hidden", "out")


class Block:
    """Inputs, weights, sizes, and the stages so far: what the formula of a stage reads."""

    def __init__(self, x: Tensor, weights: Tensors, config: dict[str, Any]) -> None:
        self.x, self.w, self.s = x, weights, {}  # type: Tensor, Tensors, Tensors
        self.H, self.K, self.eps = config["num_heads"], config["num_kv_heads"], config["eps"]
        T, self.d = len(x), weights["q_proj"].shape[0] // self.H
        self.theta = config["theta"]
        self.at = torch.arange(T, dtype=x.dtype)[:, None]
        self.seen = torch.ones(T, T, dtype=torch.bool).tril()

    def __getitem__(self, stage: str) -> Tensor:
        return self.s[stage]

    def heads(self, name: str, source: Tensor | None = None) -> Tensor:
        """A projection cut into heads, (heads, T, d)."""
        flat = functional.linear(self["norm1"] if source is None else source, self.w[f"{name}_proj"])
        return flat.view(len(flat), -1, self.d).transpose(0, 1)

    def turn(self, x: Tensor, *, layout: str = "half", exponent: float = 2.0, first: int = 0) -> Tensor:
        """RoPE on each head."""
        angle = (self.at + first) * self.theta ** (-exponent * torch.arange(self.d // 2, dtype=x.dtype) / self.d)
        return torch.stack([turned(head, angle, layout) for head in x])

    def scores(self, scale: float | None = None, *, tiled: bool = False) -> Tensor:
        """Scaled scores of all heads, not masked."""
        k = self["k"].repeat(self.H // self.K, 1, 1) if tiled else self["k"].repeat_interleave(self.H // self.K, 0)
        return self["q"] @ k.mT * (self.d**-0.5 if scale is None else scale)

    def weights(self, scores: Tensor, mask: Tensor | None = None) -> Tensor:
        """Softmax under a mask."""
        return scores.masked_fill(~(self.seen if mask is None else mask), -math.inf).softmax(-1)

    def mixed(self, *, tiled: bool = False) -> Tensor:
        """Values mixed by the weights, heads apart."""
        v = self["v"].repeat(self.H // self.K, 1, 1) if tiled else self["v"].repeat_interleave(self.H // self.K, 0)
        return self["weights"] @ v

    def normed(self, x: Tensor, gain: str) -> Tensor:
        """RMSNorm by the library."""
        return functional.rms_norm(x, x.shape[-1:], self.w[gain], self.eps)

    def inner(self, name: str) -> Tensor:
        """Gate or up of the MLP."""
        return functional.linear(self["norm2"], self.w[f"{name}_proj"])


def beside(heads: Tensor) -> Tensor:
    """Heads side by side."""
    return heads.transpose(0, 1).reshape(heads.shape[1], -1)


RIGHT: dict[str, Stage] = {
    "norm1": lambda b: b.normed(b.x, "norm1"),
    "q": lambda b: b.turn(b.heads("q")),
    "k": lambda b: b.turn(b.heads("k")),
    "v": lambda b: b.heads("v"),
    "weights": lambda b: b.weights(b.scores()),
    "mixed": lambda b: beside(b.mixed()),
    "middle": lambda b: b.x + functional.linear(b["mixed"], b.w["o_proj"]),
    "norm2": lambda b: b.normed(b["middle"], "norm2"),
    "hidden": lambda b: functional.silu(b.inner("gate")) * b.inner("up"),
    "out": lambda b: b["middle"] + functional.linear(b["hidden"], b.w["down_proj"]),
}


def _mean_square(x: Tensor) -> Tensor:
    return x.square().mean(-1, keepdim=True)


def _norms(formula: Callable[[Block, Tensor, Tensor], Tensor]) -> dict[str, Stage]:
    # A block has one norm function, so a fault in it is in both places.
    return {
        "norm1": lambda b: formula(b, b.x, b.w["norm1"]),
        "norm2": lambda b: formula(b, b["middle"], b.w["norm2"]),
    }


def _one_entry(stage: str, sign: float) -> dict[str, Stage]:
    # The largest entry, two thousandths of itself higher or lower.
    def off(b: Block) -> Tensor:
        x = RIGHT[stage](b)
        largest = x.flatten().abs().argmax()
        return x.flatten().index_add(0, largest[None], sign * 0.002 * x.abs().max()[None]).view_as(x)

    return {stage: off}


def _rounded(x: Tensor) -> Tensor:
    """Off by less than the thousandth that counts as wrong, and by much of itself in the smallest entry.

    More than a right output may be off, so neither an exact comparison nor a copied report passes.
    """
    smallest = x.flatten().abs().where(x.flatten() != 0, math.inf).argmin()
    return (x * (1 + 4e-4)).flatten().index_add(0, smallest[None], 8e-4 * x.abs().max()[None]).view_as(x)


# What each fault puts in place of which stages; stages after them are computed from what it put there.
FAULTS: dict[str, dict[str, Stage]] = {
    "nothing": {},
    "eps outside": _norms(lambda b, x, gain: x / (_mean_square(x).sqrt() + b.eps) * gain),
    "no eps": _norms(lambda b, x, gain: x * _mean_square(x).rsqrt() * gain),
    "layer norm": _norms(lambda b, x, gain: functional.layer_norm(x, x.shape[-1:], gain, None, b.eps)),
    "no gain": _norms(lambda b, x, gain: functional.rms_norm(x, x.shape[-1:], None, b.eps)),
    "other layout": {
        "q": lambda b: b.turn(b.heads("q"), layout="interleaved"),
        "k": lambda b: b.turn(b.heads("k"), layout="interleaved"),
    },
    "no positions": {"q": lambda b: b.heads("q"), "k": lambda b: b.heads("k")},
    "other frequencies": {
        "q": lambda b: b.turn(b.heads("q"), exponent=1.0),
        "k": lambda b: b.turn(b.heads("k"), exponent=1.0),
    },
    "keys one behind": {"k": lambda b: b.turn(b.heads("k"), first=-1)},
    "keys not turned": {"k": lambda b: b.heads("k")},
    "values turned": {"v": lambda b: b.turn(b.heads("v"))},
    "values of the stream": {"v": lambda b: b.heads("v", b.x)},
    "mask after softmax": {"weights": lambda b: b.scores().softmax(-1) * b.seen},
    "masked with zero": {"weights": lambda b: (b.scores() * b.seen).softmax(-1)},
    "no mask": {"weights": lambda b: b.scores().softmax(-1)},
    "no scale": {"weights": lambda b: b.weights(b.scores(1.0))},
    "d for its root": {"weights": lambda b: b.weights(b.scores(1 / b.d))},
    "tiled keys": {
        "weights": lambda b: b.weights(b.scores(tiled=True)),
        "mixed": lambda b: beside(b.mixed(tiled=True)),
    },
    "tiled values": {"mixed": lambda b: beside(b.mixed(tiled=True))},
    "heads reshaped": {"mixed": lambda b: b.mixed().reshape(len(b.x), -1)},
    "residual after the norm": {"middle": lambda b: b["norm1"] + functional.linear(b["mixed"], b.w["o_proj"])},
    "no residual": {"middle": lambda b: functional.linear(b["mixed"], b.w["o_proj"])},
    "output turned round": {"middle": lambda b: b.x + b["mixed"] @ b.w["o_proj"]},
    "norm of the input": {"norm2": lambda b: b.normed(b.x, "norm2")},
    "the first gain": {"norm2": lambda b: b.normed(b["middle"], "norm1")},
    "gate and up swapped": {"hidden": lambda b: functional.silu(b.inner("up")) * b.inner("gate")},
    "sigmoid": {"hidden": lambda b: b.inner("gate").sigmoid() * b.inner("up")},
    "gelu": {"hidden": lambda b: functional.gelu(b.inner("gate")) * b.inner("up")},
    "residual of the input": {"out": lambda b: b.x + functional.linear(b["hidden"], b.w["down_proj"])},
    "second residual after the norm": {"out": lambda b: b["norm2"] + functional.linear(b["hidden"], b.w["down_proj"])},
    "no second residual": {"out": lambda b: functional.linear(b["hidden"], b.w["down_proj"])},
    # Means and norms over a stage miss these, as do tolerances that are too wide, and differences with a sign.
    "an entry of norm1, downwards": _one_entry("norm1", -1),
    "an entry of mixed, downwards": _one_entry("mixed", -1),
    "an entry of out, downwards": _one_entry("out", -1),
    "an entry of v, upwards": _one_entry("v", 1),
    "an entry of out, upwards": _one_entry("out", 1),
}


def stages(
    x: Tensor, weights: Tensors, config: dict[str, Any], fault: str = "nothing", known: Tensors | None = None
) -> Tensors:
    """Every stage of the block, in 64 bits and then as x, with one fault; those before it may be known already."""
    block = Block(x.double(), {name: value.double() for name, value in weights.items()}, config)
    before = ORDER[: ORDER.index(planted(fault))] if known and planted(fault) else ()
    for name in ORDER:
        block.s[name] = known[name].double() if known and name in before else (RIGHT | FAULTS[fault])[name](block)
    return {name: value.to(x.dtype) for name, value in block.s.items()}


def planted(fault: str) -> str:
    """The first stage that a fault makes wrong."""
    return next((name for name in ORDER if name in FAULTS[fault]), "")


def _drawn(draw: Draw) -> tuple[Tensor, Tensors, dict[str, Any]]:
    T, H, K, d, inner = 5, 4, 2, 6, 11
    D = H * d
    shapes = {"q_proj": (D, D), "k_proj": (K * d, D), "v_proj": (K * d, D), "o_proj": (D, D)}
    shapes |= {"gate_proj": (inner, D), "up_proj": (inner, D), "down_proj": (D, inner)}
    weights = {name: normal(draw, *shape, scale=1.5 * shape[1] ** -0.5) for name, shape in shapes.items()}
    weights |= {name: 1 + normal(draw, D, scale=0.3) for name in ("norm1", "norm2")}
    config = {"num_heads": H, "num_kv_heads": K, "eps": 0.05, "theta": draw.choice((50.0, 100.0, 200.0))}
    return normal(draw, T, D, scale=0.7) + 0.4, weights, config


def cases(draw: Draw) -> Iterator[Case]:
    """For each fault: inputs, weights, sizes, what was reported; then the right output and the first wrong stage."""
    drawn = [_drawn(draw) for _ in range(3)]
    right = [stages(*one) for one in drawn]
    # In an order of its own, so that nobody can name the faults by counting calls.
    faults = draw.sample(list(FAULTS), len(FAULTS))
    # Those of the ported block's own stage come last: a card shows the first report that is named wrongly, and with it
    # what was wanted.
    faults.sort(key=lambda fault: planted(fault) == CULPRIT)
    for number, fault in enumerate(faults):
        inputs, known = drawn[number % 3], right[number % 3]
        reported = {name: _rounded(value) for name, value in stages(*inputs, fault, known).items()}
        yield (*inputs, reported), (known["out"], planted(fault))
