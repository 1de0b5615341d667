"""Problems whose answers can be checked: sums of graded length, words to transform, small puzzles.

>>> from fullstack_llm.tinytown.chance import stream
>>> from fullstack_llm.tinytown.world import town
>>> problem = draw(town(), stream(1), "reverse", level=1)
>>> problem.prompt, problem.answer
('Write wing backwards.', 'gniw')

Split by rule: one word in five and one puzzle in five, by checksum, is `test`; sums go by `arithmetic.is_test`.
The exact check is `verifiers.verify`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from fullstack_llm.tinytown import arithmetic
from fullstack_llm.tinytown.chance import between, bucket, pick, sample
from fullstack_llm.tinytown.world import Town, told

_WORDS = """
    ant ape arm bag bat bed bee bell bird boat bolt book bow box bread bridge bun cake can candle cap car cart cat clay
    clock cloud coat coin comb corn cow crab cup desk dish dog doll door drum duck ear egg eye fan farm fig fire fish
    flag fork fox frog gate glove goat grape hand harp hat hen hill hook horn horse ink iron jam jar jug kite knot
    ladder lake lamp leaf lemon lid lion lock map mill milk moon mouse mud nail nest net nut oak oar oven owl pan
    paper pea pear pen pie pig plum pond pot rain ring river road roof rope rose salt sand sea seed sheep shell ship
    shoe sink snow soap sock soup spoon star stone sun table tea tent tower town train tree tub vase wall wax well
    wheel wind wing wolf wood wool yard
    """
WORDS = tuple(_WORDS.split())
TRANSFORMS = ("reverse", "uppercase", "sort", "last", "count")
FAMILIES = ("addition", "subtraction", "multiplication", *TRANSFORMS, "sequence", "older", "make")
_OPS = {"addition": "+", "subtraction": "-", "multiplication": "*"}


@dataclass(frozen=True)
class Problem:
    """A prompt with its one right answer; for "make" `answer` is one of many and `numbers` is (target, given...)."""

    family: str
    level: int
    prompt: str
    answer: str
    numbers: tuple[int, ...] = ()


def is_test_word(word: str) -> bool:
    """Say whether a word is held out.

    >>> is_test_word("cat"), is_test_word("ant")
    (False, False)
    """
    return bucket(word, 5) == 3


def draw(world: Town, rng: random.Random, family: str, level: int = 1, split: str = "train") -> Problem:
    """Draw a problem of a family of `FAMILIES` and a level from 1 on: digits of a sum, words to transform, and so on.

    Raises ValueError for another family or a level below 1.
    """
    if family not in FAMILIES or level < 1:
        raise ValueError(f"No problems of family {family!r} and level {level}: choose from {', '.join(FAMILIES)}.")
    if family in _OPS:
        problem = arithmetic.draw(rng, level, _OPS[family], split)
        text = arithmetic.expression(problem)
        return Problem(family, level, f"What is {text}?", str(arithmetic.solve(problem)), (problem.a, problem.b))
    if family in TRANSFORMS:
        return _transform(rng, family, level, split)
    if family == "older":
        one, two = _two_ages(world, rng, split)
        elder = one if int(world.index[one, "age"]) > int(world.index[two, "age"]) else two
        return Problem(family, level, f"Who is older, {one} or {two}?", elder)
    return _sequence(rng, level, split) if family == "sequence" else _make(rng, level, split)


def _transform(rng: random.Random, family: str, level: int, split: str) -> Problem:
    known = [word for word in WORDS if is_test_word(word) == (split == "test")]
    words = sample(rng, known, level)
    text = " ".join(words)
    if family == "reverse":
        return Problem(family, level, f"Write {text} backwards.", text[::-1])
    if family == "uppercase":
        return Problem(family, level, f"Write {text} in capital letters.", text.upper())
    if family == "sort":
        letters = "".join(sorted("".join(words)))
        return Problem(family, level, f"Write the letters of {text} in order of the alphabet.", letters)
    if family == "last":
        return Problem(family, level, f"Write the last letter of each word: {text}", "".join(w[-1] for w in words))
    return Problem(family, level, f"How many letters are in {text}?", str(sum(map(len, words))))


def _two_ages(world: Town, rng: random.Random, split: str) -> tuple[str, str]:
    names = [person.name for person in told(world, split)]
    while True:
        one, two = sample(rng, names, 2)
        if world.get(one, "age") != world.get(two, "age"):
            return one, two


def _sequence(rng: random.Random, level: int, split: str) -> Problem:
    while True:
        start, step = between(rng, 1, 9), between(rng, 1, 3 * level)
        if (bucket(f"{start} {step}", 5) == 3) == (split == "test"):
            shown = [start + step * place for place in range(4)]
            text = ", ".join(map(str, shown))
            return Problem("sequence", level, f"What comes next: {text}?", str(start + 4 * step), tuple(shown))


def _make(rng: random.Random, level: int, split: str) -> Problem:
    """Draw a target to be made of numbers with + - *, each used at most once, such that a solution exists."""
    while True:
        numbers = [between(rng, 1, 9) for _ in range(min(level, 3) + 1)]
        way, target = str(numbers[0]), numbers[0]
        for number in numbers[1:]:
            op = pick(rng, "+-*")
            way, target = f"({way} {op} {number})", arithmetic.solve(arithmetic.Sum(target, op, number))
        if 0 < target < 100 and (bucket(" ".join(map(str, sorted(numbers))), 5) == 3) == (split == "test"):
            given = ", ".join(map(str, sorted(numbers)))
            prompt = f"Make {target} from {given} with + - *. Use each number at most once."
            return Problem("make", level, prompt, way[1:-1], (target, *sorted(numbers)))
