"""What people and their programs see: feedback that is text, and modules that are the machine's own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from random import Random

import pytest
from IPython.core import inputtransformer2
from submissions import COUNT, TOY, TWICE

from fullstack_llm.checks import cases, declared, draws, verdict
from fullstack_llm.checks import judge as judging
from fullstack_llm.checks.compare import same
from fullstack_llm.checks.declared import Check
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.grading.intake import names
from fullstack_llm.grading.judge.grade import Result
from fullstack_llm.worker import calling, codec
from fullstack_llm.worker.magics import without_magics

Graded = Callable[..., Result]
LAB = declared.find("00_toy", TOY)
MARKUP = "def double(xs):\n    raise ValueError('<script>alert(1)</script>\\x1b[31m\\u202e')"


@pytest.mark.attack(49)
@pytest.mark.control(49)
def test_feedback_is_text(graded: Graded, monkeypatch: pytest.MonkeyPatch) -> None:
    one = graded([MARKUP, TWICE, COUNT]).verdicts[0]
    for shown in (str(one), one._repr_html_()):
        assert "\x1b" not in shown and "\u202e" not in shown
        assert "ValueError" in shown
    assert "<script" not in one._repr_html_()
    # Without the two functions that make it text, it is a page's and a terminal's own language.
    monkeypatch.setattr(verdict, "escape", str)
    monkeypatch.setattr(judging, "plain", lambda text, limit=0: text)
    shown = graded([MARKUP, TWICE, COUNT]).verdicts[0]._repr_html_()
    assert "<script" in shown and "\x1b" in shown


@pytest.mark.control(69)
def test_a_module_in_the_folder_runs_where_python_is_not_told_otherwise(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("print('mine')")
    for flags, said in ((["-P", "-s"], ""), ([], "mine")):
        line = [sys.executable, *flags, "-c", "import json"]
        assert subprocess.run(line, cwd=tmp_path, capture_output=True, text=True).stdout.strip() == said


@pytest.mark.control(70)
def test_ipythons_transformer_reads_the_whole_cell_for_each_magic(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    tokens = inputtransformer2.make_tokens_by_line
    monkeypatch.setattr(
        inputtransformer2, "make_tokens_by_line", lambda lines: (read.append(len(lines)), tokens(lines))[1]
    )

    def lines_read(count: int) -> int:
        read.clear()
        inputtransformer2.TransformerManager().transform_cell("%time x = 1\n" * count)
        return sum(read)

    assert lines_read(80) > 3 * lines_read(40) > 40 * 40
    # Ours has no pass over the cell that a line could start again.
    assert without_magics("%time x = 1\n" * 80) == "x = 1\n" * 80


class Direct:
    """A function in this process."""

    def __init__(self, function: Callable[..., object]) -> None:
        self.function = function

    def start(self, check: Check) -> None:
        return None

    def call(self, name: str, values: bytes) -> bytes:
        return calling.call(self.function, values)


def often_right(xs: list[int]) -> list[int] | None:
    return None if max(xs, default=0) > 90 else [2 * x for x in xs]


@pytest.mark.attack(78)
@pytest.mark.control(78)
def test_resubmitting_is_no_lottery() -> None:
    def earned(seeds: dict[str, str]) -> int:
        return judging.judge_exercise(LAB, "double", Direct(often_right), seeds).earned

    seeds = draws.seeds(LAB, b"a class")
    assert len({earned(seeds) for _ in range(20)}) == 1
    # With a draw for each submission, it would be one.
    lottery = Random(0)
    assert {earned(dict.fromkeys(seeds, f"{lottery.getrandbits(64):x}")) for _ in range(20)} == {0, 40}


@exercise(minutes=1, difficulty=1)
def pair(x: int) -> tuple[int, str]:
    return 2 * x, "y"


@pair.part(5, "Twice.", items=(0,))
def looks_at_the_first(draw: Random) -> Iterator[tuple[int]]:
    """A part that passes over most of each reply."""
    yield from ((x,) for x in range(4))


@pytest.mark.attack(85)
@pytest.mark.control(85)
def test_replies_that_nobody_looks_at_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    (check,) = declared.lab_of("00_x", pair).checks
    monkeypatch.setattr(cases, "KEPT", cases.Kept())

    def judged(size: int) -> tuple[str, int]:
        function: Callable[[int], tuple[int, str]] = lambda x: (2 * x, "x" * size)  # noqa: E731
        return judging.judge_check(check, Direct(function), "7").kind, cases.KEPT.size

    assert judged(8 << 20) == ("right", judged(1)[1])
    assert judged(17 << 20)[0] == "refused"
    assert cases.KEPT.size < 1_000
    monkeypatch.setattr(judging, "Bounded", lambda transport: transport)
    assert judged(17 << 20)[0] == "right"


def test_texts_of_any_length_are_cut_before_they_are_looked_through() -> None:
    long = "x" * (9 << 20)
    for reply in (("raised", long, long), ("refused", long), ("not written", long, "")):
        with pytest.raises(judging.NoValue) as caught:
            judging._value("double", codec.encode(reply))
        assert len(caught.value.why) < 2_000 and len(caught.value.trace) <= judging.TRACE
    outcome = same({long: 1}, {})
    assert not outcome and len(outcome.reason) < 1_000


@pytest.mark.control(83)
def test_by_the_names_within_a_zip_it_would_be_anothers() -> None:
    path = PurePath("zusekonrad_103_9003_.zip").with_suffix("") / "turingalan_102_9002_lab.ipynb"
    assert names.canvas().owner(path) == "102"


@pytest.mark.control(84)
def test_the_last_line_of_nothing_is_an_error() -> None:
    with pytest.raises(IndexError):
        "\n\n".strip().splitlines()[-1]


@pytest.mark.control(77)
def test_a_check_that_looks_at_type_and_length_pays_for_no_work() -> None:
    identity: Callable[[list[int]], list[int]] = lambda xs: xs  # noqa: E731
    got = identity([3, 3])
    assert isinstance(got, list) and len(got) == 2
    assert judging.judge_exercise(LAB, "double", Direct(identity)).earned == 0


@pytest.mark.attack(45)
def test_a_workers_environment_is_not_the_graders(graded: Graded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLASS_KEY", "secret")
    spy = """
import os
seen = str(os.environ)
try:
    seen += open('/proc/self/environ').read()
except PermissionError:
    pass
assert 'secret' not in seen
"""
    result = graded([spy])
    assert not result.problems
    assert os.environ["CLASS_KEY"] == "secret"
