"""Copies: MinHash and bands against datasketch, against theory, and against the search of all pairs."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from datasketch import MinHash, MinHashLSH
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from fullstack_llm.pretraining import dedup

ITEMS = st.sets(st.text("abcdef", min_size=1, max_size=3), max_size=20)


def sets_of(similarity: float, count: int) -> list[tuple[set[str], set[str]]]:
    """Pairs with a known Jaccard similarity, of a hundred items together."""
    shared = round(100 * similarity)
    middle = shared + (100 - shared) // 2
    items = [[f"{similarity}/{pair}/{at}" for at in range(100)] for pair in range(count)]
    return [(set(some[:middle]), set(some[:shared] + some[middle:])) for some in items]


@pytest.mark.parametrize("items", [{"a"}, {"a", "b", "Bo is a"}, {f"{n}" for n in range(500)}, {"é", "数"}])
@pytest.mark.parametrize("seed", [1, 7])
def test_signatures_are_datasketchs(items: set[str], seed: int) -> None:
    library = MinHash(num_perm=64, seed=seed)
    library.update_batch([item.encode() for item in sorted(items)])
    np.testing.assert_array_equal(dedup.signature(items, dedup.permutations(64, seed)), library.hashvalues)
    # Control: other shuffles give other numbers.
    assert (dedup.signature(items, dedup.permutations(64, seed + 1)) != library.hashvalues).any()


def test_an_empty_set_has_the_librarys_signature() -> None:
    np.testing.assert_array_equal(dedup.signature(set(), dedup.permutations(8)), MinHash(num_perm=8).hashvalues)


def test_candidates_are_datasketchs() -> None:
    sets = [x for s in (0.2, 0.5, 0.8, 1.0) for pair in sets_of(s, 20) for x in pair]
    rows = dedup.signatures(sets, dedup.permutations(60))
    for bands, size in ((20, 3), (10, 6), (7, 8)):
        index = MinHashLSH(num_perm=60, params=(bands, size))
        hashes = [MinHash(num_perm=60, hashvalues=row, scheme="affine32") for row in rows]
        for at, one in enumerate(hashes):
            index.insert(at, one)
        theirs = {(other, at) for at, one in enumerate(hashes) for other in index.query(one) if other < at}
        assert dedup.candidates(rows, bands, size) == theirs and theirs


def test_more_bands_than_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="need 12 places"):
        dedup.candidates(np.zeros((2, 11), dtype=np.uint32), bands=4, size=3)


@pytest.mark.parametrize("similarity", [0.2, 0.5, 0.8])
def test_places_agree_as_often_as_the_sets_are_alike(similarity: float) -> None:
    shuffles = dedup.permutations(100)
    alike = [(dedup.signature(a, shuffles) == dedup.signature(b, shuffles)).sum() for a, b in sets_of(similarity, 100)]
    low, high = binom.interval(0.9999, 100 * 100, similarity)
    assert low <= sum(alike) <= high


def test_tail_is_that_of_a_binomial() -> None:
    for n, s in ((10, 0.3), (120, 0.7)):
        outside = sum(binom.pmf(k, n, s) for k in range(n + 1) if abs(k / n - s) >= 0.1)
        assert dedup.tail(n, s, 0.1) == pytest.approx(outside)


@given(st.lists(ITEMS, max_size=8), st.sampled_from([0.1, 0.5, 1.0]))
def test_similar_pairs_are_those_of_all_comparisons(sets: list[set[str]], threshold: float) -> None:
    naive = {
        (a, b): s
        for a, b in combinations(range(len(sets)), 2)
        if sets[a] and sets[b] and (s := dedup.jaccard(sets[a], sets[b])) >= threshold
    }
    assert dedup.similar_pairs(sets, threshold) == naive


@given(st.integers(1, 12), st.sets(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=15))
def test_clusters_are_connected_and_leaders_are_far_apart(count: int, drawn: set[tuple[int, int]]) -> None:
    pairs = {(min(p), max(p)) for p in drawn if p[0] != p[1] and max(p) < count}
    groups = dedup.clusters(count, pairs)
    assert sorted(at for group in groups for at in group) == list(range(count))
    of = {at: number for number, group in enumerate(groups) for at in group}
    assert all(of[a] == of[b] for a, b in pairs)
    assert len(groups) >= count - len(pairs), "nothing is joined without a pair"
    kept = set(dedup.leaders(count, pairs))
    assert not any(a in kept and b in kept for a, b in pairs)
    for at in set(range(count)) - kept:
        assert any((other, at) in pairs for other in kept), "each that goes is like one that stays"
    assert len(kept) >= len(groups), "joining never keeps more"


def test_a_chain_is_one_cluster_and_keeps_every_other_page() -> None:
    chain = set(pairwise(range(9)))
    assert len(dedup.clusters(9, chain)) == 1 and dedup.leaders(9, chain) == [0, 2, 4, 6, 8]


def test_simhash_is_near_for_near_sets() -> None:
    near, far = (
        [(dedup.simhash(a) ^ dedup.simhash(b)).bit_count() for a, b in sets_of(similarity, 50)]
        for similarity in (0.9, 0.1)
    )
    assert max(near) < min(far) and np.mean(far) < 32
    assert dedup.simhash({"a"}) != dedup.simhash({"b"}) and dedup.simhash(set()) == 0
