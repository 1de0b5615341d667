"""The checks of a small lab, to test the grader with."""

from fullstack_llm.checks import check, require

LAB = "00_toy"


@check("double", points=40, seconds=4.0)
def double(student, draw):
    """Each number, twice."""
    for xs in ([], [3, 3], [draw.randrange(100) for _ in range(7)]):
        squares = [x * x for x in xs]
        require(
            student(xs), [x + x for x in xs], case={"xs": xs}, hint="Twice each.", wrong=[(squares, "That squares.")]
        )


@check("count", points=40, seconds=4.0)
def count(student, draw):
    """How often a character occurs."""
    text = "".join(draw.choice("abn") for _ in range(31)) + "bananas"
    for letter in "abn":
        want = sum(one == letter for one in text)
        require(student(text, letter), want, case={"text": text, "letter": letter}, hint="Count every occurrence.")
    require(student("bananas", "s"), 1, case={"text": "bananas", "letter": "s"}, hint="The last one counts too.")


@check("count", points=20, part="absent", seconds=4.0)
def count_absent(student, draw):
    """Characters that occur once, and not at all."""
    require(student("ada", "d"), 1, case={"text": "ada", "letter": "d"}, hint="Once is once.")
    require(student("ada", "x"), 0, case={"text": "ada", "letter": "x"}, hint="An absent letter occurs 0 times.")
