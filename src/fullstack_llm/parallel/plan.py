"""Plan a training run on many accelerators: what a layout holds, what each axis sends, and how much is left to compute.

Formulas for a dense decoder in 16 bits with AdamW: parameters and FLOP as in module 06, activations of Korthikanti et
al. 2022 (arXiv 2205.05198, section 4), volumes as in 07a and 07b, the bubble as in `schedules`.
"""

from __future__ import annotations

from dataclasses import dataclass

from fullstack_llm.transformer import count
from fullstack_llm.transformer.shape import Shape

AXES = ("tensor", "context", "pipeline", "data")


def published(
    layers: int,
    hidden: int,
    inner: int,
    heads: int,
    kv_heads: int,
    vocabulary: int,
    gated: bool = True,
    tied: bool = False,
) -> Shape:
    """Return the shape of a published decoder; positions and norms hold too few numbers to be planned."""
    return Shape(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=inner,
        num_layers=layers,
        num_heads=heads,
        num_kv_heads=kv_heads,
        activation="swiglu" if gated else "gelu",
        tied=tied,
    )


# Dubey et al. 2024 (arXiv 2407.21783, table 3); Narayanan et al. 2021 (arXiv 2104.04473, table 1).
LLAMA_405B = published(126, 16_384, 53_248, 128, 8, 128_256)
MEGATRON_1T = published(128, 25_600, 102_400, 160, 160, 51_200, gated=False, tied=True)


def layer_weights(model: Shape) -> int:
    """Return the weights of a layer's matrices.

    >>> round(layer_weights(LLAMA_405B) / 1e9, 2)
    3.19
    """
    parts = count.parameters(model)
    return (parts["attention"] + parts["mlp"]) // model.num_layers


def training_flop(model: Shape, length: int) -> float:
    """Return the FLOP of a token's forward and backward pass, causal attention counted by half its square."""
    parts = count.flops(model, length)
    return 3 * (sum(parts.values()) - parts["scores"] / 2)


@dataclass(frozen=True)
class Layout:
    """How many ranks each axis has; `micro` rows in a micro-batch, `chunks` stages on a rank of the pipeline."""

    tensor: int
    pipeline: int
    data: int
    context: int = 1
    micro: int = 1
    chunks: int = 1
    recompute: bool = False
    shard_optimizer: bool = False

    @property
    def ranks(self) -> int:
        """Return the number of all ranks."""
        return self.tensor * self.context * self.pipeline * self.data


@dataclass(frozen=True)
class Machine:
    """One accelerator: FLOP a second, bytes a second inside a node and between nodes, memory, ranks of a node."""

    flops: float
    inside: float
    between: float
    memory: float
    node: int = 8


H100 = Machine(989e12, 450e9, 50e9, 80e9)
A100 = Machine(312e12, 300e9, 25e9, 80e9)


def coordinates(layout: Layout, rank: int) -> dict[str, int]:
    """Return a rank's place on each axis: neighbours on the tensor axis have neighbouring numbers.

    >>> coordinates(Layout(tensor=8, pipeline=4, data=16), 41)
    {'tensor': 1, 'context': 0, 'pipeline': 1, 'data': 1}
    """
    found = {}
    for axis in AXES:
        size = getattr(layout, axis)
        found[axis] = rank % size
        rank //= size
    return found


def group(layout: Layout, axis: str, rank: int) -> list[int]:
    """Return the ranks that differ from one in their place on an axis alone.

    >>> group(Layout(tensor=2, pipeline=2, data=2), "pipeline", 5)
    [5, 7]
    """
    mine = coordinates(layout, rank)
    step = 1
    for one in AXES[: AXES.index(axis)]:
        step *= getattr(layout, one)
    first = rank - mine[axis] * step
    return [first + place * step for place in range(getattr(layout, axis))]


