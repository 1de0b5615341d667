"""Tensor and sequence parallelism: a decoder of which each rank holds some heads, some columns and some of the ids.

The cuts are those of Megatron-LM (Shoeybi et al. 2019, arXiv 1909.08053): a matrix that makes hidden columns is cut by
its outputs, the one that reads them by its inputs, and the sum of the parts is the layer's output. With `sequence`,
what lies between layers is cut by tokens (Korthikanti et al. 2022, arXiv 2205.05198).
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.distributed as dist
from jaxtyping import Float, Int
from torch import Tensor, nn

from fullstack_llm.transformer import Decoder, positions

from .crossing import copied, gathered, scattered, summed

# Which dimension of a weight is cut; the rest, gains of norms, is whole on each rank.
CUTS = {
    "q_proj": 0,
    "k_proj": 0,
    "v_proj": 0,
    "o_proj": 1,
    "gate_proj": 0,
    "up_proj": 0,
    "down_proj": 1,
    "embed_tokens": 0,
}


def sharers(heads: int, rank: int, ranks: int) -> list[int]:
    """Return the ranks that hold the same key-value heads as this one.

    >>> sharers(2, 1, 4), sharers(8, 1, 4)
    ([0, 1], [1])
    """
    same = max(1, ranks // heads)
    first = rank // same * same
    return list(range(first, first + same))


def cut(model: Decoder, rank: int, ranks: int) -> Decoder:
    """Keep of a decoder what one rank holds, in place.

    Raises ValueError if heads, hidden columns or ids do not share out.
    """
    shape = model.shape
    for what, count in (
        ("heads", shape.num_heads),
        ("hidden columns", shape.intermediate_size),
        ("ids", shape.vocab_size),
    ):
        if count % ranks:
            raise ValueError(f"{count} {what} do not share out among {ranks} ranks")
    if max(ranks, shape.num_kv_heads) % min(ranks, shape.num_kv_heads):
        raise ValueError(f"{shape.num_kv_heads} key-value heads do not share out among {ranks} ranks")
    for name, parameter in model.named_parameters():
        layer = name.split(".")[-2]
        if layer not in CUTS:
            continue
        pieces, piece = ranks, rank
        if layer in ("k_proj", "v_proj"):
            pieces = min(ranks, shape.num_kv_heads)
            piece = rank * pieces // ranks
        parameter.data = parameter.detach().chunk(pieces, dim=CUTS[layer])[piece].clone()
    blocks: Any = model.layers
    for block in blocks:
        block.self_attn.heads //= ranks
        block.self_attn.kv_heads = max(1, shape.num_kv_heads // ranks)
    return model


def embed(model: Decoder, ids: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
    """Look up the ids that this rank holds; the others are zeros, which a sum fills."""
    table = model.embed_tokens.weight
    at = ids - dist.get_rank() * len(table)
    here = (at >= 0) & (at < len(table))
    return table[at.clamp(0, len(table) - 1)] * here[..., None]


def hidden(model: Decoder, ids: Int[Tensor, "B T"], sequence: bool = False) -> Float[Tensor, "B T D"]:
    """Return the vectors after the final norm, which all ranks have.

    Two collectives a layer go forward, and two backward: `copied` and `summed`, or with `sequence` `gathered` and
    `scattered`. Raises ValueError if the tokens do not share out.
    """
    if sequence and ids.shape[1] % dist.get_world_size():
        raise ValueError(f"{ids.shape[1]} tokens do not share out among {dist.get_world_size()} ranks")
    enter, leave = (gathered, scattered) if sequence else (copied, summed)
    rotation = positions.angles(ids.shape[1], model.shape.head_dim, model.shape.rope_theta)
    x, blocks = leave(embed(model, ids)), cast(Any, model.layers)
    for block in blocks:
        x = x + leave(block.self_attn(enter(block.input_layernorm(x)), rotation=rotation, causal=True))
        x = x + leave(block.mlp(enter(block.post_attention_layernorm(x))))
    return enter(model.norm(x))


def cross_entropies(logits: Float[Tensor, "B T v"], labels: Int[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """Return each token's loss from logits that are cut by ids: three numbers a token are summed, and no logits move.

    A label of -100 has the loss 0.
    """
    highest = logits.detach().amax(-1)
    dist.all_reduce(highest, dist.ReduceOp.MAX)
    shifted = logits - highest[..., None]
    at = labels - dist.get_rank() * logits.shape[-1]
    here = (at >= 0) & (at < logits.shape[-1])
    wanted = shifted.gather(-1, at.clamp(0, logits.shape[-1] - 1)[..., None])[..., 0] * here
    total, wanted = summed(torch.stack([shifted.exp().sum(-1), wanted]))
    return (total.log() - wanted) * (labels != -100)


def loss(
    model: Decoder, ids: Int[Tensor, "B T"], labels: Int[Tensor, "B T"], sequence: bool = False
) -> Float[Tensor, ""]:
    """Return the mean loss over all tokens that count."""
    x = hidden(model, ids, sequence)[:, :-1]
    wanted = labels[:, 1:]
    return cross_entropies(x @ model.lm_head.weight.T, wanted).sum() / (wanted != -100).sum()


def share_gradients(model: Decoder, sequence: bool = False) -> None:
    """Sum the gradients of weights that several ranks hold and each has used in part.

    Those are key-value heads that queries of several ranks read; and with `sequence` the gains of norms, which each
    rank has applied to its own tokens.
    """
    rank, ranks, kv_heads = dist.get_rank(), dist.get_world_size(), model.shape.num_kv_heads
    same = ranks // kv_heads
    # All ranks make all groups, and each sums in its own.
    groups = [dist.new_group(sharers(kv_heads, first, ranks)) for first in range(0, ranks, same)] if same > 1 else []
    for name, parameter in model.named_parameters():
        layer = name.split(".")[-2]
        if layer in ("k_proj", "v_proj") and groups:
            dist.all_reduce(parameter.grad, group=groups[rank // same])
        if sequence and layer not in CUTS:
            dist.all_reduce(parameter.grad)


def joined(name: str, parts: list[Tensor], kv_heads: int) -> Tensor:
    """Put what the ranks hold of one weight, or of its gradient, together again."""
    layer = name.split(".")[-2]
    if layer not in CUTS:
        return parts[0]
    if layer in ("k_proj", "v_proj"):
        parts = parts[:: max(1, len(parts) // kv_heads)]
    return torch.cat(parts, dim=CUTS[layer])


def gradients(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of each gradient by the name of its weight."""
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
