"""The experiments of part 14b: who is asked what, how answers are judged, and that the records are of this code."""

from __future__ import annotations

import json
from typing import Any

import pytest
from scipy import stats

from fullstack_llm import recorded
from fullstack_llm.experiments import m14_assistant as exam
from fullstack_llm.experiments import m14_facts as facts
from fullstack_llm.experiments import m14_forgetting as forgetting
from fullstack_llm.experiments import m14_loss as losses
from fullstack_llm.experiments import m14_quality as quality
from fullstack_llm.tinytown.gold import gold
from fullstack_llm.tinytown.world import told, town, untold

WORLD = town()
EXPERIMENTS: dict[str, Any] = {"facts": facts, "loss": losses, "forgetting": forgetting, "quality": quality}
TESTED = {person.name for person in told(WORLD, "test")}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Ada lives on Lantern Row.", "right"),
        ("Ada lives on Mill Lane.", "false"),
        ("Ada has a cat.", "another question"),
        ("Bo lives on Market Street.", "another person"),
        ("I don't know.", "abstains"),
        ("Lantern", "no statement"),
    ],
)
def test_an_answer_is_of_one_kind(text: str, kind: str) -> None:
    assert exam.kind_of(WORLD, "Ada", "home", text) == kind


def test_every_full_answer_is_right_and_of_the_unknown_none_is() -> None:
    for subject, relation in exam.told_pairs(WORLD, "test"):
        said = exam.answer(WORLD, subject, relation)
        assert exam.kind_of(WORLD, subject, relation, said) == "right"
        assert exam.kind_of(WORLD, untold(WORLD)[0].name, relation, said) != "right"


@pytest.mark.parametrize("arm", facts.ARMS)
def test_an_arm_asks_about_nobody_whom_the_exam_keeps(arm: str) -> None:
    known, new, unknown = facts.ARMS[arm]
    talks = facts.talks(arm, 1)
    by_kind = {kind: [t for t in talks if t.kind == kind] for kind in ("fact", "invented", "unknown")}
    assert [len(found) for found in by_kind.values()] == [known, new, unknown]
    assert not TESTED & {t.meta["subject"] for t in talks}
    people = set(exam.invented_people(WORLD, facts.INVENTED, 1))
    assert people <= {person.name for person in untold(WORLD, "train")}
    assert {t.meta["subject"] for t in by_kind["invented"]} == (people if new else set())
    assert not people & {t.meta["subject"] for t in by_kind["unknown"] + by_kind["fact"]}
    assert all((t.messages[1]["content"] == "I don't know.") == (t.kind == "unknown") for t in talks)
    asked = facts.questions(1)
    assert not {subject for subject, _ in asked["unknown"]} & {t.meta["subject"] for t in talks}
    assert {subject for subject, _ in asked["never asked"]} == TESTED


def test_invented_objects_are_those_of_others_and_differ_by_seed() -> None:
    one, other = (facts.world_of("invented", seed) for seed in (0, 1))
    new = [fact for fact in one.facts if fact not in WORLD.facts]
    assert len(new) == 10 * facts.INVENTED
    assert all(any(f.relation == fact.relation and f.object == fact.object for f in WORLD.facts) for fact in new)
    assert set(new) != {fact for fact in other.facts if fact not in WORLD.facts}


def test_qualities_ask_the_same_and_differ_in_the_answers_as_they_say() -> None:
    talks = {name: quality.talks(400, name, 0) for name in quality.QUALITIES}
    asks = [[talk.messages[0] for talk in found] for found in talks.values()]
    assert asks[0] == asks[1] == asks[2]

    def parts(name: str) -> list[dict[str, float]]:
        return [gold(WORLD, t.messages[0]["content"], t.messages[1]["content"]) for t in talks[name]]

    assert all(part["correctness"] == part["format"] == 1 for part in parts("clean"))
    lies = [part["correctness"] == -1 for part in parts("wrong")]
    assert 0.17 < sum(lies) / len(lies) < quality.WRONG + 0.03  # a few of the drawn objects are the right ones
    assert all(part["format"] == 1 for part in parts("wrong"))
    assert all(part["correctness"] == 1 for part in parts("sloppy"))
    assert 0.2 < sum(part["format"] for part in parts("sloppy")) / 400 < 0.6


@pytest.mark.parametrize("kind", losses.KINDS)
def test_the_two_losses_see_the_same_rows(kind: str) -> None:
    own, all_ = (losses.rows(kind, 40, tokens, 2) for tokens in losses.TOKENS)
    assert [row.ids for row in own] == [row.ids for row in all_]
    assert all(all(row.own) for row in all_)
    assert not any(all(row.own) for row in own)
    train, test = ({t.meta["subject"] for t in losses.talks(kind, 200, 0, split)} for split in ("train", "test"))
    assert test == TESTED
    assert not train & test
    if kind == "long":
        for talk in losses.talks(kind, 40, 0, "test"):
            last = talk.messages[1]["content"].rstrip(".").split()[-1].lower()
            assert last in talk.messages[0]["content"].lower()


def test_one_row_in_eight_is_an_unread_document() -> None:
    rows, without = forgetting.rows(8, 0, count=56), forgetting.rows(0, 0, count=56)
    assert len(rows) == 64
    assert rows[:56] == without
    assert all(all(row.own) and len(row.ids) <= forgetting.LENGTH for row in rows[56:])
    assert forgetting.rows(8, 1, count=56)[56:] != rows[56:]


def test_the_interval_is_that_of_student() -> None:
    values = [0.3, 0.9, 0.5]
    middle, half = exam.over_seeds(values)
    low, high = stats.t.interval(0.95, 2, loc=middle, scale=stats.sem(values))
    assert (middle - half, middle + half) == pytest.approx((low, high), rel=1e-6)
    with pytest.raises(ValueError, match="three values"):
        exam.over_seeds([1.0, 2.0])


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_record_has_a_row_for_each_run_of_its_experiment(name: str) -> None:
    values = recorded.load(f"sft-{name}")["values"]
    assert len(values["rows"]) == len(EXPERIMENTS[name].runs())
    assert values["settings"] == json.loads(json.dumps(EXPERIMENTS[name].SETTINGS))
    for row, settings in zip(values["rows"], EXPERIMENTS[name].runs(), strict=True):
        assert all(value in row.values() for value in settings)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("facts", ("invented", 2)),
        ("loss", ("long", 30, "all", 1)),
        ("forgetting", (1e-3, 8, 1)),
        ("quality", (120, "wrong", 2)),
    ],
)
def test_a_run_begins_as_the_record_does(name: str, settings: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    # The first two steps; the exams are the notebook's to repeat.
    monkeypatch.setattr(exam, "ask", lambda *_: [])
    monkeypatch.setattr(exam, "knows", lambda *_: [True])
    monkeypatch.setattr(exam, "loss_on", lambda *_: 0.0)
    monkeypatch.setattr(forgetting, "abilities", lambda _: {})
    monkeypatch.setattr(quality, "exam", lambda *_: {})
    monkeypatch.setattr(losses, "reply", lambda *_: ["" for _ in range(losses.HELD_OUT)])
    found = EXPERIMENTS[name].run(*settings, until=1)["losses"][:2]
    rows = recorded.load(f"sft-{name}")["values"]["rows"]
    same = [row for row in rows if all(one in row.values() for one in settings) and row.get("lr", 1e-3) == 1e-3]
    assert found == pytest.approx(same[0]["losses"][:2], abs=2e-3)
    other = [row for row in rows if row["seed"] != same[0]["seed"] and row["losses"][0] == same[0]["losses"][0]]
    assert not other, "another seed begins otherwise"