def nodes(ranks: list[int], node: int = 8) -> int:
    """Return on how many nodes some ranks lie."""
    return len({rank // node for rank in ranks})


def held(model: Shape, layout: Layout, length: int, rows: int) -> dict[str, float]:
    """Return the bytes that a rank of the first stage holds: weights with gradients, AdamW's state, activations.

    Weights and gradients take 2 + 2 bytes, AdamW 12: masters and two moments in 32 bits, over all ranks with the same
    weights with `shard_optimizer`. A layer keeps 34 b s h bytes for backward with fused attention and a 4 h MLP, over
    tensor and context ranks; with `recompute` its input alone, and all of it for the layer that is made again. 1F1B
    keeps as many micro-batches as there are stages, if the step has so many. Where layers do not share out, the first
    stage has the smaller number, as Llama 3's does.
    """
    p, layers = layout.pipeline, model.num_layers // layout.pipeline
    ends = 2 if p == 1 and not model.tied else 1
    weights = (layers * layer_weights(model) + ends * model.vocab_size * model.hidden_size) / layout.tensor
    state = 12 * weights / (layout.data * layout.context if layout.shard_optimizer else 1)
    row = layout.micro * length * model.hidden_size / (layout.tensor * layout.context)
    flight = min(p, rows / layout.data / layout.micro)
    if layout.chunks > 1:
        # Interleaving begins (p - 1)/(p v) of a round earlier.
        flight *= 1 + (p - 1) / (p * layout.chunks)
    kept = (2 if layout.recompute else 34) * row * layers * flight + 34 * row * layout.recompute
    return {"weights": 4 * weights, "optimizer": state, "activations": kept}


def sent(model: Shape, layout: Layout, length: int, rows: int) -> dict[str, float]:
    """Return the bytes that a rank of a middle stage sends in a step over `rows` rows, by axis, in 16 bits.

    Tensor: four all-reduces a layer, six with recomputation. Context: keys and values round the ring, there and back.
    Pipeline: a vector a token to the next stage, and a gradient back, for each chunk. Data: an all-reduce of gradients,
    over context ranks too, which hold the same weights.
    """
    t, c, p, d = (getattr(layout, axis) for axis in AXES)
    tokens = rows / d * length / c
    vectors = 2 * tokens * model.hidden_size
    layers = model.num_layers / p
    narrow = model.hidden_size * model.num_kv_heads / model.num_heads / t
    return {
        "tensor": (6 if layout.recompute else 4) * layers * 2 * (t - 1) / t * vectors,
        "context": 4 * layers * (c - 1) * 2 * tokens * narrow,
        "pipeline": 2 * layout.chunks * vectors / t * (p > 1),
        "data": 2 * (d * c - 1) / (d * c) * 2 * layers * layer_weights(model) / t,
    }


def bound(model: Shape, layout: Layout, machine: Machine, length: int, rows: int) -> dict[str, float]:
    """Return seconds of a step and an upper bound of the MFU: products at full speed, the bubble, and what is exposed.

    The tensor axis is exposed: the next product needs the sum. What the other axes send can hide behind products, and
    counts where it takes longer than they do. An axis whose group lies on one node uses the wires inside it.
    """
    tokens = rows * length / (layout.data * layout.context)
    compute = tokens * training_flop(model, length) / (layout.tensor * layout.pipeline) / machine.flops
    work = compute * (4 / 3 if layout.recompute else 1)
    volumes = sent(model, layout, length, rows)
    wires = {a: machine.inside if nodes(group(layout, a, 0), machine.node) == 1 else machine.between for a in AXES}
    seconds = {axis: volumes[axis] / wires[axis] for axis in AXES}
    busy = max(work + seconds["tensor"], *(seconds[axis] for axis in AXES[1:]))
    micros = rows / layout.data / layout.micro
    idle = (layout.pipeline - 1) / (layout.chunks * micros)
    return {
        "compute": compute,
        "seconds": busy * (1 + idle),
        "mfu": compute / (busy * (1 + idle)),
        "bubble": idle / (1 + idle),
    }
