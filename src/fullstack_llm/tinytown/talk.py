"""Dialogues, quizzes and letters in which people tell each other facts.

Questions are only about people of the train split.

>>> from fullstack_llm.tinytown.chance import stream
>>> from fullstack_llm.tinytown.world import town
>>> print(next(quizzes(town(), stream(7))).text.splitlines()[0])
Q: When does Petra get presents?
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from fullstack_llm.tinytown import lore
from fullstack_llm.tinytown.chance import below, between, pick, sample
from fullstack_llm.tinytown.documents import Document, rounds, told_facts
from fullstack_llm.tinytown.phrases import PHRASES, slots, statement
from fullstack_llm.tinytown.world import Town, told

_ASIDES = ("I see.", "Good to know.", "Thank you.", "How nice!", "Oh, really?", "I had forgotten.", "Of course!")
_GREETINGS = ("Good morning, {m}.", "Hello, {m}.", "Good evening, {m}.", "There you are, {m}!")
_OPENINGS = (
    "How are you? I am well.",
    "Thank you for your letter.",
    "It has rained all week here.",
    "I hope that you are well.",
    "The days are getting longer.",
)
_INTRODUCTIONS = ("You asked me about {m}.", "Do you know {m}?", "Let me tell you about {m}.", "I met {m} today.")
_CLOSINGS = ("Write soon.", "Come and see me.", "See you on Sunday.", "Eat well and sleep well.")


def quizzes(world: Town, rng: random.Random) -> Iterator[Document]:
    """Yield two to four questions with answers, about one person or several; answers are short or whole sentences."""
    turns = rounds(rng, told(world, "train"))
    for place in rounds(rng, world.places):
        lines = []
        person = next(turns).name
        for number in range(between(rng, 2, 4)):
            if rng.random() < 0.5:
                person = next(turns).name
            subject = place if number == 0 and rng.random() < 0.1 else person
            relation = pick(rng, world.relations(subject))
            filled = slots(world, subject)
            reply = filled.get(f"a_{relation}", filled[relation])
            reply = reply[0].upper() + reply[1:] + "."
            if rng.random() < 0.6:
                reply = statement(filled, pick(rng, PHRASES[relation].statements))
            lines.append(f"Q: {statement(filled, pick(rng, PHRASES[relation].questions))}\nA: {reply}")
        yield Document("quiz", "\n".join(lines))


def dialogues(world: Town, rng: random.Random) -> Iterator[Document]:
    """Yield dialogues about a third person: one speaker asks by name, and the other answers with a pronoun."""
    people = told(world)
    for third in rounds(rng, told(world, "train")):
        one, two = [person.name for person in sample(rng, people, 3) if person is not third][:2]
        named, pronoun = slots(world, third.name), slots(world, third.name, pronoun=True)
        lines = [f"{one}: {pick(rng, _GREETINGS).format(m=two)}"] if rng.random() < 0.5 else []
        for relation in sample(rng, world.relations(third.name), between(rng, 2, 3)):
            phrases = PHRASES[relation]
            lines.append(f"{one}: {statement(named, pick(rng, phrases.questions))}")
            lines.append(f"{two}: {statement(pronoun, pick(rng, phrases.statements))}")
        if rng.random() < 0.5:
            lines.append(f"{one}: {pick(rng, _ASIDES)}")
        yield Document("dialogue", "\n".join(lines), {"subject": third.name, "speakers": (one, two)})


def letters(world: Town, rng: random.Random) -> Iterator[Document]:
    """Yield letters to best friends about a third person; the head gives the writer's street."""
    writers = rounds(rng, [p.name for p in told(world) if world.get(p.name, "friend")])
    for third in rounds(rng, told(world)):
        writer = next(writers)
        friend = world.index[writer, "friend"]
        while third.name in (writer, friend):
            writer = next(writers)
            friend = world.index[writer, "friend"]
        month = pick(rng, tuple(lore.MONTHS))
        relations = sample(rng, world.relations(third.name), 3 + below(rng, 3))
        body = [
            pick(rng, _OPENINGS),
            pick(rng, _INTRODUCTIONS).format(m=third.name),
            told_facts(world, rng, third.name, relations),
            pick(rng, _CLOSINGS),
        ]
        date = f"{1 + below(rng, lore.MONTHS[month])} {month}"
        head = f"{world.index[writer, 'home']}, {date}\n\nDear {friend},\n"
        text = f"{head}{' '.join(body)}\nYour best friend, {writer}"
        yield Document("letter", text, {"subject": third.name, "writer": writer, "reader": friend})
