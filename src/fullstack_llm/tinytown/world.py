"""The town: people, places and the facts that are true of them, drawn from a seed.

>>> t = town(seed=0)
>>> t.get("Bo", "friend"), t.get("Milo", "pet"), len(t.people)
('Milo', 'goose', 200)

There are three groups of people. *Characters*: a dozen, the same for every seed. *Told*: two in five of the others;
documents tell their facts. *Untold*: documents use their names and tell nothing else, since no facts about them exist:
"I don't know." is the right answer. `strangers` are names that appear in no document.

Splits are rules, not draws. Of the told, every sixth is `test`: documents tell their facts, but no training question
asks about them, so that a model which answers has learned the fact rather than an answer. Of the untold and of the
strangers, every second is `test`: no training text says that they are unknown.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from fullstack_llm.tinytown import households, lore
from fullstack_llm.tinytown.chance import below, pick, shuffled, stream

CORE_RELATIONS = ("job", "home", "age", "birthday", "pet", "pet_name", "food", "colour", "hobby", "friend")
TIE_RELATIONS = ("workplace", "employer", "spouse", "mother", "father")
PERSON_RELATIONS = CORE_RELATIONS + TIE_RELATIONS
PLACE_RELATIONS = ("street", "opens", "door")


@dataclass(frozen=True)
class Person:
    """A person in town: `group` is "character", "told" or "untold", `split` is "train" or "test" (see above)."""

    name: str
    sex: str
    group: str
    split: str


@dataclass(frozen=True)
class Fact:
    """A fact of the town, such as `Fact("Bo", "job", "baker")`."""

    subject: str
    relation: str
    object: str


@dataclass(frozen=True)
class Town:
    """The people, places and facts of a town. `facts` is complete: anything else is unknown in Tinytown."""

    seed: int
    people: tuple[Person, ...]
    places: tuple[str, ...]
    facts: tuple[Fact, ...]
    strangers: tuple[str, ...]
    index: Mapping[tuple[str, str], str] = field(init=False, repr=False, compare=False)
    persons: Mapping[str, Person] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", {(f.subject, f.relation): f.object for f in self.facts})
        object.__setattr__(self, "persons", {person.name: person for person in self.people})

    def get(self, subject: str, relation: str) -> str | None:
        """Return the object of the fact with this subject and relation, or None if there is no such fact."""
        return self.index.get((subject, relation))

    def relations(self, subject: str) -> tuple[str, ...]:
        """Return the relations that hold a fact about the subject, in the order of `PERSON_RELATIONS`."""
        return tuple(r for r in PERSON_RELATIONS + PLACE_RELATIONS if (subject, r) in self.index)


def told(world: Town, split: str | None = None) -> tuple[Person, ...]:
    """Return the people whose facts documents tell, characters first; `split` is "train", "test" or None for both.

    >>> [person.name for person in told(town())[:4]]
    ['Ada', 'Bo', 'Cy', 'Dot']
    """
    return tuple(p for p in world.people if p.group != "untold" and split in (None, p.split))


def untold(world: Town, split: str | None = None) -> tuple[Person, ...]:
    """Return the people of whom documents tell only the name.

    >>> len(untold(town())), len(untold(town(), "test"))
    (112, 56)
    """
    return tuple(p for p in world.people if p.group == "untold" and split in (None, p.split))


def strangers(world: Town, split: str) -> tuple[str, ...]:
    """Return names that belong to nobody in town: those at even places for training, the others for tests.

    >>> set(strangers(town(), "train")) & {person.name for person in town().people}
    set()
    """
    return world.strangers[0 if split == "train" else 1 :: 2]


def town(seed: int = 0, people: int = 200) -> Town:
    """Build the town of a seed; the characters and the places are the same in every town.

    >>> town(1).get("Ada", "home"), town(1) == town(1), town(1) == town(2)
    ('Lantern Row', True, False)

    Raises ValueError where `people` is too few to hold the characters, or more than there are names.
    """
    rng = stream(seed, "people")
    names = shuffled(rng, [(name, "f") for name in lore.FEMALE] + [(name, "m") for name in lore.MALE])
    drawn = people - len(lore.CHARACTERS)
    if not 20 <= drawn <= len(names):
        low, high = len(lore.CHARACTERS) + 20, len(lore.CHARACTERS) + len(names)
        raise ValueError(f"A town has {low} to {high} people, and you asked for {people}.")
    characters = [Person(name, row["sex"], "character", "train") for name, row in lore.CHARACTERS.items()]
    others = [_person(index, *names[index]) for index in range(drawn)]
    records = {name: {k: v for k, v in row.items() if k != "sex"} for name, row in lore.CHARACTERS.items()}
    drawn_people = [p for p in others if p.group == "told"]
    for person in drawn_people:
        records[person.name] = _draw_record(rng)
    households.make_families(rng, [(p.name, p.sex) for p in drawn_people], records)
    households.make_friends(rng, [p.name for p in drawn_people], records)
    households.make_workplaces(records)
    facts = [Fact(name, r, records[name][r]) for name in records for r in PERSON_RELATIONS if r in records[name]]
    for place, values in lore.PLACES.items():
        facts += [Fact(place, relation, value) for relation, value in zip(PLACE_RELATIONS, values, strict=True)]
    return Town(
        seed=seed,
        people=(*characters, *others),
        places=tuple(lore.PLACES),
        facts=tuple(facts),
        strangers=tuple(name for name, _ in names[drawn:]),
    )


def _person(index: int, name: str, sex: str) -> Person:
    if index % 5 > 1:
        return Person(name, sex, "untold", "test" if index % 2 else "train")
    return Person(name, sex, "told", "test" if index % 15 == 11 else "train")


def _draw_record(rng: random.Random) -> dict[str, str]:
    month = pick(rng, tuple(lore.MONTHS))
    return {
        "job": pick(rng, tuple(lore.JOBS)),
        "home": pick(rng, lore.STREETS),
        "age": str(20 + below(rng, 60)),
        "birthday": f"{1 + below(rng, lore.MONTHS[month])} {month}",
        "pet": pick(rng, lore.PETS),
        "pet_name": pick(rng, lore.PET_NAMES),
        "food": pick(rng, lore.FOODS),
        "colour": pick(rng, lore.COLOURS),
        "hobby": pick(rng, lore.HOBBIES),
    }
