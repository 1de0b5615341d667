"""Wrong answers to exercise 8 of lab 04: an output with each known fault, and names of stages that are not to blame."""

from typing import Any

from torch import Tensor

from fullstack_llm.checks.transformer_block import ORDER, Tensors, stages

HINTS = {
    "eps outside": "norm1 and norm2: eps stands inside the root.",
    "no eps": "norm1 and norm2: eps is missing, or not that of config.",
    "layer norm": "norm1 and norm2: RMSNorm does not take the mean off.",
    "no gain": "norm1 and norm2: the gain is missing.",
    "other layout": "q and k: the pairs are (i, i + d/2), the half layout.",
    "no positions": "q and k: they are turned by their positions before they meet.",
    "other frequencies": "q and k: pair i turns by position times theta^(-2i/d).",
    "keys not turned": "k: keys are turned as queries are.",
    "values turned": "v: values are not turned; positions are for the scores alone.",
    "values of the stream": "v: values too are made of the normalised input.",
    "mask after softmax": "weights: -inf goes in before the softmax.",
    "masked with zero": "weights: a score of 0 is no ban; -inf is.",
    "no mask": "weights: the mask is missing.",
    "no scale": "weights: divide the scores by the root of d.",
    "d for its root": "weights: divide the scores by the root of d, not by d.",
    "tiled keys": "weights and mixed: query head h reads key-value head h // (H / K): repeat_interleave.",
    "tiled values": "mixed: query head h reads value head h // (H / K): repeat_interleave.",
    "heads reshaped": "mixed: transpose heads and tokens before you reshape.",
    "residual after the norm": "middle: the residual is x itself, not its norm.",
    "no residual": "middle: the residual is missing.",
    "output turned round": "middle: o_proj lies outputs first, so it is mixed @ o_proj.T.",
    "norm of the input": "norm2: it normalises the stream after attention.",
    "the first gain": "norm2: it has a gain of its own.",
    "gate and up swapped": "hidden: SiLU is for the gate.",
    "sigmoid": "hidden: SiLU is z times sigmoid(z).",
    # Neither the stage nor the function: that is what the exercise asks for.
    "gelu": "A line of yours makes the very mistake that you are looking for: was it copied? Write it from the table.",
    "residual of the input": "out: the residual is the stream after attention.",
    "second residual after the norm": "out: the residual is the stream, not its norm.",
    "no second residual": "out: the residual is missing.",
}


def out_mistakes(x: Tensor, weights: Tensors, config: dict[str, Any], reported: Tensors) -> list[tuple[Any, str]]:
    """The output with each known fault, named."""
    right = stages(x, weights, config)
    found = [(stages(x, weights, config, fault)["out"], hint) for fault, hint in HINTS.items()]
    others = [
        (right[name], f"This is {name}: return out, the last stage.") for name in ORDER if name not in ("q", "k", "v")
    ]
    return [
        (reported["out"], "This is the output as it was reported: compute your own."),
        *found,
        *others[:-1],
        (right, "Return the output alone, with the name: not all stages."),
    ]


MISLED = "Your own stages are not right yet, so the comparison misleads: see above."


def name_mistakes(x: Tensor, weights: Tensors, config: dict[str, Any], reported: Tensors) -> list[tuple[str, str]]:
    """Wrong names: a later one, one that rounding alone makes differ, none."""
    right = stages(x, weights, config)
    off = {name: (reported[name] - right[name]) / right[name].abs().max() for name in ORDER}
    wrong = [name for name in ORDER if off[name].abs().max() > 1e-3]
    above = [name for name in ORDER if off[name].max() > 1e-3]
    rounding = (
        "differs in its last digits only, which is rounding: allow, in every entry, for a thousandth of the largest "
        "of yours by absolute value."
    )
    # These two can be wrong together and leave all weights as they are.
    turned = " If it is more: is yours turned from position 0, and not scaled before its time?"
    found = [(name, f"{name} {rounding}{turned * (name in 'qk')}") for name in ORDER if name not in wrong]
    if not wrong:
        return found
    first, *later = wrong
    if (off[first].abs() > 1e-3).sum() == 1:
        way = "upwards" if first in above else "downwards"
        single = f"{first} is off in one entry, {way}, by two thousandths of the largest. Take the largest absolute"
        return [(name, f"{single} difference, not a mean, a norm or a sum.") for name in ("", *later)] + found
    blame = "is wrong because something before it is: name the first, in the order of the computation."
    if first not in above:
        signed = f"{first} is off downwards: take absolute differences."
        found = [(above[0] if above else "", signed), *found]
    found += [(name, f"{name} {blame}") for name in later]
    return [*found, ("", "Something is wrong: compare each reported stage with yours, beginning with norm1.")]
