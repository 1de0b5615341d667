"""Exercise 3 of lab 15: several updates with weights into one matrix of few bits, and what rounding takes."""

import torch

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m15_lora.inputs import LIBRARIES, coarse, normal


@exercise(minutes=15, difficulty=3, review=LIBRARIES)
def merge_adapters(W, adapters):
    total = torch.zeros(W.shape)
    for A, B, alpha, share in adapters:
        total = total + share * alpha / len(A) * (B @ A)
    exact = W.float() + total
    merged = exact.to(W.dtype)
    back = (merged.float() - total).to(W.dtype)
    return {
        "merged": merged,
        "lost": exact - merged.float(),
        "stuck": int(((merged == W) & (total != 0)).sum()),
        "changed": int((back != W).sum()),
    }


@merge_adapters.right
def number_by_number(W, adapters):
    merged, lost, stuck, changed = torch.empty_like(W), torch.empty(W.shape), 0, 0
    for i in range(W.shape[0]):
        for j in range(W.shape[1]):
            change = 0.0
            for A, B, alpha, share in adapters:
                change += share * (alpha / A.shape[0]) * sum(b * a for b, a in zip(B[i].tolist(), A[:, j].tolist()))
            old = W[i, j].item()
            merged[i, j] = old + change
            new = merged[i, j].item()
            lost[i, j] = old + change - new
            stuck += change != 0 and new == old
            changed += torch.tensor(new - change, dtype=W.dtype).item() != old
    return {"merged": merged, "lost": lost, "stuck": stuck, "changed": changed}


def drawn(draw: Draw, E: int, D: int, dtype: torch.dtype, *rest: tuple[int, float, float]):
    """Draw a weight and updates: of each (rank, alpha, share)."""
    # Multiples of 2**-16 below 4: all sums are exact in 32 bits.
    W = (normal(draw, E, D, scale=0.5) * 2**14).round() / 2**14
    return W.to(dtype), [(coarse(draw, r, D), coarse(draw, E, r), alpha, share) for r, alpha, share in rest]


@merge_adapters.part(
    6, "Compare numbers of W's dtype: which are W's although something was added, and which do not come back?",
    "counted", items=("stuck", "changed"), whole=True,
)  # fmt: skip
@merge_adapters.part(
    6, "W's numbers in 32 bits, plus share * alpha / r * B A of each pair; then W's dtype, once. What is the difference?",
    "merged", items=("merged", "lost"), whole=True, rtol=0.0, atol=1e-7,
)  # fmt: skip
def mergers(draw: Draw):
    half, few = torch.bfloat16, torch.float16
    # Updates near to what a step of 16 bits is; equal ranks first, where factors could be added by mistake.
    first = {}
    while first.get("stuck", 0) < 3 or first.get("changed", 0) < 3:
        case = drawn(draw, 7, 11, half, (2, 0.5, 1.0), (2, 0.0625, -0.25))
        first = merge_adapters(*case)
    yield case
    yield drawn(draw, 7, 11, half, (4, 0.5, 0.5), (1, 0.0625, 0.25), (2, 0.03125, 2.0))
    yield drawn(draw, 5, 13, half, (4, 0.0625, 1.0))
    yield drawn(draw, 11, 5, few, (2, 0.0625, 0.5), (4, 0.0625, 0.25))
    yield drawn(draw, 13, 3, few, (1, 0.03125, 1.0), (4, 8.0, -0.25))
    yield drawn(draw, 3, 3, torch.float32, (4, 8.0, 1.0), (2, 8.0, 0.5))
    yield drawn(draw, 5, 4, half)
    W, [pair] = drawn(draw, 5, 7, half, (4, 0.25, 1.0))
    # One that is taken out again by another, and one of weight 0.
    yield W, [pair, (*pair[:3], -1.0)]
    yield W, [pair, (*pair[:3], 0.0)]
    yield W, [(torch.zeros_like(pair[0]), *pair[1:])]


