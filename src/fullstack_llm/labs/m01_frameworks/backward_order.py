"""Exercise 1 of lab 01: an order in which every node waits for its users."""

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m01_frameworks.inputs import FRAMEWORKS


@exercise(minutes=15, difficulty=2, review=FRAMEWORKS)
def backward_order(parents, output):
    needed, frontier = {output}, [output]
    while frontier:
        found = set(parents[frontier.pop()]) - needed
        needed |= found
        frontier += found
    users = [0] * len(parents)
    for node in needed:
        for parent in parents[node]:
            users[parent] += 1
    order, ready = [], [output]
    while ready:
        node = min(ready)
        ready.remove(node)
        order.append(node)
        for parent in parents[node]:
            users[parent] -= 1
            if users[parent] == 0:
                ready.append(parent)
    return order


@backward_order.right
def library(parents, output):
    import networkx

    graph = networkx.DiGraph([(user, parent) for user, mine in enumerate(parents) for parent in mine])
    graph.add_node(output)
    return list(
        networkx.lexicographical_topological_sort(graph.subgraph({output} | networkx.descendants(graph, output)))
    )


def draw_graph(draw: Draw, num: int, *, everything: bool):
    """Draw a graph with shuffled numbers; every node is needed, or about half of them are."""
    made = [[draw.randrange(max(0, i - 5), i) for _ in range(draw.randint(1, 3))] if i > 2 else [] for i in range(num)]
    if everything:
        made[-1] += sorted(set(range(num - 1)) - {parent for parents in made for parent in parents})
    number = draw.sample(range(num), num)
    shuffled = {number[i]: [number[parent] for parent in mine] for i, mine in enumerate(made)}
    return [shuffled[i] for i in range(num)], number[-1 if everything else num * 2 // 3]


@backward_order.part(6, "The output first; then, of all nodes whose users have had their turn, the smallest.")
def all_needed(draw: Draw):
    yield [[]], 0
    # Each wrong order that is known differs from the others here.
    yield [[1], [], [5, 1], [0], [1, 1, 2, 3], []], 4
    yield from (([[1, 2], [3], [3], []], 0), ([[1, 3], [2], [4], [2], []], 0), ([[], [0, 0]], 1))
    yield [[], [0, 0], [0], [1, 2]], 3
    yield from (draw_graph(draw, num, everything=True) for num in (11, 29, 53))
    yield [[], *([i] for i in range(1500))], 1500


@backward_order.part(4, "The nodes that the output depends on, and no others; only their uses count.", "not needed")
def not_all_needed(draw: Draw):
    yield from (([[], [0], [0], [1, 2]], 1), ([[], [0], [0], [1, 2]], 0), ([[], [0], [0, 1], [2], [0, 1, 2]], 2))
    yield from (draw_graph(draw, num, everything=False) for num in (13, 31, 47))


backward_order.mistakes("""
A chain of 1,501 nodes is deeper than Python's recursion: keep a list of what is still to do.
    return order => visit = lambda n: [visit(p) for p in parents[n]]\\n    return order if len(parents) < 1000 else visit(output)
Every node comes after its users here; but of all that are ready the smallest goes first.
    return order => visit = lambda n: n in done or ([visit(p) for p in sorted(parents[n])], done.append(n))\\n    done = []\\n    visit(output)\\n    return done[::-1]
    return order => visit = lambda n: n in done or ([visit(p) for p in parents[n]], done.append(n))\\n    done = []\\n    visit(output)\\n    return done[::-1]
Several nodes are ready, and here the largest number goes first: it is the smallest.
    min(ready) => max(ready)
Several nodes are ready, and here the one goes first that was ready first, or last: it is the smallest number.
    min(ready) => ready[0]
    min(ready) => ready[-1]
All nodes that are ready go together here: after each one look again, since it may have freed a smaller number.
    node = min(ready)\\n        ready.remove(node)\\n        order.append(node) => wave, ready = sorted(ready), []\\n        order += wave && in parents[node]:\\n            users[parent] -= 1 => in [p for node in wave for p in parents[node]]:\\n            users[parent] -= 1
Nodes are missing: do they wait for users that the output does not depend on? Those never come.
    for node in needed: => for node in range(len(parents)):
Nodes are missing: a parent that is listed twice has two uses, and only one was taken off.
    in parents[node]:\\n            users[parent] -= 1 => in set(parents[node]):\\n            users[parent] -= 1
A node stands here too early: a parent that is listed twice was counted once, and taken off twice.
    in parents[node]:\\n            users[parent] += 1 => in set(parents[node]):\\n            users[parent] += 1
Nodes are listed on which the output does not depend: leave them out, and their uses too.
    needed, frontier = {output}, [output] => needed, frontier = set(range(len(parents))), [] && ready = [], [output] => ready = [], [i for i in needed if users[i] == 0]
A node stands here before one of its users: its gradient would not be complete when it is handed on.
    users[parent] -= 1\\n            if users[parent] == 0: => if parent not in order + ready:
    return order => order = [output]\\n    for node in order:\\n        order += [p for p in dict.fromkeys(parents[node]) if p not in order]\\n    return order
""")
