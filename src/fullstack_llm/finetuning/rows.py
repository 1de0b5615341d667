"""Lay conversations into rows of one length, with their labels, so that none of them sees or predicts another.

>>> rows = packed([Row((3, 7, 4), (False, True, True)), Row((3, 4), (False, True))], length=6)
>>> rows.ids.tolist(), rows.labels.tolist()
([[3, 7, 4, 3, 4, 0]], [[-100, 7, 4, -100, 4, -100]])
>>> rows.documents.tolist()
[[0, 0, 0, 1, 1, -1]]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from fullstack_llm.models.chat import IGNORE, PAD, Row
from fullstack_llm.pretraining import packing


class Packed(NamedTuple):
    """Hold rows of ids, their labels, and for each token the number of its conversation; -1 is padding."""

    ids: Int[Tensor, "B T"]
    labels: Int[Tensor, "B T"]
    documents: Int[Tensor, "B T"]


def packed(rows: Sequence[Row], length: int) -> Packed:
    """Lay whole conversations into rows of `length`, the longest first, each into the fullest row that has room.

    A conversation's first token has no label: what stands before it is another conversation. Raises ValueError where
    the conversations do not begin with one and the same token, or where one is longer than a row.
    """
    first = {row.ids[0] for row in rows}
    if len(first) != 1:
        raise ValueError(f"Conversations begin with one and the same token, and not with {sorted(first)}.")
    longest = max(len(row.ids) for row in rows)
    if longest > length:
        raise ValueError(f"A conversation of {longest} tokens does not fit into a row of {length}.")
    # The packing of documents puts one token before each of them: here it is the one that they begin with.
    ids, documents = packing.best_fit([row.ids[1:] for row in rows], length, first.pop(), PAD)
    places = packing.positions(documents)
    labels = torch.full_like(ids, IGNORE)
    for row, at in (documents >= 0).nonzero().tolist():
        place = int(places[row, at])
        if place > 0 and rows[int(documents[row, at])].own[place]:
            labels[row, at] = ids[row, at]
    return Packed(ids, labels, documents)


def logits(model: Any, rows: Packed, *, block: bool = True, reset: bool = True) -> Float[Tensor, "B T V"]:
    """Run packed rows; `block` keeps the conversations apart by a mask, `reset` counts positions from 0 in each."""
    options: dict[str, Tensor] = {}
    if block:
        options["attention_mask"] = torch.where(packing.mask(rows.documents), 0.0, torch.finfo(torch.float32).min)
    else:
        # Without a mask of ones the library would look for conversations in the positions.
        options["attention_mask"] = torch.ones_like(rows.ids)
    if reset:
        options["position_ids"] = packing.positions(rows.documents)
    return model(rows.ids, use_cache=False, **options).logits


def packed_loss(model: Any, rows: Packed) -> Float[Tensor, ""]:
    """Return the mean loss of all labelled tokens, in nats a token: that of the same conversations each in its row."""
    found = logits(model, rows)[:, :-1].transpose(1, 2)
    losses = cross_entropy(found, rows.labels[:, 1:], ignore_index=IGNORE, reduction="sum")
    return losses / (rows.labels[:, 1:] >= 0).sum().clamp(min=1)
