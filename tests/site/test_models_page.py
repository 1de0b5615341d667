"""The page of the models says what the cards say."""

import doctest
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="the site's extensions need the `site` extra")

from fullstack_llm.models import card, names

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
