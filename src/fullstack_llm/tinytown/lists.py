"""Lists of facts: tables, registers, calendars, who lives where. Lists that say "all" are complete.

>>> from fullstack_llm.tinytown.chance import stream
>>> from fullstack_llm.tinytown.world import town
>>> print(next(tables(town(), stream(1))).text.splitlines()[0])
name | birthday | job | food | pet
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from fullstack_llm.tinytown import lore
from fullstack_llm.tinytown.chance import between, pick, sample, shuffled
from fullstack_llm.tinytown.documents import Document, rounds
from fullstack_llm.tinytown.world import CORE_RELATIONS, Town, told

_HEADS = {"pet_name": "pet name", "friend": "best friend"}
_GROUPED = {
    "home": "All who live on {o}: ",
    "job": "All whose job is {o}: ",
    "pet": "All who have a {o}: ",
    "food": "All who like {o} best: ",
    "colour": "All whose favourite colour is {o}: ",
    "hobby": "All whose hobby is {o}: ",
    "workplace": "All who work at {o}: ",
}


def tables(world: Town, rng: random.Random) -> Iterator[Document]:
    """Yield tables of four to seven people with two to four of their facts in columns."""
    turns = rounds(rng, [p.name for p in told(world)])
    while True:
        columns = sample(rng, CORE_RELATIONS, between(rng, 2, 4))
        names = [next(turns) for _ in range(between(rng, 4, 7))]
        rows = [" | ".join([name, *(world.get(name, c) or "-" for c in columns)]) for name in names]
        head = " | ".join(["name", *(_HEADS.get(c, c) for c in columns)])
        yield Document("table", "\n".join([head, *rows]), {"columns": tuple(columns)})


def lists(world: Town, rng: random.Random) -> Iterator[Document]:
    """Yield, in turn: everyone with something in common; the birthdays of a month; names of people in town.

    Lists of names include untold people, about whom nothing else is said.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for fact in world.facts:
        if fact.relation in _GROUPED:
            groups.setdefault((fact.relation, fact.object), []).append(fact.subject)
    shared = rounds(rng, tuple(groups))
    months = rounds(rng, tuple(lore.MONTHS))
    everyone = rounds(rng, [person.name for person in world.people])
    while True:
        relation, thing = next(shared)
        names = shuffled(rng, groups[relation, thing])
        text = _GROUPED[relation].format(o=thing) + ", ".join(names) + "."
        yield Document("list", text, {"relation": relation, "object": thing})
        if rng.random() < 0.25:
            yield _calendar(world, next(months))
        if rng.random() < 0.25:
            names = [next(everyone) for _ in range(between(rng, 6, 12))]
            yield Document("list", pick(rng, ("In town: ", "At the market: ")) + ", ".join(names) + ".")


def _calendar(world: Town, month: str) -> Document:
    days = [
        (int(f.object.split()[0]), f.subject) for f in world.facts if f.relation == "birthday" and month in f.object
    ]
    lines = [f"{day} {month}: {name}" for day, name in sorted(days)]
    return Document("list", "\n".join([f"All birthdays in {month}", *lines]), {"month": month})
