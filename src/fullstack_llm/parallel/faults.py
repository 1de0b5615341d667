"""Find a rank whose numbers are not those of the others, by checksums."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn


def checksum(tensors: Sequence[Tensor]) -> int:
    """Return a checksum of all bits of some tensors: zero and minus zero are told apart.

    >>> checksum([torch.tensor([0.0])]) == checksum([torch.tensor([-0.0])])
    False
    """
    found = 0
    for tensor in tensors:
        found = zlib.crc32(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes(), found)
    return found


def checksums(model: nn.Module) -> list[int]:
    """Return every rank's checksum of the weights: eight bytes a rank are sent, whatever the model's size."""
    ours = torch.tensor([checksum(list(model.parameters()))])
    every = [torch.empty_like(ours) for _ in range(dist.get_world_size())]
    dist.all_gather(every, ours)
    return [int(one) for one in every]


def odd(found: Sequence[int]) -> list[int]:
    """Return the ranks that disagree with more than half; all of them, if no value is held by more than half.

    >>> odd([7, 7, 9, 7]), odd([7, 7, 7]), odd([7, 9])
    ([2], [], [0, 1])
    """
    value, votes = Counter(found).most_common(1)[0]
    return [rank for rank, one in enumerate(found) if one != value or votes * 2 <= len(found)]


def flip(tensor: Tensor, place: int, bit: int) -> None:
    """Turn one bit of a tensor of 64-bit numbers over, in place.

    >>> x = torch.tensor([1.0], dtype=torch.float64)
    >>> flip(x, 0, 0)
    >>> x.item()
    1.0000000000000002
    """
    with torch.no_grad():
        bits = tensor.detach().view(torch.int64).view(-1)
        bits[place] ^= 1 << bit
