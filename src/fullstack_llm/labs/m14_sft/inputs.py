"""Draw conversations for lab 14, and name what an answer is asked not to use."""

from fullstack_llm.checks import Draw

# The lab's text says: none of them in any answer.
LIBRARIES = ("transformers", "trl", "fullstack_llm.finetuning", "fullstack_llm.pretraining", "fullstack_llm.models")

# Ids that stand for the marks of the course's template: a turn's start and end, a newline, and the parts of roles.
START, END, NEWLINE = 3, 4, 9
ROLES = {"user": [11, 12], "assistant": [21, 22], "system": [31], "tool": [21, 23]}


def header(role: str) -> list[int]:
    """Return the ids with which a turn of this role begins."""
    return [START, *ROLES[role], NEWLINE]


def words(draw: Draw, count: int) -> list[int]:
    """Draw ids of text, none of them a mark, some of them equal."""
    return [draw.randrange(50, 90) for _ in range(count)]


def turn(role: str, content: list[int]) -> list[int]:
    """Return a turn as the course's template writes it."""
    return [*header(role), *content, END, NEWLINE]
