"""Exercise 5 of lab 10: beams in which what has ended keeps its place, compared at their length."""

import math

import torch

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m10_decoding.inputs import LIBRARIES


@exercise(minutes=25, difficulty=4, review=LIBRARIES)
def beam_texts(start, table, end, width, most, alpha):
    beam = [([], 0.0)]
    for _ in range(most):
        grown = []
        for tokens, total in beam:
            if tokens and tokens[-1] == end:
                grown.append((tokens, total))
                continue
            row = table[tokens[-1]] if tokens else start
            for token, value in enumerate(row.tolist()):
                if value > -math.inf:
                    grown.append(([*tokens, token], total + value))
        beam = sorted(grown, key=lambda one: (-score(*one, end, alpha), one[0]))[:width]
    return [(tokens, score(tokens, total, end, alpha)) for tokens, total in beam]


def score(tokens, total, end, alpha):
    length = len([token for token in tokens if token != end])
    return total / ((5 + length) / 6) ** alpha


beam_texts.uses = (score,)


@beam_texts.right
def with_columns(start, table, end, width, most, alpha):
    # Candidates as one column of sums; Python breaks ties by what stands beside them.
    width = min(width, len(start) ** most)
    texts, sums = [()], torch.zeros(1, dtype=torch.float64)
    while any(len(t) < most and t[-1:] != (end,) for t in texts):
        rows = torch.stack([table[t[-1]] if t else start for t in texts]).double()
        for n, t in enumerate(texts):
            if t[-1:] == (end,):
                rows[n] = -torch.inf
                rows[n, end] = 0.0
        sums = (sums[:, None] + rows).flatten()
        texts = [t if t[-1:] == (end,) else (*t, v) for t in texts for v in range(len(start))]
        sizes = torch.tensor([sum(v != end for v in t) for t in texts])
        scores = (sums / ((5.0 + sizes) / 6.0) ** alpha).tolist()
        kept = sorted((-s, t, n) for n, (s, t) in enumerate(zip(scores, texts)) if s > -math.inf)[:width]
        texts, sums = [t for _, t, _ in kept], sums[[n for *_, n in kept]]
        if not texts:
            return []
    sizes = [len(t) - (t[-1] == end) for t in texts]
    return [(list(t), s.item() * (6 / (5 + n)) ** alpha) for t, s, n in zip(texts, sums, sizes)]


def drawn(draw: Draw, V: int, shut: float = 0.0):
    """Draw logarithms in steps of 1/64, so that sums are exact; a share of the table is forbidden."""

    def rows(count: int):
        numbers = [-draw.randint(1, 256) / 64 for _ in range(count * V)]
        return torch.tensor([-math.inf if draw.random() < shut else one for one in numbers]).reshape(count, V)

    return rows(1)[0], rows(V)


def telling(draw: Draw, V: int, end: int, width: int, most: int, alpha: float):
    """Draw a table whose beam holds long and short texts, and on which a wrong rule shows."""
    while True:
        start, table = drawn(draw, V)
        beams = [beam_texts(start, table, end, width, n, alpha) for n in range(1, most + 1)]
        beam, ended = beams[-1], [n for n, one in enumerate(beams, 1) if one[0][0][-1] == end]
        greedy = beam_texts(start, table, end, 1, most, alpha)
        wide = beam_texts(start, table, end, width + 2, most, alpha)[:width]
        several = len({len(tokens) for tokens, _ in beam}) > 1 and greedy[0] != beam[0] and wide != beam
        if several and ended and ended[0] < most - 1 and sum(tokens[-1] == end for tokens, _ in beam) > 1:
            return start, table, end, width, most, alpha


@beam_texts.part(
    9, "Write down the beam after each token: what has ended stays in it as it is. Which candidates has the next one?", "ends"
)  # fmt: skip
def with_ends(draw: Draw):
    yield telling(draw, 5, 2, 3, 4, 0.0)
    yield telling(draw, 5, 3, 4, 5, 1.0)
    yield telling(draw, 7, 0, 5, 5, 0.6)
    # Forbidden tokens, fewer texts than the beam has places, an end that nothing reaches, one at the very first place.
    start, table = drawn(draw, 5, 0.7)
    start[1], table[1, 4], table[4, 1] = -0.5, -0.25, -0.75
    yield start, table, 2, 17, 4, 0.8
    start, table = drawn(draw, 3)
    table[:, 1] = start[1] = -math.inf
    yield start, table, 1, 3, 3, 0.7
    start, table = drawn(draw, 3)
    start[0] = -1 / 64
    yield start, table, 0, 2, 3, 1.5
    yield *(one * 0 - 0.5 for one in drawn(draw, 3)), 2, 4, 3, 0.9
    yield *drawn(draw, 2), 1, 1, 1, 1.0


