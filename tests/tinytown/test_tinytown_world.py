"""The town: consistent, the same everywhere, and of the advertised size."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullstack_llm.tinytown import lore
from fullstack_llm.tinytown.chance import between, pick, sample, shuffled, stream
from fullstack_llm.tinytown.world import PERSON_RELATIONS, Town, strangers, told, town, untold

PRINT_DIGEST = """
import hashlib, json, itertools
from fullstack_llm.tinytown import mixture, instructions, preferences, evaluation
from fullstack_llm.tinytown.world import town
t = town(7)
mix = mixture.Mix(exact_duplicates=.1, near_duplicates=.1, noise=.1, canaries=(mixture.canary(7),), span=100)
documents = mixture.take(mixture.documents(t, mix, 7), 60_000)
parts = [repr(t.facts), repr([(d.kind, d.text, sorted(d.meta)) for d in documents])]
parts += [repr(list(itertools.islice(source, 200))) for source in (
    instructions.instructions(t, seed=7), preferences.preferences(t, 7, label_noise=.1, length_bias=.1))]
parts += [json.dumps(items(t, 50, 7)) for items, _ in evaluation.TASKS.values()]
print(hashlib.sha256("".join(parts).encode()).hexdigest())
"""


def digest(hash_seed: str) -> str:
    env = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run([sys.executable, "-c", PRINT_DIGEST], env=env, capture_output=True, text=True, check=True)
    return done.stdout


def test_the_same_in_every_process_and_hash_seed() -> None:
    assert digest("1") == digest("2") != ""


def check_consistent(world: Town) -> None:
    names = [person.name for person in world.people]
    assert len(set(names)) == len(names)
    assert not set(names) & set(world.strangers)
    assert len(world.index) == len(world.facts), "two facts for one question"
    jobs = lore.JOBS | lore.RESERVED_JOBS
    for person in told(world):
        for relation in ("friend", "spouse"):
            other = world.get(person.name, relation)
            if other:
                assert world.get(other, relation) == person.name != other
        spouse, mother, father = (world.get(person.name, relation) for relation in ("spouse", "mother", "father"))
        if spouse:
            assert world.get(spouse, "home") == world.get(person.name, "home")
        assert (mother is None) == (father is None)
        if mother and father:
            assert (world.persons[mother].sex, world.persons[father].sex) == ("f", "m")
            assert world.get(mother, "spouse") == father
            assert world.get(person.name, "home") == world.get(mother, "home")
            assert (
                min(int(world.index[p, "age"]) for p in (mother, father)) >= int(world.index[person.name, "age"]) + 20
            )
            assert world.get(person.name, "job") is None
        job, place, boss = (world.get(person.name, relation) for relation in ("job", "workplace", "employer"))
        assert place == (jobs[job] if job else None)
        if boss:
            assert boss != person.name
            assert world.get(boss, "workplace") == place
            assert world.get(boss, "employer") is None
        day, month = world.index[person.name, "birthday"].split()
        assert 1 <= int(day) <= lore.MONTHS[month] + (month == "February")
    for person in untold(world):
        assert world.relations(person.name) == ()


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(32, 320))
def test_relations_agree(seed: int, people: int) -> None:
    check_consistent(town(seed, people))


def test_control_a_broken_friendship_is_found() -> None:
    world = town()
    facts = tuple(f for f in world.facts if (f.subject, f.relation) != ("Milo", "friend"))
    with pytest.raises(AssertionError):
        check_consistent(Town(0, world.people, world.places, facts, world.strangers))


def test_characters_are_the_same_in_every_town() -> None:
    own = [r for r in PERSON_RELATIONS if r not in ("workplace", "employer")]
    for name in lore.CHARACTERS:
        assert [town(1).get(name, r) for r in own] == [town(2, 100).get(name, r) for r in own]
    assert [town().get("Lena", r) for r in ("job", "workplace", "employer")] == ["mayor", "the town hall", None]


def test_splits() -> None:
    world = town()
    for group in (told, untold):
        assert {p.name for p in group(world)} == {p.name for split in ("train", "test") for p in group(world, split)}
        assert not {p.name for p in group(world, "train")} & {p.name for p in group(world, "test")}
    assert not set(strangers(world, "train")) & set(strangers(world, "test"))
    assert 0.5 < len(untold(world)) / len(world.people) < 0.6
    assert 0.1 < len(told(world, "test")) / len(told(world)) < 0.2
    assert all(p.split == "train" for p in world.people if p.group == "character")


@pytest.mark.parametrize("people", [0, 31, 1000])
def test_impossible_sizes_are_refused(people: int) -> None:
    with pytest.raises(ValueError, match="A town has 32 to"):
        town(people=people)


@given(st.integers(0, 10**9), st.lists(st.integers(), min_size=1, max_size=20), st.integers(0, 25))
def test_chance(seed: int, items: list[int], count: int) -> None:
    rng = stream(seed)
    assert sorted(shuffled(rng, items)) == sorted(items)
    assert len(sample(rng, items, count)) == min(count, len(items))
    assert pick(rng, items) in items
    assert 3 <= between(rng, 3, 5) <= 5


def test_draws_are_pinned() -> None:
    assert [pick(stream(0, name), "abcdefgh") for name in ("one", "two", "three")] == list("dhd")


def test_nobody_is_drawn_who_would_contradict_the_town_book():
    for seed in range(3):
        assert not set(lore.BOOK_NAMES) & set(town(seed).persons)
