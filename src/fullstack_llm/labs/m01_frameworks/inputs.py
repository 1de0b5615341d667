"""What the exercises of lab 01 share: drawn arrays and programs, and the function that runs a program."""

import math
from typing import Any

import numpy as np
from jaxtyping import Float

from fullstack_llm.checks import Draw

# The lab asks for NumPy and Python.
FRAMEWORKS = ("torch", "jax", "tensorflow", "keras", "autograd")

Program = list[tuple[Any, ...]]

# The logits of Bo's net on paper: the loss of two equal logits, and its gradient (0.5, -0.5).
BO: Program = [("input", 0), ("input", 1), ("exp", 0), ("exp", 1), ("add", 2, 3), ("log", 4), ("sub", 5, 1)]


def normal(draw: Draw, *shape: int, scale: float = 1.0, dtype: str = "float64") -> Float[np.ndarray, "..."]:
    """Draw normal numbers of a shape."""
    return np.array([draw.gauss(0, scale) for _ in range(math.prod(shape))]).reshape(shape).astype(dtype)


def evaluate(program, inputs):
    """Return the value of every step of a program."""
    operations = {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "max": max}
    operations |= {"exp": math.exp, "log": math.log, "relu": lambda a: max(a, 0.0)}
    values = []
    for name, *args in program:
        values.append(inputs[args[0]] if name == "input" else operations[name](*(values[i] for i in args)))
    return values


def usable(name: str, args: list[float]) -> bool:
    """Say whether an operation gives a moderate value there, far from each corner and pole of its derivative."""
    x = args[0]
    if (name == "exp" and x > 2.5) or (name == "log" and x < 0.2) or (name == "relu" and x < 0.05):
        return False
    if name == "max" and abs(x - args[1]) < 0.1:
        return False
    return abs(evaluate([("input", 0), ("input", 1), (name, 0, 1)[: 1 + len(args)]], [x, args[-1]])[-1]) < 20


def draw_program(draw: Draw, num_inputs: int, steps: int, *, shared: bool) -> tuple[Program, list[float]]:
    """Draw a program of moderate values, and inputs that count; values are used once, or again and again."""
    inputs = [draw.choice((-1, 1)) * draw.uniform(0.3, 2) for _ in range(num_inputs)]
    while True:
        program: Program = [("input", i) for i in range(num_inputs)]
        values, unused = list(inputs), list(range(num_inputs))
        while len(unused) > 1 or len(program) < num_inputs + steps:
            pool = range(len(values)) if shared and draw.random() < 0.6 else unused
            name = draw.choice(("add", "sub", "mul", "mul", "exp", "log", "relu", *(["max"] if shared else [])))
            count = 2 if name in ("add", "sub", "mul", "max") else 1
            if len(pool) < count or len(program) > num_inputs + 6 * steps:
                break
            args = draw.sample(list(pool), count)
            if usable(name, [values[arg] for arg in args]):
                unused = [i for i in unused if i not in args] + [len(program)]
                program.append((name, *args))
                values.append(evaluate([*(("input", i) for i in range(len(values))), program[-1]], values)[-1])
        moved = (evaluate(program, [x + 1e-6 * (i == k) for k, x in enumerate(inputs)])[-1] for i in range(num_inputs))
        if len(unused) == 1 and all(1e-3 < abs(value - values[-1]) / 1e-6 < 1e3 for value in moved):
            return program, inputs
