"""Exercise 4 of lab 15: a codebook of normal quantiles with one end, and blocks whose constants have a sign."""

import math
from statistics import NormalDist

import torch

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m15_lora.inputs import LIBRARIES, normal


@exercise(minutes=20, difficulty=3, review=LIBRARIES)
def normal_codes(weights, levels, block):
    q = NormalDist().inv_cdf
    edge = (1 / (2 * levels) + 1 / (2 * (levels - 1))) / 2
    up = [q(0.5 + (0.5 - edge) * j / (levels // 2)) / q(1 - edge) for j in range(levels // 2 + 1)]
    book = [-one for one in up[-2:0:-1]] + up
    codes, constants, restored = [], [], []
    for part in torch.split(weights.double(), block):
        largest = max(part.tolist(), key=abs)
        constants.append(largest)
        for w in part.tolist():
            share = w / largest if largest else 0.0
            codes.append(min(range(len(book)), key=lambda i: abs(book[i] - share)))
            restored.append(book[codes[-1]] * largest)
    size = math.ceil(math.log2(levels)) + 32 * len(constants) / len(codes)
    return {
        "codebook": torch.tensor(book),
        "codes": torch.tensor(codes, dtype=torch.uint8),
        "constants": torch.tensor(constants, dtype=torch.float32),
        "restored": torch.tensor(restored, dtype=torch.float32),
        "bits": size,
    }


@normal_codes.right
def in_rows(weights, levels, block):
    # Filled up with zeros to whole blocks, which changes no block's largest number.
    half, n = levels // 2, len(weights)
    end = 1 - (1 / levels + 1 / (levels - 1)) / 4
    steps = torch.distributions.Normal(0.0, 1.0).icdf(torch.linspace(0.5, end, half + 1, dtype=torch.float64))
    steps = steps / steps[-1]
    book = torch.cat([-steps[1:-1].flip(0), steps]).float()
    rows = torch.nn.functional.pad(weights, (0, -n % block)).view(-1, block)
    constants = rows.gather(1, rows.abs().max(1, keepdim=True).values.eq(rows.abs()).int().argmax(1, keepdim=True))
    scaled = rows / torch.where(constants == 0, 1.0, constants)
    codes = torch.bucketize(scaled, (book[1:] + book[:-1]) / 2)
    restored = (book[codes] * constants).flatten()[:n]
    bits = (n * (levels - 1).bit_length() + 32 * len(rows)) / n
    codes = codes.flatten()[:n].to(torch.uint8)
    return {"codebook": book, "codes": codes, "constants": constants[:, 0], "restored": restored, "bits": bits}


def apart(draw: Draw, count: int, levels: int, block: int, scale: float = 0.05):
    """Draw weights none of which lies between two levels, in either reading of its block's largest number."""
    q = NormalDist().inv_cdf
    while True:
        weights = normal(draw, count, scale=scale)
        shares = torch.cat([one / one.abs().max() for one in weights.split(block)])
        edge = (1 / (2 * levels) + 1 / (2 * (levels - 1))) / 2
        up = torch.tensor([q(0.5 + (0.5 - edge) * j / (levels // 2)) / q(1 - edge) for j in range(levels // 2 + 1)])
        middles = (up[1:] + up[:-1]) / 2
        if (shares.abs()[:, None] - middles).abs().min() > 1e-5:
            return weights, levels, block


@normal_codes.part(
    2, "How many bits has a code, and how many blocks are there, the last one included?", "bits", items=("bits",)
)
@normal_codes.part(
    10, "Which number of the block is its largest, with which sign, and which level is nearest to each share of it?",
    "blocks", items=("codes", "constants", "restored"), atol=1e-6,
)  # fmt: skip
@normal_codes.part(
    4, "levels / 2 equal steps of probability from 1/2 up; the lower side is its image without the last.", "codebook",
    items=("codebook",), atol=1e-6,
)  # fmt: skip
def blocks(draw: Draw):
    for levels, block, count in ((16, 8, 24), (8, 7, 31), (4, 5, 23), (6, 11, 25), (16, 64, 150), (12, 3, 9)):
        yield apart(draw, count, levels, block)
    # Blocks in which nothing is above 0; a block of zeros; one weight; equal magnitudes; a last block of one.
    weights, *rest = apart(draw, 10, 8, 5)
    yield -weights.abs(), *rest
    weights, *rest = apart(draw, 12, 16, 4)
    yield torch.cat([weights, torch.zeros(4), -weights[:1]]), *rest
    yield normal(draw, 1), 4, 64
    yield torch.tensor([0.5, -1.0, 1.0, 0.25, 2.0, -2.0, 0.5, 0.0]), 8, 4


EDGE, LARGEST, BOOK, NEAREST = (
    "(1 / (2 * levels) + 1 / (2 * (levels - 1))) / 2", "max(part.tolist(), key=abs)",
    "[-one for one in up[-2:0:-1]] + up", "min(range(len(book)), key=lambda i: abs(book[i] - share))",
)  # fmt: skip
normal_codes.mistakes(f"""
Of equal magnitudes the first one is the constant.
    {LARGEST} => max(part.tolist()[::-1], key=abs)
    {LARGEST} => max(part.tolist(), key=lambda w: (abs(w), w))
    {LARGEST} => max(part.tolist(), key=lambda w: (abs(w), -w))
The constant is the number of largest magnitude with its sign: here it is the magnitude alone.
    {LARGEST} => max(map(abs, part.tolist()))
    constants.append(largest) => constants.append(abs(largest))
The constant is the number of largest magnitude, be it negative, and not the largest number.
    {LARGEST} => max(part.tolist())
Each block has its own constant: here one is taken for all weights.
    {LARGEST} => max(weights.tolist(), key=abs)
The last block may be short, and is one all the same.
    torch.split(weights.double(), block) => torch.split(weights.double()[: len(weights) // block * block or None], block)
    32 * len(constants) / len(codes) => 32 / block
    32 * len(constants) / len(codes) => 32 * (len(codes) // block) / len(codes)
A block has `block` weights in a row: here every such weight was taken from elsewhere.
    torch.split(weights.double(), block) => [weights.double()[i :: -(-len(weights) // block)] for i in range(-(-len(weights) // block))]
Levels are numbers from 0 up, in the order of the codebook: the lowest level is 0.
    codes, dtype=torch.uint8 => [code + 1 for code in codes], dtype=torch.uint8
    codes, dtype=torch.uint8 => [abs(code - levels // 2 + 1) for code in codes], dtype=torch.uint8
    codes, dtype=torch.uint8 => [levels - 1 - code for code in codes], dtype=torch.uint8
The lower side has no -1: it is the upper one's image without its last level.
    {BOOK} => [-one for one in up[:0:-1]] + up[: levels // 2]
    {BOOK} => [-one for one in up[:0:-1]] + up
    {BOOK} => [-one for one in up[:0:-1]] + up[1:]
0 is a level, once: the weights that are 0 stay 0.
    {BOOK} => [-one for one in up[-2:0:-1]] + up[:1] + up
Here the lower side has its levels elsewhere: it is the upper side's image, without the last.
    {BOOK} => [-q(0.5 + (0.5 - edge) * j / max(levels // 2 - 1, 1)) / q(1 - edge) for j in range(levels // 2 - 1, 0, -1)] + up
The codebook goes from the lowest level to the highest.
    {BOOK} => up + [-one for one in up[1:-1]]
    {BOOK} => up[::-1] + [-one for one in up[1:-1]]
    {BOOK} => [-one for one in up[1:-1]] + up
The upper side has levels / 2 steps, from 0 to 1.
    j / (levels // 2)) / q(1 - edge) for j in range(levels // 2 + 1) => j / (levels // 2 - 1)) / q(1 - edge) for j in range(levels // 2)
    j / (levels // 2)) / q(1 - edge) for j in range(levels // 2 + 1) => j / (levels // 2 + 1)) / q(1 - edge) for j in range(levels // 2 + 1)
Divide by the highest level, so that it is 1.
    / q(1 - edge) =>
The quantiles are those of the normal distribution, at equal steps of probability: here the levels have equal steps.
    up = [q(0.5 + (0.5 - edge) * j / (levels // 2)) / q(1 - edge) for => up = [j / (levels // 2) for
    up = [q(0.5 + (0.5 - edge) * j / (levels // 2)) / q(1 - edge) for => up = [((0.5 - edge) * j / (levels // 2)) / (0.5 - edge) for
The highest probability is 1 - d, with d the mean of 1/(2m) and 1/(2(m - 1)).
    {EDGE} => 1 / (2 * levels)
    {EDGE} => 1 / (2 * (levels - 1))
    {EDGE} => (1 / (2 * levels) + 1 / (2 * (levels - 1)))
    {EDGE} => (1 / levels + 1 / (levels - 1)) / 2
    {EDGE} => (1 / (2 * levels) + 1 / (2 * (levels + 1))) / 2
    {EDGE} => 0.0322917
    {EDGE} => 1 / levels
    {EDGE} => 1 / (2 * levels) + 1 / (2 * levels - 1) / 2
    {EDGE} => (1 / (2 * levels) + 1 / (2 * levels - 1)) / 2
    {EDGE} => 1 / (2 * levels) + 1 / (2 * (levels - 1)) / 2
The step of probability reaches from 1/2 to 1 - d: 1/2 - d is to be shared out.
    0.5 + (0.5 - edge) * j => 0.5 + (1 - edge) * j / 2
The nearest level is wanted: here it is the next one above, or below.
    {NEAREST} => next((i for i in range(levels) if book[i] >= share), levels - 1)
    {NEAREST} => max([i for i in range(levels) if book[i] <= share], default=0)
Divide each weight by its block's constant before you look for its level.
    share = w / largest if largest else 0.0 => share = w
Divide by the constant itself, with its sign: then the largest magnitude is at 1, and the others on either side.
    share = w / largest if largest else 0.0 => share = w / abs(largest) if largest else 0.0
    share = w / largest if largest else 0.0 => share = abs(w / largest) if largest else 0.0
restored is a level times its block's constant: here the constant is missing, or its sign.
    book[codes[-1]] * largest => book[codes[-1]]
    book[codes[-1]] * largest => book[codes[-1]] * abs(largest)
restored are the weights that the codes give back, not those that came in.
    book[codes[-1]] * largest => w
The constants are what a share is multiplied by to give its weight, not one over it.
    constants.append(largest) => constants.append(1 / largest if largest else 0.0)
A code takes the whole number of bits that the levels need, and no level more: log2, rounded up.
    math.ceil(math.log2(levels)) => levels
    math.ceil(math.log2(levels)) => math.log2(levels)
    math.ceil(math.log2(levels)) => int(math.log2(levels))
    math.ceil(math.log2(levels)) => levels.bit_length()
    math.ceil(math.log2(levels)) => 8
    math.ceil(math.log2(levels)) => 4
Constants are held too: 32 bits for each block, shared by all weights.
    + 32 * len(constants) / len(codes) => + 0.0
    + 32 * len(constants) / len(codes) => + 32
    + 32 * len(constants) / len(codes) => + 32 / len(codes)
    + 32 * len(constants) / len(codes) => + 16 * len(constants) / len(codes)
    + 32 * len(constants) / len(codes) => + 8 * len(constants) / len(codes)
    + 32 * len(constants) / len(codes) => + 32 * len(constants)
Bits for each weight are wanted: this is the total.
    32 * len(constants) / len(codes) => 32 * len(constants) / len(codes)\\n    size *= len(codes)
The codebook is looked up, and not held with the weights.
    + 32 * len(constants) / len(codes) => + 32 * (len(constants) + levels) / len(codes)
A block of zeros has the constant 0, by which nothing is divided: its shares are 0, and so is what comes back.
    if largest else 0.0 =>
    if largest else 0.0 => if largest else float("nan")
    if largest else 0.0 => if largest else 1.0
    constants.append(largest) => constants.append(largest or 1.0)
codes are of dtype uint8.
    torch.tensor(codes, dtype=torch.uint8) => torch.tensor(codes)
""")
