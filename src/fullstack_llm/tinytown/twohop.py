"""Facts composed of two facts, such as the pet of Bo's best friend.

Questions are split by rule, over the position of the person and of the two relations: one in five is `test`, and its
composed answer never appears in anything that trains (its two single facts do).

>>> from fullstack_llm.tinytown.world import town
>>> hops = two_hops(town(), "train")
>>> hops[0], len(hops) > 1000
(TwoHop(subject='Ada', first='friend', second='home', middle='Dot', object='River Row', split='train'), True)
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

from fullstack_llm.tinytown.chance import pick
from fullstack_llm.tinytown.documents import Document, rounds
from fullstack_llm.tinytown.phrases import PHRASES, slots, statement, with_article
from fullstack_llm.tinytown.world import CORE_RELATIONS, Town, told

FIRST = {"friend": "best friend", "employer": "boss", "mother": "mother", "father": "father"}
SECOND = {
    "job": "job", "home": "street", "age": "age", "birthday": "birthday", "pet": "pet", "pet_name": "name of the pet",
    "food": "favourite food", "colour": "favourite colour", "hobby": "hobby", "friend": "best friend",
}  # fmt: skip

STATEMENT = "The {second} of {s} {first} is {object}."
QUESTIONS = ("What is the {second} of {s} {first}?", "Tell me the {second} of {s} {first}.")
HELDOUT_QUESTIONS = ("Think of {s} {first}. What is the {second}?",)


@dataclass(frozen=True)
class TwoHop:
    """`subject`'s `first` is `middle`, whose `second` is `object`."""

    subject: str
    first: str
    second: str
    middle: str
    object: str
    split: str


def two_hops(world: Town, split: str | None = None) -> tuple[TwoHop, ...]:
    """Return the composed facts that do not lead back to their subject; subjects of the test split are all test."""
    found = []
    for i, person in enumerate(told(world)):
        for j, first in enumerate(FIRST):
            middle = world.get(person.name, first)
            if middle is None:
                continue
            for k, second in enumerate(CORE_RELATIONS):
                thing = world.get(middle, second)
                if thing is None or thing == person.name:
                    continue
                part = "test" if person.split == "test" or (i + j + k) % 5 == 0 else "train"
                if split in (None, part):
                    found.append(TwoHop(person.name, first, second, middle, thing, part))
    return tuple(found)


def hop_slots(hop: TwoHop) -> dict[str, str]:
    """Return the values of the slots in the templates of this file.

    >>> hop = TwoHop("Bo", "friend", "pet", "Milo", "goose", "train")
    >>> STATEMENT.format_map(hop_slots(hop)), HELDOUT_QUESTIONS[0].format_map(hop_slots(hop))
    ("The pet of Bo's best friend is a goose.", "Think of Bo's best friend. What is the pet?")
    """
    thing = with_article(hop.object) if hop.second in ("job", "pet") else hop.object
    return {"s": f"{hop.subject}'s", "first": FIRST[hop.first], "second": SECOND[hop.second], "object": thing}


def reasoning(world: Town, rng: random.Random, hop: TwoHop) -> str:
    """Tell the two single facts in random training phrasings, then the composed one."""
    step = statement(slots(world, hop.subject), pick(rng, PHRASES[hop.first].statements))
    other = statement(slots(world, hop.middle), pick(rng, PHRASES[hop.second].statements))
    return f"{step} {other} {STATEMENT.format_map(hop_slots(hop))}"


def chains(world: Town, rng: random.Random) -> Iterator[Document]:
    """Yield composed facts of the train split, half of them with their two steps, half as question and answer."""
    for hop in rounds(rng, two_hops(world, "train")):
        meta = {"subject": hop.subject, "middle": hop.middle}
        if rng.random() < 0.5:
            text = reasoning(world, rng, hop)
        else:
            filled = hop_slots(hop)
            text = f"Q: {pick(rng, QUESTIONS).format_map(filled)}\nA: {STATEMENT.format_map(filled)}"
        yield Document("chain", text, meta)


def parse_two_hop(text: str) -> tuple[str, str, str] | None:
    """Read a composed question or statement: (subject, first, second), or None.

    >>> parse_two_hop("What is the pet of Bo's best friend?")
    ('Bo', 'friend', 'pet')
    """
    seconds, firsts = "|".join(SECOND.values()), "|".join(FIRST.values())
    patterns = (
        rf"(?:What is the|Tell me the|The) (?P<second>{seconds}) of (?P<n>[A-Z][a-z]+)'s (?P<first>{firsts})"
        r"(?:\?|\.| is .+\.)",
        rf"Think of (?P<n>[A-Z][a-z]+)'s (?P<first>{firsts})\. What is the (?P<second>{seconds})\?",
    )
    for pattern in patterns:
        match = re.fullmatch(pattern, text)
        if match:
            first = next(key for key, noun in FIRST.items() if noun == match["first"])
            return match["n"], first, next(key for key, noun in SECOND.items() if noun == match["second"])
    return None
