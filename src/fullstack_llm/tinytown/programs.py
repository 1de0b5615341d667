"""Programs of the toy language, drawn with their output.

Held out by rule: one program in ten, by the checksum of its text, is `test`.

>>> from fullstack_llm.tinytown.chance import stream
>>> print(show(draw_program(stream(4), level=1)))
program
b = 6
print b - 1
output
5
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from fullstack_llm.tinytown.chance import between, bucket, pick, sample
from fullstack_llm.tinytown.documents import Document
from fullstack_llm.tinytown.toylang import run

_VARIABLES = "abcnxyz"
LIMIT = 100


def is_test(program: str) -> bool:
    """Say whether a program is held out of everything that trains.

    >>> is_test("x = 1\\nprint x")
    False
    """
    return bucket(program, 10) == 3


def draw_program(rng: random.Random, level: int = 1, split: str = "train") -> str:
    """Draw a program that prints at least one number, all of them between -99 and 99.

    Level 1 assigns and prints; level 2 adds a second variable; level 3 a repeat; level 4 a repeat and an if.
    """
    while True:
        program = "\n".join(_lines(rng, level))
        output = run(program).split()
        small = all(abs(int(number)) < LIMIT for number in output)
        if output and small and is_test(program) == (split == "test"):
            return program


def show(program: str) -> str:
    """Write a program with its output, as training documents do."""
    return f"program\n{program}\noutput\n{run(program)}"


def programs(rng: random.Random) -> Iterator[Document]:
    """Yield training documents of all four levels."""
    while True:
        level = pick(rng, (1, 2, 3, 4))
        yield Document("code", show(draw_program(rng, level)), {"level": level})


def _lines(rng: random.Random, level: int) -> list[str]:
    x, y = sample(rng, _VARIABLES, 2)
    lines = [f"{x} = {between(rng, 0, 9)}"]
    if level == 1:
        return [*lines, f"print {x} {pick(rng, '+-*')} {between(rng, 1, 9)}"]
    lines.append(f"{y} = {x} {pick(rng, '+-*')} {between(rng, 1, 9)}")
    if level == 2:
        return [*lines, f"print {x} {pick(rng, '+-')} {y}"]
    change = f"{x} = {x} {pick(rng, '+-')} {pick(rng, (y, str(between(rng, 1, 9))))}"
    lines += [f"repeat {between(rng, 2, 4)}", f"  {change}"]
    if level == 4:
        lines += [f"if {x} {pick(rng, '<>=')} {between(rng, 0, 20)}", f"  print {y}"]
    return [*lines, f"print {x}"]
