"""Exercise 1 of lab 01: an order in which every node waits for its users."""

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m01_frameworks.inputs import FRAMEWORKS


@exercise(minutes=15, difficulty=2, review=FRAMEWORKS)
def backward_order(parents, output):
    needed, frontier = {output}, [output]
    while frontier:
        for parent in parents[frontier.pop()]:
            if parent not in needed:
                needed.add(parent)
                frontier.append(parent)
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
    needed = graph.subgraph(networkx.descendants(graph, output) | {output})
    return list(networkx.lexicographical_topological_sort(needed))


@backward_order.right
def peeled(parents, output):
    # A node is free when none of the nodes that are left uses it.
    left, found = set(), {output}
    while found:
        left |= found
        found = {parent for node in found for parent in parents[node]} - left
    order = []
    while left:
        order.append(min(left - {parent for node in left for parent in parents[node]}))
        left.remove(order[-1])
    return order


def draw_graph(draw: Draw, num: int, *, everything: bool):
    """Draw a graph with shuffled numbers; every node is needed, or about half of them are."""
    made = [[draw.randrange(max(0, i - 5), i) for _ in range(draw.randint(1, 3))] if i > 2 else [] for i in range(num)]
    if everything:
        made[-1] += sorted(set(range(num - 1)) - {parent for parents in made for parent in parents})
    number = draw.sample(range(num), num)
    parents = [[]] * num
    for i, mine in enumerate(made):
        parents[number[i]] = [number[parent] for parent in mine]
    return parents, number[-1 if everything else num * 2 // 3]


@backward_order.part(
    6,
    "The order begins with the output; a node may follow when all its users that are in the order have had their "
    "turn; of several such nodes the one with the smallest number goes first.",
)
def all_needed(draw: Draw):
    yield [[]], 0
    # Each wrong order that is known differs from the others here.
    yield [[], [4], [0, 0], [5, 1, 2], [], [0]], 3
    yield [[1, 2], [3], [3], []], 0
    yield [[1, 3], [2], [4], [2], []], 0
    yield [[], [0, 0]], 1
    yield [[], [0, 0], [0], [1, 2]], 3
    for num in (11, 29, 53):
        yield draw_graph(draw, num, everything=True)
    yield [[], *([i] for i in range(1500))], 1500


@backward_order.part(
    4, "The order holds the nodes that the output depends on, and no others; only their uses count.", "not needed"
)
def not_all_needed(draw: Draw):
    beside = [[], [0], [0], [1, 2]]
    yield beside, 1
    yield beside, 0
    yield [[], [0], [0, 1], [2], [0, 1, 2]], 2
    for num in (13, 31, 47):
        yield draw_graph(draw, num, everything=False)


backward_order.mistakes("""
This is the order of the forward pass: the output goes first, its inputs last.
    return order => return order[::-1]
    return order => return sorted(order)
Several nodes are ready, and here the largest number goes first: it is the smallest.
    min(ready) => max(ready)
Several nodes are ready, and here the one goes first that was ready first: it is the one with the smallest number.
    min(ready) => ready[0]
Several nodes are ready, and here the one goes first that was ready last: it is the one with the smallest number.
    min(ready) => ready[-1]
All nodes that are ready go together here: after each one look again, since it may have freed a smaller number.
    node = min(ready)\\n        ready.remove(node)\\n        order.append(node)\\n        for parent in parents[node]: => wave, ready = sorted(ready), []\\n        order += wave\\n        for parent in [parent for node in wave for parent in parents[node]]:
The output is missing: it goes first.
    return order => return order[1:]
Nodes are missing: do they wait for users that the output does not depend on? Those never come.
    for node in needed: => for node in range(len(parents)):
Nodes are missing: a parent that is listed twice has two uses, and only one was taken off.
    in parents[node]:\\n            users[parent] -= 1 => in set(parents[node]):\\n            users[parent] -= 1
A node stands here too early: a parent that is listed twice was counted once, and taken off twice.
    in parents[node]:\\n            users[parent] += 1 => in set(parents[node]):\\n            users[parent] += 1
Nodes are listed on which the output does not depend: leave them out, and their uses too.
    needed, frontier = {output}, [output] => needed, frontier = set(range(len(parents))), [] && ready = [], [output] => ready = [], [i for i in needed if users[i] == 0]
    order, ready = => needed = range(len(parents))\\n    order, ready =  && return order => return order + [i for i in needed if i not in order]
Numbers say nothing about the order: a parent's can be larger than its user's.
    return order => return sorted(order, reverse=True)
""")
EARLY = "A node stands here before one of its users: its gradient would not be complete when it is handed on."


@backward_order.mistake(EARLY)
def depth_first(parents, output):
    found, stack = [output], [output]
    while stack:
        for parent in parents[stack.pop()]:
            if parent not in found:
                found.append(parent)
                stack.append(parent)
    return found


@backward_order.mistake(EARLY)
def depth_first_when_popped(parents, output):
    found, stack = [], [output]
    while stack:
        node = stack.pop()
        if node not in found:
            found.append(node)
            stack += parents[node]
    return found


@backward_order.mistake(EARLY)
def breadth_first(parents, output):
    found = [output]
    for node in found:
        found += [parent for parent in dict.fromkeys(parents[node]) if parent not in found]
    return found


@backward_order.mistake("Every node comes after its users here; but of all that are ready the smallest goes first.")
def post_order(parents, output):
    order, seen, stack = [], set(), [(output, False)]
    while stack:
        node, parents_done = stack.pop()
        if parents_done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((parent, False) for parent in parents[node])
    return order[::-1]


@backward_order.mistake("A node is listed more than once: each has one turn.")
def again(parents, output):
    found = [output]
    for node in found:
        found += parents[node] if len(found) < 5000 else []
    return found


@backward_order.mistake("A chain of 1,501 nodes is deeper than Python's recursion: keep a list of what is still to do.")
def recursive(parents, output):
    def visit(node):
        for parent in parents[node]:
            visit(parent)

    if len(parents) > 1000:
        visit(output)
    return backward_order(parents, output)


EXERCISE = backward_order
