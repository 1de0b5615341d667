"""Facts that stand in the context alone: put somewhere into a long text, and asked for at its end.

The people are the untold: documents of Tinytown use their names and tell nothing else, so that a model which answers
has read the answer.

>>> from fullstack_llm.tinytown.world import town
>>> drawn(town(), 2, seed=1)[0]
Needle(prompt="You find Abby's house on", target=' Lantern Row')
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

import torch
from transformers import DynamicCache, LlamaForCausalLM, PreTrainedTokenizerFast

from fullstack_llm.models.padding import rectangle
from fullstack_llm.tinytown import lore
from fullstack_llm.tinytown.chance import pick, sample, stream
from fullstack_llm.tinytown.phrases import clozes, statement, with_article
from fullstack_llm.tinytown.world import Person, Town, untold

VALUES: dict[str, tuple[str, ...]] = {
    "home": lore.STREETS,
    "job": tuple(lore.JOBS),
    "pet": lore.PETS,
    "food": lore.FOODS,
    "colour": lore.COLOURS,
    "hobby": lore.HOBBIES,
}


class Needle(NamedTuple):
    """Hold a sentence in two parts: what asks for the fact, and the fact, with the space before it."""

    prompt: str
    target: str


def drawn(world: Town, count: int, seed: int, split: str = "test") -> list[Needle]:
    """Draw facts about that many untold people, one of each; the values are drawn anew for every seed."""
    rng = stream(seed, "needles", split)
    return [_fact(rng, person) for person in sample(rng, untold(world, split), count)]


def _fact(rng: random.Random, person: Person) -> Needle:
    relation = pick(rng, tuple(VALUES))
    value = pick(rng, VALUES[relation])
    name, nominative, possessive = person.name, *(("he", "his") if person.sex == "m" else ("she", "her"))
    filled = {"n": name, "s": f"{name}'s", "m": name, "r": possessive, "p": nominative, relation: value}
    filled[f"a_{relation}"] = with_article(value)
    prompt, target = pick(rng, clozes(relation))
    return Needle(statement(filled, prompt), target.format_map(filled))


def spliced(
    hay: Sequence[int], pieces: Sequence[tuple[float, Sequence[int]]], length: int, stop: int
) -> tuple[list[int], list[int]]:
    """Put pieces into a text at their depths, from 0 to 1, each after the next `stop`; cut to a length.

    Returns the text, and where in it each piece begins. `hay` is cut so that all pieces have room.

    >>> spliced([5, 9, 6, 7, 9, 8, 8, 8], [(0.5, [1, 2]), (0.0, [3])], length=8, stop=9)
    ([5, 9, 3, 6, 7, 9, 1, 2], [6, 2])
    """
    room = length - sum(len(piece) for _, piece in pieces)
    if not 0 <= room <= len(hay):
        raise ValueError(f"{length - room} tokens of pieces and {len(hay)} of text do not make {length}.")
    ends = [at + 1 for at in range(room) if hay[at] == stop] or [room]
    text, starts, done = list[int](), [0] * len(pieces), 0
    for number in sorted(range(len(pieces)), key=lambda n: pieces[n][0]):
        depth, piece = pieces[number]
        end = ends[min(bisect_left(ends, depth * room), len(ends) - 1)]
        text += hay[done:end]
        starts[number], done = len(text), end
        text += piece
    return text + list(hay[done:room]), starts


def context(
    tokenizer: PreTrainedTokenizerFast, hay: Sequence[int], needles: Sequence[Needle], length: int
) -> list[int]:
    """Return a text of `length` tokens with the needles in it at equal steps of depth, the first at the beginning."""
    sentences = tokenizer([f" {needle.prompt}{needle.target}." for needle in needles]).input_ids
    pieces = [(at / len(needles), ids) for at, ids in enumerate(sentences)]
    return spliced(hay, pieces, length, _stop(tokenizer))[0]


def _stop(tokenizer: PreTrainedTokenizerFast) -> int:
    return int(tokenizer(".").input_ids[0])


class Recall(NamedTuple):
    """Say whether every token of a target was the likeliest one, and how likely the target was, in nats (a log)."""

    right: bool
    log_probability: float


@torch.no_grad()
def recalled(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    text: Sequence[int],
    needles: Sequence[Needle],
    lead: str = " ",
) -> list[Recall]:
    """Ask for each needle at the end of the same text, with `lead` between the text and the question.

    The text goes through the model once, and all questions share its cache.
    """
    asked = tokenizer([f"{lead}{one.prompt}" for one in needles]).input_ids
    whole = tokenizer([f"{lead}{one.prompt}{one.target}" for one in needles]).input_ids
    cache = DynamicCache(config=model.config)
    model(torch.tensor([list(text)], device=model.device), past_key_values=cache, use_cache=True, logits_to_keep=1)
    cache.batch_repeat_interleave(len(needles))
    # What pads a row on the right is seen by nothing before it.
    rows = rectangle(whole, side="right")[0].to(model.device)
    logits = model(rows, past_key_values=cache, use_cache=True).logits[:, :-1]
    likeliest, logs = logits.argmax(-1) == rows[:, 1:], logits.log_softmax(-1).gather(-1, rows[:, 1:, None])[..., 0]
    places = [slice(len(start) - 1, len(ids) - 1) for start, ids in zip(asked, whole, strict=True)]
    return [Recall(bool(likeliest[row, at].all()), logs[row, at].sum().item()) for row, at in enumerate(places)]
