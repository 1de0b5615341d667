"""Exercise 6 of lab 02: a linear recurrence in rounds, in each of which all places join with one before them."""

import torch

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m02_sequence_models.inputs import LIBRARIES, normal


@exercise(minutes=25, difficulty=4, review=LIBRARIES)
def scan_rounds(a, b, h, starts, rounds):
    a, b = a.clone(), b.clone()
    a[starts] = 0.0
    for r in range(rounds):
        reach = 2**r
        if reach < len(a):
            head_a, head_b = a[:reach], b[:reach]
            joined_b = a[reach:] * b[:-reach] + b[reach:]
            joined_a = a[reach:] * a[:-reach]
            a, b = torch.cat([head_a, joined_a]), torch.cat([head_b, joined_b])
    done = 2**rounds >= len(a)
    return a, b, a * h + b if done else None


@scan_rounds.right
def by_definition(a, b, h, starts, rounds):
    T = len(a)
    decay = [torch.zeros_like(one) if t in starts else one for t, one in enumerate(a)]
    big_a, big_b = [], []
    for t in range(T):
        one_a, one_b = torch.ones_like(a[0]), torch.zeros_like(b[0])
        for s in range(max(0, t - 2**rounds + 1), t + 1):
            one_a, one_b = decay[s] * one_a, decay[s] * one_b + b[s]
        big_a.append(one_a)
        big_b.append(one_b)
    if 2**rounds < T:
        return torch.stack(big_a), torch.stack(big_b), None
    states = []
    for t in range(T):
        h = decay[t] * h + b[t]
        states.append(h)
    return torch.stack(big_a), torch.stack(big_b), torch.stack(states)


def recurrence(draw: Draw, T: int, D: int, rounds: int, *starts: int):
    a = torch.tensor([[draw.uniform(0.3, 1.2) for _ in range(D)] for _ in range(T)])
    return a, normal(draw, T, D), normal(draw, D), list(starts), rounds


@scan_rounds.part(
    6, "Put the state that was there before into what all steps together do.", "states", items=(2,), whole=True
)
@scan_rounds.part(8, "After r rounds a place stands for the last 2^r steps up to it. Which two pieces of 2^(r - 1) steps are they?", "rounds", items=(0, 1))  # fmt: skip
def some(draw: Draw):
    yield recurrence(draw, 5, 2, 3)
    yield recurrence(draw, 6, 2, 1)
    yield recurrence(draw, 5, 1, 2)
    yield recurrence(draw, 7, 1, 2)
    yield recurrence(draw, 4, 3, 2)
    yield recurrence(draw, 9, 2, 4, 3, 7)
    yield recurrence(draw, 6, 2, 3, 0)
    yield recurrence(draw, 8, 2, 2, 1, 2, 5)
    yield recurrence(draw, 3, 2, 5)
    yield recurrence(draw, 1, 2, 0)
    yield recurrence(draw, 3, 2, 0, 1)
    yield recurrence(draw, 40, 1, 6, 17)


JOIN, STARTS = "joined_b = a[reach:] * b[:-reach] + b[reach:]", "a[starts] = 0.0"
WAYS = "torch.cat([head_a, joined_a]), torch.cat([head_b, joined_b])"
scan_rounds.mistakes(f"""
The *later* piece's decay acts on what the earlier one has added: here it is the other way round.
    {JOIN} => joined_b = b[:-reach] + a[:-reach] * b[reach:]
    {JOIN} => joined_b = a[:-reach] * b[:-reach] + b[reach:]
What the earlier steps added is there, and decays: here it is lost, or stays whole.
    {JOIN} => joined_b = b[reach:]
    {JOIN} => joined_b = b[:-reach] + b[reach:]
Two pieces in a row decay by the product of their decays.
    joined_a = a[reach:] * a[:-reach] => joined_a = a[reach:] + a[:-reach]
    joined_a = a[reach:] * a[:-reach] => joined_a = a[reach:]
    joined_a = a[reach:] * a[:-reach] => joined_a = a[:-reach]
The distance doubles from round to round: 1, 2, 4.
    reach = 2**r => reach = 1
    reach = 2**r => reach = r + 1
    reach = 2**r => reach = 2 ** (r + 1)
All places join at once, each with what the other was *before* the round: here some were new already.
    {JOIN} => b = b.clone()\\n            for t in range(reach, len(b)): b[t] = a[t] * b[t - reach] + b[t]\\n            joined_b = b[reach:]
The first places have nobody before them, and stay as they are.
    {WAYS} => torch.cat([torch.zeros_like(head_a), joined_a]), torch.cat([head_b, joined_b])
    {WAYS} => torch.cat([head_a, joined_a]), torch.cat([torch.zeros_like(head_b), joined_b])
    {WAYS} => torch.cat([torch.ones_like(head_a), joined_a]), torch.cat([torch.zeros_like(head_b), joined_b])
A new sequence forgets: its first step has the decay 0, and what it adds stays.
    {STARTS} => pass
    {STARTS} => b[starts] = 0.0
    {STARTS} => a[starts] = 0.0\\n    b[starts] = 0.0
    {STARTS} => a[starts] = 1.0
    {STARTS} => a[[s - 1 for s in starts if s]] = 0.0
    {STARTS} => a[[s + 1 for s in starts if s + 1 < len(a)]] = 0.0
One round more, or one fewer, was made than asked for.
    range(rounds): => range(rounds + 1):
    range(rounds): => range(max(0, rounds - 1)):
    range(rounds): => range(20):
The states need what was there before the first step: a h + b, with the given h.
    a * h + b if done else None => b if done else None
    a * h + b if done else None => h + b if done else None
    a * h + b if done else None => b * h + a if done else None
With too few rounds not all steps are in, and there are no states: None. With 2^r steps or fewer there are.
    done = 2**rounds >= len(a) => done = True
    done = 2**rounds >= len(a) => done = 2**rounds > len(a)
    done = 2**rounds >= len(a) => done = rounds >= len(a)
    done = 2**rounds >= len(a) => done = rounds > 0
    done = 2**rounds >= len(a) => done = 2**rounds >= len(a) - 1
""")
