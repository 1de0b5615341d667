"""Checks in a notebook: declared, found, and shown without stopping it."""

from __future__ import annotations

import pickle
import signal
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest

from fullstack_llm.checks import cases, declared
from fullstack_llm.checks.draws import draw_for
from fullstack_llm.checks.notebook import Lab, lab
from fullstack_llm.checks.show import plain, show
from fullstack_llm.checks.verdict import KINDS

TOY = Path(__file__).parents[1] / "grading" / "toy"


@pytest.fixture
def toy() -> Lab:
    return Lab(declared.find("00_toy", TOY))


def double(xs: list[int]) -> list[int]:
    return [2 * x for x in xs]


def count(text: str, letter: str) -> int:
    return text.count(letter)


def test_right_answers_and_the_total(toy: Lab) -> None:
    assert "Lab so far: 40 of 100 points, 1 of 2 exercises checked." in str(toy(double))
    verdict = toy(count)
    assert (verdict.earned, verdict.points) == (60, 60)
    assert "Lab so far: 100 of 100 points, 2 of 2" in str(verdict)
    assert "✓" in verdict._repr_html_()


def test_a_failing_check_shows_input_values_and_hint_and_does_not_raise(toy: Lab) -> None:
    def double(xs: list[int]) -> list[int]:
        return [x * x for x in xs]

    verdict = toy(double)
    assert verdict.earned == 0
    (one,) = verdict.failures
    assert (one.kind, one.hint, one.inputs) == ("wrong", "That squares.", {"xs": "[3, 3]"})
    assert (one.got, one.want, one.reason) == ("[9, 9]", "[6, 6]", "got 9, wanted 6, at [0]")
    for text in (str(verdict), verdict._repr_html_()):
        for part in ("xs = [3, 3]", "[9, 9]", "[6, 6]", "That squares.", "0 of 40 points", "Lab so far: 0 of 100"):
            assert part in text


def test_a_stub_is_not_written_yet_and_has_no_traceback(toy: Lab) -> None:
    def double(xs: list[int]) -> list[int]:
        raise NotImplementedError("double: use twice() on each")

    verdict = toy(double)
    (one,) = verdict.failures
    assert (one.kind, one.hint, one.trace) == ("not written", "use twice() on each", "")
    assert "not written yet" in one.heading
    assert "Traceback" not in str(verdict)


def test_a_librarys_not_implemented_error_is_an_error(toy: Lab) -> None:
    def double(xs: list[int]) -> list[int]:
        raise NotImplementedError("This op has no kernel")

    (one,) = toy(double).failures
    assert one.kind == "raised"


def test_an_error_shows_the_students_own_frames(toy: Lab) -> None:
    def double(xs: list[int]) -> list[int]:
        return xs[0] / 0  # type: ignore[return-value]

    (one,) = toy(double).failures
    assert one.kind == "raised"
    assert one.inputs == {"call": "double([])"}
    assert "IndexError" in one.hint
    assert "xs[0] / 0" in one.trace
    assert "calling.py" not in one.trace


def test_one_part_may_fail_alone(toy: Lab) -> None:
    def count(text: str, letter: str) -> int:
        return text.count(letter) or 1

    verdict = toy(count)
    assert (verdict.earned, [one.part for one in verdict.failures]) == (40, ["absent"])


def test_inputs_cannot_be_changed(toy: Lab) -> None:
    def double(xs: list[int]) -> list[int]:
        result = [2 * x for x in xs]
        xs.clear()
        return result

    assert toy(double).earned == 40


def test_html_is_escaped(toy: Lab) -> None:
    def double(xs: list[int]) -> Any:
        return "<script>alert(1)</script>\x1b[31m\u202e"

    html = toy(double)._repr_html_()
    assert "<script>" not in html
    assert "\x1b" not in html
    assert "\u202e" not in html


def test_wrong_arguments_are_sentences(toy: Lab) -> None:
    def other() -> None: ...

    with pytest.raises(ValueError, match="no exercise 'other'; its exercises are: double, count"):
        toy(other)
    with pytest.raises(TypeError, match=r"as in check\(double\)"):
        toy(double([1]))  # type: ignore[arg-type]
    with pytest.raises(LookupError, match="no lab '99_none'; the labs are"):
        lab("99_none")


