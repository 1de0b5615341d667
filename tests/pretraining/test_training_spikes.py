"""The loop that can go back, the detector, the drill, and the two measures of a batch's size."""

import math
from dataclasses import replace

import pytest
import torch

from fullstack_llm.experiments import m05_training as runs
from fullstack_llm.models.loop import train
from fullstack_llm.models.pretrain import batch
from fullstack_llm.pretraining import batch_size, schedules, spikes
from fullstack_llm.pretraining.loop import advance, restore, saved
from fullstack_llm.scaling.runs import Run, tokens


def steady(step: int) -> float:
    return schedules.constant(step, 0, 5)


def test_the_loop_is_that_of_the_checkpoints(tmp_path):
    recipe = replace(Run(runs.LAYERS, runs.WIDTH, 12, 0).recipe, warmup=3)
    first, second = runs.fresh(0), runs.fresh(0)
    recipe = replace(recipe, lr=first.peaks[-1], muon_lr=first.peaks[0])
    data = tokens(Run(runs.LAYERS, runs.WIDTH, 12, 0))

    def step_of(step):
        inputs, targets = batch(data, 4, 256, step)
        loss = torch.nn.functional.cross_entropy(
            first.model(inputs, use_cache=False).logits.flatten(0, 1), targets.flatten()
        )
        return loss, loss.item()

    wanted = train(first.model, recipe, step_of, tmp_path / "state.pt").record
    found = advance(second, runs.data(0, 12), lambda s: schedules.wsd(s, 12, 3, 1.0), 12)
    assert found.losses == wanted
    assert all(torch.equal(a, b) for a, b in zip(first.model.parameters(), second.model.parameters(), strict=True))


def test_a_saved_state_is_all_that_matters():
    state = advance(runs.fresh(0), runs.data(0, 20), steady, 6)
    kept = saved(state)
    straight = advance(state, runs.data(0, 20), steady, 10).losses
    assert advance(restore(runs.fresh(1), kept), runs.data(0, 20), steady, 10).losses == straight
    without = {**kept, "chain": [one.state_dict() for one in runs.fresh(0).chain]}
    assert advance(restore(runs.fresh(1), without), runs.data(0, 20), steady, 10).losses != straight


def test_skipped_batches_are_not_read():
    state = advance(runs.fresh(0), runs.data(0, 20), steady, 6, skip=(0, 3, 4))
    assert state.read == [1, 2, 5, 6, 7, 8] and state.step == 6


@pytest.mark.parametrize("bad", [math.nan, math.inf, 9.0])
def test_spikes_are_found_and_do_not_become_usual(bad):
    dice = torch.Generator().manual_seed(0)
    quiet = (3 - 0.002 * torch.arange(300) + 0.1 * torch.randn(300, generator=dice)).tolist()
    assert list(spikes.spikes(quiet)) == []
    noisy = [bad if step in range(200, 240) else loss for step, loss in enumerate(quiet)]
    assert list(spikes.spikes(noisy)) == list(range(200, 240))


def test_a_constant_loss_is_no_spike_and_a_fall_is_none():
    assert list(spikes.spikes([2.0] * 40 + [2.01] * 40)) == []
    assert list(spikes.spikes([2.0] * 40 + [0.1] * 5)) == []


def test_the_drill_ends_where_a_run_without_the_batches_ends():
    bad = runs.garbled(runs.data(0, 80), range(40, 43))
    state, done = spikes.drill(runs.fresh(0), bad, steady, until=50, every=8, back=5)
    assert done == [{"step": 40, "batch": 40, "from": 32, "skipped": [39, 44]}]
    told = advance(runs.fresh(0), bad, steady, 50, skip=range(39, 45))
    assert state.losses == told.losses and state.read == told.read
    assert all(torch.equal(a, b) for a, b in zip(state.model.parameters(), told.model.parameters(), strict=True))


def test_the_drill_says_when_the_batches_are_not_the_cause():
    fault = lambda step: steady(step) * (30.0 if 40 <= step < 44 else 1.0)  # noqa: E731
    with pytest.raises(RuntimeError, match="Step 41 spikes again"):
        spikes.drill(runs.fresh(0), runs.data(0, 80), fault, until=50, every=8, back=5)


def test_nothing_happens_in_a_healthy_run():
    state, done = spikes.drill(runs.fresh(0), runs.data(0, 80), steady, until=45, every=20, back=5)
    assert done == [] and state.losses == advance(runs.fresh(0), runs.data(0, 80), steady, 45).losses


def test_the_noise_scale_of_known_noise():
    dice = torch.Generator().manual_seed(1)
    signal, rows = torch.full((400,), 0.3), 512
    for spread in (0.5, 2.0):
        g = signal + spread * torch.randn(rows, 400, generator=dice)
        found = batch_size.noise_scale(g.square().sum(1).mean().item(), g.mean(0).square().sum().item(), 1, rows)
        assert found == pytest.approx(spread**2 / 0.3**2, rel=0.15)
    assert batch_size.noise_scale(3.0, 3.0, 1, 8) == 0.0, "no noise: a batch of one row is as good"


def test_squares_are_those_of_the_rows_gradients():
    state = runs.fresh(0)
    batches = runs.data(0, 4)
    small, large, rows = batch_size.squares(state.model, batches, range(2))
    assert rows == 8 and all(p.grad is None for p in state.model.parameters())
    inputs, targets = (torch.cat(found) for found in zip(batches(0), batches(1), strict=True))
    loss = torch.nn.functional.cross_entropy(
        state.model(inputs, use_cache=False).logits.flatten(0, 1), targets.flatten()
    )
    whole = sum(g.square().sum().item() for g in torch.autograd.grad(loss, list(state.model.parameters())))
    assert large == pytest.approx(whole, rel=1e-4) and small > large


@pytest.mark.parametrize(
    "losses, wanted",
    [
        ({1: 2.0, 2: 2.0, 4: 2.0}, 4),
        ({1: 2.0, 2: 2.3, 4: 2.0}, 1),
        ({1: 2.5, 2: 2.2, 4: 2.0, 8: 2.005, 16: 2.4}, 8),
        ({4: 1.0, 1: 1.0, 2: 1.0}, 4),
    ],
)
def test_the_critical_batch_is_the_last_before_the_loss_rises(losses, wanted):
    assert batch_size.critical(losses, tolerance=0.01) == wanted


def test_a_garbled_batch_holds_other_tokens_and_the_rest_what_they_held():
    batches = runs.garbled(runs.data(0, 8), range(2, 3))
    for number in range(4):
        assert torch.equal(batches(number)[0], runs.data(0, 8)(number)[0]) == (number != 2)
    assert torch.equal(batches(2)[0][:, 1:], batches(2)[1][:, :-1]), "still the next token of each"
