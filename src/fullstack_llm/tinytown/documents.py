"""The class `Document`, and the simplest kinds: biographies of people and portraits of places, in endless wordings.

Each generator takes a town and a source of chance and never ends. It takes subjects in rounds, a new order each, so
that all are told equally often.

>>> from fullstack_llm.tinytown.chance import stream
>>> from fullstack_llm.tinytown.world import town
>>> next(biographies(town(), stream(5))).text[:42]
"Gilbert's cake is baked for 22 March. The "
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from fullstack_llm.tinytown.chance import below, pick, sample, shuffled
from fullstack_llm.tinytown.phrases import PHRASES, slots, statement
from fullstack_llm.tinytown.world import Town, told

T = TypeVar("T")

# After one of these a pronoun could mean the other person.
NAMES_ANOTHER = ("friend", "employer", "spouse", "mother", "father")


@dataclass(frozen=True)
class Document:
    """A text to train on; `meta` holds facts about the text, such as its subject and whether it is noise."""

    kind: str
    text: str
    meta: Mapping[str, object] = field(default_factory=dict)


def rounds(rng: random.Random, items: Sequence[T]) -> Iterator[T]:
    """Yield the items for ever, each once per round, every round in a new random order.

    >>> from fullstack_llm.tinytown.chance import stream
    >>> turns = rounds(stream(0), "abc")
    >>> sorted(next(turns) for _ in range(6))
    ['a', 'a', 'b', 'b', 'c', 'c']
    """
    if not items:
        raise ValueError("rounds() needs at least one item to take turns with.")
    while True:
        yield from shuffled(rng, items)


def biographies(world: Town, rng: random.Random) -> Iterator[Document]:
    """Yield biographies: four to all of a person's facts in any order, each in a random training phrasing.

    The first sentence names the person; later ones use a pronoun one time in four, unless it could mislead.
    """
    for person in rounds(rng, told(world)):
        relations = world.relations(person.name)
        count = len(relations) if rng.random() < 0.4 else 4 + below(rng, len(relations) - 3)
        text = told_facts(world, rng, person.name, sample(rng, relations, count))
        yield Document("biography", text, {"subject": person.name})


def places(world: Town, rng: random.Random) -> Iterator[Document]:
    """Yield portraits of places: the street, the opening hour, the colour of the door, and who works there.

    >>> from fullstack_llm.tinytown.chance import stream
    >>> from fullstack_llm.tinytown.world import town
    >>> next(places(town(), stream(0))).meta
    {'subject': 'the harbour'}
    """
    staff: dict[str, list[str]] = {place: [] for place in world.places}
    for person in told(world):
        where = world.get(person.name, "workplace")
        if where:
            staff[where].append(person.name)
    for place in rounds(rng, world.places):
        sentences = [told_facts(world, rng, place, shuffled(rng, world.relations(place)))]
        for name in sample(rng, staff[place], 3):
            relation = "workplace" if rng.random() < 0.7 else "job"
            sentences.append(statement(slots(world, name), pick(rng, PHRASES[relation].statements)))
        yield Document("place", " ".join(sentences), {"subject": place})


def told_facts(world: Town, rng: random.Random, subject: str, relations: Sequence[str]) -> str:
    """Write facts about one subject in the given order, one sentence each; the first sentence names the subject.

    >>> from fullstack_llm.tinytown.chance import stream
    >>> from fullstack_llm.tinytown.world import town
    >>> told_facts(town(), stream(2), "Bo", ["pet", "friend", "age"])
    "At home a cat waits for Bo. Bo and Milo are best friends. Bo's age is 52."
    """
    named, pronoun = slots(world, subject), slots(world, subject, pronoun=True)
    sentences, may_use_pronoun = [], False
    for relation in relations:
        filled = pronoun if may_use_pronoun and rng.random() < 0.25 else named
        sentences.append(statement(filled, pick(rng, PHRASES[relation].statements)))
        may_use_pronoun = relation not in NAMES_ANOTHER
    return " ".join(sentences)
