"""The crawl: every label is there as planned, copies are copies, and what was planted can be found in the text."""

from __future__ import annotations

from collections import Counter

import pytest

from fullstack_llm.pretraining import dedup, filters
from fullstack_llm.pretraining.crawl import CHAINS, DECOYS, LINKS, PAGES, Page, copies, crawl, exam, inserted
from fullstack_llm.tinytown.chance import stream
from fullstack_llm.tinytown.leaks import find_leaks
from fullstack_llm.tinytown.world import town


@pytest.fixture(scope="module")
def pages() -> list[Page]:
    return crawl(seed=0)


def test_a_seed_decides_the_crawl(pages: list[Page]) -> None:
    assert crawl(seed=0) == pages
    assert crawl(seed=1)[:50] != pages[:50]


def test_every_label_has_its_pages(pages: list[Page]) -> None:
    counts = Counter(page.label for page in pages)
    assert {label: counts[label] for label in PAGES} == PAGES
    assert counts["chain"] == CHAINS * LINKS and counts["directory"] > 70


def test_copies_are_alike_and_the_ends_of_a_chain_are_not(pages: list[Page]) -> None:
    sets = [dedup.shingles(page.text) for page in pages]
    assert min(dedup.jaccard(sets[a], sets[b]) for a, b in copies(pages)) > 0.7
    first = [at for at, page in enumerate(pages) if page.label == "chain" and page.detail == "0"]
    last = [at for at, page in enumerate(pages) if page.label == "chain" and page.detail == str(LINKS - 1)]
    for a in first:
        b = next(at for at in last if pages[at].family == pages[a].family)
        assert dedup.jaccard(sets[a], sets[b]) < 0.1


def test_exact_copies_have_the_text_of_their_family(pages: list[Page]) -> None:
    originals = {page.family: page.text for page in pages if page.label == "clean"}
    assert all(page.text == originals[page.family] for page in pages if page.label == "exact")
    assert all(page.text != originals[page.family] for page in pages if page.label == "near")


def test_contaminated_pages_hold_an_item_and_clean_ones_do_not(pages: list[Page]) -> None:
    questions = [item.question for item in exam(town())]
    for page in pages:
        held = any(question in page.text for question in questions)
        assert held == (page.label == "contaminated" and page.detail == "verbatim"), page
    some = next(page for page in pages if page.detail == "verbatim")
    assert find_leaks(town(), some.text.replace(" Q: ", "\n").replace(" A: ", "\n")), (
        "the town's own search finds it too"
    )


def test_decoys_look_like_personal_data_and_are_none(pages: list[Page]) -> None:
    decoys = [page for page in pages if page.label == "decoy"]
    fooled = [page for page in decoys if any(pattern.search(page.text) for pattern in filters.PERSONAL.values())]
    assert fooled and {page.detail for page in fooled} == {DECOYS[0]}


def test_inserted_keeps_every_other_word() -> None:
    text = "Ada is here. Bo is not. Milo sleeps."
    for seed in range(9):
        found = inserted(stream(seed), text, "What a day!")
        assert found.replace("What a day! ", "").replace(" What a day!", "") == text
