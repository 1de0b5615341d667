"""The shape of a transformer: its sizes, and a field for each architectural choice that module 04 compares.

>>> shape = Shape(vocab_size=512, hidden_size=128, intermediate_size=352, num_layers=4, num_heads=4, num_kv_heads=2)
>>> shape.head_dim
32
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Norm = Literal["rms", "layer"]
Place = Literal["pre", "post"]
Activation = Literal["swiglu", "geglu", "gelu"]
Positions = Literal["rope", "learned", "sinusoidal", "alibi", "none"]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Sizes and architectural choices of a transformer; the defaults are Llama's.

    `num_kv_heads` equals `num_heads` for multi-head attention, is 1 for multi-query attention, and lies between them
    for grouped-query attention. `window` is the number of tokens that a token attends to, itself included (None: all
    before it). With `num_experts` above 0 each MLP is a mixture of experts, of which a token uses `num_active`.
    `max_length` limits learned positions only. `tied` shares one matrix between the embedding and the output.
    """

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    max_length: int = 512
    norm: Norm = "rms"
    norm_place: Place = "pre"
    activation: Activation = "swiglu"
    positions: Positions = "rope"
    causal: bool = True
    window: int | None = None
    num_experts: int = 0
    num_active: int = 2
    rope_theta: float = 10_000.0
    eps: float = 1e-6
    tied: bool = True

    def __post_init__(self) -> None:
        if self.hidden_size % self.num_heads or self.num_heads % self.num_kv_heads:
            raise ValueError(
                f"{self.hidden_size} columns do not share out among {self.num_heads} heads, or those among "
                f"{self.num_kv_heads} key-value heads: each number must be a multiple of the next"
            )
        if self.positions == "rope" and self.head_dim % 2:
            raise ValueError(f"RoPE rotates pairs, and a head of {self.head_dim} columns has one left over")
        if self.num_experts and not 1 <= self.num_active <= self.num_experts:
            raise ValueError(f"a token cannot use {self.num_active} of {self.num_experts} experts")
        if self.window is not None and self.window < 1:
            raise ValueError("a window of less than one token leaves nothing to look at")

    @property
    def head_dim(self) -> int:
        """Return the number of columns of a head."""
        return self.hidden_size // self.num_heads

    @property
    def gated(self) -> bool:
        """Return whether the MLP has a gate, and so three matrices rather than two."""
        return self.activation != "gelu"


def of_llama(config: Any) -> Shape:
    """Return the shape of a Llama from its `LlamaConfig`."""
    return Shape(
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_layers=config.num_hidden_layers,
        num_heads=config.num_attention_heads,
        num_kv_heads=config.num_key_value_heads,
        rope_theta=config.rope_parameters["rope_theta"],
        eps=config.rms_norm_eps,
        tied=config.tie_word_embeddings,
    )
