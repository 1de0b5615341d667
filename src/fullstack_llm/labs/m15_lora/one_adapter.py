"""Exercise 6 of lab 15: several adapters, each scaled in its own way, as one of a given rank and scale."""

import math

import torch

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m15_lora.inputs import LIBRARIES, normal


@exercise(minutes=20, difficulty=3, review=LIBRARIES)
def one_adapter(adapters, rank, alpha, stable):
    total = 0.0
    for A, B, own_alpha, own_stable, share in adapters:
        scale = own_alpha / (math.sqrt(len(A)) if own_stable else len(A))
        total = total + share * scale * (B.double() @ A.double())
    U, S, Vt = torch.linalg.svd(total, full_matrices=False)
    k = min(rank, len(S))
    scale = alpha / (math.sqrt(rank) if stable else rank)
    A = torch.zeros(rank, total.shape[1])
    B = torch.zeros(total.shape[0], rank)
    A[:k] = Vt[:k]
    B[:, :k] = U[:, :k] * S[:k] / scale
    return A, B, S[k:].square().sum().sqrt().item()


@one_adapter.right
def without_the_product(adapters, rank, alpha, stable):
    # The total is wide @ tall; its singular values are those of a small matrix between two rotations.
    factors = [share * a / (len(A) ** 0.5 if s else len(A)) for A, _, a, s, share in adapters]
    wide = torch.cat([f * B for f, (_, B, *_) in zip(factors, adapters)], 1).double()
    tall = torch.cat([A for A, *_ in adapters]).double()
    Q, R = torch.linalg.qr(wide)
    P, T = torch.linalg.qr(tall.T)
    U, S, V = torch.linalg.svd(R @ T.T)
    k = min(rank, len(S))
    root = (S[:k] / (alpha / (rank**0.5 if stable else rank))).sqrt()
    A, B = (P @ V.T[:, : len(S)])[:, :k] * root, (Q @ U[:, : len(S)])[:, :k] * root
    A, B = (torch.nn.functional.pad(one, (0, rank - k)) for one in (A, B))
    return A.T.contiguous(), B, float((S.square().sum() - S[:k].square().sum()).clamp(min=0).sqrt())


def update(value, adapters, rank, alpha, stable):
    """Return the shapes of A and B, and what they add to a weight: A and B themselves may be any that add it."""
    A, B, _ = value
    divisor = rank**0.5 if stable else rank
    return list(A.shape), list(B.shape), (alpha * B.double() @ A.double() / divisor).float()


def drawn(draw: Draw, E: int, D: int, rank: int, alpha: float, stable: bool, *rest: tuple[int, float, bool, float]):
    """Draw adapters whose sum has a clear order of singular values; of each (rank, alpha, stable, share)."""
    while True:
        adapters = [
            (normal(draw, r, D), normal(draw, E, r, scale=0.3), own, root, share) for r, own, root, share in rest
        ]
        total = sum(share * own / (len(A) ** 0.5 if root else len(A)) * (B @ A) for A, B, own, root, share in adapters)
        S = torch.linalg.svdvals(total)
        if rank >= len(S) or S[rank - 1] > 1.1 * S[rank] or S[rank - 1] < 1e-4:
            return adapters, rank, alpha, stable


@one_adapter.part(
    4, "The root of the sum of squares of the singular values that were left out; nothing if the rank is large enough.",
    "error", items=(2,), rtol=1e-3, atol=3e-4,
)  # fmt: skip
@one_adapter.part(
    6, "Which matrix of rank r is nearest to the sum of all updates? Then split it, and divide by the new factor.",
    "nearest", view=update, rtol=1e-3, atol=3e-4,
)  # fmt: skip
def too_many(draw: Draw):
    # Ranks that are not each other's squares, factors of 2 nowhere twice.
    yield drawn(draw, 11, 8, 3, 10.0, True, (3, 5.0, False, 1.0), (5, 7.0, True, -0.5))
    yield drawn(draw, 7, 13, 2, 3.0, False, (5, 2.0, True, 0.7), (2, 6.0, False, 1.5), (3, 4.0, False, 0.25))
    yield drawn(draw, 6, 5, 1, 2.0, False, (4, 6.0, False, 1.0))
    yield drawn(draw, 5, 9, 3, 7.0, True, (3, 5.0, True, 1.0), (3, 5.0, True, 0.6))


