"""Exercise 4 of lab 07: ranks, coordinates and groups, and which order of axes keeps the most traffic inside nodes."""

import itertools
import math

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m07_parallelism.inputs import LIBRARIES


def grouped(sizes, order, names):
    groups = {}
    for rank in range(math.prod(sizes.values())):
        left, others = rank, []
        for name in order:
            if name not in names:
                others.append(left % sizes[name])
            left //= sizes[name]
        groups.setdefault(tuple(others), []).append(rank)
    return list(groups.values())


def crossed(groups, node_size):
    hops = 0
    for group in groups:
        for at, rank in enumerate(group):
            hops += group[at - 1] // node_size != rank // node_size
    return hops


@exercise(minutes=20, difficulty=3, review=LIBRARIES, uses=(grouped, crossed))
def map_ranks(sizes, order, node_size, traffic):
    coordinates = []
    for rank in range(math.prod(sizes.values())):
        at = {}
        for name in order:
            rank, at[name] = divmod(rank, sizes[name])
        coordinates.append(at)
    groups = [grouped(sizes, order, names) for names, _ in traffic]
    crossing = [crossed(one, node_size) for one in groups]

    def cost(order):
        return sum(crossed(grouped(sizes, order, names), node_size) * size for names, size in traffic)

    best = min(map(list, itertools.permutations(sorted(sizes))), key=cost)
    return {
        "coordinates": coordinates, "groups": groups, "crossing": crossing, "bytes": cost(order), "best": best,
        "least": cost(best),
    }  # fmt: skip


