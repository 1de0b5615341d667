"""Hold lab 06 against the laws that it draws from, the course's own count of FLOP, and its text against the truth."""

from random import Random
from typing import Any

import numpy as np
import pytest

from fullstack_llm.labs.m06_scaling_laws import diagnose as reports
from fullstack_llm.labs.m06_scaling_laws import extrapolate as drawn
from fullstack_llm.labs.m06_scaling_laws import inputs
from fullstack_llm.labs.m06_scaling_laws.break_even import break_even, pairs
from fullstack_llm.labs.m06_scaling_laws.compute_optimal import PLAIN, best_size, budget, compute_optimal
from fullstack_llm.labs.m06_scaling_laws.diagnose import diagnose
from fullstack_llm.labs.m06_scaling_laws.extrapolate import extrapolate, plane
from fullstack_llm.labs.m06_scaling_laws.inputs import loss_of
from fullstack_llm.labs.m06_scaling_laws.training_bill import H100S, LLAMA_3_8B, training_bill
from fullstack_llm.transformer import count
from fullstack_llm.transformer.shape import Shape

SEEDS = range(4)


@pytest.mark.parametrize("spoiled", (0, 3))
@pytest.mark.parametrize("seed", SEEDS)
def test_a_sound_fit_finds_the_law_from_which_the_runs_were_drawn(
    seed: int, spoiled: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    laws: list[Any] = []
    real = drawn.drawn_law
    monkeypatch.setattr(drawn, "drawn_law", lambda *values: laws.append(real(*values)) or laws[-1])
    N, D, loss, new_N, new_D = drawn.runs(Random(seed), spoiled)
    truth = loss_of(laws[0], new_N, new_D)
    np.testing.assert_allclose(extrapolate(N, D, loss, new_N, new_D), truth, rtol=1e-4)
    for sound in extrapolate.others:
        np.testing.assert_allclose(sound(N, D, loss, new_N, new_D), truth, rtol=0.007)
    # What the text says of the runs, and of a fit without a floor.
    miss = np.sort(np.log(loss / loss_of(laws[0], N, D)))
    good = miss[: 35 - spoiled]
    assert 0.0008 < good.std() < 0.0022 and (miss[35 - spoiled :] > np.log(1.0999)).all()
    if not spoiled:
        assert (plane(N, D, loss, new_N, new_D) / truth < 0.9).any()


def test_the_count_is_the_course_s_own() -> None:
    shape = Shape(
        vocab_size=512, hidden_size=128, intermediate_size=352, num_layers=4, num_heads=4, num_kv_heads=2, tied=True
    )
    keys = ("vocab_size", "hidden_size", "intermediate_size", "num_layers", "num_heads", "num_kv_heads", "tied")
    sizes = {key: getattr(shape, key) for key in keys} | {"head_dim": 32}
    bill = training_bill(sizes, [(1000, 1)], H100S)
    assert bill["parameters"] == sum(count.parameters(shape).values())
    # With one token in a document nothing is hidden, so that dense scores are all scores.
    assert bill["flop"] == 3 * 1000 * sum(count.flops(shape, 1).values())
    assert bill["flop"] != 3 * 1000 * sum(count.flops(shape, 2).values())


def test_what_the_text_says_of_long_documents() -> None:
    tokens = 131_072 * 1000
    bills = [training_bill(LLAMA_3_8B, [(tokens, T)], H100S)["flop"] for T in (8192, 131_072)]
    scores = [6 * 32 * 4096 * (T + 1) * tokens for T in (8192, 131_072)]
    weights = bills[0] - scores[0]
    assert bills[1] - scores[1] == weights
    assert scores[0] / weights == pytest.approx(1 / 7, rel=0.01)
    assert scores[1] / weights > 2
    assert bills[1] / bills[0] == pytest.approx(2.9, abs=0.1)


@pytest.mark.parametrize("seed", SEEDS)
def test_small_steps_lead_to_the_formula(seed: int) -> None:
    law, C, limit, unit = budget(Random(seed), 20.5)
    N, D, loss = compute_optimal(law, C, limit, max(1, unit // 50))
    assert abs(N / best_size(law, C) - 1) < 1e-3
    assert abs(6 * N * D / C - 1) < 1e-12
    assert loss <= loss_of(law, 1.01 * N, C / 6.06 / N) and loss <= loss_of(law, 0.99 * N, C / 5.94 / N)
    assert compute_optimal(PLAIN, 3456.0, np.inf, 1) == (36, 16.0, 3.0)


@pytest.mark.parametrize("seed", SEEDS)
def test_both_models_are_as_good_and_cost_as_much(seed: int) -> None:
    for law, (N, D), small, dear in pairs(Random(seed)):
        tokens, served = break_even(law, (N, D), small, dear)
        assert loss_of(law, small, tokens) == pytest.approx(loss_of(law, N, D))
        assert 6 * small * tokens + 2 * dear * small * served == pytest.approx(6 * N * D + 2 * dear * N * served)


@pytest.mark.parametrize("seed", SEEDS)
def test_parabolas_find_the_exponent_that_the_lowest_runs_miss(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    laws: list[Any] = []
    real = inputs.drawn_law
    monkeypatch.setattr(inputs, "drawn_law", lambda *values: laws.append(real(*values)) or laws[-1])
    mine, _ = diagnose(*inputs.profiles(Random(seed), 8, 0), {"kept": [], "best": [], "exponent": 0.0})
    truth = laws[0]["beta"] / (laws[0]["alpha"] + laws[0]["beta"])
    assert abs(mine["exponent"] - truth) < 0.005 < abs(mine["argmin"] - truth)


@pytest.mark.parametrize("seed", SEEDS)
def test_each_report_has_the_cause_that_it_was_written_with(seed: int) -> None:
    draw = Random(seed)
    for cause in ("", "edge", "argmin", "linear", "all", "slope"):
        made = inputs.profiles(draw, 8, 3, short=cause == "edge")
        told = reports.report(draw, cause, *made)
        mine, found = diagnose(*made, told)
        # The slope from end to end may be the right one by chance.
        assert found == ("" if cause == "slope" and reports.near(mine["exponent"], told["exponent"]) else cause)
