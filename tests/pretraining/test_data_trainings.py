"""The trainings of 05a: what they read, and their beginnings against the record."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

from fullstack_llm import recorded
from fullstack_llm.experiments import m05_data as data
from fullstack_llm.experiments import m05_mixture as mixture
from fullstack_llm.models.pretrain import tokenized
from fullstack_llm.pretraining import dedup
from fullstack_llm.tokenization import course_tokenizer


@pytest.fixture(scope="module")
def pages() -> dict[str, list[str]]:
    return data.with_and_without_copies(1)


def test_cards_stand_as_often_as_planned_and_few_versions_stay(pages: dict[str, list[str]]) -> None:
    for copies, card, number in data.cards(1).values():
        assert sum(f"{card}{number}." in page for page in pages["raw"]) in range(copies * 3 // 4, copies + 1)
        stay = [dedup.shingles(page) for page in pages["deduplicated"] if f"{card}{number}" in page]
        assert 1 <= len(stay) <= min(copies, 4), "two versions with other headings are below the threshold"
        # Below the threshold of 0.7, or just above it, where a pair may share no band.
        found = [dedup.chance(dedup.jaccard(a, b), bands=20, size=6) for a, b in combinations(stay, 2)]
        assert all(chance < 0.95 for chance in found)


def test_both_crawls_have_enough_tokens(pages: dict[str, list[str]]) -> None:
    for some in pages.values():
        assert len(tokenized(some, data.COPIED.tokens + 1, course_tokenizer.load())) == data.COPIED.tokens + 1
    with pytest.raises(ValueError, match="are asked for"):
        tokenized(pages["raw"][:3], 10_000, course_tokenizer.load())


def test_filters_keep_what_they_should() -> None:
    everything, labels = data.chosen("raw", 0), data.chosen("labels", 0)
    assert labels == [page for page in everything if page[1]] and 0.4 < len(labels) / len(everything) < 0.6
    some = data.chosen("filtered", 0)
    assert sum(clean for _, clean in some) / len(some) > 0.7 > len(labels) / len(everything)


def test_records_have_the_cases_and_seeds_of_today() -> None:
    rows = recorded.load("pretraining-copies")["values"]["rows"]
    assert {(row["case"], row["seed"]) for row in rows} == {
        (case, seed) for case in ("raw", "deduplicated") for seed in data.SEEDS
    }
    assert all(len(row["losses"]) == data.COPIED.steps / 10 for row in rows)
    rows = recorded.load("pretraining-noise")["values"]["rows"]
    assert {(row["case"], row["seed"]) for row in rows} == {(case, seed) for case in data.CASES for seed in data.SEEDS}
    assert all(len(row["losses"]) == data.NOISY.steps / 10 for row in rows)
    rows = recorded.load("pretraining-mixture")["values"]["rows"]
    assert [row["seed"] for row in rows] == list(mixture.SEEDS)
    assert all(sum(row["weights"]) == pytest.approx(1, abs=1e-3) for row in rows)


def test_a_recorded_run_begins_as_recorded() -> None:
    rows = recorded.load("pretraining-mixture")["values"]["rows"]
    again = mixture.doremi(1, until=11)["losses"]
    assert again == pytest.approx(rows[1]["losses"][:2], abs=0.02)
    assert again != pytest.approx(rows[0]["losses"][:2], abs=0.0005), "control: another seed"


def test_mixed_rows_follow_the_weights_and_repeat_nothing() -> None:
    rows = mixture.mixed(np.array([0.6, 0.3, 0.1]), seed=0)
    assert rows.shape == (mixture.PLAN.steps, mixture.ROWS, mixture.LENGTH + 1)
    assert len(torch.unique(rows.flatten(0, 1), dim=0)) > 0.98 * mixture.PLAN.steps * mixture.ROWS
