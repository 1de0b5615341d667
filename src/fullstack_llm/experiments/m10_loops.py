"""Loops: what `base` writes about a person when it may not stop, and what penalties make of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import torch

from fullstack_llm.decoding import samplers
from fullstack_llm.decoding.batching import generate
from fullstack_llm.experiments.m10_sampling import SEEDS, encoded, judged, loaded, opening, over_people, people, tally
from fullstack_llm.models.generate import Choose, likeliest, sampler

LONG, SPAN = 200, 8


def repeated(tokens: Sequence[int], n: int = SPAN) -> float:
    """Return the share of n-grams that occurred before in the same text.

    >>> repeated([1, 2, 1, 2, 1, 2], n=2)
    0.6
    """
    grams = [tuple(tokens[at : at + n]) for at in range(len(tokens) - n + 1)]
    return 1 - len(set(grams)) / len(grams)


# From what is written (B, T), what of it is the prompt, and the scores (B, V) to scores.
Penalty = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
PENALTIES: dict[str, Penalty] = {
    "none": lambda ids, new, scores: scores,
    "repetition 1.2": lambda ids, new, scores: samplers.repetition(scores, samplers.counts(ids, 512), 1.2),
    "frequency 0.5": lambda ids, new, scores: samplers.frequency(scores, samplers.counts(new, 512), 0.5),
    "presence 0.5": lambda ids, new, scores: samplers.frequency(scores, samplers.counts(new, 512), 0.0, 0.5),
    "no 6-gram twice": lambda ids, new, scores: samplers.no_repeat(scores, ids, 6),
}
ARMS = [(penalty, 0.0) for penalty in PENALTIES] + [("none", 0.7), ("none", 1.0)]


def chooser(penalty: str, temperature: float, width: int, seed: int) -> Choose:
    """Return a choice that never stops: <|eos|> is forbidden, then the penalty, then the temperature (0 is greedy)."""
    end = loaded()[1].eos_token_id
    draw = sampler(seed)

    def choose(ids: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        logits = PENALTIES[penalty](ids, ids[:, width:], logits)
        logits[:, end] = -torch.inf
        return likeliest(ids, logits) if temperature == 0 else draw(ids, logits / temperature)

    return choose


def written(penalty: str, temperature: float, seed: int, count: int | None = None) -> list[list[int]]:
    """Return 200 tokens about each person."""
    rows = encoded([opening(name) for name in people(count)])
    width = max(map(len, rows))
    return generate(loaded()[0], rows, LONG, [], chooser(penalty, temperature, width, seed))


def looped(penalty: str, temperature: float, seed: int, count: int | None = None) -> list[dict[str, float]]:
    """Return for each person how much is repeated, and of the whole sentences the shares that are true and false."""
    tok, rows = loaded()[1], []
    for name, tokens in zip(people(count), written(penalty, temperature, seed, count), strict=True):
        said = re.findall(r"[^.\n]+\.", name + tok.decode(tokens))
        rows.append({"repeated": repeated(tokens), **tally([judged(text.strip(), name) for text in said])})
    return rows


def loops(say: Callable[[str], None]) -> dict[str, Any]:
    """Return the means over people of what `looped` finds, for each arm, with an interval over people."""
    table: dict[str, Any] = {}
    for penalty, temperature in ARMS:
        seeds = SEEDS if temperature else SEEDS[:1]
        row = table[f"{penalty}, T {temperature}"] = over_people([looped(penalty, temperature, seed) for seed in seeds])
        say(f"{penalty} T {temperature}: {[(key, one['value']) for key, one in row.items()]}")
    sample = loaded()[1].batch_decode([written(penalty, t, 0, 1)[0] for penalty, t in ARMS])
    return {
        "settings": {"tokens": LONG, "people": len(people()), "seeds": list(SEEDS)},
        "rows": table,
        "texts": dict(zip(table, [text[:400] for text in sample], strict=True)),
    }
