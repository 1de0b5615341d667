"""Decide for each page whether to read it: language, quality, insults, personal data, items of a test.

>>> [name for name, pattern in PERSONAL.items() if pattern.search("Call Ada at 555-4821.")]
['telephone']
"""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

BUCKETS = 1024
PERSONAL = {
    "telephone": re.compile(r"\b555[- ]\d{4}\b"),
    "e-mail": re.compile(r"\b[\w.]+@[\w.]+\.\w+\b"),
    "number": re.compile(r"\bTT-\d{4}-\d{2}\b"),
}
INSULTING = ("noodle", "turnip", "pickle")


class Counted(NamedTuple):
    """Hold what a filter found: right, wrong, and missed."""

    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float:
        """Return the share of what was found that is right.

        >>> Counted(8, 2, 0).precision
        0.8
        """
        return self.right / (self.right + self.wrong)

    @property
    def recall(self) -> float:
        """Return the share of what is there that was found."""
        return self.right / (self.right + self.missed)


def counted(found: Iterable[object], truth: Iterable[object]) -> Counted:
    """Count what a filter found against what was planted.

    >>> counted([1, 2, 3], [2, 3, 4, 5])
    Counted(right=2, wrong=1, missed=2)
    """
    found, truth = set(found), set(truth)
    return Counted(len(found & truth), len(found - truth), len(truth - found))


def trigrams(text: str) -> Counter[str]:
    """Count the runs of three characters, with a space before and after the text."""
    padded = f" {text.lower()} "
    return Counter(padded[at : at + 3] for at in range(len(padded) - 2))


Languages = Mapping[str, tuple[Mapping[str, float], float]]


def learn_languages(samples: Mapping[str, Sequence[str]]) -> Languages:
    """Return for each language the log-probability of each trigram of its sample, and that of a trigram it lacks.

    One is added to each count, so that no trigram is impossible (a naive Bayes classifier with equal priors).
    """
    counts = {code: trigrams(" ".join(texts)) for code, texts in samples.items()}
    kinds = len(set().union(*counts.values()))
    found = {}
    for code, of in counts.items():
        total = of.total() + kinds
        found[code] = ({gram: math.log((n + 1) / total) for gram, n in of.items()}, math.log(1 / total))
    return found


def language(text: str, learned: Languages) -> str:
    """Return the language in which the text's trigrams are likeliest.

    >>> language("die Schulen", learn_languages({"en": ["the school"], "de": ["die Schule"]}))
    'de'
    """
    wanted = trigrams(text)
    scores = {
        code: sum(n * logs.get(gram, absent) for gram, n in wanted.items()) for code, (logs, absent) in learned.items()
    }
    return max(scores, key=scores.__getitem__)


def rules(text: str) -> list[str]:
    """Return the names of the simple rules of quality that a text breaks, in the manner of Gopher's (Rae et al. 2021).

    >>> rules("Ada is here. Ada is here. Ada is here."), rules("nd Ada is not at home")
    (['repeats'], ['no full stop', 'small first letter'])
    """
    words, sentences = text.split(), [part for part in re.split(r"(?<=[.!?])\s+|\n", text) if part]
    found = []
    if len(sentences) > 2 and len(set(sentences)) < 0.6 * len(sentences):
        found.append("repeats")
    if not re.search(r"[.!?]", text):
        found.append("no full stop")
    if text[:1].islower():
        found.append("small first letter")
    if sum(word in COMMON for word in words) < 0.05 * len(words):
        found.append("few common words")
    return found


COMMON = frozenset(
    ["the", "a", "is", "of", "and", "to", "in", "on", "at", "for", "has", "his", "her", "with", "be", "was", "it", "he"]
)


def features(texts: Sequence[str], buckets: int = BUCKETS) -> Float[ndarray, "N F"]:
    """Return for each text a one in the bucket of each word pair and character trigram, and a one for the bias."""
    found = np.zeros((len(texts), buckets + 1))
    found[:, -1] = 1
    for row, text in zip(found, texts, strict=True):
        words = ["<", *text.split(), ">"]
        pairs = (f"{a} {b}" for a, b in pairwise(words))
        for gram in {*pairs, *(text[at : at + 3] for at in range(len(text) - 2))}:
            row[zlib.crc32(gram.encode()) % buckets] = 1
    return found


def logistic(
    x: Float[ndarray, "N F"], y: Float[ndarray, " N"], penalty: float = 1.0, steps: int = 25
) -> Float[ndarray, " F"]:
    """Fit a logistic regression by Newton's method; `penalty` weighs half the square of all weights but the last.

    >>> weights = logistic(np.array([[-1.0, 1], [1, 1]]), np.array([0.0, 1]))
    >>> bool(weights[0] > 0), round(float(weights[1]), 6)
    (True, 0.0)
    """
    weights, shrink = np.zeros(x.shape[1]), np.full(x.shape[1], penalty)
    shrink[-1] = 0.0
    for _ in range(steps):
        p = 1 / (1 + np.exp(-x @ weights))
        slope = x.T @ (p - y) + shrink * weights
        curvature = (x * (p * (1 - p))[:, None]).T @ x + np.diag(shrink + 1e-12)
        move = np.linalg.solve(curvature, slope)
        weights = weights - move
        if np.abs(move).max() < 1e-8:
            break
    return weights


def runs_of_words(text: str, width: int) -> set[str]:
    """Return the runs of `width` words, without punctuation and case.

    >>> sorted(runs_of_words("Which job does Sid have?", 4))
    ['job does sid have', 'which job does sid']
    """
    words = re.findall(r"\w+", text.lower())
    return {" ".join(words[at : at + width]) for at in range(len(words) - width + 1)}


def contaminated(texts: Sequence[str], items: Iterable[str], width: int) -> list[int]:
    """Return the indices of texts that share a run of `width` words with an item of a test."""
    wanted = set().union(*(runs_of_words(item, width) for item in items))
    return [at for at, text in enumerate(texts) if wanted & runs_of_words(text, width)]