def test_keyboard_interrupt_passes(toy: Lab) -> None:
    def double(xs: list[int]) -> list[int]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        toy(double)


def test_an_oracle_that_fails_is_no_students_fault(toy: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(xs: list[int]) -> list[int]:
        raise ZeroDivisionError

    broken.__name__ = "double"
    monkeypatch.setattr(toy.checks.declarations[0], "oracle", broken)
    monkeypatch.setattr(cases, "KEPT", cases.Kept())
    (one,) = toy(double).failures
    assert one.kind == "check failed"
    assert "Please report this" in one.hint


def test_the_failing_case_can_be_run_again(toy: Lab) -> None:
    def count(text: str, letter: str) -> int:
        return text.count(letter) or 1

    verdict = toy(count)
    assert verdict.case == verdict.failures[0].case == {"text": "ada", "letter": "x"}
    assert count(**verdict.case) == 1
    # Each look is at a copy of its own.
    assert verdict.case is not verdict.case

    def double(xs: list[int]) -> list[int]:
        xs.append(1)
        return xs

    assert toy(double).case == {"xs": []}
    assert toy(globals()["double"]).case == {}


def test_a_pickled_outcome_holds_texts_alone(toy: Lab) -> None:
    def double(xs: list[int]) -> None: ...

    (one,) = toy(double).failures
    assert one.case and not pickle.loads(pickle.dumps(one)).case
    assert "request" not in one.texts


def test_draws_are_the_same_everywhere() -> None:
    # A changed generator would change every class's marks in the middle of a term.
    assert draw_for("00_toy", "double").randrange(10**9) == Random(_seed()).randrange(10**9) == 391594925
    assert draw_for("00_toy", "double", "part").random() != draw_for("00_toy", "double").random()


def _seed() -> int:
    import hashlib
    import hmac

    from fullstack_llm.checks.draws import PUBLIC_KEY

    return int.from_bytes(hmac.new(PUBLIC_KEY, b"00_toy\0double\0", hashlib.sha256).digest(), "big")


def test_renderings_are_short() -> None:
    import numpy as np

    assert show(np.arange(6).reshape(2, 3)) == "array(shape=(2, 3), dtype=int64, [0, 1, 2, 3, 4, 5])"
    for value in (
        "x" * 10**6,
        list(range(10**6)),
        {i: i for i in range(10**5)},
        10**1000,
        np.zeros(10**6),
        b"x" * 10**6,
    ):
        assert len(show(value)) < 450
    assert len(plain("x" * 10**6)) < 4100
    assert plain("a\x1b\u202e\ud800") == "a\\x1b\\u202e\\ud800"


def test_every_kind_is_known() -> None:
    source = "".join(
        path.read_text("utf-8") for path in Path(sys.modules[Lab.__module__].__file__ or "").parent.glob("*.py")
    )
    assert all(f'"{kind}"' in source for kind in KINDS)


def test_an_endless_loop_ends_as_it_does_in_the_grader(toy: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def double(xs: list[int]) -> list[int]:
        while True:
            try:
                xs = xs[:]
            except Exception:
                continue

    monkeypatch.setattr(toy.checks.declarations[0], "seconds", 0.3)
    verdict = toy(double)
    assert {one.kind for one in verdict.failures} == {"timeout"}
    assert "double took more than 0.3 s" in str(verdict)
    assert toy(count).earned == 60
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


def test_a_function_that_sleeps_has_time_and_no_end_of_it(toy: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine makes nobody late: what counts is CPU time, and sleeping uses none."""
    monkeypatch.setattr(toy.checks.declarations[0], "seconds", 0.1)

    def double(xs: list[int]) -> list[int]:
        time.sleep(0.15)
        return [2 * x for x in xs]

    assert toy(double).earned == 40
    monkeypatch.setattr(toy.checks.declarations[0], "seconds", 0.05)
    assert {one.kind for one in toy(double).failures} == {"timeout"}
