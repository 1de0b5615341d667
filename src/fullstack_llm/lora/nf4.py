"""Store weights in four bits: NF4 with absmax blocks, and constants that are quantized again (Dettmers et al. 2023).

>>> stored = quantize(torch.tensor([[0.5, -1.0, 0.35, 0.0]]), block=4)
>>> stored.codes.tolist(), stored.absmax.tolist()
([[12, 0, 11, 7]], [1.0])
>>> dequantize(stored).tolist()[0][1:]
[-1.0, 0.33791524171829224, 0.0]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

BLOCK = 64
CONSTANTS = 256
# Where the outermost quantiles lie: half-way between 1 - 1/30 and 1 - 1/32, to the digits of the authors' library.
OUTERMOST = 0.9677083


def codebook(outermost: float = OUTERMOST) -> Float[Tensor, " levels"]:
    """Return NF4's levels: quantiles of the normal distribution, 8 on the positive side, 7 on the other, and zero.

    >>> [round(level, 3) for level in codebook()[[0, 1, 7, 8, 14, 15]].tolist()]
    [-1.0, -0.696, 0.0, 0.08, 0.723, 1.0]
    """
    above, below = (_quantiles(torch.linspace(outermost, 0.5, count + 1)[:-1]) for count in (8, 7))
    levels = torch.cat([-below, torch.zeros(1), above.flip(0)])
    return levels / levels.max()


def _quantiles(share: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    return torch.special.ndtri(share.double()).float()


def integers() -> Float[Tensor, " levels"]:
    """Return the levels of a symmetric four-bit integer: the multiples of 1/7 from -1 to 1.

    >>> len(integers()), integers()[7].item()
    (15, 0.0)
    """
    return torch.arange(-7, 8) / 7


@dataclass(frozen=True)
class Blocks:
    """Hold quantized numbers: a code for each, the absmax of each block, and the levels that codes stand for."""

    codes: UInt8[Tensor, "*shape"]
    absmax: Float[Tensor, " blocks"]
    levels: Float[Tensor, " levels"]
    block: int


def quantize(
    weight: Float[Tensor, "*shape"], block: int = BLOCK, levels: Float[Tensor, " levels"] | None = None
) -> Blocks:
    """Divide each block of numbers by its largest magnitude and replace each by its nearest level's code.

    The blocks run along the flattened tensor, the last may be short, and a block of zeros stays zero.
    """
    levels = codebook() if levels is None else levels
    flat = weight.detach().float().flatten()
    padded = torch.nn.functional.pad(flat, (0, -len(flat) % block)).view(-1, block)
    absmax = padded.abs().amax(1)
    scaled = (padded * (1 / absmax.clamp(min=1e-38))[:, None]).clamp(-1, 1)
    borders = (levels[1:] + levels[:-1]) / 2
    codes = torch.bucketize(scaled, borders, out_int32=True).to(torch.uint8)
    return Blocks(codes.flatten()[: len(flat)].view(weight.shape), absmax, levels, block)


def dequantize(stored: Blocks) -> Float[Tensor, "*shape"]:
    """Return the number that each code stands for: its level times its block's largest magnitude."""
    scales = stored.absmax.repeat_interleave(stored.block)[: stored.codes.numel()].view(stored.codes.shape)
    return stored.levels[stored.codes.int()] * scales


def dynamic() -> Float[Tensor, " levels"]:
    """Return the 256 levels of the dynamic eight-bit type: fine near zero, seven decades wide (Dettmers 2016).

    In each decade, from 1e-7 to 1, levels lie half-way between evenly spaced borders; a decade has twice as many as the
    one below it.

    >>> levels = dynamic()
    >>> len(levels), levels[-1].item(), levels[levels > 0][0].item() < 1e-6
    (256, 1.0, True)
    """
    found = []
    for place in range(7):
        borders = torch.linspace(0.1, 1, 2**place + 1)
        found.append(10.0 ** (place - 6) * (borders[1:] + borders[:-1]) / 2)
    above = torch.cat(found)
    return torch.cat([-above, torch.zeros(1), above, torch.ones(1)]).sort().values


@dataclass(frozen=True)
class Doubled:
    """Hold numbers in NF4 whose blocks' constants are in eight bits, as differences from their mean."""

    codes: UInt8[Tensor, "*shape"]
    constants: Blocks
    mean: Float[Tensor, ""]
    block: int


def quantize_twice(weight: Float[Tensor, "*shape"], block: int = BLOCK) -> Doubled:
    """Quantize a tensor to NF4, and then its constants, less their mean, to eight bits in blocks of 256."""
    once = quantize(weight, block)
    mean = once.absmax.mean()
    return Doubled(once.codes, quantize(once.absmax - mean, CONSTANTS, dynamic()), mean, block)


def restore(stored: Doubled) -> Float[Tensor, "*shape"]:
    """Return the numbers that a doubly quantized tensor stands for."""
    return dequantize(Blocks(stored.codes, dequantize(stored.constants) + stored.mean, codebook(), stored.block))


def pack(codes: UInt8[Tensor, "*shape"]) -> UInt8[Tensor, " bytes"]:
    """Put two codes into a byte, the earlier in its upper half; an odd last one is joined by a zero.

    >>> pack(torch.tensor([1, 2, 15], dtype=torch.uint8)).tolist()
    [18, 240]
    """
    flat = torch.nn.functional.pad(codes.flatten(), (0, codes.numel() % 2))
    return (flat[::2] << 4) | flat[1::2]


def unpack(packed: UInt8[Tensor, " bytes"], shape: Sequence[int]) -> UInt8[Tensor, "*shape"]:
    """Take the codes out of their bytes again.

    >>> unpack(torch.tensor([18, 240], dtype=torch.uint8), (3,)).tolist()
    [1, 2, 15]
    """
    both = torch.stack([packed >> 4, packed & 15], 1).flatten()
    return both[: torch.Size(shape).numel()].view(*shape)


def bits(block: int = BLOCK, constants: int | None = None) -> float:
    """Return the bits a weight: four, its share of a constant in 32 bits, or of one in eight and a scale of those.

    >>> bits(64), round(bits(64, 256), 3)
    (4.5, 4.127)
    """
    return 4 + (32 / block if constants is None else 8 / block + 32 / (block * constants))
