"""Tables: counts of a naive loop, probabilities that add up to one, and the same numbers as NLTK's."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch
from nltk.lm import KneserNeyInterpolated

from fullstack_llm.recurrence import ngrams

V = 11


def text(length: int = 400, seed: int = 0) -> torch.Tensor:
    """A row in which some tokens follow others more often, and token 10 does not occur."""
    generator = torch.Generator().manual_seed(seed)
    steps = torch.randint(1, 4, (length,), generator=generator)
    return steps.cumsum(0) * steps % (V - 1)


def contexts(order: int) -> list[tuple[int, ...]]:
    """Some that were seen, and some that were not."""
    row, rng = text().tolist(), np.random.default_rng(order)
    seen = [tuple(row[i : i + order - 1]) for i in rng.integers(0, len(row) - order, 20)]
    return [*seen, *(tuple(rng.integers(0, V, order - 1).tolist()) for _ in range(20))]


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_counts_are_those_of_a_loop(order: int) -> None:
    row = text().tolist()
    naive = Counter(tuple(row[i : i + order]) for i in range(len(row) - order + 1))
    table = ngrams.count(text(), order, V)
    level = table.counts[order - 1]
    counted = {(*c, int(t)): int(n) for c, (ids, times) in level.items() for t, n in zip(ids, times, strict=True)}
    assert counted == naive
    assert [sum(times.sum() for _, times in level.values()) for level in table.counts] == [
        len(row) - n for n in range(order)
    ]


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["add", "backoff", "kneser_ney"])
def test_every_way_adds_up_to_one_and_leaves_nothing_impossible(order: int, name: str) -> None:
    table = ngrams.count(text(), order, V)
    way = {"add": ngrams.add_k(0.3), "backoff": ngrams.backoff(0.6), "kneser_ney": ngrams.kneser_ney(table)}[name]
    for context in contexts(order):
        p = way(table, context)
        assert p.shape == (V,) and abs(p.sum() - 1) < 1e-12 and p.min() > 0, context


def test_shares_add_up_to_one_or_are_nothing() -> None:
    table = ngrams.count(text(), 3, V)
    for context in contexts(3):
        p = ngrams.maximum_likelihood(table, context)
        assert abs(p.sum() - 1) < 1e-12 if context in table.counts[2] else not p.any()
    assert ngrams.maximum_likelihood(table, (10, 10)).sum() == 0


def test_only_the_last_tokens_of_a_context_count() -> None:
    table = ngrams.count(text(), 3, V)
    way = ngrams.kneser_ney(table)
    np.testing.assert_array_equal(way(table, (1, 2, 3, 4)), way(table, (9, 9, 3, 4)))
    assert (way(table, (3, 4)) != way(table, (4, 3))).any()


def test_kneser_ney_is_nltks(monkeypatch: pytest.MonkeyPatch) -> None:
    """With NLTK's one discount, and the last even share, which NLTK does not have, taken out again."""
    row = text().tolist()
    monkeypatch.setattr(ngrams, "_discount", lambda level: 0.4)
    library = KneserNeyInterpolated(3, discount=0.4)
    letters = [str(token) for token in row]
    grams = [tuple(letters[i : i + n]) for n in (1, 2, 3) for i in range(len(row) - n + 1)]
    library.fit([grams], letters)
    table = ngrams.count(text(), 3, V)
    way = ngrams.kneser_ney(table)
    # NLTK stops at the companions' shares; ours goes on to an even share, which has this much of them.
    companions = ngrams._before(table, 0)[()][1]
    even = 0.4 * len(companions) / companions.sum() / V
    for context in contexts(3)[:20]:
        ids, times = table.counts[2][context]
        shorter_ids, shorter_times = ngrams._before(table, 1)[context[1:]]
        left = 0.4 * len(ids) / times.sum() * 0.4 * len(shorter_ids) / shorter_times.sum()
        p = way(table, context)
        for token in ids.tolist():
            # NLTK's shortest context takes no discount; ours takes 0.4 from each, and gives back the even share.
            lowest = 0.4 / companions.sum() - even
            score = library.score(str(token), [str(t) for t in context])
            assert abs(score - (p[token] + left * lowest)) < 1e-12


def test_a_word_with_one_companion_is_a_bad_guess_elsewhere() -> None:
    row = torch.tensor([0, 1, 2, 1, 3, 1, 4, 5] * 4 + [6, 7, 8, 9])  # 5 comes after 4 only, 1 after many
    table = ngrams.count(row, 2, V)
    p = ngrams.kneser_ney(table)(table, (9,))
    often = Counter(row.tolist())
    assert often[5] > often[6] and p[1] > 2 * p[5] and abs(p[5] - p[4]) < 1e-12


def test_losses_are_those_of_a_loop_and_zero_is_infinite() -> None:
    table, held = ngrams.count(text(), 3, V), text(60, seed=1)
    way, row = ngrams.kneser_ney(table), held.tolist()
    found = ngrams.losses(table, way, held)
    for place in range(2, 60):
        assert abs(found[place].item() + np.log(way(table, (row[place - 2], row[place - 1]))[row[place]])) < 1e-5
    assert ngrams.losses(table, ngrams.maximum_likelihood, torch.tensor([1, 2, 10]))[2].isinf()
    assert np.isinf(ngrams.perplexity(torch.tensor([0.5, torch.inf])))


def test_losses_do_not_see_the_token_or_what_follows() -> None:
    table, held = ngrams.count(text(), 3, V), text(40, seed=2)
    way = ngrams.backoff(0.5)
    changed = held.clone()
    changed[20:] = (changed[20:] + 1) % V
    before, after = (ngrams.losses(table, way, row) for row in (held, changed))
    assert torch.equal(before[:20], after[:20]) and not torch.equal(before[20:], after[20:])


def test_perplexity_of_an_even_guess_is_the_size() -> None:
    table = ngrams.count(torch.arange(V), 1, V)
    assert abs(ngrams.perplexity(ngrams.losses(table, ngrams.maximum_likelihood, text(30))) - V) < 1e-4


def test_samples_have_the_tables_shares() -> None:
    table = ngrams.count(text(), 2, V)
    way = ngrams.add_k(0.1)
    drawn = ngrams.sample(table, way, [3], 4000, np.random.default_rng(0))
    after = Counter(b for a, b in pairwise(drawn) if a == drawn[1])
    p, total = way(table, (drawn[1],)), sum(after.values())
    assert total > 100
    for token in range(V):
        assert abs(after[token] / total - p[token]) < 4 * (p[token] * (1 - p[token]) / total) ** 0.5 + 2 / total
