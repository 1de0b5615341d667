"""The law, its fits and its intervals find what was planted, and miss what they should miss."""

from __future__ import annotations

import numpy as np
import pytest

from fullstack_llm.scaling import fits, intervals
from fullstack_llm.scaling.laws import Law

KNOWN = Law(E=0.5, A=180.0, B=900.0, alpha=0.5, beta=0.55)
BUDGETS = (1e10, 1e11, 1e12, 1e13)
STARTS = fits.STARTS[::7]


def design(sizes: int = 9) -> list[dict[str, float]]:
    """Sizes and tokens at four budgets, nine sizes around the best, which lies between two of them."""
    rows = []
    for flop in BUDGETS:
        best, _ = KNOWN.optimum(flop)
        around = best * 1.3 * np.geomspace(1 / 16, 16, sizes)
        rows += [{"parameters": n, "tokens": flop / 6 / n, "flop": flop, "loss": 1.0} for n in around]
    return rows


@pytest.fixture(scope="module")
def clean() -> list[dict[str, float]]:
    return intervals.drawn(KNOWN, design(), noise=0.0, seed=0)


@pytest.mark.parametrize("flop", [1e9, 6e15, 3e21])
def test_the_optimum_is_the_lowest_of_many_sizes(flop: float) -> None:
    n, d = KNOWN.optimum(flop)
    assert 6 * n * d == pytest.approx(flop)
    others = n * np.geomspace(0.01, 100, 2001)
    losses = KNOWN.loss(others, flop / 6 / others)
    assert KNOWN.loss(n, d) <= losses.min() + 1e-12
    assert others[losses.argmin()] == pytest.approx(n, rel=0.01)


def test_published_constants_give_the_ratios_that_are_quoted() -> None:
    printed = Law(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28).optimum(5.76e23)
    again = Law(E=1.8172, A=482.01, B=2085.43, alpha=0.3478, beta=0.3658).optimum(5.76e23)
    assert printed[1] / printed[0] == pytest.approx(92.6, abs=0.1)
    assert again[1] / again[0] == pytest.approx(18.4, abs=0.1)


def test_the_gradient_is_that_of_the_value(clean: list[dict[str, float]]) -> None:
    n, d, y = (np.log(column) for column in fits.columns(clean, "parameters", "tokens", "loss"))
    point = np.array([5.0, 7.0, -0.3, 0.4, 0.6])
    _, gradient = fits.huber(point, n, d, y, 1e-3)
    moved = [
        (fits.huber(point + h, n, d, y, 1e-3)[0] - fits.huber(point - h, n, d, y, 1e-3)[0]) / 2e-6
        for h in 1e-6 * np.eye(5)
    ]
    np.testing.assert_allclose(gradient, moved, rtol=1e-4, atol=1e-8)


def test_the_formula_finds_a_known_law(clean: list[dict[str, float]]) -> None:
    law = fits.parametric(clean, starts=STARTS)
    np.testing.assert_allclose(fits.to_point(law), fits.to_point(KNOWN), rtol=1e-4)


def test_control_a_mean_at_default_tolerance_stops_short(clean: list[dict[str, float]]) -> None:
    from scipy.optimize import minimize

    n, d, y = (np.log(column) for column in fits.columns(clean, "parameters", "tokens", "loss"))
    mean = minimize(
        lambda x: [part / len(n) for part in fits.huber(x, n, d, y, 1e-3)], STARTS[0], jac=True, method="L-BFGS-B"
    )
    assert mean.success
    assert abs(mean.x[4] / (mean.x[3] + mean.x[4]) - KNOWN.exponent) > 0.01


def test_a_run_that_went_wrong_hardly_moves_the_formula(clean: list[dict[str, float]]) -> None:
    spoiled = [dict(row) for row in clean]
    spoiled[5]["loss"] *= 1.5
    robust, squares = (fits.parametric(spoiled, delta=delta, starts=STARTS).exponent for delta in (fits.DELTA, 10.0))
    assert robust == pytest.approx(KNOWN.exponent, abs=0.001)
    assert abs(squares - KNOWN.exponent) > 0.005, "control: squares follow it"


