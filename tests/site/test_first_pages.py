"""The pages beside the chapters keep their word: letters with two meanings are listed, printed answers are right."""

import contextlib
import io
import re
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
TABLE = "## Letters with more than one meaning"


def letters(cell: str) -> set[str]:
    """Return the letters that a table's cell defines, without macros, indices, arguments and words.

    >>> sorted(letters("$H$, $H_{kv}$")), sorted(letters("$D_{\\\\mathrm{KL}}(p)$")), sorted(letters("$m, \\\\ell, o$"))
    (['H'], [], ['m', 'o'])
    """
    found = set[str]()
    for formula in re.findall(r"\$([^$]+)\$", cell):
        plain = re.sub(r"\([^)]*\)|_\{[^}]*\}|_\S|\\mathrm\{\w+\}|\\[a-z]+\s?\{\w\}|\\[a-z]+", " ", formula)
        if not re.search(r"D_\{|\\to|\\log|\|", formula):
            found |= set(re.findall(r"(?<![A-Za-z])[A-Za-z](?![A-Za-z])", plain))
    return found


def defined(page: str) -> dict[str, int]:
    """Count the rows of a page's tables of symbols that define a letter."""
    counts = dict[str, int]()
    for row in re.findall(r"(?m)^\| (\$[^|]+?) \|", page.split(TABLE)[0]):
        for letter in letters(row):
            counts[letter] = counts.get(letter, 0) + 1
    return counts


def unlisted(page: str) -> set[str]:
    """Return the letters that two rows define and the last table leaves out."""
    listed = set().union(*(letters(row) for row in re.findall(r"(?m)^\| (\$[^|]+?) \|", page.split(TABLE)[1])))
    return {letter for letter, count in defined(page).items() if count > 1} - listed


@pytest.fixture(scope="module")
def notation() -> str:
    return (ROOT / "book/notation.md").read_text(encoding="utf-8")


def test_letters_with_two_meanings_are_listed(notation: str) -> None:
    counts = defined(notation)
    assert counts["D"] == 1 and {letter for letter in "HVmb" if counts[letter] > 1} == set("HVmb")
    assert unlisted(notation) == set()


@pytest.mark.parametrize("letter", ["H", "V", "m"])
def test_control_letters(notation: str, letter: str) -> None:
    start, end = notation.split(TABLE)
    without = [line for line in end.splitlines() if letter not in letters("".join(line.split("|")[1:2]))]
    assert unlisted(start + TABLE + "\n".join(without)) == {letter}


def examples(page: str) -> list[tuple[str, str]]:
    """Return each example of the page with the answer that follows it."""
    return re.findall(r"(?ms)^```python\n(.*?)^```$.*?<summary>Answer</summary>(.*?)</details>", page)


def missing(code: str, answer: str) -> list[str]:
    """Return the lines that an example prints and its answer does not quote."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(code, {"torch": torch})
    return [line for line in out.getvalue().splitlines() if f"`{line}`" not in answer]


def test_examples_print_what_their_answers_say() -> None:
    found = examples((ROOT / "book/prerequisites.md").read_text(encoding="utf-8"))
    assert len(found) == 2
    assert [missing(*one) for one in found] == [[], []]


def test_control_examples() -> None:
    assert missing("print(1 + 1)", "It prints `3`.") == ["2"]
