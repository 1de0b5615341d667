"""The budget calculator's script computes what the package computes; a page of its own loads it, without a site."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from fullstack_llm.scaling import budget, choices
from fullstack_llm.scaling.budget import Demand
from fullstack_llm.scaling.laws import Law

MACHINE = {"peak": 989, "training": 40, "serving": 10, "hourly": 2.5, "date": "a day"}
LAW = Law(0.4, 2_000.0, 600.0, 0.7, 0.47)
DRAWN = tuple(Law(0.4, 2_000.0 * f, 600.0 / f, 0.7, 0.47) for f in (0.8, 1.0, 1.3, 1.5))
OURS = choices.Family(LAW, 6.0, DRAWN, (4.0, 6.0, 7.0, 9.0), (3e10, 3e12), 8)
FAMILIES = {"ours": OURS, "theirs": choices.published()}


@pytest.fixture
def calculator(without_site: Any) -> Any:
    data = {"laws": {name: choices.as_data(family) for name, family in FAMILIES.items()}, "machine": MACHINE}
    return without_site("budget-calculator", data)


def shown(page: Any) -> dict[str, Any]:
    return json.loads(page.locator("#budget-calculator").get_attribute("data-plan"))


@pytest.mark.browser
@pytest.mark.parametrize(
    ("name", "flop", "served", "unique"),
    [
        ("ours", 1e12, 0.0, math.inf),
        ("ours", 1e12, 1e7, math.inf),
        ("ours", 3e11, 0.0, 5e4),
        ("ours", 5e13, 2e7, 3e5),
        ("theirs", 1e24, 1e13, 2e12),
    ],
)
def test_script_and_package_agree(calculator: Any, name: str, flop: float, served: float, unique: float) -> None:
    family = FAMILIES[name]
    calculator.locator("#budget-law").select_option(name)
    calculator.locator("#budget-flop").fill(f"{flop:.0f}")
    calculator.locator("#budget-served").fill(f"{served:.0f}")
    calculator.locator("#budget-unique").fill("" if math.isinf(unique) else f"{unique:.0f}")
    demand = Demand(served, unique, family.worth, premium=4.0)
    plan, found = budget.best(family.law, flop, demand), shown(calculator)
    for field, value in plan._asdict().items():
        assert found["plan"][field] == pytest.approx(value, rel=1e-5), field
    for purpose in ("training", "serving"):
        bill = budget.dollars(getattr(plan, purpose), 989e12, MACHINE[purpose] / 100, 2.5)  # type: ignore[operator]
        assert found[purpose] == pytest.approx(bill, rel=1e-5)
    if family.laws:
        for field, ends in budget.spread(family.laws, family.worths, flop, demand).items():
            assert found[field] == pytest.approx(list(ends), rel=1e-5), field
    else:
        assert found["loss"] is None and "unknown" in calculator.locator("table").inner_text()
    # Control: another budget gives another plan.
    calculator.locator("#budget-flop").fill(f"{2 * flop:.0f}")
    assert shown(calculator)["plan"]["loss"] < found["plan"]["loss"]


@pytest.mark.browser
def test_what_cannot_be_is_a_sentence_and_what_is_far_is_said(calculator: Any) -> None:
    before = shown(calculator)
    for field, text in (("flop", ""), ("flop", "-3"), ("serving", "0"), ("unique", "0.5")):
        kept = calculator.locator(f"#budget-{field}").input_value()
        calculator.locator(f"#budget-{field}").fill(text)
        assert calculator.locator(".bc-warning").inner_text().startswith("Give for")
        assert shown(calculator) == before
        calculator.locator(f"#budget-{field}").fill(kept)
        assert calculator.locator(".bc-warning").inner_text() == ""
    assert "extrapolation" not in calculator.locator(".bc-notes").inner_text()
    calculator.locator("#budget-flop").fill("1e15")
    assert "extrapolation" in calculator.locator(".bc-notes").inner_text()
    calculator.locator("#budget-unique").fill("100000")
    assert "beyond 8 times" in calculator.locator(".bc-notes").inner_text()