@one_adapter.part(
    4, "Nothing is lost here. What does one unit of B A add to a weight, before and after?", "exact", view=update,
    rtol=1e-3, atol=3e-4,
)  # fmt: skip
def enough(draw: Draw):
    yield drawn(draw, 7, 11, 3, 10.0, True, (3, 5.0, False, 1.0))
    yield drawn(draw, 11, 5, 3, 16.0, False, (3, 5.0, True, 0.5))
    yield drawn(draw, 7, 9, 5, 10.0, False, (2, 5.0, False, 1.0), (3, 2.0, True, -1.5))
    # More rank than is needed, and more than the matrix has; an adapter that has learnt nothing yet.
    yield drawn(draw, 7, 11, 6, 8.0, True, (2, 3.0, False, 1.0))
    yield drawn(draw, 4, 3, 7, 8.0, False, (2, 3.0, True, 1.0))
    [(A, B, *more)], *rest = drawn(draw, 5, 4, 2, 8.0, False, (2, 3.0, False, 1.0))
    yield [(A, torch.zeros_like(B), *more)], *rest


OWN = "own_alpha / (math.sqrt(len(A)) if own_stable else len(A))"
NEW = "alpha / (math.sqrt(rank) if stable else rank)\\n    A ="
one_adapter.mistakes(f"""
An adapter with stable=True is scaled by alpha over the root of its rank, the others by alpha over the rank.
    {OWN} => own_alpha / len(A)
    {OWN} => own_alpha / math.sqrt(len(A))
    {OWN} => own_alpha / (len(A) if own_stable else math.sqrt(len(A)))
    {OWN} => own_alpha / (math.sqrt(len(A)) if stable else len(A))
The updates of the given adapters have their factors, alpha over the rank or its root: these are missing or not whole.
    {OWN} => 1.0
    {OWN} => own_alpha
    {OWN} => 1 / (math.sqrt(len(A)) if own_stable else len(A))
    {OWN} => own_alpha / (math.sqrt(len(adapters[0][0])) if own_stable else len(adapters[0][0]))
    {OWN} => own_alpha / (math.sqrt(rank) if own_stable else rank)
    {OWN} => alpha / (math.sqrt(len(A)) if own_stable else len(A))
The shares say how much of each adapter is added: all of them, as they are.
    share * scale => scale
    share * scale => share / sum(one[-1] for one in adapters) * scale
    share * scale => share * scale / len(adapters)
    share * scale => abs(share) * scale
    share * scale => abs(share) ** 0.5 * scale
The new adapter will be multiplied by its own factor: divide by it, so that what is added to the weight stays the same.
    * S[:k] / scale => * S[:k]
    * S[:k] / scale => * S[:k] * scale
    A[:k] = Vt[:k] => A[:k] = Vt[:k] / scale
    * S[:k] / scale => * S[:k] / alpha
    * S[:k] / scale => * S[:k] * rank
The new factor is alpha over the root of the new rank if stable is True, and alpha over the rank otherwise.
    {NEW} => alpha / rank\\n    A =
    {NEW} => alpha / math.sqrt(rank)\\n    A =
    {NEW} => alpha / (math.sqrt(len(A)) if stable else len(A))\\n    A =
    {NEW} => alpha / (math.sqrt(k) if stable else k)\\n    A =
    {NEW} => alpha / (rank if stable else math.sqrt(rank))\\n    A =
    {NEW} => alpha / (math.sqrt(len(adapters[0][0])) if stable else len(adapters[0][0]))\\n    A =
    {NEW} => alpha / (math.sqrt(sum(len(one[0]) for one in adapters)) if stable else sum(len(one[0]) for one in adapters))\\n    A =
The singular values belong in once: to B, or to A, or the root of each to both.
    * S[:k] / scale => / scale
    A[:k] = Vt[:k] => A[:k] = S[:k, None] * Vt[:k]
    * S[:k] / scale => * S[:k].sqrt() / scale
    A[:k] = Vt[:k] => A[:k] = S[:k, None].sqrt() * Vt[:k]
torch.linalg.svd gives V transposed already: its rows are the directions, the first of them first.
    A[:k] = Vt[:k] => A[:k] = Vt.T[:k]
The columns of U are directions of the outputs: B has the first of them, as columns.
    U[:, :k] * S[:k] => U[:k].T * S[:k]
    U[:, :k] * S[:k] => U.T[:, :k] * S[:k]
The nearest matrix keeps the largest singular values: here others are kept.
    U, S, Vt = torch.linalg.svd(total, full_matrices=False) => U, S, Vt = torch.linalg.svd(total, full_matrices=False)\\n    U, S, Vt = U.flip(1), S.flip(0), Vt.flip(0)
    A[:k] = Vt[:k] => A[:k] = Vt[-k:]
    * S[:k] / scale => * S[-k:] / scale
    A[:k] = Vt[:k] => A[:k] = Vt[-k:] && * S[:k] / scale => * S[-k:] / scale
    A[:k] = Vt[:k] => A[:k] = (S[-k:] / S[:k]).sqrt()[:, None] * Vt[-k:]
A has `rank` rows and B as many columns, with zeros where less is needed.
    A = torch.zeros(rank, => A = torch.zeros(k, && B = torch.zeros(total.shape[0], rank) => B = torch.zeros(total.shape[0], k)
    A = torch.zeros(rank, => rank = min(rank, sum(len(one[0]) for one in adapters))\\n    A = torch.zeros(rank,
A has the inputs as columns, and B the outputs as rows: here one of them is turned round.
    return A, B, => return A.T, B,
    return A, B, => return A, B.T,
    return A, B, => return A.T, B.T,
First A, then B.
    return A, B, => return B, A,
The rank may be larger than the matrix has singular values: there is nothing more to take, and zeros fill up.
    k = min(rank, len(S)) => k = rank
The error is the root of the sum of the squares of what is left out.
    S[k:].square().sum().sqrt() => S[k:].square().sum()
    S[k:].square().sum().sqrt() => S[k:].sum()
    S[k:].square().sum().sqrt() => S[k:].square().mean().sqrt()
    S[k:].square().sum().sqrt() => (S[k:].square().sum() / total.numel()).sqrt()
    S[k:].square().sum().sqrt() => S[k : k + 1].sum()
    S[k:].square().sum().sqrt() => (S[k:].square().sum() / total.numel())
The error is the size of what is missing from the weight, neither divided by that of the whole nor by a factor.
    S[k:].square().sum().sqrt() => (S[k:].square().sum().sqrt() / S.square().sum().sqrt())
    S[k:].square().sum().sqrt() => (S[k:].square().sum() / S.square().sum())
    S[k:].square().sum().sqrt() => (S[k:].square().sum().sqrt() / scale)
The error is that of what is left out: this is the size of what was kept, or of all.
    S[k:].square().sum().sqrt() => S[:k].square().sum().sqrt()
    S[k:].square().sum().sqrt() => S.square().sum().sqrt()
The error is a float, not a tensor.
    S[k:].square().sum().sqrt().item() => S[k:].square().sum().sqrt()
The error is that of the new factor times B A: here the factor is missing.
    S[k:].square().sum().sqrt() => (total - B.double() @ A.double()).norm()
An update is B A: B has the outputs as rows, and A the inputs as columns.
    (B.double() @ A.double()) => (A.double() @ B.double())
""")


