"""A scan is the loop, for every length; and a chain is counted as somebody would by hand."""

from __future__ import annotations

import math

import pytest
import torch

from fullstack_llm.recurrence import chain, scan


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 9, 64, 100])
@pytest.mark.parametrize("shape", [(5,), (3, 2)])
def test_scan_is_loop_in_values_and_gradients(length: int, shape: tuple[int, ...]) -> None:
    torch.manual_seed(length)
    a = (2 * torch.rand(length, *shape, dtype=torch.float64) - 1).requires_grad_()
    b = torch.randn(length, *shape, dtype=torch.float64, requires_grad=True)
    loop, quick = scan.loop(a, b), scan.scan(a, b)
    torch.testing.assert_close(quick, loop, rtol=1e-12, atol=1e-12)
    weights = torch.randn_like(loop)
    for mine, other in zip(
        *(torch.autograd.grad((h * weights).sum(), (a, b), materialize_grads=True) for h in (quick, loop)), strict=True
    ):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-9)


def test_zeros_and_ones_are_exact() -> None:
    b = torch.randint(-5, 6, (33, 4)).float()
    assert torch.equal(scan.scan(torch.ones_like(b), b), b.cumsum(0))
    assert torch.equal(scan.scan(torch.zeros_like(b), b), b)
    forget = torch.ones_like(b)
    forget[17] = 0
    assert torch.equal(scan.scan(forget, b)[17:], b[17:].cumsum(0)), "a gate that shuts begins anew"


def test_joining_is_associative_and_not_commutative() -> None:
    a, b = torch.rand(3, dtype=torch.float64), torch.randn(3, dtype=torch.float64)

    def joined(first: tuple, second: tuple) -> tuple:
        return first[0] * second[0], second[0] * first[1] + second[1]

    one, two, three = zip(a, b, strict=True)
    left, right = joined(joined(one, two), three), joined(one, joined(two, three))
    torch.testing.assert_close(torch.stack(left), torch.stack(right))
    assert (joined(one, two)[1] - joined(two, one)[1]).abs() > 1e-3


def test_inputs_are_left_alone() -> None:
    a, b = torch.rand(9, 2), torch.randn(9, 2)
    copies = a.clone(), b.clone()
    scan.scan(a, b)
    assert torch.equal(a, copies[0]) and torch.equal(b, copies[1])


@pytest.mark.parametrize("length", [4, 16, 64, 256])
def test_a_loop_waits_for_each_step_and_a_scan_for_a_logarithm(length: int) -> None:
    a, b = torch.rand(length, 3, requires_grad=True), torch.randn(length, 3, requires_grad=True)
    loop, quick = chain.longest(scan.loop(a, b)), chain.longest(scan.scan(a, b))
    assert 2 * length <= loop <= 2 * length + 3
    assert quick <= 4 * math.ceil(math.log2(length)) + 2


def test_the_longest_chain_counts_shared_nodes_once_and_takes_the_longer_way() -> None:
    x = torch.ones(3, requires_grad=True)
    twice = x * 2
    assert chain.longest(twice) == 1 and chain.longest(twice + twice) == 2
    assert chain.longest(twice.exp().log() + x) == 4
    y = x
    for _ in range(5_000):
        y = y + y  # two ways at each step: a walk over all ways would not end
    assert chain.longest(y) == 5_000
