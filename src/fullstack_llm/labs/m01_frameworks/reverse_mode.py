"""Exercise 2 of lab 01: a backward pass over a program."""

import math

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m01_frameworks.inputs import BO, FRAMEWORKS, draw_program, evaluate


@exercise(minutes=25, difficulty=3, review=FRAMEWORKS, uses=(evaluate,))
def reverse_mode(program, inputs):
    values = evaluate(program, inputs)
    grads, result = [0.0] * len(program), [0.0] * len(inputs)
    grads[-1] = 1.0
    for step in reversed(range(len(program))):
        name, *args = program[step]
        x = [values[i] for i in args if name != "input"]
        local = {
            "input": list,
            "add": lambda: [1.0, 1.0],
            "sub": lambda: [1.0, -1.0],
            "mul": lambda: [x[1], x[0]],
            "max": lambda: [(x[0] >= x[1]) - 0.5 * (x[0] == x[1]), (x[1] >= x[0]) - 0.5 * (x[0] == x[1])],
            "exp": lambda: [math.exp(x[0])],
            "log": lambda: [1 / x[0]],
            "relu": lambda: [float(x[0] > 0)],
        }[name]()
        if name == "input":
            result[args[0]] += grads[step]
        for i, d in zip(args, local):
            grads[i] += grads[step] * d
    return result


@reverse_mode.right
def library(program, inputs):
    import torch

    leaves = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in inputs]
    values = []
    for name, *args in program:
        function = torch.maximum if name == "max" else getattr(torch, name, None)
        values.append(leaves[args[0]] * 1 if name == "input" else function(*(values[i] for i in args)))
    grads = torch.autograd.grad(values[-1], leaves, allow_unused=True)
    return [0.0 if grad is None else grad.item() for grad in grads]


@reverse_mode.part(8, "Each step hands to each argument its own gradient times its exact derivative there.")
def each_value_used_once(draw: Draw):
    # Corners first, where a difference quotient gives what no rule does; near a pole it is far off.
    yield from (([("input", 0), ("relu", 0)], [x]) for x in (-2.0, 0.0, 2.0))
    yield from (([("input", 0), ("input", 1), ("max", 0, 1)], x) for x in ([-7.0, 3.0], [3.0, 3.0]))
    yield [("input", 0)], [2.0]
    yield from (([("input", 0), (name, 0)], [x]) for name in ("exp", "log") for x in (0.5, 3.0, 1e-12))
    yield [("input", 1), ("input", 0), ("exp", 0), ("sub", 2, 1)], [3.0, 0.5]
    for name in ("add", "sub", "mul", "max"):
        yield from (([("input", 1), ("input", 0), (name, 0, 1)], x) for x in ([3.0, -7.0], [-2.0, 5.0]))
    yield from (draw_program(draw, num, num, shared=False) for num in (2, 3, 5, 7))


@reverse_mode.part(
    8, "When a step has its turn, all its users have had theirs: add up what they hand on.", "used again"
)
def values_used_again(draw: Draw):
    yield [("input", 0), ("exp", 0), ("add", 1, 0)], [0.5]
    yield [("input", 1), ("input", 1), ("mul", 0, 1)], [3.0, 5.0]
    yield [("input", 0), ("mul", 0, 0)], [3.0]
    yield BO, [1.0, 1.0]
    yield [("input", 0), ("mul", 0, 0), ("max", 1, 1), ("log", 2)], [1e-12]
    yield from (draw_program(draw, num, 9, shared=True) for num in (2, 3, 5))
    yield [("input", 0), *(("add", i, i) for i in range(60))], [1.0]
    yield [("input", 0), ("input", 1), *(("add", i, 0) for i in range(1, 3001)), ("max", 3001, 0)], [0.5, 0.25]


reverse_mode.mistakes("""
max hands on nothing here: the larger argument gets the gradient, and of two equal ones each gets half.
    [(x[0] >= x[1]) - 0.5 * (x[0] == x[1]), (x[1] >= x[0]) - 0.5 * (x[0] == x[1])] => []
    (x[1] >= x[0]) - 0.5 * (x[0] == x[1])] => float(x[1] > x[0])] && [(x[0] >= x[1]) - 0.5 * (x[0] == x[1]) => [float(x[0] > x[1])
max: where the two arguments are equal, each gets half of the gradient.
    (x[1] >= x[0]) - 0.5 * (x[0] == x[1])] => float(x[1] > x[0])] && [(x[0] >= x[1]) - 0.5 * (x[0] == x[1]) => [float(x[0] >= x[1])
    (x[1] >= x[0]) - 0.5 * (x[0] == x[1])] => float(x[1] >= x[0])] && [(x[0] >= x[1]) - 0.5 * (x[0] == x[1]) => [float(x[0] > x[1])
No gradient arrives here: does the pass begin with 1.0 at the last step, and go from the last step to the first?
    grads[-1] = 1.0 => grads[-1] = 0.0
    reversed(range(len(program))) => range(len(program))
An input that is read twice gets the gradients of both reads.
    result[args[0]] += => result[args[0]] =
A step whose two arguments are the same step uses it twice: each of the two gets its share.
    zip(args, local) => dict(zip(args, local)).items()
A value that is used twice gets two gradients: add, do not overwrite.
    grads[i] += grads[step] * d => grads[i] = grads[step] * d && result[args[0]] += => result[args[0]] =
In a product, a factor gets the gradient times the *other* factor.
    [x[1], x[0]] => [x[0], x[1]]
In a - b, a gets the gradient and b gets minus the gradient.
    [1.0, -1.0] => [1.0, 1.0]
The derivative of exp(x) is exp(x), the value of the step.
    [math.exp(x[0])] => [x[0]]
The derivative of log(x) is 1 / x, where x is the value of the argument.
    [1 / x[0]] => [1 / values[step] if values[step] else 0.0]
At exactly 0 the derivative of relu is 0 here, as in the libraries; a difference quotient gives 1/2 there, or 1.
    x[0] > 0 => x[0] >= 0
    float(x[0] > 0) => (float(x[0] > 0) + float(x[0] >= 0)) / 2
A derivative is a float, a whole one too: start from 0.0 and 1.0.
    [0.0] * len(inputs) => [0] * len(inputs)
A difference quotient is not exact, and steps over the edge where a logarithm begins: use the rules of the table.
    return result => f = lambda i, e: evaluate(program, [x + e * (k == i) for k, x in enumerate(inputs)])[-1]\\n    return [x and (f(i, 1e-6) - f(i, -1e-6)) / 2e-6 for i, x in enumerate(inputs)]
""")
