"""A Llama-style decoder built from the blocks of this package; the fields of `Shape` choose other architectures.

The modules have the names of those in `transformers`' Llama, so that its weights load without conversion.

>>> from fullstack_llm import models
>>> llama, tokenizer = models.load("draft")
>>> decoder = from_llama(llama)
>>> ids = tokenizer("Ada lives in", return_tensors="pt").input_ids
>>> bool((decoder(ids) - llama(ids).logits).abs().max() < 1e-3)
True
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import LlamaForCausalLM

from . import masks, positions
from .attention import fused, repeat, weights
from .mlp import MLP
from .moe import Mixture
from .norms import norm
from .shape import Shape, of_llama

Record = dict[str, list[Tensor]]


class Attention(nn.Module):
    """Multi-head, grouped-query or multi-query attention, or cross-attention if `forward` gets a `memory`."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.dim = shape.num_heads, shape.num_kv_heads, shape.head_dim
        D, wide, narrow = shape.hidden_size, self.heads * self.dim, self.kv_heads * self.dim
        self.q_proj, self.o_proj = nn.Linear(D, wide, bias=False), nn.Linear(wide, D, bias=False)
        self.k_proj, self.v_proj = nn.Linear(D, narrow, bias=False), nn.Linear(D, narrow, bias=False)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        *,
        memory: Float[Tensor, "B S D"] | None = None,
        rotation: tuple[Tensor, Tensor] | None = None,
        mask: Tensor | None = None,
        bias: Tensor | None = None,
        causal: bool = False,
        record: Record | None = None,
    ) -> Float[Tensor, "B T D"]:
        """Attend from `x` to `x`, or to `memory`.

        With `record["attention"]`, use the plain formula, and append its weights (B, H, T, S) to that list: the fused
        kernel does not return them.
        """
        B, T, _ = x.shape
        source = x if memory is None else memory
        q = self.q_proj(x).view(B, T, self.heads, self.dim).transpose(1, 2)
        k, v = (p(source).view(B, -1, self.kv_heads, self.dim).transpose(1, 2) for p in (self.k_proj, self.v_proj))
        if rotation is not None:
            q, k = positions.rotate(q, *rotation), positions.rotate(k, *rotation)
        if record is not None and "attention" in record:
            shown = masks.causal(T, x.device) if causal and mask is None else mask
            record["attention"].append(weights(q, k, shown, bias))
            mixed = record["attention"][-1] @ repeat(v, self.heads)
        else:
            mixed = fused(q, k, v, mask, bias, causal)
        return self.o_proj(mixed.transpose(1, 2).reshape(B, T, -1))


class Block(nn.Module):
    """Attention and an MLP, with the norm before each of them (pre-norm) or after the residual addition (post-norm).

    With `cross` there is cross-attention to the output of an encoder between the two.
    """

    def __init__(self, shape: Shape, cross: bool = False) -> None:
        super().__init__()
        self.post = shape.norm_place == "post"
        self.input_layernorm, self.post_attention_layernorm = norm(shape), norm(shape)
        self.self_attn = Attention(shape)
        self.cross_attention_layernorm = norm(shape) if cross else None
        self.cross_attn = Attention(shape) if cross else None
        self.mlp: nn.Module = Mixture(shape) if shape.num_experts else MLP(shape)

    def forward(
        self, x: Float[Tensor, "B T D"], record: Record | None = None, memory: Tensor | None = None, **how: Any
    ) -> Float[Tensor, "B T D"]:
        """Compute x + f(norm(x)) for each part f (pre-norm), or norm(x + f(x)) (post-norm)."""
        x = self._add(x, self.input_layernorm, lambda h: self.self_attn(h, record=record, **how))
        cross, its_norm = self.cross_attn, self.cross_attention_layernorm
        if cross is not None and its_norm is not None:
            x = self._add(x, its_norm, lambda h: cross(h, memory=memory, record=record))
        routed = {"record": record} if isinstance(self.mlp, Mixture) else {}
        return self._add(x, self.post_attention_layernorm, lambda h: self.mlp(h, **routed))

    def _add(self, x: Tensor, its_norm: nn.Module, part: Callable[[Tensor], Tensor]) -> Tensor:
        found: Tensor = its_norm(x + part(x)) if self.post else x + part(its_norm(x))
        return found


