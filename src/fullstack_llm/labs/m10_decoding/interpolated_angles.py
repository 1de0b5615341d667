"""Exercise 4 of lab 10: a rotary embedding stretched pair by pair, with first tokens that stay as they were."""

import math

import torch

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m10_decoding.inputs import LIBRARIES


@exercise(minutes=15, difficulty=3, review=LIBRARIES)
def interpolated_angles(positions, length, d, base, trained, turns, exact):
    low, high = turns
    stretch = max(1.0, length / trained)
    rows = []
    for p in positions.tolist():
        row = []
        for i in range(d // 2):
            old = base ** (-2 * i / d)
            rounds = trained * old / (2 * math.pi)
            share = min(1.0, max(0.0, (rounds - low) / (high - low)))
            new = share * old + (1 - share) * old / stretch
            row.append(p * (old if p < exact else new))
        rows.append(row)
    return torch.tensor(rows).reshape(len(rows), d // 2), 1 + 0.1 * math.log(stretch)


@interpolated_angles.right
def with_one_table(positions, length, d, base, trained, turns, exact):
    low, high = turns
    wavelengths = 2 * math.pi * base ** (torch.arange(0, d, 2, dtype=torch.float64) / d)
    keep = ((trained / wavelengths - low) / (high - low)).clamp(0, 1)
    factor = length / trained if length > trained else 1.0
    new = 2 * math.pi / wavelengths * torch.lerp(torch.full_like(keep, 1 / factor), torch.ones_like(keep), keep)
    speeds = torch.where(positions[:, None] < exact, 2 * math.pi / wavelengths, new)
    return (positions[:, None] * speeds).float(), 0.1 * math.log(factor) + 1.0


def case(
    draw: Draw, length: int, d: int, trained: int, exact: int, base: float = 10_000.0, turns=(1.0, 32.0), N: int = 7
):
    """Draw positions of a text; of all pairs some should turn as before, some be stretched, and some lie between."""
    positions = sorted(draw.sample(range(length), min(N, length)))
    return torch.tensor(positions, dtype=torch.int64), length, d, base, trained, turns, exact


@interpolated_angles.part(
    4, "One number for the whole text: how far is it stretched, and what is 0.1 times the logarithm of that, plus 1?",
    "factor", items=(1,), whole=True,
)  # fmt: skip
@interpolated_angles.part(
    10, "Take one pair: how many times does it go round in the trained length? So which share of it stays as it was?",
    "angles", items=(0,),
)  # fmt: skip
def texts(draw: Draw):
    # A stretch that is no power of 2; without first tokens at the beginning; then shorter than what was trained.
    yield case(draw, 1_543, 16, 512, 0)
    yield case(draw, 1_201, 22, 257, 0, 5_000.0, (2.0, 11.0))
    positions, *rest = case(draw, 1_543, 14, 512, 61, N=5)
    yield torch.cat([torch.tensor([0, 3, 17, 60, 61, 62]), positions]), *rest
    yield case(draw, 401, 10, 512, 0)
    yield case(draw, 512, 10, 512, 31)
    length, trained = draw.randint(700, 2_500), draw.randint(100, 600)
    yield case(
        draw, length, 2 * draw.randint(5, 13), trained, draw.randint(5, 90), draw.choice((500.0, 10_000.0)), (1.5, 9.0)
    )
    yield case(draw, 999, 2, 64, 0)
    yield case(draw, 97, 6, 13, 3, 100.0, (0.5, 1.5), 97)
    yield torch.tensor([], dtype=torch.int64), 1_100, 6, 100.0, 512, (1.0, 32.0), 4


OLD, ROUNDS, SHARE = "base ** (-2 * i / d)", "trained * old / (2 * math.pi)", "(rounds - low) / (high - low)"
NEW, STRETCH = "share * old + (1 - share) * old / stretch", "stretch = max(1.0, length / trained)"
interpolated_angles.mistakes(f"""
A text that is no longer than the trained length is not stretched, and not squeezed either: the factor is at least 1.
    {STRETCH} => stretch = length / trained
The first tokens keep their old angles, up to the position `exact`: here all are stretched.
    (old if p < exact else new) => new
Tokens at `exact` and after it have the new angles, of their whole position: here the count begins anew, or goes on from there.
    p * (old if p < exact else new) => (p * old if p < exact else (p - exact) * new)
    p * (old if p < exact else new) => (p * old if p < exact else exact * old + (p - exact) * new)
The tokens before `exact` are the ones that stay: there are `exact` of them, with positions from 0.
    if p < exact else => if p <= exact else
    if p < exact else => if p >= exact and exact else
    if p < exact else => if p < trained else
A text of this length was stretched by another factor: it is the text's length over the trained one, a number like 3.01.
    {STRETCH} => stretch = max(1.0, length // trained)
    {STRETCH} => stretch = float(math.ceil(length / trained))
    {STRETCH} => stretch = max(1.0, (max(positions.tolist()) + 1 if len(positions) else length) / trained)
    {STRETCH} => stretch = 2.0 ** max(0, math.ceil(math.log2(length / trained)))
All pairs were stretched alike: a pair that goes round often within the trained length keeps its speed.
    {NEW} => old / stretch
Nothing was stretched: pairs that go round seldom are turned more slowly, by the factor.
    {NEW} => old
    {STRETCH} => stretch = max(1.0, trained / length)
The base was made larger, as NTK-aware scaling does: here each pair has a share of its own instead.
    {NEW} => (base * stretch ** (d / (d - 2 or 1))) ** (-2 * i / d)
    {NEW} => (base * stretch) ** (-2 * i / d)
The fast pairs are the ones that stay as they were, and slow ones are stretched: here it is the other way round.
    {NEW} => (1 - share) * old + share * old / stretch
A stretched pair turns more slowly: its speed is divided by the factor.
    {NEW} => share * old + (1 - share) * old * stretch
The two speeds are mixed with shares that add up to one.
    {NEW} => share * old + old / stretch
    {NEW} => share * old + (1 - share) / stretch
    {NEW} => old + (1 - share) * old / stretch
Between the two bounds the speeds are mixed: here the factors, the logarithms or the times were.
    {NEW} => old / (share + (1 - share) * stretch)
    {NEW} => old * stretch ** (share - 1)
The share goes from 0 at the lower number of rounds to 1 at the higher one: here it jumps.
    {SHARE} => (rounds > high) * 1.0
    {SHARE} => (rounds >= low) * 1.0
    {SHARE} => (rounds > (low + high) / 2) * 1.0
The share lies between 0 and 1: below the lower bound it is 0, above the higher one 1.
    share = min(1.0, max(0.0, {SHARE})) => share = {SHARE}
    share = min(1.0, max(0.0, {SHARE})) => share = max(0.0, {SHARE})
    share = min(1.0, max(0.0, {SHARE})) => share = min(1.0, {SHARE})
The share is (rounds - low) / (high - low).
    {SHARE} => rounds / high
    {SHARE} => (rounds - low) / high
    {SHARE} => (math.log(rounds) - math.log(low)) / (math.log(high) - math.log(low))
Rounds are counted, each of them 2 pi: here radians are, or the length of a round.
    {ROUNDS} => trained * old
    {ROUNDS} => 2 * math.pi / old
The rounds are those within the trained length, where the model has seen them, not within this text.
    {ROUNDS} => length * old / (2 * math.pi)
    {ROUNDS} => trained * stretch * old / (2 * math.pi)
    {ROUNDS} => p * old / (2 * math.pi)
The share depends on how often a pair goes round, not on which one it is.
    {ROUNDS} => i
    {ROUNDS} => d // 2 - 1 - i
Pair i turns by base ** (-2 i / d) for each token.
    old = {OLD} => old = base ** (-i / d)
    old = {OLD} => old = base ** (2 * i / d)
    old = {OLD} => old = base ** (-2 * (i + 1) / d)
    old = {OLD} => old = base ** (-2 * i / (d - 2 or 1))
These are speeds, or the angles of the positions in a row: multiply each by the position that is given.
    p * (old if p < exact else new) => (old if p < exact else new)
    for p in positions.tolist(): => for p in range(len(positions)):
    p * (old if p < exact else new) => (p + 1) * (old if p + 1 < exact else new)
The positions were divided as well as the speeds: one of both is enough.
    p * (old if p < exact else new) => p / stretch * (old if p < exact else new)
There is one angle for each pair, and d / 2 pairs.
    return torch.tensor(rows).reshape(len(rows), d // 2), => return torch.tensor(rows).reshape(len(rows), d // 2).repeat(1, 2),
    range(d // 2) => range(d)
These are cosines: the angles are wanted.
    p * (old if p < exact else new) => math.cos(p * (old if p < exact else new))
There may be no position at all: the answer then has no row, and d / 2 columns.
    .reshape(len(rows), d // 2) =>
The second value is 1 + 0.1 times the natural logarithm of the stretch.
    1 + 0.1 * math.log(stretch) => 0.1 * math.log(stretch)
    1 + 0.1 * math.log(stretch) => 1 + 0.1 * math.log10(stretch)
    1 + 0.1 * math.log(stretch) => 1 + 0.1 * math.log2(stretch)
    1 + 0.1 * math.log(stretch) => 1 + 0.1 * stretch
    1 + 0.1 * math.log(stretch) => 1 + math.log(stretch)
    1 + 0.1 * math.log(stretch) => (1 + 0.1 * math.log(stretch)) ** 2
    1 + 0.1 * math.log(stretch) => (1 + 0.1 * math.log(stretch)) ** 0.5
    1 + 0.1 * math.log(stretch) => 1 / (1 + 0.1 * math.log(stretch))
    1 + 0.1 * math.log(stretch) => 1.0
    1 + 0.1 * math.log(stretch) => 1 + 0.1 * math.log(length)
    1 + 0.1 * math.log(stretch) => stretch
The second value is a plain float.
    1 + 0.1 * math.log(stretch) => torch.tensor(1 + 0.1 * math.log(stretch))
Angles are held in 32 bits.
    torch.tensor(rows) => torch.tensor(rows, dtype=torch.float64)
""")
