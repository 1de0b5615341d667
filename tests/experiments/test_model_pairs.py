"""What is measured of DPO on two kinds of pairs: the questions, the surprise at an answer, and the record."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fullstack_llm import models, recorded
from fullstack_llm.experiments import model_pairs
from fullstack_llm.models import pairs
from fullstack_llm.models.recipes import recipe
from fullstack_llm.tinytown import town


def test_a_plan_is_the_recipe_of_dpo_with_another_seed() -> None:
    made = model_pairs.plan(3)
    assert made.seed == 3
    assert replace(made, seed=0) == model_pairs.plan(0) == recipe("dpo")


def test_the_questions_are_those_of_the_exam_in_kind() -> None:
    found = model_pairs.asked(60)
    assert len(set(found)) == 60
    world = town()
    told = {person.name for person in world.people if person.group != "untold"}
    about_told = sum(any(name in question for name in told) for question in found)
    assert about_told == 40


def test_a_likely_answer_surprises_less_than_a_made_up_one() -> None:
    model, words = models.load("sft")
    rows = [pairs.turn(words, "Where does Ada live?", text) for text in ("Lantern Row.", "Bo adds the hens, I say.")]
    likely, made_up = model_pairs.nats(model, rows)
    assert 0 < likely < made_up - 20
    assert model_pairs.nats(model, rows[:1]) == pytest.approx([likely], rel=1e-4)


def test_gold_is_more_for_the_truth() -> None:
    asked = ["Where does Ada live?"]
    assert model_pairs.worth(asked, ["Lantern Row."]) > model_pairs.worth(asked, ["Mill Lane."])


def test_the_record_s_written_pairs_are_as_unlikely_when_drawn_again() -> None:
    record = recorded.load("model-pairs")["values"]
    parent, _ = models.load("sft")
    sides = zip(*model_pairs.couples("written", 0), strict=True)
    for side, rows in zip(("chosen", "rejected"), sides, strict=True):
        again = model_pairs.nats(parent, list(rows))
        assert sum(again) / len(again) == pytest.approx(record["unlikely"]["written"][0][side], rel=0.01)
        # Control: another seed's pairs, and sft's own answers, are not.
        assert sum(again) / len(again) != pytest.approx(record["unlikely"]["written"][1][side], rel=0.01)
        assert record["unlikely"]["own"][0][side] < 0.2 * sum(again) / len(again)
