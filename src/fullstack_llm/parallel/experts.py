"""Expert parallelism: each rank holds some experts and some tokens, and tokens travel to their experts and back.

The two all-to-alls are those of GShard (Lepikhin et al. 2020, arXiv 2006.16668); nothing is dropped, so counts differ
between ranks and are exchanged first.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from jaxtyping import Float, Int
from torch import Tensor

from fullstack_llm.transformer.mlp import gated

from .crossing import swapped

Weights = tuple[Float[Tensor, "E I D"], Float[Tensor, "E I D"], Float[Tensor, "E D I"]]


def choose(logits: Float[Tensor, "n E"], active: int) -> tuple[Float[Tensor, "n A"], Int[Tensor, "n A"]]:
    """Return shares and numbers of each token's experts, in the precision of the logits.

    >>> choose(torch.tensor([[0.0, 9.0, 9.0]]), 2)[0].tolist()
    [[0.5, 0.5]]
    """
    shares, experts = logits.softmax(-1).topk(active, dim=-1)
    return shares / shares.sum(-1, keepdim=True), experts


def alone(x: Float[Tensor, "n D"], router: Float[Tensor, "E D"], weights: Weights, active: int) -> Float[Tensor, "n D"]:
    """Compute a mixture on one process: every expert on the tokens that chose it."""
    shares, experts = choose(x @ router.T, active)
    out = torch.zeros_like(x)
    for number, expert in enumerate(zip(*weights, strict=True)):
        rows, place = (experts == number).nonzero(as_tuple=True)
        out = out.index_add(0, rows, gated(x[rows], *expert) * shares[rows, place, None])
    return out


def spread(
    x: Float[Tensor, "n D"], router: Float[Tensor, "E D"], weights: Weights, active: int
) -> tuple[Float[Tensor, "n D"], int]:
    """Compute a mixture whose experts lie on different ranks; return also how many rows this rank's experts got.

    Rank r holds the experts from r E/R on; `weights` are those of this rank. A token that chose two experts of one rank
    travels there twice.
    """
    ranks, here = dist.get_world_size(), len(weights[0])
    shares, experts = choose(x @ router.T, active)
    # Sorted by expert, and so by rank, since a rank's experts follow each other.
    order = experts.flatten().argsort(stable=True)
    rows = order // active
    counts = torch.bincount(experts.flatten(), minlength=here * ranks)
    coming = torch.empty_like(counts)
    dist.all_to_all_single(coming, counts)
    out, into = counts.view(ranks, here).sum(1).tolist(), coming.view(ranks, here).sum(1).tolist()
    came = swapped(x[rows], out, into)
    # From each rank come this rank's experts in order: say for each row which expert it is for.
    mine = torch.arange(here).repeat(ranks).repeat_interleave(coming)
    done = torch.zeros_like(came)
    for number, expert in enumerate(zip(*weights, strict=True)):
        wanted = (mine == number).nonzero()[:, 0]
        done = done.index_add(0, wanted, gated(came[wanted], *expert))
    back = swapped(done, into, out)
    return torch.zeros_like(x).index_add(0, rows, back * shares.flatten()[order, None]), int(sum(into))
