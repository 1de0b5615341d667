"""Exercise 1 of lab 02: trigram counts over documents, and Katz's backoff with one discount."""

from collections import Counter

import torch

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m02_sequence_models.inputs import LIBRARIES, text


@exercise(minutes=20, difficulty=3, review=LIBRARIES)
def trigram_probabilities(documents, V, context, D):
    context = tuple(context[-2:])
    shorter = torch.full((V,), 1 / V, dtype=torch.float64)
    for length in range(len(context) + 1):
        before = context[len(context) - length :]
        counts = torch.zeros(V, dtype=torch.float64)
        for row in documents:
            for i in range(length, len(row)):
                if tuple(row[i - length : i]) == before:
                    counts[row[i]] += 1
        n, seen = counts.sum(), counts > 0
        if n == 0:
            continue
        if seen.all():
            shorter = counts / n
            continue
        left = D * seen.sum() / n
        unseen = shorter * ~seen
        shorter = (counts - D * seen) / n + left * unseen / unseen.sum()
    return shorter.float()


@trigram_probabilities.right
def from_the_longest(documents, V, context, D):
    follows = Counter()
    for row in documents:
        for i in range(len(row)):
            for n in range(3):
                if i >= n:
                    follows[(*row[i - n : i], row[i])] += 1

    def at(before):
        counts = [follows[(*before, token)] for token in range(V)]
        shorter = at(before[1:]) if before else [1 / V] * V
        n, missing = sum(counts), [token for token in range(V) if not counts[token]]
        if not n:
            return shorter
        if not missing:
            return [c / n for c in counts]
        gap = D * (V - len(missing)) / n / sum(shorter[token] for token in missing)
        return [(c - D) / n if c else gap * shorter[token] for token, c in enumerate(counts)]

    return torch.tensor(at(tuple(context)[-2:]))


def documents(draw: Draw, V: int, *lengths: int):
    """Draw documents that do not use the last id."""
    return [text(draw, length, V - 1) for length in lengths]


@trigram_probabilities.part(
    8, "Count what follows the two tokens, take D off each count, and give what is left to the tokens that never did.", "seen"
)  # fmt: skip
def seen(draw: Draw):
    # One context whose followers differ in number; one after which every token came.
    yield [[0, 1, 2, 0, 1, 2, 0, 1, 3, 0, 1, 0, 4, 4, 2]], 6, [0, 1], 0.5
    many = documents(draw, 6, 60, 40)
    yield many, 6, many[0][5:7], 0.25
    yield many, 6, [3, *many[1][8:10]], 0.75
    yield [[0, 0, 0, 1, 0, 0, 0]], 2, [0, 0], 0.5
    yield [[1, 0, 2, 1, 0, 0, 1, 0, 1, 1, 0, 0]], 3, [1, 0], 0.3


@trigram_probabilities.part(
    4, "Which shorter context has been seen, and what if there is none, or nothing before it at all?", "unseen"
)
def unseen(draw: Draw):
    many = documents(draw, 7, 30, 20)
    yield many, 7, [6, many[0][3]], 0.5
    yield many, 7, [many[0][3], 6], 0.5
    yield many, 7, [], 0.4
    yield many, 7, [many[0][9]], 0.4
    yield [], 3, [0, 1], 0.5


@trigram_probabilities.part(
    4, "A document ends where it ends: nothing follows its last token, and the next document's first has nothing before it.", "ends"
)  # fmt: skip
def ends(draw: Draw):
    yield [[2, 0, 1], [3, 0, 1], [2, 0, 1, 4, 0, 1]], 6, [0, 1], 0.5
    yield [[0, 1, 2], [0, 1, 0, 1, 1], [1], [2, 2, 1]], 4, [1], 0.5
    yield [[0, 1], [2, 0], [1, 2], [], [0, 1, 3]], 5, [0, 1], 0.25
    rows = [text(draw, draw.randint(1, 4), 3) for _ in range(40)]
    yield rows, 4, [0, 0], 0.5
    yield rows, 4, [1, 0], 0.5


INNER, LAST = "range(length, len(row))", "shorter = (counts - D * seen) / n + left * unseen / unseen.sum()"
trigram_probabilities.mistakes(f"""
Only the last two tokens of the context count.
    tuple(context[-2:]) => tuple(context)
    tuple(context[-2:]) => tuple(context[:2])
Backing off drops the token that is furthest away, and keeps the last one.
    context[len(context) - length :] => context[:length]
Nothing follows the end of a document: here the next one's first tokens were counted there.
    for row in documents: => for row in [sum(documents, [])]:
Divide by how often *something followed* the context, not by how often it stands there: it may end a document.
    n, seen = counts.sum(), counts > 0 => seen = counts > 0\\n        n = torch.tensor(float(sum(tuple(row[i - length : i]) == before for row in documents for i in range(length, len(row) + 1) if length or i < len(row)))) * (counts.sum() > 0)
The tokens of the shorter context start at its own place: here those at the beginning of a document are left out.
    {INNER} => range(2, len(row))
    {INNER} => range(length + 1, len(row))
The discount comes off each token that was seen, and the gap is all of it together: D times how many *different* ones.
    left = D * seen.sum() / n => left = D / n
    left = D * seen.sum() / n => left = D
    left = D * seen.sum() / n => left = 1 / n
What was seen keeps its count less D: here nothing was taken off, or off the share.
    (counts - D * seen) / n => counts / n
    (counts - D * seen) / n => (counts / n - D * seen)
    (counts - D * seen) / n => counts / n * (1 - left)
This is interpolation: with backoff the shorter context speaks for those tokens alone that were not seen.
    unseen = shorter * ~seen => unseen = shorter
Shares among the unseen must add up to the whole gap: divide by what the shorter context gives to them together.
    unseen / unseen.sum() => unseen
    left * unseen / unseen.sum() => left * ~seen / (~seen).sum()
Where all tokens were seen nobody needs the gap, and nothing is taken off.
    if seen.all(): => if False:
    shorter = counts / n => shorter = (counts - D) / n
After a context that was never seen the shorter one's probabilities stand as they are.
    if n == 0:\\n            continue => if n == 0:\\n            shorter = torch.full((V,), 1 / V, dtype=torch.float64)\\n            continue
    if n == 0:\\n            continue => if n == 0:\\n            shorter = torch.zeros(V, dtype=torch.float64)\\n            continue
    if n == 0:\\n            continue => if n == 0:\\n            shorter = shorter * D\\n            continue
The counts of single tokens are discounted too, and what is left goes evenly to the tokens that never occurred.
    {LAST} => {LAST}\\n        if length == 0: shorter = counts / n
    unseen = shorter * ~seen => unseen = shorter * ~seen + (length == 0)
Add-k is another smoothing: here D was added to each count.
    {LAST} => shorter = (counts + D) / (n + D * V)
""")
