"""Phrasings: enough of them, held out from each other, and readable back to exactly the fact that was put."""

from __future__ import annotations

import re

import pytest

from fullstack_llm.tinytown.phrases import PHRASES, answer, clozes, parse, parse_question, slots, statement
from fullstack_llm.tinytown.world import PERSON_RELATIONS, PLACE_RELATIONS, Fact, told, town

WORLD = town()
FACTS = set(WORLD.facts)
SUBJECTS = [person.name for person in told(WORLD)][::5] + list(WORLD.places)


@pytest.mark.parametrize("relation", PHRASES)
def test_there_are_enough(relation: str) -> None:
    source = PHRASES[relation]
    assert len(source.statements) >= 8
    assert len(source.heldout_statements) >= 2
    assert len(source.questions) >= 3
    assert len(source.heldout_questions) >= 2
    assert len(clozes(relation)) >= 4
    assert len(clozes(relation, heldout=True)) >= 2
    everything = source.statements + source.heldout_statements + source.questions + source.heldout_questions
    assert len(set(everything)) == len(everything)


def test_every_relation_has_phrases() -> None:
    assert set(PHRASES) == {*PERSON_RELATIONS, *PLACE_RELATIONS}


@pytest.mark.parametrize("pronoun", [False, True])
def test_statements_read_back_to_true_facts(pronoun: bool) -> None:
    for subject in SUBJECTS:
        filled = slots(WORLD, subject, pronoun)
        for relation in WORLD.relations(subject):
            for template in PHRASES[relation].statements + PHRASES[relation].heldout_statements:
                read = parse(statement(filled, template), subject)
                assert Fact(subject, relation, filled[relation]) in read
                assert set(read) <= FACTS


def test_questions_read_back() -> None:
    for subject in SUBJECTS:
        filled = slots(WORLD, subject)
        for relation in WORLD.relations(subject):
            source = PHRASES[relation]
            for heldout, templates in ((False, source.questions), (True, source.heldout_questions)):
                for template in templates:
                    assert parse_question(statement(filled, template)) == (subject, relation, heldout)


def test_clozes_complete_to_statements() -> None:
    for relation in PHRASES:
        for heldout in (False, True):
            source = PHRASES[relation].heldout_statements if heldout else PHRASES[relation].statements
            assert all(f"{prompt}{target}." in source for prompt, target in clozes(relation, heldout))


def test_heldout_clozes_are_no_end_of_a_trained_phrasing() -> None:
    for relation in PHRASES:
        for prompt, target in clozes(relation, heldout=True):
            assert not any(
                template.lower().endswith(f"{prompt}{target}.".lower()) for template in PHRASES[relation].statements
            )


def test_heldout_words_are_known_words() -> None:
    """A held-out phrasing tests what is known of the fact, not whether its words are."""
    trained = " ".join(t for source in PHRASES.values() for t in source.statements + source.questions).lower()
    known = set(re.findall(r"[a-z]+", trained))
    for source in PHRASES.values():
        for template in source.heldout_statements + source.heldout_questions:
            assert set(re.findall(r"[a-z]+", re.sub(r"\{\w+\}", "", template.lower()))) <= known, template


@pytest.mark.parametrize(
    "text", ["", "Bo", "Bo is a.", "She is 41 years old.", "Bo is a baker. Bo is a baker.", "x" * 5000]
)
def test_what_is_no_statement_is_not_read(text: str) -> None:
    assert parse(text) == ()
    assert parse_question(text) is None


def test_answers() -> None:
    assert answer(WORLD, "Lena", "job") == "Lena is the mayor."
    assert answer(WORLD, "Nobody", "job") == "I don't know."
