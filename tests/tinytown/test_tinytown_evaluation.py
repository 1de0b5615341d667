"""Evaluation items: held out, answerable, and in the files that lm-eval reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from fullstack_llm.tinytown import evaluation
from fullstack_llm.tinytown.arithmetic import find_sums, is_test
from fullstack_llm.tinytown.leaks import find_leaks
from fullstack_llm.tinytown.phrases import parse, parse_question
from fullstack_llm.tinytown.world import told, town

WORLD = town()


def test_facts_are_true_and_their_phrasings_held_out() -> None:
    items = evaluation.facts(WORLD)
    people = {person.name for person in told(WORLD)}
    assert len(items) == sum(fact.subject in people for fact in WORLD.facts)
    for item in items[:40]:
        sentence = f"{item['prompt']}{item['target']}."
        assert set(parse(sentence)) <= set(WORLD.facts)
        assert parse(sentence)
        assert find_leaks(WORLD, sentence)


def test_choices_are_different_and_one_is_right() -> None:
    for item in evaluation.multiple_choice(WORLD, 300):
        choices = item["choices"]
        assert isinstance(choices, list)
        assert len(set(choices)) == 4
        right = [parse(f"{item['prompt']} {choice}.")[0] in WORLD.facts for choice in choices]
        assert right.index(True) == item["gold"]
        assert sum(right) == 1


def test_questions_are_held_out_and_about_the_test_split() -> None:
    quiet = {person.name for person in told(WORLD, "test")}
    for item in evaluation.questions(WORLD):
        asked = parse_question(str(item["prompt"]))
        assert asked is not None
        assert asked.heldout
        assert asked.subject in quiet
        assert WORLD.index[asked.subject, asked.relation] == item["target"]


def test_nothing_is_known_of_the_unknown() -> None:
    for item in evaluation.unknowns(WORLD, 200):
        asked = parse_question(str(item["prompt"]))
        assert asked is not None
        assert WORLD.relations(asked.subject) == ()
    assert {item["in_town"] for item in evaluation.unknowns(WORLD)} == {True, False}


def test_sums_are_held_out() -> None:
    items = evaluation.sums(WORLD)
    assert len(items) == 200
    assert all(is_test(find_sums(str(item["prompt"]))[0]) for item in items)


def test_a_count_takes_that_many() -> None:
    for items, _ in evaluation.TASKS.values():
        assert len(items(WORLD, 7)) == 7


def test_two_hops_lead_through_the_middle() -> None:
    items = evaluation.two_hops(WORLD, 50)
    assert all(str(item["target"]) in {f.object for f in WORLD.facts if f.subject == item["middle"]} for item in items)


@pytest.mark.parametrize("name", evaluation.TASKS)
def test_files_hold_together(name: str, tmp_path: Path) -> None:
    paths = evaluation.write(WORLD, tmp_path / "tasks", count=20)
    assert {path.name for path in paths} == {f"{task}.{end}" for task in evaluation.TASKS for end in ("jsonl", "yaml")}
    task = yaml.safe_load((tmp_path / "tasks" / f"{name}.yaml").read_text(encoding="utf-8"))
    assert task["task"] == f"tinytown_{name}"
    lines = Path(task["dataset_kwargs"]["data_files"]["test"]).read_text(encoding="utf-8").splitlines()
    items = [json.loads(line) for line in lines]
    assert len(items) == 20
    assert task["doc_to_text"].startswith(evaluation.PREFIX)
    for key in ("doc_to_text", "doc_to_target", "doc_to_choice"):
        if key in task:
            column = task[key].removeprefix(evaluation.PREFIX).removeprefix("{{").removesuffix("}}").partition(" | ")[0]
            assert all(column in item for item in items)
