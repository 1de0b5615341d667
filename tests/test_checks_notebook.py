"""Checks in a notebook: declared, found, and shown without stopping it."""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from fullstack_llm.checks import Wrong, check, declared, require
from fullstack_llm.checks.draws import draw_for
from fullstack_llm.checks.notebook import Lab, lab
from fullstack_llm.checks.show import plain, show
from fullstack_llm.checks.verdict import KINDS

TOY = Path(__file__).parent / "grading" / "toy"


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
    assert (one.kind, one.hint, one.case) == ("wrong", "That squares.", {"xs": "[3, 3]"})
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
    assert one.case == {"call": "double([])"}
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


def test_a_check_that_fails_itself_says_so(tmp_path: Path) -> None:
    source = 'from fullstack_llm.checks import check\nLAB = "98_x"\n@check("f", points=100)\n'
    (tmp_path / "x.py").write_text(source + "def f(student, draw):\n    student()[0]\n")
    broken = Lab(declared.find("98_x", tmp_path))

    def f() -> int:
        return 3

    (one,) = broken(f).failures
    assert one.kind == "check failed"
    assert "Please report this" in one.hint


def test_declarations_are_checked() -> None:
    with pytest.raises(ValueError, match="no function name"):
        check("a b", points=1)
    with pytest.raises(ValueError, match="difficulty"):
        check("a", points=1, difficulty=6)
    declare = check("a", points=1)
    try:
        declare(lambda student, draw: None)
        with pytest.raises(ValueError, match="name each part"):
            declare(lambda student, draw: None)
    finally:
        registry._DECLARED.pop(__name__)


def test_require_gives_the_hint_of_a_known_mistake() -> None:
    with pytest.raises(Wrong) as caught:
        require([1.0, 3.0], [1.0, 2.0], case={"x": 1}, hint="general", wrong=[([1.0, 3.0], "this one")], rtol=1e-3)
    assert (caught.value.hint, caught.value.case) == ("this one", {"x": 1})
    require([1.0, 2.0], [1.0, 2.0], case={}, hint="general", wrong=[([1.0, 2.0], "never")])


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

    brief = tuple(replace(one, seconds=0.3) if one.exercise == "double" else one for one in toy.checks.checks)
    monkeypatch.setattr(toy, "checks", replace(toy.checks, checks=brief))
    verdict = toy(double)
    assert {one.kind for one in verdict.failures} == {"timeout"}
    assert "double took more than 0.3 s" in str(verdict)
    assert toy(count).earned == 60
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
