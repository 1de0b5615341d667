"""Count parameters, FLOPs and bytes from the shape alone, without building a model.

>>> llama_7b = Shape(vocab_size=32000, hidden_size=4096, intermediate_size=11008, num_layers=32,
...                  num_heads=32, num_kv_heads=32, tied=False)
>>> f"{sum(parameters(llama_7b).values()):,}"
'6,738,415,616'
>>> kv_bytes(llama_7b, length=4096) / 2**30
2.0
"""

from __future__ import annotations

from .shape import Shape


def parameters(shape: Shape, *, active: bool = False) -> dict[str, int]:
    """Return the number of parameters by part of a model; with `active`, count only the experts that a token uses."""
    D, L = shape.hidden_size, shape.num_layers
    narrow = shape.num_kv_heads * shape.head_dim
    mlp = (3 if shape.gated else 2) * D * shape.intermediate_size
    experts = (min(shape.num_active, shape.num_experts) if active else shape.num_experts) or 1
    one_norm = D if shape.norm == "rms" else 2 * D
    return {
        "embedding": shape.vocab_size * D,
        "positions": shape.max_length * D if shape.positions == "learned" else 0,
        "attention": L * (2 * D * D + 2 * D * narrow),
        "mlp": L * experts * mlp,
        "router": L * D * shape.num_experts,
        "norms": (2 * L + (shape.norm_place == "pre")) * one_norm,
        "output": 0 if shape.tied else shape.vocab_size * D,
    }


def flops(shape: Shape, length: int) -> dict[str, int]:
    """Return the FLOPs per token of a forward pass over `length` tokens, by part; training takes three times as many.

    Each multiplication with a weight counts as two, the tied output matrix included; the embedding's lookup counts as
    none. "scores" holds the scores and the weighted sums of values for T keys per query, as a dense kernel computes
    them; a kernel that skips masked tiles does half. Norms, softmax and activations are left out, as in Kaplan et al.
    2020 (arXiv 2001.08361).
    """
    used = parameters(shape, active=True)
    return {
        "attention": 2 * used["attention"],
        "scores": 4 * shape.num_layers * length * shape.hidden_size,
        "mlp": 2 * used["mlp"],
        "router": 2 * used["router"],
        "output": 2 * shape.vocab_size * shape.hidden_size,
    }


def kv_bytes(shape: Shape, length: int, batch: int = 1, size: int = 2) -> int:
    """Return the bytes of the keys and values of `length` tokens in all layers, with `size` bytes per number."""
    kept = min(length, shape.window or length)
    return 2 * batch * shape.num_layers * shape.num_kv_heads * shape.head_dim * kept * size


def training_bytes(shape: Shape) -> dict[str, int]:
    """Return the bytes of mixed-precision training with AdamW, without activations: 16 per parameter.

    Weights and gradients are in bf16; a copy of the weights and Adam's two averages are in 32 bits (Rajbhandari et al.
    2020, arXiv 1910.02054, section 3.1).
    """
    N = sum(parameters(shape).values())
    return {"weights": 2 * N, "gradients": 2 * N, "master weights": 4 * N, "averages": 8 * N}
