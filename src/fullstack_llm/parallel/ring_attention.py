"""Ring attention: each rank has some tokens, and keys and values go round until every query has seen its own.

The ring is that of Liu, Zaharia and Abbeel 2023 (arXiv 2310.01889), the running maximum and sum are those of tiled
attention in `transformer.attention`. Llama 3 pairs chunks from both ends, as `zigzag` does (arXiv 2407.21783, 3.3.2).
"""

from __future__ import annotations

import math

import torch
import torch.distributed as dist
from jaxtyping import Float, Int
from torch import Tensor

from fullstack_llm.transformer.attention import repeat

from .crossing import passed


def contiguous(tokens: int, rank: int, ranks: int) -> Int[Tensor, " t"]:
    """Return the places of one rank: a run of neighbours.

    >>> contiguous(8, 1, 4).tolist()
    [2, 3]
    """
    return torch.arange(tokens).chunk(ranks)[rank]


def zigzag(tokens: int, rank: int, ranks: int) -> Int[Tensor, " t"]:
    """Return the places of one rank: a chunk from the front, and the one as far from the end.

    >>> [zigzag(8, rank, 4).tolist() for rank in range(4)]
    [[0, 7], [1, 6], [2, 5], [3, 4]]
    """
    chunks = torch.arange(tokens).chunk(2 * ranks)
    return torch.cat([chunks[rank], chunks[2 * ranks - 1 - rank]])


def pairs(queries: Int[Tensor, " t"], keys: Int[Tensor, " s"]) -> int:
    """Count the pairs in which a query may see a key.

    >>> pairs(torch.tensor([1, 2]), torch.tensor([0, 2, 3]))
    3
    """
    return int((keys <= queries[:, None]).sum())


def ring_attention(
    q: Float[Tensor, "B H t d"],
    k: Float[Tensor, "B K t d"],
    v: Float[Tensor, "B K t d"],
    places: list[Int[Tensor, " t"]],
) -> tuple[Float[Tensor, "B H t d"], list[int]]:
    """Return this rank's causal attention, and how many pairs it computed in each turn.

    `places` are the tokens' places, for each rank. A block without a pair is passed on and not computed.
    """
    rank, ranks = dist.get_rank(), dist.get_world_size()
    rows, travelling = q / math.sqrt(q.shape[-1]), torch.stack([k, v])
    highest = rows.new_full((*rows.shape[:-1], 1), -torch.inf)
    total, mixed, work = torch.zeros_like(highest), torch.zeros_like(rows), []
    for turn in range(ranks):
        source = (rank - turn) % ranks
        seen = places[source] <= places[rank][:, None]
        work.append(int(seen.sum()))
        if seen.any():
            keys, values = (repeat(one, q.shape[1]) for one in travelling)
            scores = (rows @ keys.mT).masked_fill(~seen, -torch.inf)
            now = torch.maximum(highest, scores.detach().amax(-1, keepdim=True))
            base = now.masked_fill(now == -torch.inf, 0.0)
            shares, old = (scores - base).exp(), (highest - base).exp()
            total, mixed = total * old + shares.sum(-1, keepdim=True), mixed * old + shares @ values
            highest = now
        else:
            # Backward must come through every turn on every rank, or a neighbour waits for a gradient.
            mixed = mixed + 0.0 * travelling.sum()
        if turn + 1 < ranks:
            travelling = passed(travelling)
    return mixed / total, work
