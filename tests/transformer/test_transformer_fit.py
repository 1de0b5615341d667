"""Short training runs: seeds, schedules, beginnings of longer runs, interruptions."""

from __future__ import annotations

import math

import pytest
import torch
from shapes import decoder
from torch.nn.functional import cross_entropy

from fullstack_llm.transformer import Decoder
from fullstack_llm.transformer.fit import evaluate, fit, windows

# Each token decides the next one, so that a model which sees the present token can be almost sure.
CHAIN = (torch.arange(600) * 5) % 37
HOW = {"steps": 12, "batch": 4, "length": 9, "lr": 0.01}


def weights(model: Decoder) -> torch.Tensor:
    return torch.cat([parameter.flatten() for parameter in model.parameters()])


def test_training_falls_below_the_unigram_loss() -> None:
    model = decoder(num_layers=1)
    losses = fit(model, CHAIN, **{**HOW, "steps": 60, "warmup": 5})
    unigram = math.log(37)
    assert losses[0] > unigram
    assert evaluate(model, CHAIN, batch=16, length=9) < 0.5 * unigram
    # Control: at a rate of nothing, nothing is learned.
    still = decoder(num_layers=1)
    fit(still, CHAIN, **{**HOW, "lr": 0.0})
    assert torch.equal(weights(still), weights(decoder(num_layers=1)))


def test_the_first_loss_is_that_of_the_untouched_model() -> None:
    inputs, targets = windows(CHAIN, 4, 9, seed=2 * 1_000_003)
    right = cross_entropy(decoder()(inputs).flatten(0, 1), targets.flatten()).item()
    assert fit(decoder(), CHAIN, **HOW, seed=2)[0] == pytest.approx(right, rel=1e-5)


def test_a_seed_decides_all() -> None:
    one, same, other = decoder(), decoder(), decoder()
    losses = [fit(model, CHAIN, **HOW, seed=seed) for model, seed in ((one, 1), (same, 1), (other, 2))]
    assert losses[0] == losses[1] != losses[2]
    assert torch.equal(weights(one), weights(same))


def test_until_is_the_beginning_of_the_longer_run() -> None:
    whole, part, shorter = decoder(), decoder(), decoder()
    losses = fit(whole, CHAIN, **HOW, warmup=3)
    assert fit(part, CHAIN, **HOW, warmup=3, until=7) == losses[:7]
    # Control: a run of seven steps has a schedule of its own.
    assert fit(shorter, CHAIN, **{**HOW, "steps": 7}, warmup=3) != losses[:7]
    assert fit(decoder(), CHAIN, **HOW, warmup=3, until=99) == losses
    untouched = decoder()
    assert fit(untouched, CHAIN, **HOW, until=0) == []
    assert torch.equal(weights(untouched), weights(decoder()))


def test_the_rate_grows_and_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    rates, step = [], torch.optim.AdamW.step
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda self: rates.append(self.param_groups[0]["lr"]) or step(self))
    fit(decoder(num_layers=1), CHAIN, steps=10, batch=2, length=5, lr=1.0, warmup=4)
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6])
    rates.clear()
    fit(decoder(num_layers=1), CHAIN, steps=4, batch=2, length=5, lr=1.0)
    assert rates == pytest.approx([1.0, 0.75, 0.5, 0.25])


def test_settling_fills_the_averages_and_leaves_the_weights_alone() -> None:
    still, settled, plain = decoder(), decoder(), decoder()
    assert fit(still, CHAIN, **HOW, settle=5, until=0) == []
    assert torch.equal(weights(still), weights(decoder()))
    losses = [fit(model, CHAIN, **HOW, settle=settle, until=2) for model, settle in ((settled, 5), (plain, 0))]
    # The first loss is that of the untouched model, and the first step is another one, since its averages are.
    assert losses[0][0] == losses[1][0]
    assert losses[0][1] != losses[1][1]


def test_whoever_watches_sees_the_gradients_before_they_are_clipped() -> None:
    model, seen = decoder(), []
    fit(
        model,
        CHAIN,
        **HOW,
        settle=2,
        clip=1e-3,
        until=3,
        watch=lambda step: seen.append((step, model.lm_head.weight.grad.norm())),
    )
    assert [step for step, _ in seen] == [0, 1, 2]
    assert all(norm > 1e-3 for _, norm in seen)
    inputs, targets = windows(CHAIN, 4, 9, seed=0)
    fresh = decoder()
    cross_entropy(fresh(inputs).flatten(0, 1), targets.flatten()).backward()
    torch.testing.assert_close(seen[0][1], fresh.lm_head.weight.grad.norm())


def test_an_interrupted_run_leaves_the_model_as_the_steps_made_it() -> None:
    interrupted, right = decoder(num_experts=5), decoder(num_experts=5)

    def stop(step: int, record: dict) -> None:
        if step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(interrupted, CHAIN, **HOW, seen=stop)
    fit(right, CHAIN, **HOW, until=5)
    assert torch.equal(weights(interrupted), weights(right))


def test_a_run_that_has_become_nan_goes_on_and_says_so() -> None:
    losses = fit(decoder(), CHAIN, **{**HOW, "lr": math.inf}, clip=None)
    assert len(losses) == 12
    assert math.isfinite(losses[0])
    assert math.isnan(losses[-1])


def test_the_balance_loss_is_trained_and_not_reported() -> None:
    seen: list[int] = []
    losses, models = [], [decoder(num_experts=5) for _ in range(3)]
    for model, balance in zip(models, (0.0, 0.0, 1.0), strict=True):
        losses.append(
            fit(model, CHAIN, **HOW, balance=balance, seen=lambda step, record: seen.append(len(record["routing"])))
        )
    assert seen == [2] * 36
    assert losses[0] == losses[1]
    assert losses[2][0] == losses[0][0]
    assert losses[2][-1] != losses[0][-1]
    # Without routers nobody is called.
    fit(decoder(), CHAIN, **HOW, seen=lambda step, record: seen.append(-1))
    assert -1 not in seen


def test_windows_fit_and_every_place_is_drawn() -> None:
    tokens = torch.arange(12)
    inputs, targets = windows(tokens, 500, 5, seed=0)
    assert torch.equal(targets, inputs + 1)
    assert set(inputs[:, 0].tolist()) == set(range(7))
    assert targets.max() == 11


def test_evaluation_asks_every_model_the_same() -> None:
    model = decoder()
    assert evaluate(model, CHAIN, batch=8, length=9) == evaluate(model, CHAIN, batch=8, length=9)
    inputs, targets = windows(CHAIN, 8, 9, seed=1)
    right = cross_entropy(model(inputs).flatten(0, 1), targets.flatten()).item()
    assert evaluate(model, CHAIN, batch=8, length=9) == pytest.approx(right)
