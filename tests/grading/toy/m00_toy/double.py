"""Each number, twice."""

import numpy as np

from fullstack_llm.checks.exercise import exercise


@exercise(minutes=10, difficulty=2, seconds=0.7)
def double(xs):
    return [x + x for x in xs]


@double.right
def subclass(xs):
    class Numbers(list):
        pass

    return Numbers(2 * x for x in xs)


@double.right
def vectorised(xs):
    return list(np.array(xs, int) * 2)


@double.part(40, "Twice each.")
def cases(draw):
    for xs in ([], [3, 3], [draw.randrange(100) for _ in range(7)]):
        yield (xs,)


double.mistakes("""
That squares.
    x + x => x * x
The values are right: a list is wanted, not a tuple.
    [x + x for x in xs] => tuple(x + x for x in xs)
""")
