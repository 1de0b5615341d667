"""Turn a reference answer into the stub that a student sees, and refuse anything that could leak it."""

import re
from dataclasses import dataclass

BEGIN = re.compile(r"( *)# BEGIN SOLUTION: (\S.*)")
END = re.compile(r"( *)# END SOLUTION")
ANY = re.compile(r"\s*#+\s*(BEGIN|END)\b|.*\b(BEGIN|END) SOLUTION\b", re.IGNORECASE)


class MarkerError(ValueError):
    """Raised for a solution marker that may fail to hide an answer."""


@dataclass(frozen=True)
class Block:
    """Hold the place of a marked answer (lines from 0, markers included), its indentation and its hint."""

    start: int
    stop: int
    indent: str
    hint: str


def blocks(source: str) -> list[Block]:
    """Return the marked answers of a cell, in order.

    Raises MarkerError on a marker that is misspelt, nested, unclosed or unopened, on one whose end is indented
    differently from its beginning, and on an answer that reaches out of the indentation of its markers.

    >>> blocks("def f():\\n    # BEGIN SOLUTION: add one\\n    return 1\\n    # END SOLUTION")
    [Block(start=1, stop=3, indent='    ', hint='add one')]
    """
    found: list[Block] = []
    opened: tuple[int, str, str] | None = None
    for number, line in enumerate(source.split("\n")):
        where = f"line {number + 1}: {line.strip()!r}"
        if begin := BEGIN.fullmatch(line):
            if opened:
                raise MarkerError(f"{where} opens an answer inside the answer of line {opened[0] + 1}.")
            opened = (number, begin[1], begin[2].rstrip())
        elif end := END.fullmatch(line):
            if not opened:
                raise MarkerError(f"{where} closes an answer that was never opened.")
            if end[1] != opened[1]:
                raise MarkerError(f"{where} is indented differently from its BEGIN on line {opened[0] + 1}.")
            if number == opened[0] + 1:
                raise MarkerError(f"{where} closes an empty answer.")
            found.append(Block(opened[0], number, opened[1], opened[2]))
            opened = None
        elif ANY.match(line):
            wanted = "'# BEGIN SOLUTION: <hint>' or '# END SOLUTION'"
            raise MarkerError(f"{where} looks like a marker, but is not {wanted}.")
        elif opened and line.strip() and not line.startswith(opened[1]):
            raise MarkerError(f"{where} leaves the indentation of the answer that line {opened[0] + 1} opened.")
    if opened:
        raise MarkerError(f"line {opened[0] + 1} opens an answer that is never closed.")
    return found


def to_stub(source: str, exercise: str) -> str:
    """Return a cell's source with each answer replaced by `raise NotImplementedError("<exercise>: <hint>")`.

    >>> print(to_stub("def f():\\n    # BEGIN SOLUTION: add one\\n    return 1\\n    # END SOLUTION", "f"))
    def f():
        raise NotImplementedError("f: add one")
    """
    answers = blocks(source)
    if not answers:
        raise MarkerError(f"The cell of {exercise!r} marks no answer: put it between BEGIN SOLUTION and END SOLUTION.")
    lines = source.split("\n")
    for block in reversed(answers):
        message = f"{exercise}: {block.hint}".replace("\\", "\\\\").replace('"', '\\"')
        lines[block.start : block.stop + 1] = [f'{block.indent}raise NotImplementedError("{message}")']
    return "\n".join(lines)
