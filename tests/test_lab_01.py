"""The oracles of lab 01 are right: against libraries, against the definition, and for every draw."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from random import Random
from typing import Any

import jax
import jax.numpy as jnp
import networkx
import numpy as np
import pytest

from fullstack_llm.checks import frameworks_block as block
from fullstack_llm.checks import frameworks_cases as cases
from fullstack_llm.checks import frameworks_claims as claims
from fullstack_llm.checks import frameworks_loss as loss
from fullstack_llm.checks import frameworks_mistakes as mistakes
from fullstack_llm.checks import frameworks_oracles as oracle
from fullstack_llm.checks import frameworks_training as training
from fullstack_llm.checks import same

SEEDS = range(3)
JUDGED = [
    *("backward_order", "backward_order_unused", "gradient", "gradient_shared", "unbroadcast"),
    *("unbroadcast_stretched", "matmul_backward", "matmul_backward_batched"),
    *("cross_entropy", "cross_entropy_large", "cross_entropy_padding"),
]


def of(case: str, module: Any = oracle) -> Callable[..., Any]:
    return getattr(module, case if hasattr(module, case) else case.rsplit("_", 1)[0])


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_is_the_smallest_topological_one(seed: int) -> None:
    for parents, output in cases.backward_order(Random(seed)) + cases.backward_order_unused(Random(seed)):
        graph = networkx.DiGraph([(user, parent) for user, mine in enumerate(parents) for parent in mine])
        graph.add_node(output)
        needed = graph.subgraph(networkx.descendants(graph, output) | {output})
        assert oracle.backward_order(parents, output) == list(networkx.lexicographical_topological_sort(needed))


@pytest.mark.parametrize("seed", SEEDS)
def test_gradients_agree_with_differences(seed: int) -> None:
    for program, inputs in cases.gradient(Random(seed)) + cases.gradient_shared(Random(seed))[:-2]:
        if ("relu", 0) in program and 0.0 in inputs:
            continue  # at its corner a ReLU has no derivative; the libraries take 0
        wanted = oracle.difference(program, inputs, 1e-6)
        np.testing.assert_allclose(oracle.gradient(program, inputs), wanted, rtol=1e-4, atol=1e-6)


def test_the_corner_of_a_relu_is_zero_in_jax_too() -> None:
    assert oracle.gradient([("input", 0), ("relu", 0)], [0.0]) == [float(jax.grad(jax.nn.relu)(0.0))]


@pytest.mark.parametrize("seed", SEEDS)
def test_broadcasting_is_undone_as_jax_undoes_it(seed: int) -> None:
    for grad, shape in cases.unbroadcast(Random(seed)) + cases.unbroadcast_stretched(Random(seed)):
        _, pull = jax.vjp(lambda x, big=grad.shape: jnp.broadcast_to(x, big), jnp.zeros(shape, grad.dtype))
        np.testing.assert_allclose(oracle.unbroadcast(grad, shape), pull(jnp.asarray(grad))[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_loss_is_minus_the_logarithm_of_the_softmax(seed: int) -> None:
    for logits, targets in cases.cross_entropy(Random(seed)):
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        wanted = float(np.mean([-np.log(row[target]) for row, target in zip(p, targets, strict=True)]))
        assert same(oracle.cross_entropy(logits, targets)[0], wanted, 1e-12, 1e-12)


@pytest.mark.parametrize("name", JUDGED)
def test_mistakes_can_be_computed_for_every_case(name: str) -> None:
    known = of(name, loss if "entropy" in name else mistakes)
    for seed in SEEDS:
        for values in getattr(cases, name)(Random(seed)):
            assert list(inspect.signature(known).parameters), name
            for value, hint in known(*values):
                # A mistake may give the right answer in a case where it does not matter.
                same(value, of(name)(*values))
                assert hint


@pytest.mark.parametrize("seed", SEEDS)
def test_claims_are_clearly_right_or_clearly_wrong_or_exactly_at_the_limit(seed: int) -> None:
    at_limit = 0
    for program, inputs, claimed, eps, tolerance in claims.checks(Random(seed)):
        found = oracle.difference(program, inputs, eps)
        np.testing.assert_allclose(found, oracle.gradient(program, inputs), rtol=max(1e-5, eps**2 * 2), atol=1e-5)
        for claim, value in zip(claimed, found, strict=True):
            error = abs(claim - value) / (tolerance * max(1.0, abs(claim), abs(value)))
            assert error < 0.9 or error > 1.1 or error == 1.0
            at_limit += error == 1.0
    assert at_limit == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_claims_lie_on_both_sides_of_several_limits(seed: int) -> None:
    near: dict[float, set[float]] = {}
    for program, inputs, claimed, eps, tolerance in claims.checks(Random(seed)):
        for claim, value in zip(claimed, oracle.difference(program, inputs, eps), strict=True):
            error = (claim - value) / (tolerance * max(1.0, abs(claim), abs(value)))
            near.setdefault(tolerance, set()).add(round(error, 1))
    for tolerance in (1e-2, 1e-6):
        assert {-1.5, -0.7, 0.7, 1.5} <= near[tolerance]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rule", ["sgd", "adamw"])
def test_steps_are_those_of_the_formulas(seed: int, rule: str) -> None:
    for _, p, g, state, s in training.steps(Random(seed), rule):
        weights, new = oracle.optimizer_step(rule, p, g, state, s)
        if rule == "sgd":
            wanted = p - s["lr"] * new["u"]
        else:
            size = np.sqrt(new["v"] / (1 - s["beta2"] ** new["t"])) + s["eps"]
            wanted = p * (1 - s["lr"] * s["decay"]) - s["lr"] * new["m"] / (1 - s["beta1"] ** new["t"]) / size
        np.testing.assert_allclose(weights, wanted, rtol=1e-5 if p.dtype == "float32" else 1e-12, atol=1e-7)
        assert weights.dtype == p.dtype


@pytest.mark.parametrize("seed", SEEDS)
def test_every_planted_mistake_shows_first_where_it_was_planted(seed: int) -> None:
    planted = set()
    for x, y, weights, reported, place in block.cases(Random(seed)):
        right = block.autograd(x, y, weights)
        wrong = [n for n in block.ORDER if np.abs(reported[n] - right[n]).max() > 1e-6 * np.abs(right[n]).max()]
        sizes = [np.abs(reported[n] - right[n]).max() / np.abs(right[n]).max() for n in block.ORDER]
        assert not any(0.9e-6 < size < 3e-6 for size in sizes)
        assert (wrong or [""])[0] == place
        planted.add(place)
        for name, value in block.backward(x, y, weights).items():
            np.testing.assert_allclose(value, right[name], rtol=1e-9, atol=1e-12)
    assert planted == {"", *block.ORDER}
