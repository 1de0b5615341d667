"""Exercise 6 of lab 04: a mixture's router and its balance loss."""

import torch

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m04_transformer.inputs import LIBRARIES, normal


@exercise(minutes=20, difficulty=3, review=LIBRARIES)
def route_tokens(logits, k):
    N, E = logits.shape
    p = logits.double().softmax(-1)
    experts = logits.sort(dim=-1, descending=True, stable=True).indices[:, :k]
    chosen = p.gather(1, experts)
    shares = chosen / chosen.sum(1, keepdim=True)
    f = torch.bincount(experts.flatten(), minlength=E) / (N * k)
    P = p.mean(0)
    loss = E * (f * P).sum()
    return shares.to(logits.dtype), experts, loss.item()


@route_tokens.right
def counted(logits, k):
    # Each expert's rank: how many are larger, or as large and before it.
    E = logits.shape[1]
    larger = logits[:, None, :] > logits[:, :, None]
    before = (logits[:, None, :] == logits[:, :, None]) & torch.ones(E, E, dtype=torch.bool).tril(-1)
    rank = (larger | before).sum(2)
    experts = rank.argsort(1)[:, :k]
    f = (rank < k).double().mean(0) / k
    return logits.gather(1, experts).softmax(1), experts, float(E * f @ logits.double().softmax(1).mean(0))


@route_tokens.right
def library(logits, k):
    import numpy as np

    z = logits.numpy()
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    experts = np.argsort(-z, axis=1, kind="stable")[:, :k]
    chosen = np.take_along_axis(p, experts, 1)
    f = np.bincount(experts.ravel(), minlength=z.shape[1]) / experts.size
    return chosen / chosen.sum(1, keepdims=True), experts, float(z.shape[1] * f @ p.mean(0))


@route_tokens.part(
    6, "E times the sum over experts of f * P. Print f, which adds up to 1, and P.", "balance loss", items=(2,)
)
@route_tokens.part(
    6, "The k largest logits, best first; their probabilities, divided by their sum.", "choices", items=(0, 1)
)
def without_ties(draw: Draw):
    # Many tokens first, where mistakes differ most; few, one expert, all of them, large logits.
    yield normal(draw, 11, 7), 3
    yield torch.tensor([[1.0, 6.0, 2.0, 1.0]]).log(), 2
    for N, E, k in ((7, 4, 1), (5, 8, 2), (4, 3, 3), (1, 2, 1)):
        yield normal(draw, N, E), k
    yield normal(draw, 5, 4) + 1000, 2


@route_tokens.part(2, "Which experts have equal logits here? The smaller index goes first.", "ties", items=(0, 1))
def with_ties(draw: Draw):
    # The first shows in which order shares and experts are: not all that are chosen are equal.
    for k in (4, 2):
        yield torch.tensor([[1.0, 3.0, 3.0, 2.0, 3.0], [2.0, 2.0, 0.0, 1.0, 2.0]]), k
    yield torch.zeros(2, 5), 2
    # More equal logits than a sorting network keeps in order by chance.
    yield torch.tensor([[float(draw.randrange(3)) for _ in range(64)] for _ in range(3)]), 7
    # Logits that differ where their probabilities are zero in 32 bits.
    low = draw.sample(range(-400, -200), 5)
    yield torch.tensor([[*map(float, low), 0.0], [0.0, *map(float, sorted(low))]]), 4
    # Ties so large, and logits so close, that no small step for each index is right for both.
    yield torch.tensor([[float(draw.choice((-100, 100))) for _ in range(64)] for _ in range(3)]), 5
    yield normal(draw, 3, 11, scale=1e-30), 3


route_tokens.mistakes("""
The shares of the chosen experts must add up to one: divide by their sum.
    chosen / chosen.sum(1, keepdim=True) => chosen
The best expert comes first.
    shares.to(logits.dtype), experts, loss => shares.flip(1).to(logits.dtype), experts.flip(1), loss
    [:, :k] => [:, :k].sort(1).values
Shares and experts are in different orders.
    experts, loss.item() => experts.flip(1), loss.item()
Of equal logits the smaller index goes first: topk promises no order, nor do sort and argsort unless they are stable.
    logits.sort(dim=-1, descending=True, stable=True).indices => logits.topk(k).indices
    logits.sort(dim=-1, descending=True, stable=True).indices => logits.argsort(-1, descending=True)
A small step for each index is rounded away beside large logits, and turns close ones round. Sort stably.
    logits.sort(dim=-1, descending=True, stable=True).indices => (logits - 1e-6 * torch.arange(E)).topk(k).indices
    logits.sort(dim => (logits - 1e-4 * torch.arange(E)).sort(dim
Sorted by probability: in 32 bits different logits may have the same one, zero for instance. Sort the logits.
    logits.sort => p.float().sort
These are the experts with the smallest logits.
    descending=True => descending=False
The probabilities are a softmax over the experts, not sigmoids.
    softmax(-1) => sigmoid()
Shares are made of probabilities, not of logits: softmax first.
    .softmax(-1) =>
One softmax is enough: divide the chosen probabilities by their sum.
    chosen / chosen.sum(1, keepdim=True) => chosen.softmax(-1)
The softmax runs over the experts of one token, along the last dimension.
    softmax(-1) => softmax(0)
exp overflows: subtract the largest logit first, or use torch.softmax.
    logits.double().softmax(-1) => logits.exp() / logits.exp().sum(1, keepdim=True)
f is a share of all N * k choices, and adds up to one; this is k times as large, as in transformers' own loss.
    / (N * k) => / N
The factor E is missing, or undone by a mean over the experts: perfect balance costs 1.
    E * (f => (f
P is the mean of the probabilities of *all* experts, before the choice: here those not chosen are zero.
    p.mean(0) => torch.zeros_like(p).scatter(1, experts, shares).mean(0)
    p.mean(0) => torch.zeros_like(p).scatter(1, experts, chosen).mean(0)
The factor is E, the number of experts, not k.
    E * (f => k * (f
All k choices of a token count for f, not the first alone.
    experts.flatten(), minlength=E) / (N * k) => experts[:, 0], minlength=E) / N
f is a share of the choices, and P a mean over the tokens: here one of the two is a number, or a sum.
    p.mean(0) => p.sum(0)
    / (N * k) =>
Have f and P one number for each of the E experts? One that nobody has chosen counts too, with 0.
    , minlength=E =>
    p.mean(0) => p.mean(1)
Were tokens and experts mixed up? Each row is sorted by itself, and a choice is looked up in its own row.
    logits.sort(dim=-1, descending=True, stable=True).indices => logits.argsort(0, descending=True)
torch.sort and torch.topk return a pair: the values and their indices.
    .indices =>
A tensor is not sliced backwards: flip it, or sort the other way.
    logits.sort(dim=-1, descending=True, stable=True).indices => logits.argsort(-1)[:, ::-1]
Where sort or argsort is to be stable, it wants its dimension by name: dim=-1.
    logits.sort(dim=-1, => logits.sort(-1,
    logits.sort(dim=-1, descending=True, stable=True).indices => logits.argsort(-1, descending=True, stable=True)
""")
