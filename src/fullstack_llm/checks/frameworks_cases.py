"""Inputs of lab 01: the edges that always occur, and what is drawn afresh for each class."""

import math
from typing import Any

import numpy as np
from jaxtyping import Float

from fullstack_llm.checks import Draw
from fullstack_llm.checks import frameworks_oracles as oracle
from fullstack_llm.checks.frameworks_oracles import IGNORED, Program

Graph = tuple[list[list[int]], int]
Evaluation = tuple[Program, list[float]]

# The logits of Bo's net on paper: the loss of two equal logits, and its gradient (0.5, -0.5).
BO: Evaluation = (
    [("input", 0), ("input", 1), ("exp", 0), ("exp", 1), ("add", 2, 3), ("log", 4), ("sub", 5, 1)],
    [1.0, 1.0],
)


def normal(draw: Draw, *shape: int, scale: float = 1.0, dtype: str = "float64") -> Float[np.ndarray, "..."]:
    """Normal numbers of a shape."""
    drawn = [draw.gauss(0, scale) for _ in range(math.prod(shape))]
    return np.array(drawn).reshape(shape).astype(dtype)


def draw_graph(draw: Draw, num: int, *, everything: bool) -> Graph:
    """A graph with shuffled numbers; every node is needed, or about half of them are."""
    made: list[list[int]] = [
        [draw.randrange(max(0, i - 5), i) for _ in range(draw.randint(1, 3))] if i > 2 else [] for i in range(num)
    ]
    if everything:
        unused = set(range(num - 1)) - {parent for parents in made for parent in parents}
        made[-1] += sorted(unused)
    number = list(range(num))
    draw.shuffle(number)
    parents: list[list[int]] = [[] for _ in range(num)]
    for i, mine in enumerate(made):
        parents[number[i]] = [number[parent] for parent in mine]
    return parents, number[-1 if everything else num * 2 // 3]


def backward_order(draw: Draw) -> list[Graph]:
    """Graphs of which every node is needed: none but one, a chain, a diamond, a square, drawn ones."""
    chain: list[list[int]] = [[], *([i] for i in range(1500))]
    diamond: list[list[int]] = [[1, 2], [3], [3], []]
    late = [[1, 3], [2], [4], [2], []]
    square: list[list[int]] = [[], [0, 0]]
    early = [[], [0, 0], [0], [1, 2]]  # node 0 is used twice by the first of its users
    drawn = [draw_graph(draw, num, everything=True) for num in (11, 29, 53)]
    return [([[]], 0), (diamond, 0), (late, 0), (square, 1), (early, 3), (chain, 1500), *drawn]


def backward_order_unused(draw: Draw) -> list[Graph]:
    """Graphs with nodes that the output does not depend on, some of which use what it depends on."""
    beside: list[list[int]] = [[], [0], [0], [1, 2]]
    drawn = [draw_graph(draw, num, everything=False) for num in (13, 31, 47)]
    return [(beside, 1), (beside, 0), *drawn]


def draw_program(draw: Draw, num_inputs: int, steps: int, *, shared: bool) -> Evaluation:
    """A program of moderate values, away from the corner of every ReLU; values are used once, or again and again."""
    inputs = [draw.choice((-1, 1)) * draw.uniform(0.3, 2) for _ in range(num_inputs)]
    while True:
        program: Program = [("input", i) for i in range(num_inputs)]
        values, unused = list(inputs), list(range(num_inputs))
        while len(unused) > 1 or len(program) < num_inputs + steps:
            pool = range(len(values)) if shared and draw.random() < 0.6 else unused
            name = draw.choice(("add", "sub", "mul", "mul", "exp", "log", "relu"))
            count = 2 if name in ("add", "sub", "mul") else 1
            if len(pool) < count or len(program) > num_inputs + 6 * steps:
                break
            args = draw.sample(list(pool), count)
            value = _value(name, [values[arg] for arg in args])
            if value is None:
                continue
            unused = [i for i in unused if i not in args] + [len(program)]
            program.append((name, *args))
            values.append(value)
        if len(unused) == 1 and all(1e-3 < abs(g) < 1e3 for g in oracle.gradient(program, inputs)):
            return program, inputs


def _value(name: str, args: list[float]) -> float | None:
    # None where the value would be too large, or too near a place where the derivative is steep or not there.
    x = args[0]
    if (name == "exp" and x > 2.5) or (name == "log" and x < 0.2) or (name == "relu" and x < 0.05):
        return None
    results = {
        "add": sum(args),
        "sub": x - args[-1],
        "mul": math.prod(args),
        "exp": math.exp(min(x, 2.5)),
        "log": math.log(max(x, 0.2)),
        "relu": max(x, 0.0),
    }
    return results[name] if abs(results[name]) < 20 else None


def gradient(draw: Draw) -> list[Evaluation]:
    """Programs that use each value once; each operation alone; both sides of a ReLU, and its corner."""
    alone: list[Evaluation] = [([("input", 0)], [2.0])]
    alone += [([("input", 0), (name, 0)], [x]) for name in ("exp", "log") for x in (0.5, 3.0)]
    alone += [([("input", 0), ("relu", 0)], [x]) for x in (-2.0, 0.0, 2.0)]
    alone += [([("input", 0), ("input", 1), (name, 1, 0)], [3.0, -7.0]) for name in ("add", "sub", "mul")]
    return [*alone, *(draw_program(draw, num, num, shared=False) for num in (2, 3, 5, 7))]


def gradient_shared(draw: Draw) -> list[Evaluation]:
    """Programs that use values again: paths that meet, squares, an input read twice or never, Bo's loss, long ones."""
    meeting: Evaluation = ([("input", 0), ("exp", 0), ("add", 1, 0)], [0.5])
    square: Evaluation = ([("input", 0), ("mul", 0, 0)], [3.0])
    twice: Evaluation = ([("input", 1), ("input", 1), ("mul", 0, 1)], [3.0, 5.0])
    doublings: Evaluation = ([("input", 0), *(("add", i, i) for i in range(60))], [1.0])
    long: Evaluation = ([("input", 0), ("input", 1), *(("add", i, 0) for i in range(1, 3001))], [0.5, 0.25])
    drawn = [draw_program(draw, num, 9, shared=True) for num in (2, 3, 5)]
    return [meeting, twice, square, BO, *drawn, doublings, long]


def unbroadcast(draw: Draw) -> list[tuple[Float[np.ndarray, "..."], tuple[int, ...]]]:
    """Gradients of arrays that lacked dimensions in front."""
    shapes: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
        ((5, 3), (3,)),
        ((2, 5, 3), (3,)),
        ((2, 5, 3), (5, 3)),
        ((7,), ()),
        ((2, 3), ()),
        ((3, 3, 3), (3,)),
        ((5, 3), (5, 3)),
        ((0, 3), (3,)),
    ]
    first = np.array([[0.5, -0.5], [0.25, 1.0]])
    return [(first, (2,)), *((normal(draw, *big), small) for big, small in shapes)]