TOTAL, LOST, STUCK, BACK = (
    "share * alpha / len(A) * (B @ A)",
    "exact - merged.float()",
    "(merged == W) & (total != 0)",
    "(merged.float() - total).to(W.dtype)",
)
merge_adapters.mistakes(f"""
Only the sum is rounded: here the update was rounded to W's dtype before it was added.
    exact = W.float() + total => exact = W.float() + total.to(W.dtype).float()
    exact = W.float() + total => exact = (W + total.to(W.dtype)).float()
    merged = exact.to(W.dtype) => merged = W + total.to(W.dtype)
    merged = exact.to(W.dtype) => merged = W + total.to(W.dtype) && (merged.float() - total).to(W.dtype) => merged - total.to(W.dtype)
    merged = exact.to(W.dtype) => merged = W + total.to(W.dtype) && {LOST} => (exact - merged).to(W.dtype).float() && (merged.float() - total).to(W.dtype) => merged - total.to(W.dtype)
    {TOTAL} => (share * alpha / len(A) * (B @ A)).to(W.dtype).float()
W was changed in place, so that merged is compared with itself: keep what it was.
    merged = exact.to(W.dtype) => merged = W.copy_(exact.to(W.dtype))
Each share is missing: it says how much of its update is added.
    {TOTAL} => alpha / len(A) * (B @ A)
The shares stay as they are: their sum need not be 1.
    {TOTAL} => share / (sum(one[3] for one in adapters) or 1) * alpha / len(A) * (B @ A)
    {TOTAL} => alpha / len(A) * (B @ A) / len(adapters)
    {TOTAL} => share * alpha / len(A) * (B @ A) / len(adapters)
An update is alpha / r times B A, with r the rank of its own pair.
    {TOTAL} => share * (B @ A)
    {TOTAL} => share * alpha * (B @ A)
    {TOTAL} => share / len(A) * (B @ A)
    {TOTAL} => share * alpha / len(A) ** 0.5 * (B @ A)
    {TOTAL} => share * alpha / len(adapters[0][0]) * (B @ A)
    {TOTAL} => share * alpha / len(B) * (B @ A)
A share weighs its update once: here its square stands before the product.
    {TOTAL} => share * share * alpha / len(A) * (B @ A)
All updates are added, not one of them.
    total = total + share => total = share
    total = total + share => total = total if total.any() else share
The updates are added to W: here they stand alone.
    exact = W.float() + total => exact = total
merged has W's dtype.
    merged = exact.to(W.dtype) => merged = exact
    merged = exact.to(W.dtype) => merged = exact.to(torch.bfloat16)
    merged = exact.to(W.dtype) => merged = exact.to(torch.float16)
lost is what should be there less what is there.
    {LOST} => merged.float() - exact
    {LOST} => abs(exact - merged.float())
lost: merged - W is rounded too, in W's dtype: take both to 32 bits first.
    {LOST} => total - (merged - W).float()
lost has nothing in it: compare the sum in 32 bits with what was kept of it.
    {LOST} => torch.zeros(W.shape)
    {LOST} => (exact.to(W.dtype) - merged).float()
lost is what the merging took, not what taking out the sum again did.
    {LOST} => W.float() - (merged.float() - total).to(W.dtype).float()
    {LOST} => W.float() - back.float()
lost is the part of the sum that rounding took, not the update.
    {LOST} => merged.float() - W.float()
    {LOST} => total
lost holds 32-bit numbers.
    {LOST} => (exact - merged.float()).to(W.dtype)
    {LOST} => exact.double() - merged.double()
stuck: where nothing is added nothing should move, so those weights are not counted.
    {STUCK} => merged == W
stuck: here those are counted that rounding has touched, or that have moved: count those that are W's still.
    {STUCK} => merged.float() != exact
    {STUCK} => merged != W
    {STUCK} => (merged != W) & (total != 0)
stuck: these weights have no update. Count those that have one, and have not moved.
    {STUCK} => total == 0
stuck: a weight is stuck if it has not moved at all; a small move is one.
    {STUCK} => ((merged.float() - W.float()).abs() < 1e-3) & (total != 0)
changed: what is left after the sum is taken out is rounded to W's dtype before it is compared.
    {BACK} => merged.float() - total
changed: the sum is taken out of the rounded numbers, not of the exact ones, and what is left is W or it is not: no tolerance.
    (back != W).sum() => ((back.float() - W.float()).abs() > 1e-3).sum()
    {BACK} => (exact - total).to(W.dtype)
changed: the sum is taken out in 32 bits, and only then rounded.
    {BACK} => merged - total.to(W.dtype)
changed: all updates are taken out together in 32 bits: here each was, and the rest was rounded every time.
    {BACK} => W\\n    back = merged\\n    for A, B, alpha, share in adapters:\\n        back = (back.float() - share * alpha / len(A) * (B @ A)).to(W.dtype)
changed: these are the weights that come back; count the others.
    (back != W) => (back == W)
changed: compare with W, from before the merging.
    (back != W) => (back != merged)
Counts are ints.
    int(((merged == W) & (total != 0)).sum()) => int(((merged == W) & (total != 0)).sum()) / W.numel()
    int((back != W).sum()) => int((back != W).sum()) / W.numel()
    int(((merged == W) & (total != 0)).sum()) => float(((merged == W) & (total != 0)).sum())
    int((back != W).sum()) => float((back != W).float().mean())
    int(((merged == W) & (total != 0)).sum()) => ((merged == W) & (total != 0)).sum()
    int((back != W).sum()) => (back != W).sum()
There may be no update at all: W then stays, nothing is lost, and both counts are 0.
    total = torch.zeros(W.shape) => total = adapters[0][1] @ adapters[0][0] * 0
An update is B A: B has W's rows, and A its columns.
    (B @ A) => (A @ B)
    (B @ A) => (A.T @ B.T)
""")


@merge_adapters.mistake("Each pair is rounded as it is added here: add all of them in 32 bits, and round once.")
def one_after_another(W, adapters):
    merged, total = W, torch.zeros(W.shape)
    for A, B, alpha, share in adapters:
        total = total + share * alpha / len(A) * (B @ A)
        merged = (merged.float() + share * alpha / len(A) * (B @ A)).to(W.dtype)
    found = merge_adapters(W, adapters)
    back = (merged.float() - total).to(W.dtype)
    stuck, changed = int(((merged == W) & (total != 0)).sum()), int((back != W).sum())
    return found | {"merged": merged, "lost": W.float() + total - merged.float(), "stuck": stuck, "changed": changed}


@merge_adapters.mistake(
    "Sums of the A and of the B were multiplied: that has products of one pair's B with another's A."
)
def crossed(W, adapters):
    A = sum(share * one for one, _, _, share in adapters)
    B = sum(alpha / len(one) * two for one, two, alpha, _ in adapters)
    return merge_adapters(W, [(A, B, float(len(A)), 1.0)])


@merge_adapters.mistake(
    "Sums of the A and of the B were multiplied: that has products of one pair's B with another's A."
)
def with_roots(W, adapters):
    # As PEFT's combination type "linear" does: the root of the factor on either side.
    factors = [share * alpha / len(A) for A, _, alpha, share in adapters]
    A = sum(abs(f) ** 0.5 * A for f, (A, *_) in zip(factors, adapters))
    B = sum((f > 0 or -1) * abs(f) ** 0.5 * B for f, (_, B, *_) in zip(factors, adapters))
    return merge_adapters(W, [(A, B, float(len(A)), 1.0)])
