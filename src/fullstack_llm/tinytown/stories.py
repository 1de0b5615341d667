"""Stories in which a thing passes from person to person, and the end says who has the thing.

The grammar: a story is a weather, an opening, two to four scenes and an ending. A scene takes the holder of the thing
to a place, where it is given away, lost and found, or shown. Asides tell true facts of those present. `meta` says who
holds the thing after each scene.

>>> from fullstack_llm.tinytown.chance import stream
>>> from fullstack_llm.tinytown.world import town
>>> next(stories(town(), stream(3))).meta["thing"]
'a brass key'
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from fullstack_llm.tinytown.chance import between, pick, sample
from fullstack_llm.tinytown.documents import NAMES_ANOTHER, Document, rounds
from fullstack_llm.tinytown.phrases import PHRASES, capital, slots, statement
from fullstack_llm.tinytown.world import Town, told

THINGS = (
    "a brass key", "a silver coin", "a paper boat", "an iron bird", "a warm loaf", "a lost glove", "a small bell",
    "a blue kite", "a sealed letter", "a jar of honey", "a wooden spoon", "a red ball",
)  # fmt: skip
_WEATHERS = (
    "It rained.", "The sun was out.", "The wind blew.", "It snowed a little.", "Fog lay on the river.",
    "It was hot.", "The sky was grey.",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_OPENINGS = (
    "One {day} {n} found {thing} near {place}.",
    "On {day} {n} bought {thing} at the market.",
    "Early on {day} {n} got {thing} in the mail.",
    "On {day} {n} made a plan and took {thing} along.",
)
_GIVE = (
    "{n} took {it} to {place} and met {o}. {n} gave {it} to {o}.",
    "At {place} {n} saw {o}. {n} said, 'This is for you.' Now {o} had {it}.",
    "{o} was at {place} and looked sad. So {n} gave {o} {it}.",
    "{n} and {o} met at {place}. {o} asked for {it}, and {n} said yes.",
)
_LOSE = (
    "Near {place} {n} dropped {it}. {o} picked {it} up and kept {it}.",
    "{n} forgot {it} at {place}. {o} found {it} there.",
)
_SHOW = (
    "At {place} {n} showed {it} to {o}. {o} smiled and gave {it} back.",
    "{n} met {o} at {place}. They looked at {it} for a while. Then {n} went on with {it}.",
    "{o} stood at {place} and asked for {it}, but {n} said no.",
)
_ENDINGS = (
    "In the evening {n} had {it}.",
    "So in the end {n} had {it}.",
    "That night {it} was in the house of {n}.",
    "And who had {it} in the end? {n} had {it}.",
)


def stories(world: Town, rng: random.Random) -> Iterator[Document]:
    """Yield stories of three to five people; untold people may appear, by name alone."""
    heroes = rounds(rng, told(world))
    everyone = world.people
    for hero in heroes:
        thing = pick(rng, THINGS)
        it = "the " + thing.split(" ", 1)[1]
        cast = [p.name for p in sample(rng, everyone, between(rng, 3, 5)) if p is not hero][: between(rng, 2, 4)]
        holder, holders = hero.name, [hero.name]
        day, place = pick(rng, _DAYS), pick(rng, world.places)
        opening = pick(rng, _OPENINGS).format(day=day, n=holder, thing=thing, place=place)
        sentences = [pick(rng, _WEATHERS), opening, *_aside(world, rng, holder)]
        for other in cast:
            chance = rng.random()
            scenes = _GIVE if chance < 0.55 else _LOSE if chance < 0.7 else _SHOW
            scene = pick(rng, scenes).format(n=holder, o=other, it=it, place=pick(rng, world.places))
            sentences += [capital(scene), *_aside(world, rng, other)]
            if scenes is not _SHOW:
                holder = other
            holders.append(holder)
        sentences.append(pick(rng, _ENDINGS).format(n=holder, it=it))
        yield Document("story", " ".join(sentences), {"thing": thing, "holders": tuple(holders)})


def _aside(world: Town, rng: random.Random, name: str) -> list[str]:
    relations = [relation for relation in world.relations(name) if relation not in NAMES_ANOTHER]
    if not relations:
        return []
    return [
        statement(slots(world, name), pick(rng, PHRASES[relation].statements))
        for relation in sample(rng, relations, between(rng, 1, 2))
    ]