def unbroadcast_stretched(draw: Draw) -> list[tuple[Float[np.ndarray, "..."], tuple[int, ...]]]:
    """Gradients of arrays that had dimensions of size one, alone and with missing ones in front."""
    shapes: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
        ((2, 5, 7, 3), (5, 1, 3)),
        ((5, 3), (5, 1)),
        ((5, 3), (1, 3)),
        ((5, 3), (1, 1)),
        ((2, 5, 1), (1, 1)),
        ((3, 3, 3), (3, 1, 3)),
        ((1, 5), (1, 1)),
    ]
    return [(normal(draw, *big), small) for big, small in shapes] + [(normal(draw, 5, 3, dtype="float32"), (1, 3))]


Products = list[tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."], Float[np.ndarray, "..."]]]


def _products(draw: Draw, shapes: list[tuple[tuple[int, ...], tuple[int, ...]]]) -> Products:
    pairs = [(normal(draw, *one), normal(draw, *two)) for one, two in shapes]
    return [(a, b, normal(draw, *(a @ b).shape)) for a, b in pairs]


def matmul_backward(draw: Draw) -> Products:
    """Products of two matrices: rows, columns, squares, one number."""
    paper = np.array([[2.0, 1.0]]), np.array([[1.0, 0.5], [-1.0, 0.0]]), np.array([[0.5, -0.5]])
    square = _products(draw, [((3, 3), (3, 3))])  # first, since nothing raises there, however it is turned
    sizes = [((5, 3), (3, 2)), ((1, 7), (7, 3)), ((5, 3), (3, 1)), ((1, 1), (1, 1)), ((2, 1), (1, 5))]
    return [*square, paper, *_products(draw, list(sizes))]


def matmul_backward_batched(draw: Draw) -> Products:
    """Products with dimensions in front, the same, missing, or of size one."""
    shapes: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
        ((3, 3, 3), (3, 3, 3)),
        ((5, 3, 2), (5, 2, 7)),
        ((5, 3, 2), (2, 7)),
        ((3, 2), (5, 2, 7)),
        ((5, 1, 3, 2), (7, 2, 3)),
        ((1, 3, 2), (5, 2, 3)),
        ((3, 3, 3), (3, 3)),
    ]
    return _products(draw, shapes)


def cross_entropy(draw: Draw) -> list[tuple[Any, ...]]:
    """Logits of moderate size; one row, one class, Bo's."""
    cases: list[tuple[Any, ...]] = [(np.array([[1.0, 1.0]]), np.array([1])), (np.array([[3.0]]), np.array([0]))]
    for n, v in ((1, 5), (3, 2), (7, 11)):
        cases.append((normal(draw, n, v, scale=2), np.array([draw.randrange(v) for _ in range(n)])))
    return cases


def cross_entropy_large(draw: Draw) -> list[tuple[Any, ...]]:
    """Logits that overflow `exp`, or underflow it, and entries that are masked by minus infinity."""
    cases: list[tuple[Any, ...]] = [
        (normal(draw, 5, 7) + shift, np.array([draw.randrange(7) for _ in range(5)]))
        for shift in (1_000.0, -1_000.0, 1e5)
    ]
    cases.append((np.array([[1e4, -1e4, 0.0], [0.0, 800.0, 801.0]]), np.array([1, 0])))
    masked = normal(draw, 3, 5)
    masked[:, 1:3] = -np.inf
    return [*cases, (masked, np.array([0, 3, 4]))]


def cross_entropy_padding(draw: Draw) -> list[tuple[Any, ...]]:
    """Rows whose target is ignored: one, most, with more than a hundred classes so that -100 is a valid index."""
    cases: list[tuple[Any, ...]] = []
    for n, v, kept in ((5, 127, 3), (3, 5, 2), (7, 11, 1)):
        targets = np.array([draw.randrange(v) for _ in range(kept)] + [IGNORED] * (n - kept))
        draw.shuffle(order := list(range(n)))
        cases.append((normal(draw, n, v), targets[order]))
    return cases
