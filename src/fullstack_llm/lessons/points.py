"""Write into a lab's text what its exercises are worth, and how the finished lab is checked: from the declarations."""

import re

from fullstack_llm.checks.outline import Row

MARKER = "<!-- points -->"
HEADING = re.compile(r"#{2,} ")
FENCE = re.compile(r"(`{3,}|:{3,})")
EXERCISE = re.compile(r":exercise: (\w+)")
BY_HAND = re.compile(r"\*\d+ points")
HAND_IN = "## Before you hand in"
COMMANDS = """\
**The pre-check.** Save the notebook, then run the whole file as the grader will. It prints the points of each exercise.

- On a laptop, in the course's folder, after `make work`:
  `.venv/bin/python -m fullstack_llm.grading check work/{slug}.ipynb`
- On a JupyterHub, in a terminal (*File*, *New*, *Terminal*), in the folder of your notebook:
  `python -m fullstack_llm.grading check {slug}.ipynb`
- In Colab, which keeps the notebook elsewhere: *File*, *Download*, *Download .ipynb*; drag the file into
  the panel *Files* on the left; and run in a cell
  `!python -m fullstack_llm.grading check {slug}.ipynb`

Hand in the same file."""


def line(row: Row) -> str:
    """Return the line that stands under an exercise's heading.

    >>> line(Row("train", (("", 11), ("ties", 5)), 20, 3))
    '*16 points (ties: 5), 20 minutes, difficulty 3 of 5.*'
    """
    named = ", ".join(f"{name}: {points}" for name, points in row.parts if name and len(row.parts) > 1)
    parts = f" ({named})" if named else ""
    return f"*{row.points} points{parts}, {row.minutes} minutes, difficulty {row.difficulty} of 5.*"


def table(rows: list[Row]) -> list[str]:
    """Return the lines of the table that stands for the marker at the beginning of a lab."""
    lines = ["| exercise | points | minutes | difficulty |", "| --- | ---: | ---: | :---: |"]
    lines += [
        f"| {number} `{row.exercise}` | {row.points} | {row.minutes} | {row.difficulty} |"
        for number, row in enumerate(rows, 1)
    ]
    return [*lines, f"| together | {sum(row.points for row in rows)} | {sum(row.minutes for row in rows)} | |"]


def annotated(text: str, rows: list[Row]) -> str:
    """Return a solution's text with the table for its marker, and a line under the heading of each exercise.

    A heading belongs to the exercise whose answer is the next one. A `ValueError` names a line of points that stands
    there by hand.
    """
    worth = {row.exercise: row for row in rows}
    lines: list[str] = []
    heading, fence = 0, ""
    for number, one in enumerate(text.splitlines(), 1):
        if mark := FENCE.match(one):
            fence = "" if fence and one.startswith(fence) else fence or mark[1]
        elif not fence and HEADING.match(one):
            heading = len(lines) + 1
        elif not fence and rows and BY_HAND.match(one):
            raise ValueError(f"line {number}: points stand in the exercise's declaration, and are written here from it")
        elif not fence and rows and one.strip() == MARKER:
            lines += table(rows)
            continue
        elif fence and heading and (found := EXERCISE.fullmatch(one.strip())) and found[1] in worth:
            lines[heading:heading] = ["", line(worth.pop(found[1]))]
            heading = 0
        lines.append(one)
    return "\n".join(lines) + "\n"
