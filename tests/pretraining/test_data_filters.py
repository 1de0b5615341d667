"""Filters: the classifier against scikit-learn, the intervals against SciPy, and what each rule finds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression

from fullstack_llm import corpus
from fullstack_llm.models.scores import share
from fullstack_llm.pretraining import filters, mixtures


@pytest.mark.parametrize("penalty", [0.3, 1.0, 5.0])
def test_the_classifier_is_scikit_learns(penalty: float) -> None:
    rng = np.random.default_rng(0)
    x = np.column_stack([(rng.random((200, 30)) < 0.3).astype(float), np.ones(200)])
    y = (x[:, 0] + x[:, 1] + rng.normal(size=200) > 0.8).astype(float)
    mine = filters.logistic(x, y, penalty)
    library = LogisticRegression(C=1 / penalty, tol=1e-12, max_iter=10_000).fit(x[:, :-1], y)
    np.testing.assert_allclose(mine[:-1], library.coef_[0], atol=1e-4)
    assert mine[-1] == pytest.approx(library.intercept_[0], abs=1e-4)
    # Control: another penalty gives other weights.
    assert np.abs(filters.logistic(x, y, 2 * penalty) - mine).max() > 1e-2


@pytest.mark.parametrize(("hits", "of"), [(0, 9), (3, 9), (9, 9), (200, 300)])
def test_intervals_are_wilsons(hits: int, of: int) -> None:
    mine = share([True] * hits + [False] * (of - hits))
    theirs = binomtest(hits, of).proportion_ci(method="wilson")
    assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high), abs=1e-4)


def test_counted_counts_each_page_once() -> None:
    found = filters.counted([1, 1, 2], [2, 2, 3])
    assert (found.right, found.wrong, found.missed) == (1, 1, 1)
    assert found.precision == found.recall == 0.5


def test_languages_are_told_apart_by_sentences_that_were_not_learnt() -> None:
    sentences = corpus.parallel()
    learned = filters.learn_languages({code: lines[:30] for code, lines in sentences.items()})
    right = [filters.language(" ".join(lines[30:]), learned) == code for code, lines in sentences.items()]
    assert all(right)
    # Control: with nothing learnt of a language it is taken for another.
    without = filters.learn_languages({code: lines[:30] for code, lines in sentences.items() if code != "es"})
    assert filters.language(" ".join(sentences["es"][30:]), without) != "es"


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("Ada is a teacher. She lives on Lantern Row. The school is on the hill.", []),
        ("Bo is a baker. Bo is a baker. Bo is a baker. Bo is a baker.", ["repeats"]),
        ("and lives on the hill. The end of it", ["small first letter"]),
        ("Home | Contact | Login", ["no full stop", "few common words"]),
    ],
)
def test_rules(text: str, broken: list[str]) -> None:
    assert filters.rules(text) == broken


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Call Ada at 555-4821.", ["telephone"]),
        ("Call 555 4821 now", ["telephone"]),
        ("Write to ada@tinytown.example.", ["e-mail"]),
        ("Her number is TT-4821-77.", ["number"]),
        ("Meet at the mill @ noon. Box TT-4821 is empty. 1555-4821", []),
        ("five five five, then 4821; ada at tinytown dot example", []),
    ],
)
def test_personal_data(text: str, kinds: list[str]) -> None:
    assert [kind for kind, pattern in filters.PERSONAL.items() if pattern.search(text)] == kinds


def test_contamination_needs_a_run_as_long_as_asked_for() -> None:
    texts = ["Q: which job does Sid HAVE, then?", "Which job does Bo have?"]
    assert filters.contaminated(texts, ["Which job does Sid have?"], 5) == [0]
    assert filters.contaminated(texts, ["Which job does Sid have?"], 3) == [0, 1]
    assert filters.contaminated(texts, ["Which job does Sid have?"], 6) == [], "the item has only five words"


def test_weights_stay_shares_and_grow_with_the_excess() -> None:
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(4))
    after = mixtures.reweighted(weights, np.array([0.0, 0.5, 1.0, -3.0]), rate=0.7, smoothing=0.0)
    assert after.sum() == pytest.approx(1)
    ratios = after / weights
    assert ratios[0] == pytest.approx(ratios[3]) and ratios[2] > ratios[1] > ratios[0]
    assert ratios[2] / ratios[0] == pytest.approx(np.exp(0.7))
    assert mixtures.reweighted(np.array([1.0, 0.0]), np.zeros(2), smoothing=0.1).tolist() == pytest.approx([0.95, 0.05])


def test_tempered_shares() -> None:
    sizes = {"a": 900, "b": 100}
    assert mixtures.tempered(sizes, 1.0) == {"a": 0.9, "b": 0.1}
    assert mixtures.tempered(sizes, 0.0) == {"a": 0.5, "b": 0.5}
