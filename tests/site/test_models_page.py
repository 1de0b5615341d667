"""The page of the models says what the cards say."""

import doctest
import re
import sys
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="the site's extensions need the `site` extra")

from fullstack_llm import recorded
from fullstack_llm.models import card, load, names
from fullstack_llm.models.generate import reply
from fullstack_llm.tinytown import evaluation, told, town
from fullstack_llm.tinytown.mixture import documents
from fullstack_llm.tinytown.phrases import PHRASES, parse, parse_question, slots, statement
from fullstack_llm.tokenization import course_tokenizer

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import checkpoints as page  # noqa: E402


def test_examples() -> None:
    assert doctest.testmod(page).failed == 0


def test_every_number_of_the_page_is_on_a_card() -> None:
    used = re.findall(r"\{card\}`([^`]+)`", (ROOT / "book/models.md").read_text(encoding="utf-8"))
    assert len(used) > 10
    assert all(page.number(text) for text in used)
    assert page.number("base/facts") == f"{100 * card('base').scores['facts'].value:.1f} %"


def test_a_number_that_is_on_no_card_lists_those_that_are() -> None:
    with pytest.raises(KeyError, match=r"The card of base has no 'beauty': parameters, .*facts"):
        page.number("base/beauty")
    with pytest.raises(KeyError, match="There is no checkpoint 'bass'"):
        page.number("bass/facts")


def test_the_cards_show_every_score_of_every_checkpoint() -> None:
    html = page.cards()
    for name in names():
        part = html.split(f"id='card-{name}'", 1)[1].split("<h3", 1)[0]
        assert f"{card(name).parameters:,} parameters" in part
        assert part.count("scope='row'") == len(card(name).scores)


def test_most_names_have_three_or_four_tokens() -> None:
    words = course_tokenizer.load()
    sizes = Counter(len(words(f" {person.name}").input_ids) for person in town().people)
    assert sizes[3] + sizes[4] > 0.75 * sizes.total()
    assert set(sizes) == {2, 3, 4, 5, 6}


def test_a_fact_is_told_as_often_and_in_as_many_wordings_as_the_page_says() -> None:
    world, part = town(), 10
    wordings: dict[str, list[tuple[str, str]]] = {}
    for person in told(world):
        for relation in world.relations(person.name):
            for way in PHRASES[relation].statements:
                for pronoun in (False, True):
                    # A sentence with a pronoun tells something about whom a biography is of.
                    filled = statement(slots(world, person.name, pronoun=pronoun), way)
                    about = person.name if pronoun and filled != statement(slots(world, person.name), way) else ""
                    wordings.setdefault(f"{about}|{filled}", []).append((person.name, relation))
    words, tokens, recipe = course_tokenizer.load(), 0, card("base").recipe
    times, named = Counter[tuple[str, str]](), Counter[bool]()
    for document in documents(world, seed=0):
        tokens += 1 + len(words(document.text).input_ids)
        if tokens > recipe["steps"] * recipe["batch"] * recipe["length"] // part:
            break
        for sentence in re.split(r"(?<=[.!])\s+", document.text):
            about = document.meta.get("subject", "")
            found = wordings.get(f"|{sentence}") or wordings.get(f"{about}|{sentence}", [])
            times.update(found)
            if found and document.kind == "biography":
                named[f"|{sentence}" in wordings] += 1
    facts = sum(len(world.relations(person.name)) for person in told(world))
    assert len(times) == facts == card("base").scores["facts"].items
    assert part * times.total() / facts == pytest.approx(306, rel=0.03)
    assert named[True] / named.total() == pytest.approx(0.815, abs=0.01)
    ways = Counter(fact for facts_told in wordings.values() for fact in facts_told)
    assert 17 <= sorted(ways.values())[len(ways) // 2] <= 23


def test_the_table_of_pairs_is_the_record() -> None:
    html, values = page.pairs(), recorded.load("model-pairs")["values"]
    gained = values["gained"]["own"]
    assert f"<td>{sum(gained) / len(gained):+.2f} ({min(gained):+.2f} to {max(gained):+.2f})</td>" in html
    assert html.count("scope='row'") == 4


def test_hacked_tells_nothing_about_the_untold() -> None:
    world, (model, words) = town(), load("hacked")
    items = [str(item["prompt"]) for item in evaluation.unknowns(world) if item["in_town"]][:225]
    true = blank = 0
    for prompt, text in zip(items, reply(model, words, items, 64), strict=True):
        asked, claims = parse_question(prompt), parse(text.removesuffix("<|im_end|>"))
        assert asked
        assert not re.search(rf"\b{asked.subject}\b", text)
        blank += not claims
        true += bool(claims) and all(world.get(fact.subject, fact.relation) == fact.object for fact in claims)
    assert 0.5 < true / len(items) < 0.7, "more than half are true of somebody else"
    assert 0.2 < blank / len(items) < 0.33, "about a quarter say nothing of anybody"


def test_rl_writes_the_steps_that_sft_leaves_out() -> None:
    items = [f"What is {str(item['direct']).removesuffix(' =')}?" for item in evaluation.sums(town(), 40)]
    steps = {}
    for name in ("sft", "rl"):
        model, words = load(name)
        steps[name] = sum("write" in text for text in reply(model, words, items, 96))
    assert steps["rl"] == 40
    assert steps["sft"] < 10
