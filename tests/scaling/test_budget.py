"""Budgets: the best plan against trying, equal losses, repeats, counts of FLOP, and the command that adds runs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch.utils.flop_counter import FlopCounterMode

from fullstack_llm.scaling import __main__ as command
from fullstack_llm.scaling import budget, choices, flops, repeats
from fullstack_llm.scaling.budget import Demand
from fullstack_llm.scaling.laws import Law
from fullstack_llm.scaling.runs import SIZES, Run, Size, fit, planned
from fullstack_llm.transformer import count

LAWS = (
    Law(0.4, 2_000.0, 600.0, 0.7, 0.47),
    Law(1.8172, 482.01, 2085.43, 0.3478, 0.3658),
    Law(0.0, 50.0, 9.0, 0.3, 0.2),
)
DEMANDS = (
    Demand(),
    Demand(served=1e7),
    Demand(served=3e6, premium=4.0),
    Demand(unique=2e5, worth=6.0),
    Demand(served=1e6, unique=1e5, worth=2.0, premium=0.5),
)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("demand", DEMANDS)
def test_the_best_plan_is_the_best_of_many(law: Law, demand: Demand) -> None:
    flop = 1e12
    plan = budget.best(law, flop, demand)
    assert plan.training + demand.premium * plan.serving == pytest.approx(flop, rel=1e-9)
    assert plan.loss == budget.planned(law, plan.parameters, plan.tokens, demand).loss
    sizes = np.geomspace(plan.parameters / 50, plan.parameters * 50, 20_001)
    rest = (flop / sizes - 2 * demand.premium * demand.served) / 6
    tried = [
        budget.planned(law, n, d, demand).loss for n, d in zip(sizes.tolist(), rest.tolist(), strict=True) if d >= 1
    ]
    assert plan.loss <= min(tried) * (1 + 1e-9)
    # Control: a size a fifth off, at the same cost, is worse.
    for other in (plan.parameters / 1.2, plan.parameters * 1.2):
        left = (flop / other - 2 * demand.premium * demand.served) / 6
        if left >= 1:
            assert budget.planned(law, other, left, demand).loss > plan.loss * (1 + 1e-6)


@pytest.mark.parametrize("law", LAWS)
def test_without_a_demand_the_plan_is_the_laws_optimum(law: Law) -> None:
    for flop in (1e10, 1e15, 1e22):
        plan = budget.best(law, flop)
        assert (plan.parameters, plan.tokens) == pytest.approx(law.optimum(flop), rel=1e-4)
        assert plan.epochs == 1 and plan.serving == 0
    assert budget.best(law, 1e12, Demand(served=1e6)).parameters < 0.99 * law.optimum(1e12)[0]


def test_the_cheapest_plan_has_the_loss_and_no_size_is_cheaper() -> None:
    law = LAWS[0]
    for served in (0.0, 1e6, 1e8):
        plan = budget.cheapest(law, 1.2, served)
        assert plan.loss == pytest.approx(1.2, abs=1e-9)
        for other in np.geomspace(plan.parameters / 3, plan.parameters * 3, 500):
            cost = 6 * other * budget.tokens_for(law, 1.2, other) + 2 * other * served
            assert cost >= (plan.training + plan.serving) * (1 - 1e-9)
    with pytest.raises(ValueError, match="none gets below"):
        budget.cheapest(law, 0.3, 0)


def test_at_the_break_even_both_have_cost_the_same() -> None:
    law, loss = LAWS[0], 1.2
    large = budget.cheapest(law, loss, 0).parameters
    for small in (large / 1.5, large / 2):
        served = budget.break_even(law, loss, small, large)
        lives = [6 * n * budget.tokens_for(law, loss, n) + 2 * n * served for n in (small, large)]
        assert lives[0] == pytest.approx(lives[1])
        before = [6 * n * budget.tokens_for(law, loss, n) + 2 * n * served / 2 for n in (small, large)]
        assert before[0] > before[1]
    assert budget.break_even(law, loss, large / 1_000, large) == math.inf
    assert budget.break_even(law, loss, large, 2 * large) == 0


def test_a_spread_holds_the_plans_of_its_laws() -> None:
    laws = [Law(0.4, 2_000.0 * f, 600.0, 0.7, 0.47) for f in (0.5, 1.0, 2.0)]
    found = budget.spread(laws, [math.inf] * 3, 1e12, level=1.0)
    plans = [budget.best(law, 1e12) for law in laws]
    for name in ("parameters", "tokens", "loss"):
        values = [getattr(plan, name) for plan in plans]
        assert found[name] == (pytest.approx(min(values)), pytest.approx(max(values)))
    assert found["parameters"].low < plans[1].parameters < found["parameters"].high


def test_repeats_are_worth_less_and_less() -> None:
    worth = [repeats.effective(1_000 * e, 1_000, 4.0) for e in range(1, 60)]
    gains = np.diff(worth)
    assert worth[0] == 1_000 and (gains > 0).all() and (np.diff(gains) < 0).all()
    assert 990 * 4 < worth[-1] - 1_000 <= 1_000 * 4
    assert gains[0] == pytest.approx(1_000 * 4 * (1 - math.exp(-1 / 4)))
    assert repeats.effective(5_000, 1_000) == 5_000, "without an R repeats count as fresh"


def rows_of(law: Law, worth: float, noise: float, seed: int = 0) -> list[dict[str, float]]:
    draw = np.random.default_rng(seed)
    rows = [{"parameters": 8e4, "tokens": 6e5, "epochs": e} for e in (1, 2, 4, 8) for _ in range(3)]
    return [row | {"loss": 0.05 + repeats.predicted(law, row, worth) + draw.normal(0, noise)} for row in rows]


def test_r_is_found_again_and_its_interval_holds_it() -> None:
    law = LAWS[0]
    assert repeats.fit(rows_of(law, 7.0, 0.0), law).worth == pytest.approx(7.0, rel=1e-4)
    held = 0
    for seed in range(20):
        rows = rows_of(law, 7.0, 0.02, seed)
        low, high = np.quantile(repeats.redrawn(rows, [law] * 40, seed), [0.05, 0.95])
        held += low <= 7.0 <= high
    # Three seeds a group make a bootstrap narrow; the binomial chance of fewer than 10 of 20 at 70 % is under 5 %.
    assert held >= 10
    with pytest.raises(ValueError, match="three numbers of epochs"):
        repeats.fit(rows_of(law, 7.0, 0.0)[:6], law)


@pytest.mark.parametrize("size", [Size(1, 24), Size(3, 96), Size(5, 160)])
def test_counter_formula_and_pytorch_agree(size: Size) -> None:
    rows, length = 2, 40
    formula = rows * length * flops.per_token(flops.shape_of(size), length)
    with flops.FlopCounter() as ours, FlopCounterMode(display=False) as theirs:
        flops.run_step(size, rows, length, "meta", "eager")
    assert ours.total == theirs.get_total_flops() == formula
    with flops.FlopCounter() as ours, FlopCounterMode(display=False) as theirs:
        flops.run_step(size, rows, length, "cpu", "sdpa")
    assert ours.total == formula > theirs.get_total_flops()
    with flops.FlopCounter() as shorter:  # control
        flops.run_step(size, rows, length - 1, "meta", "eager")
    assert shorter.total < formula


def test_over_6n_counts_scores_in_and_norms_out() -> None:
    for size in SIZES:
        shape = flops.shape_of(size)
        places = count.parameters(shape)
        assert sum(places.values()) == sum(size.parameters.values())
        scores = 12 * size.layers * size.width * 256
        assert flops.per_token(shape) == 6 * (sum(places.values()) - places["norms"]) + scores


def test_the_update_costs_what_muon_multiplies() -> None:
    # Five rounds, each with X X', its square, and its product with X: for (n, m), n <= m, 4 n n m + 2 n n n.
    def muon(rows: int, columns: int) -> int:
        n, m = sorted((rows, columns))
        return 5 * (4 * n * n * m + 2 * n * n * n)

    recipe = Run(1, 24, 1).recipe
    matrices = [(24, 24)] * 2 + [(24 * recipe.kv_heads // recipe.heads, 24)] * 2 + [(recipe.inner, 24)] * 3
    assert flops.of_update(Size(1, 24)) == sum(muon(*shape) for shape in matrices)


def test_the_published_law_and_the_courses() -> None:
    family = choices.published()
    n, d = family.law.optimum(5.76e23)
    assert d / n == pytest.approx(18.4, abs=0.1), "the ratio of the refit at Chinchilla's compute"
    data = choices.as_data(family)
    assert data["drawn"] == [] and data["law"]["A"] == 482.01


def one(argv: list[str]) -> int:
    return command.main(argv)


def test_the_command_appends_rows_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "runs.jsonl"
    arguments = [str(file), "--budget", "3e9", "--sizes", "1x16", "--seeds", "2"]
    assert one(arguments) == 0
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["seed"] for row in rows] == [0, 1] and rows[0]["loss"] != rows[1]["loss"]
    assert one(arguments) == 0 and len(file.read_text().splitlines()) == 2
    assert capsys.readouterr().out.count("is there") == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs.jsonl"]
    # The row is that of the function which makes the table.
    again = fit(planned(3e9, Size(1, 16), 1), tmp_path)
    assert rows[1]["loss"] == pytest.approx(again["loss"], abs=1e-4)


def test_the_command_goes_on_after_an_interruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def stopped(run: Run, folder: Path) -> dict[str, Any]:
        made.append(run.name)
        if len(made) == 2:
            raise KeyboardInterrupt
        row = dict.fromkeys(command.HAS, 1.0) | {"seconds": 0.0, "curve": []}
        return row | {k: getattr(run, k) for k in ("layers", "width", "steps", "seed", "epochs", "rate")}

    monkeypatch.setattr(command, "fit", stopped)
    file = tmp_path / "runs.jsonl"
    arguments = [str(file), "--budget", "6e9", "--sizes", "1x16,1x24", "--seeds", "2"]
    assert one(arguments) == 130
    assert one(arguments) == 0
    assert made == [made[0], made[1], made[1], *made[3:]] and len(set(made)) == 4
    assert len(file.read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--budget", "3e9", "--sizes", "4x128"], "a run of fewer than 40"),
        (["--budget", "much", "--sizes", "1x16"], "is no number of FLOP"),
        (["--budget", "nan", "--sizes", "1x16"], "is no number of FLOP"),
        (["--budget", "3e9", "--sizes", "1x104"], "multiple of 8 up to 96"),
        (["--budget", "3e9", "--sizes", "1x16,"], "is no size"),
    ],
)
def test_wrong_arguments_are_sentences(
    argv: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = one([str(tmp_path / "runs.jsonl"), *argv])
    except SystemExit as stopped:
        status = int(str(stopped.code))
    assert status == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_line_that_is_no_row_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "runs.jsonl"
    file.write_text('{"layers": 1}\n')
    assert one([str(file), "--budget", "3e9", "--sizes", "1x16"]) == 2
    assert "Line 1 of" in capsys.readouterr().err
    assert file.read_text() == '{"layers": 1}\n'
