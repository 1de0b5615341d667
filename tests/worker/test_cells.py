"""Line rules for magics: they change no Python, and take a time that grows with the length."""

from __future__ import annotations

import time

import pytest

from fullstack_llm.worker.cells import run, without_magics


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ("if x:\n    !ls\n    y = 1", "if x:\n    pass\n    y = 1"),
        ("%%capture out\nx = 1", "\nx = 1"),
        ("\n%%timeit\nx = 1", "\n\nx = 1"),
        ("%%writefile a.py\nx = 1", ""),
        ("%%\nx", ""),
        ("files = !ls *.py", "files = None"),
        ("x = %timeit -o f()", "x = None"),
        ("%time x = f()", "x = f()"),
        ("%timeit f()", "pass"),
        ("?f", "pass"),
        ("f??", "pass"),
        ("np.dot?", "pass"),
        ("!a \\\n b \\\n c\nx = 1", "pass\n\n\nx = 1"),
        ("x = y % z\ny = a != b", "x = y % z\ny = a != b"),
        ("", ""),
    ],
)
def test_rules(source: str, plain: str) -> None:
    assert without_magics(source) == plain


def test_python_is_left_alone() -> None:
    namespace: dict[str, object] = {}
    run('text = """\n%time x\n!ls\n"""\nrest = 7 \\\n% 4', "cell 1", namespace)
    assert namespace["text"] == "\n%time x\n!ls\n"
    assert namespace["rest"] == 3


@pytest.mark.attack(70)
def test_thousands_of_magics_take_no_time() -> None:
    begin = time.process_time()
    without_magics("%time x = 1\n" * 100_000 + "x = !ls\n" * 10_000 + "a" * 100_000)
    assert time.process_time() - begin < 5


def test_a_syntax_error_is_the_students_own() -> None:
    with pytest.raises(SyntaxError) as caught:
        run("!ls\nx = (", "cell 1", {})
    assert caught.value.lineno in (1, 2)