@one_adapter.mistake(
    "The adapters were put side by side and cut off at the rank: the first rows are not the ones that count most."
)
def cut(adapters, rank, alpha, stable):
    factors = [share * a / (math.sqrt(len(A)) if s else len(A)) for A, _, a, s, share in adapters]
    A = torch.cat([A for A, *_ in adapters])
    B = torch.cat([f * B for f, (_, B, *_) in zip(factors, adapters)], 1)
    total = B @ A
    A, B = A[:rank], B[:, :rank]
    error = float((total - B @ A).norm())
    scale = alpha / (math.sqrt(rank) if stable else rank)
    more = rank - len(A)
    return torch.nn.functional.pad(A, (0, 0, 0, more)), torch.nn.functional.pad(B / scale, (0, more)), error


@one_adapter.mistake("Each adapter was cut to the rank before they were added: add first, then look for the nearest.")
def cut_each(adapters, rank, alpha, stable):
    kept = [(*one_adapter([one], rank, 1.0, True)[:2], 1.0, True, 1.0) for one in adapters]
    return one_adapter(kept, rank, alpha, stable)


@one_adapter.mistake(
    "Sums of the A and of the B were multiplied: that has products of one adapter's B with another's A."
)
def crossed(adapters, rank, alpha, stable):
    factors = [share * a / (math.sqrt(len(A)) if s else len(A)) for A, _, a, s, share in adapters]
    A, B = sum(A for A, *_ in adapters), sum(f * B for f, (_, B, *_) in zip(factors, adapters))
    return one_adapter([(A, B, float(len(A)), False, 1.0)], rank, alpha, stable)