@beam_texts.part(
    7, "Nothing ends in these before the last token: the beam is what a search by hand keeps. Then what is a text's score?",
    "beams",
)  # fmt: skip
def without_ends(draw: Draw):
    for V, width, most, alpha in ((5, 3, 4, 0.0), (7, 2, 5, 1.0), (3, 4, 5, 0.7), (5, 1, 3, 0.5)):
        while True:
            start, table = drawn(draw, V)
            start[V - 1] = table[:, V - 1] = -math.inf
            beam = beam_texts(start, table, V - 1, width, most, alpha)
            if width == 1 or beam[0] != beam_texts(start, table, V - 1, 1, most, alpha)[0]:
                break
        yield start, table, V - 1, width, most, alpha
    # Texts that are equally likely, and a beam that is wider than there are texts.
    yield torch.full((3,), -0.5), torch.full((3, 3), -0.25), 7, 4, 3, 1.0
    yield torch.tensor([-0.5, -0.25]), torch.tensor([[-0.25, -0.25], [-0.5, -0.5]]), 7, 3, 2, 1.0
    yield *drawn(draw, 2), 7, 11, 3, 0.5


SORTED, GROWN = "(-score(*one, end, alpha), one[0])", "tokens and tokens[-1] == end:"
ENDED = "grown.append((tokens, total))\\n                continue"
LENGTH, SCORE = "len([token for token in tokens if token != end])", "total / ((5 + length) / 6) ** alpha"
beam_texts.mistakes(f"""
A beam of this many tokens: `most` counts all of them, the first and the end too.
    for _ in range(most): => for _ in range(most + 1):
    for _ in range(most): => for _ in range(most - 1):
The search goes on for `most` tokens: that the best text has ended, or some other, is no reason to stop.
    grown = []\\n => if beam[0][0][-1:] == [end]:\\n            break\\n        grown = []\\n
    grown = []\\n => if any(one[0][-1:] == [end] for one in beam):\\n            break\\n        grown = []\\n
What has ended keeps its place in the beam, and is compared with the others: here it was put aside, and lost.
    {ENDED} => continue
The texts are returned by their scores, the best first.
    return [( => beam = sorted(beam, key=lambda one: (score(*one, end, alpha), one[0]))\\n    return [(
    return [( => beam = sorted(beam, key=lambda one: (-one[1], one[0]))\\n    return [(
    return [( => beam = sorted(beam)\\n    return [(
What has ended keeps one place: here it was put aside and its place given to another.
    beam = sorted( => done = [one for one in grown if one[0][-1] == end]\\n        beam = sorted( && ))[:width]\\n => ))\\n        beam = done + [one for one in beam if one not in done][:width] if done else beam[:width]\\n
The end is a candidate like any other token: here no text can end.
    if value > -math.inf: => if value > -math.inf and token != end:
What has ended is not continued.
    if {GROWN} => if False:
What has ended stays as it is: no second end is put behind it.
    {ENDED} => grown.append((tokens + [end], total))\\n                continue
The end is a token of the text, too, with a chance of its own: it stays in the list.
    return [(tokens, score => return [([token for token in tokens if token != end], score
A text of `most` tokens is at its end, whether or not it has ended: both kinds are returned.
    return [(tokens, score(tokens, total, end, alpha)) for tokens, total in beam] => return [(tokens, score(tokens, total, end, alpha)) for tokens, total in beam if tokens[-1] == end]
    return [(tokens, score(tokens, total, end, alpha)) for tokens, total in beam] => return [(tokens, score(tokens, total, end, alpha)) for tokens, total in beam if tokens[-1] == end] or [(tokens, score(tokens, total, end, alpha)) for tokens, total in beam]
The end does not count in the length.
    {LENGTH} => len(tokens)
    {LENGTH} => len(tokens) if alpha else 0
The beam is chosen by score at every token, not by the sum alone, which prefers what is short.
    {SORTED} => (-one[1], one[0])
    beam = sorted(grown, key=lambda one: {SORTED})[:width] => beam = sorted(grown, key=lambda one: (-one[1], one[0]))[:width]\\n    beam = sorted(beam, key=lambda one: {SORTED})
The score is divided by ((5 + n) / 6) to the power alpha: here nothing, or something else, divides the sum.
    return {SCORE} => return total
    return [(tokens, score(tokens, total, end, alpha)) for => return [(tokens, total) for
    return {SCORE} => return total / max(1, length) ** alpha
    return {SCORE} => return total / (5 + length) ** alpha
    return {SCORE} => return total / (5 + length) / 6 ** alpha
    return {SCORE} => return total / (5 + length / 6) ** alpha
    return {SCORE} => return total * ((5 + length) / 6) ** alpha
    return {SCORE} => return total - alpha * length
    return {SCORE} => return total / ((5 + length) ** alpha / 6)
    return {SCORE} => return total / ((6 + length) / 6) ** alpha
    return {SCORE} => return total / ((5 + length) / 6)
    return {SCORE} => return total / (1 + length) ** alpha
The best texts have the largest scores, which are negative here: nothing is turned round.
    beam = sorted(grown, key=lambda one: {SORTED})[:width] => beam = sorted(grown, key=lambda one: (score(*one, end, alpha), one[0]))[:width]
    beam = sorted(grown, key=lambda one: {SORTED})[:width] => beam = sorted(grown, key=lambda one: {SORTED}, reverse=True)[:width]
    return [(tokens, score(tokens, total, end, alpha)) for => return [(tokens, -score(tokens, total, end, alpha)) for
A score is a float, not a tensor.
    return [(tokens, score(tokens, total, end, alpha)) for => return [(tokens, torch.tensor(score(tokens, total, end, alpha))) for
The logarithms of a text add up: here only the last one counts, or chances are mixed with logarithms.
    total + value)) => value))
    total + value)) => total * value if total else value))
    total + value)) => total * value))
    total + value)) => total + math.exp(value)))
    total + value)) => total + math.log(-value)))
    return [(tokens, score(tokens, total, end, alpha)) for => return [(tokens, math.exp(score(tokens, total, end, alpha))) for
A whole beam goes on: all candidates of all texts are compared, and the best of them are kept.
    [:width] => [:1]
    beam = [([], 0.0)] => beam, width = [([], 0.0)], 1
Candidates of different texts compete for the same places: here each text kept its own best one.
    beam = sorted(grown => best = {{}}\\n        for one in sorted(grown, key=lambda one: {SORTED}):\\n            best.setdefault(tuple(one[0][:-1]), one)\\n        beam = sorted(best.values() if len(beam) >= width else grown
    grown = []\\n => grown, sole = [], len(beam) >= width\\n && for token, value in enumerate(row.tolist()): => for token, value in sorted(enumerate(row.tolist()), key=lambda one: -one[1])[: 1 if sole else len(row)]:
The beam has `width` places: here there are more or fewer.
    [:width] => [: width + 1]
    [:width] => [: width - 1]
    [:width] =>
The whole beam is returned, as a list.
    return [(tokens, score(tokens, total, end, alpha)) for tokens, total in beam] => return [(tokens, score(tokens, total, end, alpha)) for tokens, total in beam][0]
    return [(tokens, score(tokens, total, end, alpha)) for tokens, total in beam] => return [(tokens, score(tokens, total, end, alpha)) for tokens, total in beam][:1]
The next token's logarithms are in the row of the last token; a row is what comes next, and a column what came before.
    table[tokens[-1]] if => table[:, tokens[-1]] if
    table[tokens[-1]] if => table[tokens[0]] if
    table[tokens[-1]] if tokens else start => start
Forbidden tokens are no candidates: where fewer texts are left than the beam has places, fewer are returned.
    if value > -math.inf: => if True:
Of texts with equal scores the one whose tokens are smaller comes first, as Python compares lists.
    {SORTED} => (-score(*one, end, alpha), [-token for token in one[0]])
    {SORTED} => -score(*one, end, alpha)
    {SORTED} => (-score(*one, end, alpha), -len(one[0]), [-token for token in one[0]])
Tokens are lists of ints, and each entry of the beam is a tuple: (tokens, score).
    return [(tokens, score => return [(tuple(tokens), score
    return [(tokens, score(tokens, total, end, alpha)) for => return [[tokens, score(tokens, total, end, alpha)] for
    return [(tokens, score(tokens, total, end, alpha)) for => return [(score(tokens, total, end, alpha), tokens) for
    return [(tokens, score(tokens, total, end, alpha)) for => return [tokens for
""")
