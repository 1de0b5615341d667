"""Lay documents of different lengths into rows of one length, and say which tokens may see each other.

>>> rows = concatenated([[5, 6], [7, 8, 9], [4]], length=4, eos=1)
>>> rows.ids.tolist(), rows.documents.tolist()
([[1, 5, 6, 1], [7, 8, 9, 1]], [[0, 0, 0, 1], [1, 1, 1, 2]])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor


class Rows(NamedTuple):
    """Hold rows of token ids, and for each token the number of its document; -1 is padding."""

    ids: Int[Tensor, "B T"]
    documents: Int[Tensor, "B T"]


def concatenated(texts: Sequence[Sequence[int]], length: int, eos: int) -> Rows:
    """Lay documents end to end, an <|eos|> before each, and cut that into rows; what fills no row is left out."""
    ids = [token for text in texts for token in (eos, *text)]
    owners = [at for at, text in enumerate(texts) for _ in range(len(text) + 1)]
    count = len(ids) // length
    cut = [torch.tensor(found[: count * length]).view(count, length) for found in (ids, owners)]
    return Rows(cut[0], cut[1])


def padded(texts: Sequence[Sequence[int]], length: int, eos: int, pad: int) -> Rows:
    """Give each document a row of its own, cut to the length or filled with padding.

    >>> padded([[5, 6], [7, 8, 9, 4]], length=4, eos=1, pad=0).ids.tolist()
    [[1, 5, 6, 0], [1, 7, 8, 9]]
    """
    return _laid_out([[at] for at in range(len(texts))], texts, length, eos, pad)


def best_fit(texts: Sequence[Sequence[int]], length: int, eos: int, pad: int) -> Rows:
    """Lay whole documents into rows, the longest first, each into the fullest row that has room.

    A document that is longer than a row is cut. Ding et al. 2024 (arXiv 2404.10830) pack this way.

    >>> best_fit([[5, 6], [7, 8, 9, 4], [2]], length=5, eos=1, pad=0).ids.tolist()
    [[1, 7, 8, 9, 4], [1, 5, 6, 1, 2]]
    """
    sizes = [min(len(text) + 1, length) for text in texts]
    bins, room = list[list[int]](), list[int]()
    for at in sorted(range(len(texts)), key=lambda at: (-sizes[at], at)):
        fits = [(left, row) for row, left in enumerate(room) if left >= sizes[at]]
        if fits:
            row = min(fits)[1]
            bins[row].append(at)
            room[row] -= sizes[at]
        else:
            bins.append([at])
            room.append(length - sizes[at])
    return _laid_out(bins, texts, length, eos, pad)


def _laid_out(bins: list[list[int]], texts: Sequence[Sequence[int]], length: int, eos: int, pad: int) -> Rows:
    ids, owners = torch.full((len(bins), length), pad), torch.full((len(bins), length), -1)
    for row, members in enumerate(bins):
        start = 0
        for at in members:
            whole = [eos, *texts[at]][:length]
            ids[row, start : start + len(whole)] = torch.tensor(whole)
            owners[row, start : start + len(whole)] = at
            start += len(whole)
    return Rows(ids, owners)


def positions(documents: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
    """Return each token's place within its document's part of the row, from 0.

    >>> positions(torch.tensor([[0, 0, 1, 1, 1, 2]])).tolist()
    [[0, 1, 0, 1, 2, 0]]
    """
    places = torch.arange(documents.shape[1], device=documents.device).expand_as(documents)
    first = torch.ones_like(documents, dtype=torch.bool)
    first[:, 1:] = documents[:, 1:] != documents[:, :-1]
    return places - torch.where(first, places, 0).cummax(1).values


def mask(documents: Int[Tensor, "B T"]) -> Bool[Tensor, "B 1 T T"]:
    """Return which token may see which: those before it in its own document, and itself. Padding sees itself alone.

    >>> mask(torch.tensor([[0, 0, 1, -1]]))[0, 0].int().tolist()
    [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    """
    same = (documents[:, :, None] == documents[:, None, :]) & (documents >= 0)[:, None, :]
    length = documents.shape[1]
    seen = same & torch.ones(length, length, dtype=torch.bool, device=documents.device).tril()
    return (seen | torch.eye(length, dtype=torch.bool, device=documents.device))[:, None]


def targets(rows: Rows, ignore: int = -100) -> Int[Tensor, "B T"]:
    """Return the token that follows each within its document; `ignore` where the row or the document ends.

    >>> targets(Rows(torch.tensor([[1, 5, 1, 7]]), torch.tensor([[0, 0, 1, 1]]))).tolist()
    [[5, -100, 7, -100]]
    """
    following = torch.full_like(rows.ids, ignore)
    inside = (rows.documents[:, 1:] == rows.documents[:, :-1]) & (rows.documents[:, 1:] >= 0)
    following[:, :-1] = torch.where(inside, rows.ids[:, 1:], ignore)
    return following


def filled(rows: Rows) -> float:
    """Return the share of a batch's places that hold a token of a document."""
    return (rows.documents >= 0).float().mean().item()
