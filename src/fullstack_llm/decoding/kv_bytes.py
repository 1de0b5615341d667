"""Count the bytes that a model keeps of its tokens: keys and values by head, latent vectors, windows.

>>> kept(LLAMA_2_70B, length=4096) / 1e9, kept(as_multi_head(LLAMA_2_70B), length=4096) / 1e9
(1.34217728, 10.73741824)
>>> gemma = MODELS["Gemma 2 2B"]
>>> kept(MODELS["DeepSeek-V3"], length=1), kept(gemma, length=8192) / kept(gemma, length=4096)
(70272, 1.5)

The shapes are published ones, from the models' configurations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fullstack_llm.transformer import Shape


@dataclass(frozen=True)
class Layers:
    """Say what some layers keep: how many layers there are, of what width, and of how many tokens (None: of all).

    `heads` and `kv_heads` have `dim` columns each. With `latent` above 0 a layer keeps one vector of so many columns,
    from which all heads make keys and values, and beside it a key of `rotated` columns that all heads share
    (DeepSeek-AI 2024, arXiv 2405.04434, section 2.1).
    """

    count: int
    heads: int
    kv_heads: int
    dim: int
    window: int | None = None
    latent: int = 0
    rotated: int = 0

    @property
    def numbers(self) -> int:
        """Return how many numbers a layer keeps of a token.

        >>> Layers(1, 32, 8, 128).numbers, Layers(1, 128, 128, 128, latent=512, rotated=64).numbers
        (2048, 576)
        """
        return self.latent + self.rotated if self.latent else 2 * self.kv_heads * self.dim


def kept(layers: Sequence[Layers], length: int, batch: int = 1, size: float = 2) -> float:
    """Return the bytes kept of `batch` sequences of `length` tokens, with `size` bytes a number."""
    return batch * size * sum(one.count * one.numbers * min(length, one.window or length) for one in layers)


def as_multi_head(layers: Sequence[Layers]) -> list[Layers]:
    """Return the layers with a key-value head for each query head, of all tokens, and without a latent vector."""
    return [Layers(one.count, one.heads, one.heads, one.dim) for one in layers]


def of_shape(shape: Shape) -> list[Layers]:
    """Return what the layers of a shape keep.

    >>> base = Shape(vocab_size=512, hidden_size=128, intermediate_size=352, num_layers=4, num_heads=4, num_kv_heads=2)
    >>> kept(of_shape(base), length=1)
    1024
    """
    return [Layers(shape.num_layers, shape.num_heads, shape.num_kv_heads, shape.head_dim, shape.window)]


def fits(memory: float, weights: float, layers: Sequence[Layers], length: int, size: float = 2) -> int:
    """Return how many sequences of `length` tokens fit into `memory` beside the weights, all in bytes.

    >>> fits(80e9, 13.5e9, LLAMA_2_7B, length=4096)
    30
    """
    return max(0, int((memory - weights) // kept(layers, length, size=size)))


LLAMA_2_7B = [Layers(32, 32, 32, 128)]
LLAMA_2_70B = [Layers(80, 64, 8, 128)]
# Each was read from the model's configuration; layers that keep a window and layers that keep all are listed apart.
MODELS: dict[str, list[Layers]] = {
    "Llama 2 7B": LLAMA_2_7B,
    "Llama 2 70B": LLAMA_2_70B,
    "Llama 3 8B": [Layers(32, 32, 8, 128)],
    "Mistral 7B v0.1": [Layers(32, 32, 8, 128, window=4096)],
    "Falcon 7B": [Layers(32, 71, 1, 64)],
    "Gemma 2 2B": [Layers(13, 8, 4, 256, window=4096), Layers(13, 8, 4, 256)],
    "gpt-oss-120b": [Layers(18, 64, 8, 64, window=128), Layers(18, 64, 8, 64)],
    "DeepSeek-V3": [Layers(61, 128, 128, 128, latent=512, rotated=64)],
}