def test_the_parabola_is_nearer_than_the_lowest_run(clean: list[dict[str, float]]) -> None:
    for profile in fits.profiles(clean):
        best, _ = KNOWN.optimum(profile[0]["flop"])
        by_parabola = abs(np.log(fits.vertex(profile).parameters / best))
        assert by_parabola < 0.1 < abs(np.log(fits.lowest(profile).parameters / best))


def test_a_valley_without_a_second_side_is_refused(clean: list[dict[str, float]]) -> None:
    profile = fits.profiles(clean)[1]
    with pytest.raises(ValueError, match="end of the sizes"):
        fits.vertex(profile[5:])
    assert len(fits.isoflop([row for row in clean if row["flop"] < 2e12])) == 3


def test_seeds_are_averaged_and_budgets_kept_apart() -> None:
    rows = [{"flop": 1e9, "parameters": 10, "loss": loss} for loss in (2.0, 3.0)]
    rows += [{"flop": 1.02e9, "parameters": 20, "loss": 1.0}, {"flop": 3e9, "parameters": 10, "loss": 1.0}]
    found = fits.profiles(rows)
    assert [[row["loss"] for row in profile] for profile in found] == [[2.5, 1.0], [1.0]]


def test_the_envelope_takes_the_lowest_curve() -> None:
    curves = []
    for n in (1e4, 1e6):
        steps = [1, 10, 100, 1000]
        losses = [float(KNOWN.loss(n, 1e4 * step)) for step in steps]
        curves.append({"parameters": n, "tokens": 1e7, "curve": list(map(list, zip(steps, losses, strict=True)))})
    low, high = fits.envelope(curves, (7e10, 6e13))
    assert (low.parameters, high.parameters) == (1e4, 1e6)
    assert fits.envelope(curves, (1e20,)) == []


def test_too_few_rows_are_refused(clean: list[dict[str, float]]) -> None:
    with pytest.raises(ValueError, match="six or more"):
        fits.parametric(clean[:5])


def test_intervals_cover_where_the_law_is_true_and_not_where_it_is_wrong() -> None:
    at = (2e6, 1e14 / 6 / 2e6)
    held, wrong = 0, 0
    for seed in range(20):
        table = intervals.drawn(KNOWN, design(), noise=0.02, seed=seed)
        laws = intervals.bootstrap(table, times=20, seed=seed)
        interval = intervals.of_law(laws, *at)
        held += interval.holds(KNOWN.loss(*at))
        wrong += interval.holds(1.2 * KNOWN.loss(*at))
    assert held >= 14
    assert wrong <= 2


def test_a_runs_interval_is_wider_than_the_laws(clean: list[dict[str, float]]) -> None:
    table = intervals.drawn(KNOWN, design(), noise=0.02, seed=3)
    laws = intervals.bootstrap(table, times=20, seed=0)
    residuals = intervals.errors(fits.parametric(table, starts=STARTS), table)
    of_law, of_run = intervals.of_law(laws, 1e6, 1e8), intervals.of_run(laws, residuals, 1e6, 1e8)
    assert of_run.low < of_law.low < of_law.high < of_run.high


def test_rolling_predicts_each_budget_from_those_below(clean: list[dict[str, float]]) -> None:
    seen = []

    def fit(rows: fits.Rows) -> Law:
        seen.append(sorted({row["flop"] for row in rows}))
        return KNOWN

    errors = intervals.rolling(clean, BUDGETS, fit)
    assert seen == [[1e10, 1e11], [1e10, 1e11, 1e12]]
    assert [len(found) for found in errors] == [9, 9]
    np.testing.assert_allclose(np.concatenate(errors), 0, atol=1e-12)


@pytest.mark.parametrize(("level", "size"), [(0.5, 0.05), (0.9, 0.09)])
def test_the_record_takes_the_error_that_would_have_held(level: float, size: float) -> None:
    past = np.array([0.01, -0.02, 0.03, -0.04, 0.05, 0.06, -0.07, 0.08, -0.09])
    low, high = intervals.of_record(KNOWN, past, 1e6, 1e8, level)
    middle = KNOWN.loss(1e6, 1e8)
    assert np.log(high / middle) == pytest.approx(size)
    assert np.log(middle / low) == pytest.approx(size)