class Stack(nn.Module):
    """Embedding, blocks and the final norm: the body of a decoder if the shape is causal, else an encoder."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.hidden_size)
        learned = shape.positions == "learned"
        self.embed_positions = nn.Embedding(shape.max_length, shape.hidden_size) if learned else None
        self.layers = nn.ModuleList(Block(shape) for _ in range(shape.num_layers))
        # With post-norm, the last block has normalised its output already.
        self.norm = norm(shape) if shape.norm_place == "pre" else nn.Identity()

    def forward(
        self, ids: Int[Tensor, "B T"], mask: Tensor | None = None, record: Record | None = None
    ) -> Float[Tensor, "B T D"]:
        """Return the vectors after the final norm; `mask`, (B, 1, T, T) or (T, T), replaces the mask of the shape."""
        shape, T, device = self.shape, ids.shape[1], ids.device
        if self.embed_positions is not None and shape.max_length < T:
            raise ValueError(f"{T} tokens, and learned positions end at {shape.max_length}")
        if mask is None and shape.window is not None:
            seen = masks.sliding(T, shape.window, device)
            mask = seen if shape.causal else seen | seen.T
        rotation = bias = None
        if shape.positions == "rope":
            rotation = positions.angles(T, shape.head_dim, shape.rope_theta, device=device)
        elif shape.positions == "alibi":
            bias = positions.alibi(T, shape.num_heads).to(device)
            if not shape.causal:
                bias = bias + bias.mT
            elif mask is None:
                mask = masks.causal(T, device)
        x = self.embed_tokens(ids)
        if self.embed_positions is not None:
            x = x + self.embed_positions.weight[:T]
        elif shape.positions == "sinusoidal":
            # Embeddings are scaled to the size of the sinusoids, which is 1 (Vaswani et al. 2017, section 3.4).
            x = x * shape.hidden_size**0.5 + positions.sinusoidal(T, shape.hidden_size).to(x)
        for layer in self.layers:
            x = layer(x, record, rotation=rotation, mask=mask, bias=bias, causal=shape.causal)
        return self.norm(x)


class Decoder(Stack):
    """A language model: the stack and an output matrix, which is the embedding's own if the shape ties them."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.lm_head = nn.Linear(shape.hidden_size, shape.vocab_size, bias=False)
        if shape.tied:
            self.lm_head.weight = self.embed_tokens.weight

    def forward(
        self, ids: Int[Tensor, "B T"], mask: Tensor | None = None, record: Record | None = None
    ) -> Float[Tensor, "B T V"]:
        """Return the logits of the next token at each position; the keys of `record` say what to keep there.

        "attention" keeps the attention weights, "routing" the routers' probabilities, a tensor for each layer.
        """
        return self.lm_head(super().forward(ids, mask, record))


def initialise(model: nn.Module, std: float, seed: int = 0) -> None:
    """Draw all matrices from a normal distribution with this standard deviation; gains and biases do not change."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * std)


def from_llama(llama: LlamaForCausalLM) -> Decoder:
    """Return a `Decoder` with the weights of a Llama.

    Raises ValueError for a Llama with biases, with scaled RoPE, or with heads that do not add up to the hidden size.
    """
    config: Any = llama.config
    if config.attention_bias or config.mlp_bias or config.rope_parameters["rope_type"] != "default":
        raise ValueError("only a plain Llama fits: no biases, and RoPE of type 'default'")
    if config.head_dim * config.num_attention_heads != config.hidden_size:
        raise ValueError(f"heads of {config.head_dim} columns do not add up to {config.hidden_size}")
    decoder = Decoder(of_llama(config))
    decoder.load_state_dict({name.removeprefix("model."): value for name, value in llama.state_dict().items()})
    return decoder.to(llama.device, llama.dtype).eval()


@torch.no_grad()
def greedy(model: Decoder, ids: Int[Tensor, "1 T"], count: int, stop: int | None = None) -> list[int]:
    """Decode greedily: return up to `count` tokens, ending with `stop` if it comes.

    Each step computes the whole sequence again; module 10 adds a cache of keys and values.
    """
    added: list[int] = []
    while len(added) < count and (not added or added[-1] != stop):
        new = model(ids)[0, -1].argmax()
        added.append(int(new))
        ids = torch.cat([ids, new.view(1, 1)], dim=1)
    return added
