"""Exercise 1 of lab 07: one rank's turn in a ring all-reduce, with uneven pieces and ranks in any order."""

import torch

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m07_parallelism.inputs import LIBRARIES, normal


@exercise(minutes=20, difficulty=3, review=LIBRARIES)
def ring_turn(mine, came, rank, ring, turn):
    n, N = len(ring), len(mine)
    sizes = [N // n + (piece < N % n) for piece in range(n)]
    place = ring.index(rank)
    # A piece that comes in is the one that goes out.
    piece = ring[(place - turn - 1) % n]
    begin = sum(sizes[:piece])
    end = begin + sizes[piece]
    mine = mine.clone()
    if turn >= n:
        mine[begin:end] = came
    elif turn > 0:
        mine[begin:end] += came
    sends = mine[begin:end].clone() if turn < 2 * n - 2 else None
    total = 2 * N - sizes[rank] - sizes[ring[(place + 1) % n]]
    return mine, sends, total


@ring_turn.right
def by_journeys(mine, came, rank, ring, turn):
    # Each piece's way: from the rank behind its owner to the owner, and on to the one before.
    n = len(ring)
    pieces = list(mine.tensor_split(n))
    ways = [[ring[(ring.index(owner) + 1 + t) % n] for t in range(2 * n - 1)] for owner in range(n)]
    (owner,) = [owner for owner, way in enumerate(ways) if way[turn] == rank]
    if came is not None:
        pieces[owner] = came if turn > n - 1 else came + pieces[owner]
    total = sum(len(pieces[owner]) for owner, way in enumerate(ways) for at in way[:-1] if at == rank)
    return torch.cat(pieces), pieces[owner] if turn + 1 < len(ways[owner]) else None, total


def turns(draw: Draw, N: int, ring: list[int]):
    """Yield every turn of every rank of one all-reduce, those in the middle first."""
    n = len(ring)
    vectors, came, seen = [normal(draw, N) for _ in ring], [None] * n, []
    for turn in range(2 * n - 1):
        done = []
        for rank in range(n):
            seen.append((vectors[rank], came[rank], rank, ring, turn))
            done.append(ring_turn(*seen[-1]))
        vectors = [one[0] for one in done]
        came = [done[ring[ring.index(rank) - 1]][1] for rank in range(n)]
    middle = [one for one in seen if one[-1] in (n - 2, n + 1)]
    yield from middle + [one for one in seen if one[-1] not in (n - 2, n + 1)]


@ring_turn.part(
    4, "Which pieces does this rank send in all its turns, and how large is each? Two are sent once, the others twice.", "total",
    items=(2,),
)  # fmt: skip
@ring_turn.part(
    6, "Follow one piece: where does it begin, where is it complete, and where does it stop?", "sends", items=(1,)
)
@ring_turn.part(
    7,
    "Which piece came in this turn, and is it still on the way to its owner, or complete already?",
    "keeps",
    items=(0,),
)
def rings(draw: Draw):
    # Equal pieces first, with which no wrong piece raises.
    yield from turns(draw, 15, [2, 0, 3, 1, 4])
    yield from turns(draw, 13, [2, 0, 3, 1, 4])
    yield from turns(draw, 11, [1, 3, 0, 2])
    yield from turns(draw, 7, [0, 1, 2])
    yield from turns(draw, 4, [3, 0, 4, 1, 2])
    yield from turns(draw, 5, [1, 0])
    yield from turns(draw, 3, [0])
    yield from turns(draw, 0, [0, 1])


PIECE, SIZES, TOTAL = (
    "ring[(place - turn - 1) % n]",
    "N // n + (piece < N % n)",
    "2 * N - sizes[rank] - sizes[ring[(place + 1) % n]]",
)
ring_turn.mistakes(f"""
The first N % n pieces have one number more than the others: here the vector is cut in another way.
    {SIZES} => N // n + (N % n if piece == n - 1 else 0)
    {SIZES} => N // n
    {SIZES} => N // n + (piece >= n - N % n)
    {SIZES} => (piece + 1) * N // n - piece * N // n
    {SIZES} => max(0, min(N, (piece + 1) * -(-N // n)) - piece * -(-N // n))
This is not the piece that is here in this turn. A piece has its owner's number; it begins one place behind its owner, which ring.index finds, and moves on by one place a turn.
    ring.index(rank) => rank
    ring.index(rank) => ring[rank]
    {PIECE} => (place - turn - 1) % n
    {PIECE} => (rank - turn - 1) % n
    {PIECE} => ring[(place - turn) % n]
    {PIECE} => (rank - turn) % n
    {PIECE} => ring[(place - turn + 1) % n]
    {PIECE} => ring[(place - turn - 2) % n]
    {PIECE} => ring[(place + turn + 1) % n]
    {PIECE} => ring[(place + turn) % n]
    {PIECE} => ring[(place + turn - 1) % n]
    {PIECE} => ring[place]
    {PIECE} => ring[place - 1]
From turn n on what comes in is complete, and replaces what is there: added, it counts some numbers twice.
    turn >= n: => turn >= 2 * n:
    turn >= n: => turn > n:
    turn >= n: => turn > n + 1:
Up to turn n - 1 what comes in is still a part of the sum, and is added.
    turn >= n: => turn >= n - 1:
    turn >= n: => turn >= n // 2:
    mine[begin:end] += came => mine[begin:end] = came
What comes in is kept as well as passed on: here this rank's numbers stay as they were.
    sends = mine => old, mine = mine, old\\n    sends = old && mine = mine.clone() => mine, old = mine.clone(), mine.clone()
Add first, and send then: here the piece goes out without what has just come in, or without this rank's numbers.
    mine = mine.clone() => mine, old = mine.clone(), mine && sends = mine[begin:end] => sends = old[begin:end]
In the last turn, 2n - 2, everything is complete everywhere: nothing is sent, and that is None.
    if turn < 2 * n - 2 else None => if turn < 2 * n - 1 else None
    if turn < 2 * n - 2 else None => if turn < 2 * n - 2 else mine[:0]
There are 2(n - 1) turns in which something is sent: this stops too early.
    if turn < 2 * n - 2 else None => if turn < 2 * n - 3 else None
    if turn < 2 * n - 2 else None => if turn < n - 1 else None
    if turn < 2 * n - 2 else None => if turn < n else None
One piece goes out in a turn, not the whole vector.
    sends = mine[begin:end].clone() => sends = mine.clone()
A sum is wanted: nothing is divided by the number of ranks.
    elif turn > 0: => elif turn == n - 1:\\n        mine[begin:end] = (mine[begin:end] + came) / n\\n    elif turn > 0:
In turn 0 nothing has come in yet: came is None.
    elif turn > 0: => else:
Pieces differ, so 2(n - 1)N/n does not do: count those that this rank sends. On the way to the owners it never sends its own piece, and after that never the next rank's.
    {TOTAL} => 2 * (n - 1) * N // n
    {TOTAL} => round(2 * (n - 1) * N / n)
    {TOTAL} => 2 * (n - 1) * (N // n)
    {TOTAL} => 2 * (n - 1) * -(-N // n)
    {TOTAL} => 2 * (n - 1) * sizes[rank]
    {TOTAL} => 2 * (N - sizes[rank])
    {TOTAL} => 2 * N - sizes[rank] - sizes[ring[place - 1]]
    {TOTAL} => 2 * (N - sizes[ring[place - 1]])
    {TOTAL} => 2 * N - sizes[rank] - sizes[(rank + 1) % n]
    {TOTAL} => 2 * N - sizes[place] - sizes[(place + 1) % n]
All turns count, those before and those after the owners have their sums.
    {TOTAL} => N - sizes[rank]
    {TOTAL} => N - sizes[ring[(place + 1) % n]]
    {TOTAL} => sizes[piece]
Some pieces are not sent twice: each rank keeps one to itself on the way there, and one on the way back.
    {TOTAL} => 2 * N
    {TOTAL} => 2 * N - sizes[rank]
    {TOTAL} => 2 * N - sizes[ring[(place + 1) % n]]
    {TOTAL} => (2 * n - 2) * N
Numbers are counted, and not bytes.
    {TOTAL} => 4 * ({TOTAL})
    {TOTAL} => 8 * ({TOTAL})
The count is an int.
    {TOTAL} => float({TOTAL})
""")
