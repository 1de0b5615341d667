"""Documents say nothing but what is true, and reach every fact."""

from __future__ import annotations

import itertools
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullstack_llm.tinytown import documents, lists, stories, talk, twohop
from fullstack_llm.tinytown.chance import stream
from fullstack_llm.tinytown.phrases import parse, parse_question
from fullstack_llm.tinytown.world import Fact, told, town, untold

WORLD = town()
FACTS = set(WORLD.facts)


def first(source, seed: int, count: int) -> list[documents.Document]:
    return list(itertools.islice(source(WORLD, stream(seed, source.__name__)), count))


def read(document: documents.Document) -> list[tuple[Fact, ...]]:
    """What each sentence of a document says; a pronoun means the subject in `meta`."""
    sentences = re.split(r"(?<=[.?!])\s+|\n", re.sub(r"(?m)^[A-Z][a-z]*: ", "", document.text))
    return [parse(sentence, str(document.meta.get("subject", ""))) for sentence in sentences]


@settings(max_examples=10)
@given(st.integers(0, 10**6))
@pytest.mark.parametrize(
    "source", [documents.biographies, documents.places, talk.quizzes, talk.dialogues, talk.letters, stories.stories]
)
def test_statements_are_true(source, seed: int) -> None:
    for document in first(source, seed, 8):
        facts = list(itertools.chain(*read(document)))
        assert set(facts) <= FACTS, document.text


def test_biographies_are_all_statements() -> None:
    for document in first(documents.biographies, 1, 60):
        assert all(read(document)), document.text


def test_every_fact_is_told_evenly() -> None:
    counts = Counter(itertools.chain(*(fact for d in first(documents.biographies, 2, 177 * 6) for fact in read(d))))
    own = [fact for fact in WORLD.facts if fact.subject in WORLD.persons]
    assert sum(counts[fact] == 0 for fact in own) < 0.005 * len(own)


def test_untold_people_appear_by_name_and_nothing_is_told_of_them() -> None:
    names = {person.name for person in untold(WORLD)}
    text = " ".join(d.text for d in first(stories.stories, 0, 300) + first(lists.lists, 0, 300))
    assert all(re.search(rf"\b{name}\b", text) for name in names)
    for document in first(stories.stories, 0, 300):
        assert not {fact.subject for facts in read(document) for fact in facts} & names


def test_no_question_about_the_test_split() -> None:
    quiet = {person.name for person in told(WORLD, "test")}
    for document in first(talk.quizzes, 0, 300) + first(talk.dialogues, 0, 300):
        for line in document.text.splitlines():
            asked = parse_question(line.partition(": ")[2])
            assert asked is None or asked.subject not in quiet


def test_stories_keep_track_of_the_thing() -> None:
    for document in first(stories.stories, 3, 200):
        holders = document.meta["holders"]
        assert isinstance(holders, tuple)
        assert re.search(rf"\b{holders[-1]}\b", document.text.rsplit(". ", 2)[-1]), document.text


def test_tables_are_true() -> None:
    for document in first(lists.tables, 0, 100):
        _, *rows = [line.split(" | ") for line in document.text.splitlines()]
        columns = document.meta["columns"]
        assert isinstance(columns, tuple)
        for name, *cells in rows:
            assert cells == [WORLD.get(name, column) or "-" for column in columns]


def test_lists_are_complete() -> None:
    for document in first(lists.lists, 0, 200):
        if "relation" in document.meta:
            names = re.sub(r"^[^:]*: |\.$", "", document.text).split(", ")
            want = [
                f.subject
                for f in WORLD.facts
                if (f.relation, f.object) == (document.meta["relation"], document.meta["object"])
            ]
            assert sorted(names) == sorted(want)
        if "month" in document.meta:
            rows = [re.fullmatch(r"([0-9]+ \w+): (\w+)", line) for line in document.text.splitlines()[1:]]
            assert all(row and WORLD.get(row[2], "birthday") == row[1] for row in rows)


def test_chains_are_true() -> None:
    truth = {(h.subject, h.first, h.second): h.object for h in twohop.two_hops(WORLD)}
    for document in first(twohop.chains, 0, 300):
        last = re.split(r"(?<=\.) |\nA: ", document.text)[-1]
        hop = twohop.parse_two_hop(last)
        assert hop is not None
        assert last.endswith(f" {truth[hop]}.")


def test_rounds_need_something() -> None:
    with pytest.raises(ValueError, match="at least one"):
        next(documents.rounds(stream(0), []))
