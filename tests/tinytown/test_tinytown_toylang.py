"""The toy language: runs what it should, refuses the rest, and always comes to an end."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullstack_llm.tinytown import programs
from fullstack_llm.tinytown.chance import stream
from fullstack_llm.tinytown.toylang import MAX_STEPS, ToyError, run


@pytest.mark.parametrize(
    ("program", "output"),
    [
        ("print 1", "1"),
        ("x = -3\nprint x * 4", "-12"),
        ("x = 1\nrepeat 3\n  x = x + x\nprint x", "8"),
        ("x = 2\nif x = 2\n  print 7\nif x > 2\n  print 8\nprint 9", "7\n9"),
        ("repeat 2\n  repeat 2\n    print 0", "0\n0\n0\n0"),
        ("x = 5\nrepeat x\n  x = x - 1\nprint x", "0"),
        ("repeat 0\n  print 1\nprint 2", "2"),
        ("x = 1", ""),
    ],
)
def test_programs_run(program: str, output: str) -> None:
    assert run(program) == output


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("", "not a line"),
        ("print x", "no value"),
        ("print 1 / 2", "not an expression"),
        ("x=1", "not a line"),
        ("__import__('os')", "not a line"),
        ("print __import__('os')", "not a number"),
        ("print ٤", "not a number"),
        ("  print 1", "indent of 0"),
        ("print 1\n  print 2", "no block was opened"),
        ("repeat 3", "a block must follow"),
        ("repeat 3\n   print 1", "indent of 2"),
        ("x = 999999999\nx = x * x", "too large"),
        ("x = 1\nrepeat 999999999\n  x = x + 1", "stopped after"),
        ("repeat 99\n  repeat 99\n    repeat 99\n      print 1", "stopped after"),
        (
            "\n".join("  " * depth + "repeat 1" for depth in range(12)) + "\n" + "  " * 12 + "print 1",
            "more than 8 deep",
        ),
        ("print 1\n" * 300, "at most 200"),
        ("print 1111111111111111111111", "not a number"),
    ],
)
def test_what_is_no_program_is_refused(program: str, reason: str) -> None:
    with pytest.raises(ToyError, match=reason):
        run(program)


@given(st.text(alphabet="xy=+-*<>12 \nprintfea", max_size=200))
def test_any_text_ends_in_output_or_a_clear_error(program: str) -> None:
    try:
        assert run(program).count("\n") < MAX_STEPS
    except ToyError as error:
        assert str(error)


@given(st.integers(0, 10**6), st.integers(1, 4), st.sampled_from(["train", "test"]))
def test_drawn_programs(seed: int, level: int, split: str) -> None:
    program = programs.draw_program(stream(seed), level, split)
    assert programs.is_test(program) == (split == "test")
    assert all(abs(int(value)) < programs.LIMIT for value in run(program).split())


def test_documents_run_to_their_stated_output() -> None:
    for document in itertools.islice(programs.programs(stream(0)), 500):
        program, output = document.text.removeprefix("program\n").split("\noutput\n")
        assert run(program) == output != ""
