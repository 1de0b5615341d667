"""What the exercises of lab 01 share: drawn arrays and programs, and the function that runs a program."""

import math
from typing import Any

import numpy as np

from fullstack_llm.checks import Draw

# The lab asks for NumPy and Python.
FRAMEWORKS = ("torch", "jax", "tensorflow", "keras", "autograd")
# Bo's loss on paper, where both logits are 1: its gradient is (0.5, -0.5).
BO = [("input", 0), ("input", 1), ("exp", 0), ("exp", 1), ("add", 2, 3), ("log", 4), ("sub", 5, 1)]


def normal(draw: Draw, *shape: int, scale: float = 1.0, dtype: str = "float64") -> np.ndarray:
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


def draw_program(draw: Draw, num_inputs: int, steps: int, *, shared: bool):
    """Draw a program of moderate values, far from corners and poles, in which each input counts, and its inputs."""
    names = ["add", "sub", "mul", "mul", "exp", "log", "relu", *(["max"] if shared else [])]
    while True:
        values = inputs = [draw.choice((-1, 1)) * draw.uniform(0.3, 2) for _ in range(num_inputs)]
        program: list[tuple[Any, ...]] = [("input", i) for i in range(num_inputs)]
        unused = list(range(num_inputs))
        while len(program) < num_inputs + 6 * steps and (len(unused) > 1 or len(program) < num_inputs + steps):
            pool = range(len(values)) if shared and draw.random() < 0.6 else unused
            name = draw.choice(names)
            args = draw.sample(list(pool), min(len(pool), 1 if name in ("exp", "log", "relu") else 2))
            x, y = values[args[0]], values[args[-1]]
            fine = {"exp": x < 2.5, "log": x > 0.2, "relu": x > 0.05, "max": abs(x - y) > 0.1}.get(name, x != y)
            if fine and abs(evaluate([*program, (name, *args)], inputs)[-1]) < 20:
                unused = [i for i in unused if i not in args] + [len(program)]
                program.append((name, *args))
                values = evaluate(program, inputs)
        moved = (evaluate(program, [x + 1e-6 * (i == k) for k, x in enumerate(inputs)])[-1] for i in range(num_inputs))
        if len(unused) == 1 and all(1e-3 < abs(value - values[-1]) / 1e-6 < 1e3 for value in moved):
            return program, inputs
