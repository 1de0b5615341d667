"""Make the reports that exercise 8 of lab 04 is about: of blocks with one fault, or with an entry that is off."""

import math

import torch

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import Exercise
from fullstack_llm.labs.m04_transformer.inputs import normal

ORDER = ("norm1", "q", "k", "v", "weights", "mixed", "middle", "norm2", "hidden", "out")


def drawn(draw: Draw, T: int, H: int, K: int, d: int, inner: int):
    """Draw x, weights and sizes for a block; eps and theta are such that they count."""
    D = H * d
    shapes = {"q_proj": (D, D), "k_proj": (K * d, D), "v_proj": (K * d, D), "o_proj": (D, D)}
    shapes |= {"gate_proj": (inner, D), "up_proj": (inner, D), "down_proj": (D, inner)}
    weights = {name: normal(draw, *shape, scale=1.5 * shape[1] ** -0.5) for name, shape in shapes.items()}
    weights |= {name: 1 + normal(draw, D, scale=0.3) for name in ("norm1", "norm2")}
    config = {"num_heads": H, "num_kv_heads": K, "eps": 0.05, "theta": draw.choice((50.0, 100.0, 200.0))}
    return normal(draw, T, D, scale=0.7) + 0.4, weights, config


def rounded(stages):
    """Move each stage by less than the thousandth that counts, and its smallest entry by much of itself.

    More than a right stage may be off: neither a copied report nor an exact comparison passes.
    """
    moved = {}
    for name, x in stages.items():
        smallest = x.flatten().abs().where(x.flatten() != 0, math.inf).argmin()
        moved[name] = (x * (1 + 4e-4)).flatten().index_add(0, smallest[None], 8e-4 * x.abs().max()[None]).view_as(x)
    return moved


def entries(stages, name, *factors):
    """Change one stage in its largest entries, by factors of the largest, and leave all others as they are."""
    flat = stages[name].flatten()
    largest = flat.abs().argsort(descending=True, stable=True)[: len(factors)]
    off = torch.tensor(factors) * flat.abs().max()
    return rounded(stages) | {name: flat.index_add(0, largest, off).view_as(stages[name])}


def faulty(exercise: Exercise, draw: Draw, sizes):
    """Draw a block, and report it as each declared mistake has it that gives other stages of the right shapes."""
    block, nothing = drawn(draw, *sizes), dict.fromkeys(ORDER, torch.tensor(0.0))
    right = exercise(*block, nothing)[0]
    for fault in draw.sample([fault for fault, _ in exercise.mistaken], len(exercise.mistaken)):
        wrong = fault(*block, nothing)[0]
        if isinstance(wrong, dict) and all(wrong[name].shape == right[name].shape for name in ORDER):
            off = [float((wrong[name] - right[name]).abs().max() / right[name].abs().max()) for name in ORDER]
            # Where the first difference is small it is no clear fault.
            if next((how for how in off if how > 1e-6), 0.0) > 2e-3:
                yield *block, rounded(wrong)
