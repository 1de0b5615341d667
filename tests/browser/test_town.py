"""The browser of people on the page of the town: what it shows is what the package says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import audit
import pytest

from fullstack_llm.tinytown import phrases, told, town, untold

pytestmark = pytest.mark.browser
WORLD = town()


@pytest.fixture
def opened(look: Any, base: str) -> Iterator[Any]:
    with audit.visit(look("desktop", "light"), base, "book/tinytown.html") as seen:
        yield seen.page
        assert not seen.problems, seen.problems


def test_ada_is_shown_first_and_links_lead_to_others(opened: Any) -> None:
    assert opened.inner_text(".town-who") == "Ada"
    opened.click(".town-facts a:text-is('Dot')")
    opened.wait_for_function("document.querySelector('.town-who').textContent === 'Dot'")
    assert opened.evaluate("document.activeElement.className") == "town-who"
    opened.go_back()
    opened.wait_for_function("document.querySelector('.town-who').textContent === 'Ada'")


def test_search_by_keyboard_finds_someone_untold_and_says_so(opened: Any) -> None:
    name = untold(WORLD)[0].name
    opened.fill("#town-find", name)
    opened.press("#town-find", "Enter")
    opened.wait_for_selector(".town-untold")
    assert opened.inner_text(".town-untold") == f"Nothing is told about {name}: a good answer is “I don't know.”"
    opened.fill("#town-find", "Xantippe")
    assert phrases.DONT_KNOW in opened.inner_text(".town-status")


def test_the_map_leads_to_a_place(opened: Any) -> None:
    opened.click("[data-place='the bakery'] .town-roof")
    opened.wait_for_function("document.querySelector('.town-who').textContent === 'The bakery'")
    assert "Bo" in opened.inner_text(".town-card")


def test_sentences_are_those_of_the_package(opened: Any) -> None:
    for name in ("Ada", "Lena", "the mill", told(WORLD)[20].name):
        opened.fill("#town-find", name)
        opened.press("#town-find", "Enter")
        opened.wait_for_function(f"document.querySelector('.town-who').textContent.endsWith({json.dumps(name[1:])})")
        shown = opened.evaluate(
            "[...document.querySelectorAll('.town-how li:not(:last-child)')].map(e => e.textContent)"
        )
        ways = [phrases.PHRASES[relation] for relation in WORLD.relations(name)]
        filled = phrases.slots(WORLD, name)
        right = {phrases.statement(filled, one) for way in ways for one in way.statements + way.heldout_statements}
        assert shown and {sentence.removeprefix("Held out: ") for sentence in shown} <= right
