"""Count what low-rank adaptation costs, from the shape alone: parameters, bytes, FLOP, beside full fine-tuning.

>>> llama_7b = Shape(vocab_size=32000, hidden_size=4096, intermediate_size=11008, num_layers=32,
...                  num_heads=32, num_kv_heads=32, tied=False)
>>> f"{trainable(llama_7b, 16):,} of {sum(count.parameters(llama_7b).values()):,}"
'39,976,960 of 6,738,415,616'
>>> round(matrix_ratio(4096, 4096, 16), 3), round(matrix_ratio(128, 128, 16), 3)
(0.674, 0.917)

A FLOP is one multiplication or one addition. Norms, softmax, activations and the optimizer are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from fullstack_llm.lora.layer import ALL
from fullstack_llm.transformer import Shape, count


def matrices(shape: Shape) -> dict[str, tuple[int, int]]:
    """Return the outputs and inputs of each linear layer of a block.

    >>> base = Shape(vocab_size=512, hidden_size=128, intermediate_size=352, num_layers=4, num_heads=4, num_kv_heads=2)
    >>> matrices(base)["k_proj"], matrices(base)["down_proj"]
    ((64, 128), (128, 352))
    """
    D, narrow, inner = shape.hidden_size, shape.num_kv_heads * shape.head_dim, shape.intermediate_size
    attention = {"q_proj": (D, D), "k_proj": (narrow, D), "v_proj": (narrow, D), "o_proj": (D, D)}
    return attention | {"gate_proj": (inner, D), "up_proj": (inner, D), "down_proj": (D, inner)}


def trainable(shape: Shape, rank: int, targets: Sequence[str] = ALL) -> int:
    """Return how many numbers A and B hold in all layers: the rank times inputs plus outputs."""
    return shape.num_layers * sum(rank * sum(matrices(shape)[name]) for name in targets)


def matrix_ratio(outputs: int, inputs: int, rank: int) -> float:
    """Return the FLOP of training one adapted matrix over those of training it in full.

    In full, a token costs 2 m n forward, as much again for the input's gradient, and as much for the weight's. Adapted,
    the last falls away, and A and B cost 2 r (m + n) each of the three times.

    >>> round(matrix_ratio(128, 128, 21), 2), round(matrix_ratio(128, 128, 22), 2)
    (0.99, 1.01)
    """
    m, n = outputs, inputs
    return (4 * m * n + 6 * rank * (m + n)) / (6 * m * n)


def step_flops(shape: Shape, length: int, rank: int = 0, targets: Sequence[str] = ALL) -> int:
    """Return the FLOP a token of training a Llama with a tied embedding; a rank of 0 is full fine-tuning.

    A gradient goes back as far as something is trained, so the first block is spared what nobody before it asks for.
    The frozen output matrix still hands the gradient of its input on.
    """
    forward = count.flops(shape, length)
    if rank == 0:
        return 3 * sum(forward.values())
    products = 2 * (forward["output"] + forward["attention"] + forward["mlp"]) + 3 * forward["scores"]
    return products + 6 * trainable(shape, rank, targets) - _unasked(shape, length, rank, targets)


def _unasked(shape: Shape, length: int, rank: int, targets: Sequence[str]) -> int:
    """Return the FLOP of the gradients in the first block that no trained number needs."""
    spared, trained_before = 0, False
    for stage in (("q_proj", "k_proj", "v_proj"), ("o_proj",), ("gate_proj", "up_proj"), ("down_proj",)):
        for name in () if trained_before else stage:
            m, n = matrices(shape)[name]
            spared += 2 * m * n + (2 * rank * n if name in targets else 0)
        trained_before |= bool(set(stage) & set(targets))
    q, k, v = (name in targets for name in ("q_proj", "k_proj", "v_proj"))
    # The gradients of queries, of keys, of the scores' softmax, and of values.
    products = [q, k, q or k, v].count(False)
    return spared + products * 2 * length * shape.hidden_size


def training_bytes(shape: Shape, rank: int = 0, targets: Sequence[str] = ALL) -> dict[str, int]:
    """Return the bytes of training with AdamW, without activations: 16 for a trained number, 2 for a frozen one.

    A trained number has a copy and a gradient in 16 bits and a copy and two averages in 32; what is frozen is kept in
    16 bits. A rank of 0 is full fine-tuning.
    """
    N = sum(count.parameters(shape).values())
    if rank == 0:
        return count.training_bytes(shape)
    P = trainable(shape, rank, targets)
    return {"weights": 2 * (N + P), "gradients": 2 * P, "master weights": 4 * P, "averages": 8 * P}


def extra_activations(shape: Shape, rank: int, targets: Sequence[str] = ALL) -> int:
    """Return how many numbers a token adds to what is kept for the way back: A x, once for each adapted layer."""
    return shape.num_layers * rank * len(targets)
