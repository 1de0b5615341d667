"""Judging: cases are drawn once, odd values are sentences, and a mistake is named only where its value is the same."""

from __future__ import annotations

import time
import warnings

import numpy as np
import planted
import pytest
import torch
from planted import judged, scaled

from fullstack_llm.checks import cases, declared, draws, naming
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.worker import codec


def right(x, factor):
    return x * factor, (x * factor).sum().item()


def test_right_answers_earn_everything_in_either_library() -> None:
    assert judged(scaled, right).earned == 10
    assert judged(scaled, lambda x, factor: ((x * factor).numpy(), right(x, factor)[1])).earned == 10


def test_a_mistake_is_named_and_shows_what_counts() -> None:
    verdict = judged(scaled, lambda x, factor: (x + factor, right(x, factor)[1]))
    (one,) = verdict.failures
    assert (verdict.earned, one.part, one.hint) == (4, "numbers", "The factor is added: multiply by it.")
    assert "tensor" in one.got and torch.equal(one.case["x"], torch.tensor([1.0, 2.0, 4.0]))


def test_a_mistake_that_never_ends_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(naming, "ONE", 0.2)
    begin = time.thread_time()
    one = judged(scaled, lambda x, factor: (x * 0.5, 0.0)).failures[0]
    assert "Every number is" in one.hint
    assert time.thread_time() - begin < 20 * naming.ONE


def test_naming_ends_with_its_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(naming, "ALL", 0.0)
    one = judged(scaled, lambda x, factor: (x + factor, 0.0)).failures[0]
    assert one.hint in ("Every number is 3 too large.", scaled.parts[0].hint)


ODD = {
    "none": None,
    "number": 3,
    "text": "x",
    "list": [1, 2],
    "short": (1,),
    "long": (1, 2, 3),
    "tuple of text": ("a", "b"),
    "tuple of nothing": (None, None),
    "nan": (torch.tensor([float("nan")]), float("nan")),
    "infinite": (torch.tensor(float("inf")), float("inf")),
    "empty": (torch.empty(0, 3), torch.empty(0)),
    "dict": {0: 1, 1: 2},
    "integers": (torch.tensor([1, 2]), 10**100),
    "large": (torch.zeros(7, 7, dtype=torch.complex64), b"x"),
}


@pytest.mark.parametrize("value", ODD.values(), ids=ODD.keys())
def test_odd_values_are_sentences_and_no_fault_of_the_check(value: object) -> None:
    for one in judged(scaled, lambda x, factor: value).outcomes:
        assert one.kind in ("wrong", "refused")
        assert one.hint and "check itself" not in one.hint


def test_a_view_of_another_kind_says_what_differs() -> None:
    one = judged(scaled, lambda x, factor: (x * factor, "a")).failures[0]
    assert (one.part, one.reason) == ("total", "got a str, wanted a float, at [1]")


@exercise(minutes=1, difficulty=1)
def emptied(xs):
    count = len(xs)
    xs.clear()
    return count


@emptied.part(1, "How many there are.")
def some(draw):
    yield ([draw.random() for _ in range(5)],)


(CHECK,) = declared.lab_of("00_planted", emptied).checks


def test_an_oracle_that_changes_its_input_changes_no_case() -> None:
    (case,) = cases.draw(CHECK, "7")
    assert (len(case.values[0]), case.want) == (5, 5)
    case.values[0].clear()
    assert len(case.values[0]) == 5
    assert judged(emptied, lambda xs: len(xs)).earned == 1
    assert judged(emptied, lambda xs: xs.clear()).failures[0].case["xs"]


def test_cases_are_drawn_once_and_kept_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = cases.Kept()
    assert kept.of(CHECK, "7") is kept.of(CHECK, "7")
    assert kept.of(CHECK, "8") != kept.of(CHECK, "7")
    monkeypatch.setattr(cases, "MAX_KEPT", 2 * kept.size)
    for seed in range(50):
        kept.of(CHECK, f"{seed:x}")
    assert kept.size <= cases.MAX_KEPT and 2 <= len(kept.cases) <= 4
    assert kept.size == sum(len(c.request) + len(c.reply) for drawn in kept.cases.values() for c in drawn)


def test_an_answer_decides_nothing_about_the_next_case() -> None:
    """What a function returns is not seen by the draw: another answer gets the same requests."""
    asked: list[list[bytes]] = [[], []]

    def spying(number):
        return lambda x, factor: asked[number].append(codec.encode((x, factor))) or right(x, factor + number)

    judged(scaled, spying(0))
    judged(scaled, spying(1))
    assert asked[0][0] == asked[1][0] and asked[0][-1] == asked[1][-1]


def test_a_check_without_cases_is_refused() -> None:
    def f(x):
        return x

    one = exercise(minutes=1, difficulty=1)(f)
    one.part(1, "hint")(lambda draw: ())
    (check,) = declared.lab_of("00_planted", one).checks
    with pytest.raises(ValueError, match="has no case"):
        cases.draw(check, draws.seed_for("00_planted", "f"))
    assert judged(one, f).outcomes[0].kind == "check failed"


def test_the_planted_exercise_is_worth_ten() -> None:
    assert planted.scaled.points == 10


@exercise(minutes=1, difficulty=1)
def halves(x):
    return x / 2


@halves.part(1, "Divide each number by two.")
def numbers(draw):
    yield (np.array([0.0, 4.0, 8.0]),)


halves.mistakes("""
Two is divided by the numbers: divide them by two.
    x / 2 => 2 / x
""")


def test_what_a_mistake_warns_of_is_no_line_in_a_notebook() -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert judged(halves, lambda x: x / 3).failures[0].hint == "Every number is 0.6667 times what is wanted."
        assert not said
        # Control: the mistake does divide by zero.
        halves.mistaken[0][0](np.array([0.0, 4.0]))
        assert said
