"""The checks of lab 01. Beside them: oracles, mistakes and cases; loss, claims, training, block."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from fullstack_llm.checks import Draw, check, compare, require, same
from fullstack_llm.checks import frameworks_block as block
from fullstack_llm.checks import frameworks_cases as cases
from fullstack_llm.checks import frameworks_claims as claims
from fullstack_llm.checks import frameworks_loss as loss
from fullstack_llm.checks import frameworks_mistakes as mistakes
from fullstack_llm.checks import frameworks_oracles as oracle
from fullstack_llm.checks import frameworks_training as training

LAB = "01_frameworks"
FRAMEWORKS = ("torch", "jax", "tensorflow", "keras", "autograd")
BY_HAND = ("backward_order", "gradient", "unbroadcast", "matmul_backward", "cross_entropy", "gradient_check")
REVIEW = dict.fromkeys((*BY_HAND, "optimizer_step", "diagnose"), FRAMEWORKS)

Student = Callable[..., Any]

# Sums of a few dozen products in 64 bits, in whatever order, agree to far more digits than this.
RTOL, ATOL = 1e-9, 1e-12


_judge = partial(compare, oracles=oracle, mistakes=mistakes, rtol=RTOL, atol=ATOL)


@check("backward_order", points=6, minutes=15, difficulty=2)
def backward_order(student: Student, draw: Draw) -> None:
    """Graphs of which every node is needed."""
    hint = (
        "Count for each node how many of its users are still to come; a node is ready when that is zero. Take the "
        "smallest that is ready, and take it off the counts of its parents."
    )
    _judge(student, "backward_order", cases.backward_order(draw), hint)


@check("backward_order", part="nodes that are not needed", points=4)
def backward_order_unused(student: Student, draw: Draw) -> None:
    """Graphs with nodes that the output does not depend on."""
    hint = "Find out first which nodes the output depends on; only their uses count."
    _judge(student, "backward_order", cases.backward_order_unused(draw), hint)


def _gradients(student: Student, inputs: Iterable[cases.Evaluation], hint: str) -> None:
    for program, point in inputs:
        got, want = student(program, point), oracle.gradient(program, point)
        if not same(got, want, RTOL, ATOL) and same(got, want, 1e-3, 1e-3):
            hint = mistakes.QUOTIENT
        _judge(lambda *_, got=got: got, "gradient", [(program, point)], hint)


@check("gradient", points=8, minutes=25, difficulty=3)
def gradient(student: Student, draw: Draw) -> None:
    """Programs that use each value once."""
    hint = (
        "Run the program and keep every value. Then go through it from the last step to the first: each step hands "
        "its gradient, times its derivative with respect to an argument, to that argument."
    )
    _gradients(student, cases.gradient(draw), hint)


@check("gradient", part="values used again", points=8)
def gradient_shared(student: Student, draw: Draw) -> None:
    """Programs that use values several times, or not at all; long ones."""
    hint = "One pass from the last step to the first: when a step has its turn, all its users have had theirs. Add up."
    _gradients(student, cases.gradient_shared(draw), hint)


def _array(value: Any) -> Any:
    # NumPy makes a number of a sum over all dimensions; as the gradient of a number it is as good as an array.
    return np.asarray(value) if isinstance(value, float) else value


@check("unbroadcast", points=5, minutes=10, difficulty=2)
def unbroadcast(student: Student, draw: Draw) -> None:
    """Dimensions that were missing in front."""
    hint = "Shapes are aligned at the last dimension: sum over those that the array did not have."
    _judge(lambda grad, shape: _array(student(grad, shape)), "unbroadcast", cases.unbroadcast(draw), hint)


@check("unbroadcast", part="stretched", points=5)
def unbroadcast_stretched(student: Student, draw: Draw) -> None:
    """Dimensions of size one."""
    hint = "Where the array had size 1 and the gradient has more, sum, and keep the dimension with size 1."
    _judge(student, "unbroadcast", cases.unbroadcast_stretched(draw), hint, rtol=1e-5)


@check("matmul_backward", points=6, minutes=15, difficulty=2)
def matmul_backward(student: Student, draw: Draw) -> None:
    """Two matrices."""
    hint = "dA = dC B^T and dB = A^T dC; return both, in this order, as a tuple."
    _judge(student, "matmul_backward", cases.matmul_backward(draw), hint)


@check("matmul_backward", part="batches", points=6)
def matmul_backward_batched(student: Student, draw: Draw) -> None:
    """Dimensions in front, which broadcast."""
    hint = "Transpose the last two dimensions only (.T turns all of them round), then sum over what was broadcast."
    _judge(student, "matmul_backward", cases.matmul_backward_batched(draw), hint)


@check("cross_entropy", points=6, minutes=20, difficulty=3)
def cross_entropy(student: Student, draw: Draw) -> None:
    """Moderate logits."""
    hint = "The loss is the mean of log(sum(exp(z))) - z[target]; the gradient is softmax minus one-hot, over the rows."
    _judge(student, "cross_entropy", cases.cross_entropy(draw), hint, mistakes=loss)


@check("cross_entropy", part="large logits", points=5)
def cross_entropy_large(student: Student, draw: Draw) -> None:
    """Logits that overflow `exp` or underflow it, and masked ones."""
    _judge(student, "cross_entropy", cases.cross_entropy_large(draw), loss.OVERFLOW, mistakes=loss)


@check("cross_entropy", part="padding", points=5)
def cross_entropy_padding(student: Student, draw: Draw) -> None:
    """Rows whose target is -100."""
    hint = "A row whose target is -100 has no loss, a gradient of zeros, and no place in the mean."
    _judge(student, "cross_entropy", cases.cross_entropy_padding(draw), hint, mistakes=loss)


def _checked(student: Student, inputs: Iterable[claims.Check], hint: str) -> None:
    for values in inputs:
        program, point, claimed, eps, tolerance = values
        found = oracle.difference(program, point, eps)
        suspects = oracle.suspects(claimed, found, tolerance)
        case = dict(zip(("program", "inputs", "claimed", "eps", "tolerance"), values, strict=True))
        got, want = student(*values), (found, suspects)
        known = () if same(got, want, claims.RTOL, claims.ATOL) else claims.check_mistakes(*values)
        require(got, want, case=case, hint=hint, wrong=known, rtol=claims.RTOL, atol=claims.ATOL)


@check("gradient_check", points=8, minutes=15, difficulty=2)
def gradient_check(student: Student, draw: Draw) -> None:
    """Claims that are finite numbers, right and wrong."""
    hint = "For each input: evaluate with it a little larger and a little smaller, and divide the difference by 2 eps."
    _checked(student, claims.checks(draw), hint)


@check("gradient_check", part="claims that are no numbers", points=4)
def gradient_check_nan(student: Student, draw: Draw) -> None:
    """Claims of nan and infinity."""
    hint = "nan is not within any tolerance, and infinity is not within a tolerance of infinity: both are wrong claims."
    _checked(student, claims.checks_not_finite(draw), hint)


def _stepped(student: Student, draw: Draw, rule: str, hint: str) -> None:
    for values in training.steps(draw, rule):
        want = oracle.optimizer_step(*values)
        case = dict(zip(("rule", "p", "g", "state", "settings"), values, strict=True))
        got = student(*values)
        rtol, atol = (1e-9, 1e-12) if values[1].dtype == "float64" else (1e-4, 1e-6)
        wrong = () if same(got, want, rtol, atol) else training.step_mistakes(*values)
        require(got, want, case=case, hint=hint, wrong=wrong, rtol=rtol, atol=atol)


@check("optimizer_step", part="sgd", points=5, minutes=20, difficulty=3)
def optimizer_step_sgd(student: Student, draw: Draw) -> None:
    """SGD with momentum: a first step, later ones, one in 32 bits."""
    _stepped(
        student, draw, "sgd", "u = momentum * u + g, or g in the first step; then p - lr * u; the state is {'u': u}."
    )


@check("optimizer_step", part="adamw", points=7)
def optimizer_step_adamw(student: Student, draw: Draw) -> None:
    """AdamW: a first step, later ones, one in 32 bits."""
    hint = "t first, then m and v, then their corrected copies; p times 1 - lr * decay, then the step."
    _stepped(student, draw, "adamw", hint)


def _pair(got: Any, want: tuple[Any, Any], case: dict[str, Any]) -> tuple[Any, Any]:
    if not isinstance(got, tuple) or len(got) != 2:
        require(got, want, case=case, hint="Return a tuple of two: the gradients and a name.")
    return got


@check("diagnose", part="gradients", points=6, minutes=20, difficulty=4)
def diagnose(student: Student, draw: Draw) -> None:
    """All nine gradients of the block."""
    hint = "One line backwards for each line forwards; x is used twice, so dx is a sum of two."
    for x, y, weights, reported, place in block.cases(draw):
        case = {"x": x, "y": y, "weights": weights, "reported": reported}
        want = block.autograd(x, y, weights)
        got, _ = _pair(student(x, y, weights, reported), (want, place), case)
        wrong = () if same(got, want, RTOL, ATOL) else block.gradient_mistakes(x, y, weights, reported)
        require(got, want, case=case, hint=hint, wrong=wrong, rtol=RTOL, atol=ATOL)


@check("diagnose", part="culprit", points=6)
def diagnose_culprit(student: Student, draw: Draw) -> None:
    """The first gradient that is wrong, for each mistake, and for none."""
    hint = "In the order of the backward pass: the first name whose reported array is not yours, or an empty string."
    for x, y, weights, reported, place in block.cases(draw):
        right = block.autograd(x, y, weights)
        case = {"x": x, "y": y, "weights": weights, "reported": reported}
        mine, got = _pair(student(x, y, weights, reported), (right, place), case)
        wrong = block.culprit_mistakes(right, reported)
        if not same(mine, right, RTOL, ATOL):
            wrong = [(got, "Your own gradients are not right yet, so the comparison misleads: see above."), *wrong]
        require(got, place, case=case, hint=hint, wrong=wrong)