@map_ranks.right
def with_arrays(sizes, order, node_size, traffic):
    import numpy as np

    def groups_of(order, names):
        cube = np.arange(math.prod(sizes.values())).reshape([sizes[name] for name in reversed(order)])
        axes = [axis for axis, name in enumerate(reversed(order)) if name in names]
        rows = np.moveaxis(cube, axes, range(-len(axes), 0)).reshape(-1, math.prod([sizes[name] for name in names]))
        return sorted(sorted(row) for row in rows.tolist())

    def hops(order, names):
        nodes = np.array(groups_of(order, names)) // node_size
        return int((nodes != np.roll(nodes, -1, axis=1)).sum())

    def total(order):
        return sum(hops(order, names) * size for names, size in traffic)

    strides, step = {}, 1
    for name in order:
        strides[name], step = step, step * sizes[name]
    ranked = sorted((total(list(one)), list(one)) for one in itertools.permutations(sizes))
    return {
        "coordinates": [{name: rank // strides[name] % sizes[name] for name in order} for rank in range(step)],
        "groups": [groups_of(order, names) for names, _ in traffic],
        "crossing": [hops(order, names) for names, _ in traffic],
        "bytes": total(order), "best": ranked[0][1], "least": ranked[0][0],
    }  # fmt: skip


@map_ranks.part(
    3, "Try every order of the axes; where several are the cheapest, the first one in alphabetical order.", "best",
    items=("best", "least"), whole=True,
)  # fmt: skip
@map_ranks.part(
    4, "Draw one group as a ring of its ranks: which hops go from one node to another?", "crossing",
    items=("crossing", "bytes"), whole=True,
)  # fmt: skip
@map_ranks.part(
    4, "Ranks of a group differ in the axes that are named, and in no others.", "groups", items=("groups",), whole=True
)
@map_ranks.part(
    3, "The first axis of order changes from each rank to the next.", "coordinates", items=("coordinates",), whole=True
)
def layouts(draw: Draw):
    yield {"dp": 3, "pp": 5, "tp": 4}, ["tp", "dp", "pp"], 6, [(["tp"], 7), (["dp"], 11), (["pp"], 2)]
    yield {"tp": 2, "cp": 3, "dp": 5}, ["dp", "cp", "tp"], 4, [(["dp", "cp"], 5), (["tp"], 13), (["cp"], 3)]
    yield {"dp": 4, "tp": 4, "pp": 2}, ["pp", "tp", "dp"], 8, [(["tp"], 100), (["dp"], 1), (["pp"], 1)]
    yield {"pp": 2, "ep": 3, "tp": 2, "dp": 2}, ["tp", "ep", "dp", "pp"], 5, [(["dp", "ep"], 3), (["ep"], 7), (["pp"], 2), (["tp"], 5)]  # fmt: skip
    # Whatever the order, nothing crosses, or all costs the same: the alphabet decides.
    yield {"tp": 2, "dp": 2}, ["tp", "dp"], 64, [(["tp"], 9), (["dp"], 4)]
    yield {"b": 3, "c": 2, "a": 2}, ["c", "b", "a"], 1, [(["a"], 1), (["c", "b"], 2)]
    yield {"tp": 1, "dp": 7}, ["dp", "tp"], 3, [(["tp"], 5), (["dp"], 2)]
    yield {"dp": 2}, ["dp"], 1, [(["dp"], 3)]
    sizes = dict(zip(("dp", "cp", "tp"), draw.sample((2, 3, 4, 5), 3), strict=True))
    order = draw.sample(list(sizes), 3)
    yield sizes, order, draw.choice((4, 6, 8)), [([name], draw.randint(1, 50)) for name in sizes] + [(["cp", "dp"], draw.randint(1, 50))]  # fmt: skip


AT, DIVIDED, HOPS = (
    "rank, at[name] = divmod(rank, sizes[name])",
    "others.append(left % sizes[name])",
    "hops += group[at - 1] // node_size != rank // node_size",
)
BEST, COST = (
    "min(map(list, itertools.permutations(sorted(sizes))), key=cost)",
    "crossed(grouped(sizes, order, names), node_size) * size",
)
map_ranks.mistakes(f"""
The first axis of order changes the fastest: here it is the last one, or the dict's order was taken.
    for name in order:\\n            rank, => for name in reversed(order):\\n            rank,
    for name in order:\\n            rank, => for name in sizes:\\n            rank,
    for name in order:\\n            rank, => for name in reversed(sizes):\\n            rank,
    for name in order:\\n            rank, => for name in sorted(order):\\n            rank,
    for name in order:\\n            if => for name in reversed(order):\\n            if
    for name in order:\\n            if => for name in sizes:\\n            if
    coordinates = [] => order, coordinates = order[::-1], []
    coordinates = [] => order, coordinates = list(sizes), []
A coordinate is the remainder after all faster axes have been divided out: here that is missing.
    {AT} => at[name] = rank % sizes[name]
    {AT} => at[name], rank = divmod(rank, sizes[name])
A rank's coordinates are a dict from each axis to a number.
    coordinates.append(at) => coordinates.append(tuple(at.values()))
    coordinates.append(at) => coordinates.append(list(at.values()))
The coordinates of each rank are wanted, in the order of the ranks.
    "coordinates": coordinates => "coordinates": dict(enumerate(coordinates))
Ranks of a group differ in the axes that are named: here they have those in common.
    if name not in names: => if name in names:
With several axes named, a group holds the ranks that differ in any of them: all their combinations.
    if name not in names: => if name not in names[:1]:
    if name not in names: => if name not in names[-1:]:
A group is a list of ranks in ascending order, and groups come in the order of their smallest rank.
    return list(groups.values()) => return [groups[key] for key in sorted(groups)]
    return list(groups.values()) => return [one[::-1] for one in groups.values()]
    return list(groups.values()) => return list(groups.values())[::-1]
A group whose size is 1 is a group too.
    return list(groups.values()) => return [one for one in groups.values() if len(one) > 1]
There is a list of groups for each entry of traffic, in their order.
    for names, _ in traffic] => for names, _ in sorted(traffic)]
    "groups": groups => "groups": [one for some in groups for one in some]
    "groups": groups => "groups": {{tuple(names): one for (names, _), one in zip(traffic, groups)}}
A ring is closed: the last rank of a group sends to the first.
    for at, rank in enumerate(group): => for at, rank in list(enumerate(group))[1:]:
Hops are counted, and not groups: a ring may cross from node to node several times.
    {HOPS} => hops += at == 0 and len({{one // node_size for one in group}}) > 1
    {HOPS} => hops += at == 0 and group[0] // node_size != group[-1] // node_size
Hops are counted, and not nodes.
    {HOPS} => hops += at == 0 and len({{one // node_size for one in group}})
Not every hop crosses: ranks on one node need no other link.
    {HOPS} => hops += len(group) > 1
    {HOPS} => hops += 1
The hops of all groups of an entry count.
    crossing = [crossed(one, node_size) for one in groups] => crossing = [crossed(one[:1], node_size) for one in groups]
    crossing = [crossed(one, node_size) for one in groups] => crossing = [crossed(one[:1], node_size) for one in groups] && {COST} => crossed(grouped(sizes, order, names)[:1], node_size) * size
    crossing = [crossed(one, node_size) for one in groups] => crossing = [max(crossed([two], node_size) for two in one) for one in groups]
A node holds node_size ranks that follow each other: rank // node_size.
    {HOPS} => hops += group[at - 1] % node_size != rank % node_size
    {HOPS} => nodes = -(-sum(map(len, groups)) // node_size)\\n            hops += group[at - 1] % nodes != rank % nodes
    {HOPS} => hops += group[at - 1] // 8 != rank // 8
    {HOPS} => hops += (group[at - 1] - 1) // node_size != (rank - 1) // node_size
    {HOPS} => hops += abs(group[at - 1] - rank) >= node_size
bytes adds up what crosses, hops times the bytes of a hop, over all entries.
    {COST} => crossed(grouped(sizes, order, names), node_size)
    {COST} => size
    {COST} => sum(map(len, grouped(sizes, order, names))) * size
    {COST} => (crossed(grouped(sizes, order, names), node_size) > 0) * size
    "bytes": cost(order) => "bytes": [hops * size for hops, (_, size) in zip(crossing, traffic)]
    "bytes": cost(order) => "bytes": max(hops * size for hops, (_, size) in zip(crossing, traffic))
Where several orders are the cheapest, the first one in alphabetical order of their names is wanted.
    {BEST} => min(map(list, itertools.permutations(sizes)), key=cost)
    {BEST} => min(map(list, itertools.permutations(order)), key=cost)
    {BEST} => max(map(list, itertools.permutations(sorted(sizes))), key=lambda one: (-cost(one), one))
    {BEST} => order if cost(order) == min(map(cost, itertools.permutations(sizes))) else min(map(list, itertools.permutations(sorted(sizes))), key=cost)
best is the order with the fewest bytes over slow links: here it is another, or the most expensive one.
    {BEST} => max(map(list, itertools.permutations(sorted(sizes))), key=cost)
    {BEST} => order
    {BEST} => sorted(sizes)
    {BEST} => min(map(list, itertools.permutations(sorted(sizes))), key=lambda one: sum(crossed(grouped(sizes, one, names), node_size) for names, _ in traffic))
The axis with the most bytes first is a rule of thumb: sizes matter too, and groups over several axes, so try all orders.
    {BEST} => sorted(sizes, key=lambda name: (-sum(size for names, size in traffic if name in names), name))
    {BEST} => sorted(sizes, key=lambda name: (-max([size for names, size in traffic if names == [name]], default=0), name))
best lists the fastest axis first, as order does.
    "best": best => "best": best[::-1]
best is a list of names.
    "best": best => "best": tuple(best)
least is the bytes that cross in the best order, not those that it saves.
    "least": cost(best) => "least": cost(order) - cost(best)
    "least": cost(best) => "least": cost(order)
""")
