"""The optimizers, clipping, schedules and 16-bit weights of part 05b, each against the library or a known case."""

import pytest
import torch
from transformers import optimization

from fullstack_llm.models.loop import learning_rate
from fullstack_llm.pretraining import optimizer, precision, schedules

SHAPES = [(48, 32), (32, 48), (17, 17), (1, 5)]


def gradients(shape, count=12, seed=0):
    dice = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=dice) * 10.0 ** (k % 5 - 2) for k in range(count)]


@pytest.mark.parametrize("shape", [*SHAPES, (7,)])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_adamw_is_the_librarys(shape, decay):
    start = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    mine, kept, theirs = start.clone(), {}, start.clone().requires_grad_()
    library = torch.optim.AdamW([theirs], lr=0.03, betas=(0.9, 0.95), weight_decay=decay)
    for g in gradients(shape):
        assert optimizer.adamw(mine, g, kept, lr=0.03, decay=decay) is mine
        theirs.grad = g.clone()
        library.step()
    torch.testing.assert_close(mine, theirs.detach(), rtol=1e-5, atol=1e-6)
    forgetful = start.clone()
    for g in gradients(shape):
        optimizer.adamw(forgetful, g, {}, lr=0.03, decay=decay)
    assert not torch.allclose(forgetful, theirs.detach(), rtol=1e-2, atol=1e-3), "the control: averages forgotten"


@pytest.mark.parametrize("shape", SHAPES)
def test_muon_is_the_librarys_to_the_digits_of_bf16(shape):
    start = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    mine, kept, theirs = start.clone(), {}, start.clone().requires_grad_()
    library = torch.optim.Muon([theirs], lr=0.03, weight_decay=0.0)
    for g in gradients(shape):
        optimizer.muon(mine, g, kept, lr=0.03)
        theirs.grad = g.clone()
        library.step()
    moved = (theirs.detach() - start).norm()
    assert (mine - theirs.detach()).norm() < 0.04 * moved
    without_momentum = start.clone()
    for g in gradients(shape):
        optimizer.muon(without_momentum, g, {}, lr=0.03)
    assert shape == (1, 5) or (without_momentum - theirs.detach()).norm() > 0.1 * moved


def test_muon_moves_rare_directions_as_far_as_frequent_ones():
    u, _, v = torch.linalg.svd(torch.randn(12, 8, generator=torch.Generator().manual_seed(0)), full_matrices=False)
    g = u @ torch.diag(torch.logspace(0, -2, 8)) @ v
    found = torch.linalg.svdvals(optimizer.orthogonal(g).float())
    assert found.min() > 0.5 and found.max() < 1.3
    assert optimizer.orthogonal(torch.zeros(3, 4)).abs().max() == 0


@pytest.mark.parametrize("most", [0.5, 3.0, 1e6])
def test_clipping_is_the_librarys(most):
    pieces = [g for shape in SHAPES for g in gradients(shape, 1)]
    params = [torch.zeros_like(g).requires_grad_() for g in pieces]
    for p, g in zip(params, pieces, strict=True):
        p.grad = g.clone()
    wanted = torch.nn.utils.clip_grad_norm_(params, most)
    torch.testing.assert_close(optimizer.clip(pieces, most), wanted)
    for p, g in zip(params, pieces, strict=True):
        torch.testing.assert_close(g, p.grad)


def rates(schedule, steps, warmup, **options):
    one = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    lr = schedule(one, num_warmup_steps=warmup, num_training_steps=steps, **options)
    found = []
    for _ in range(steps):
        found.append(one.param_groups[0]["lr"])
        one.step()
        lr.step()
    return found


@pytest.mark.parametrize("steps, warmup", [(100, 10), (57, 1), (300, 299)])
def test_schedules_are_the_librarys(steps, warmup):
    every = range(steps)
    cosine = rates(optimization.get_cosine_with_min_lr_schedule_with_warmup_lr_rate, steps, warmup, min_lr_rate=0.1)
    torch.testing.assert_close([schedules.cosine(s, steps, warmup) for s in every], cosine, rtol=1e-9, atol=1e-12)
    linear = rates(optimization.get_linear_schedule_with_warmup, steps, warmup)
    torch.testing.assert_close([schedules.linear(s, steps, warmup) for s in every][warmup:], linear[warmup:])
    # The library's warm-up is a step late: its first step has the rate zero.
    torch.testing.assert_close([schedules.linear(s, steps, warmup) for s in range(warmup - 1)], linear[1:warmup])


def test_wsd_is_the_librarys_and_needs_no_end_before_its_decay():
    wsd = rates(optimization.get_wsd_schedule, 100, 10, num_decay_steps=20, decay_type="linear")
    torch.testing.assert_close([schedules.wsd(s, 100, 10) for s in range(10, 100)], wsd[10:])
    assert [schedules.wsd(s, 100, 10) for s in range(80)] == [schedules.wsd(s, 400, 10) for s in range(80)]
    assert schedules.cosine(79, 100, 10) < 0.5 * schedules.cosine(79, 400, 10), (
        "the control: cosine asks for the end at once"
    )


def test_the_loop_of_the_checkpoints_falls_in_the_same_way():
    assert [schedules.wsd(s, 50, 5, 0.3) for s in range(50)] == [learning_rate(50, 5, 0.3, 1.0, s) for s in range(50)]


def test_halfway_is_where_updates_begin_to_count():
    w = torch.randn(5_000, generator=torch.Generator().manual_seed(0)).bfloat16().float()
    outwards = precision.halfway(w) * w.sign()
    assert precision.lost(w, 0.99 * outwards) == 1.0
    assert precision.lost(w, 1.01 * outwards) == 0.0
    # Towards zero, below a power of two, the next number is nearer.
    assert (
        precision.lost(torch.ones(1), torch.tensor([-0.003]))
        == 0.0
        == precision.lost(torch.ones(1), torch.tensor([0.004]))
    )
    assert precision.lost(torch.ones(1), torch.tensor([0.003])) == 1.0


def test_rounding_at_random_is_right_on_average():
    dice, x = torch.Generator().manual_seed(0), torch.tensor([1.003, -2.7, 1e-20, 0.0])
    found = torch.stack([precision.stochastic(x, dice) for _ in range(4_000)]).double()
    near = x.bfloat16().double()
    assert ((found.mean(0) - x).abs() <= 5 * found.std(0) / 4_000**0.5 + 1e-30).all()
    assert (near - x).abs()[0] > 0.002, "the control: to the nearest"
    assert all(len(found[:, k].unique()) == 2 for k in range(2)) and (found[:, 3] == 0).all()
