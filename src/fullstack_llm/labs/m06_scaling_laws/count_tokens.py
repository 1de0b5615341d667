"""Exercise 1 of lab 06_scaling_laws: how often each token occurs."""

from collections import Counter

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise


@exercise(minutes=60, difficulty=1)
def count_tokens(tokens):
    return [[token, tokens.count(token)] for token in sorted(set(tokens))]


@count_tokens.right
def library(tokens):
    return [[token, count] for token, count in sorted(Counter(tokens).items())]


@count_tokens.right
def one_pass(tokens):
    counts = {}
    for token in tokens:
        counts[token] = counts.get(token, 0) + 1
    return [[token, counts[token]] for token in sorted(counts)]


@count_tokens.part(60, "A list of pairs [token, count], the smallest token first.")
def few(draw: Draw):
    yield ([5, 7, 5, 5],)
    yield ([draw.randrange(7) for _ in range(53)],)


@count_tokens.part(40, "Each token of the list, once or more, is counted.", "edges")
def edges(draw: Draw):
    for tokens in ([9], [draw.randrange(9)] * 4, []):
        yield (tokens,)


count_tokens.mistakes("""
Each token is counted once however often it occurs: add up, do not overwrite.
    tokens.count(token) => 1
Every count is one too low: the first of its kind counts too.
    tokens.count(token) => tokens.count(token) - 1
The last token is missing: where does your loop end?
    sorted(set(tokens)) => sorted(set(tokens[:-1])) && tokens.count => tokens[:-1].count
The order: the smallest token first, not the one met first.
    sorted(set(tokens)) => dict.fromkeys(tokens)
""")
