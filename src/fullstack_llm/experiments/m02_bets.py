"""What a table, an LSTM and the course's model bet on next, for texts that begin alike: a tree of beginnings."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from fullstack_llm import models
from fullstack_llm.experiments import m02_distance as far
from fullstack_llm.experiments import m02_ladder as ladder
from fullstack_llm.recurrence import ngrams
from fullstack_llm.tokenization import course_tokenizer

MODELS = ("table", "LSTM", "transformer")
ORDER, SHARE = 7, 8  # the table has counted an eighth of the text
TEXTS = (
    "Ada lives on Lantern Row.",
    "Ada is a teacher. She lives on Lantern Row.",
    "You find Ada's home on Lantern Row.",
    "Bo works at the bakery.",
    "At home Ada looks after a hen.",
    "On Sundays you often see Ada with Dot.",
    "Zed lives on",
    "12 + 34\n2 + 4 = 6 write 6",
)
Ids = tuple[int, ...]


@dataclass
class Beginning:
    """Hold the ids of a beginning, without the <|eos|> before it, and what each model gives the next token."""

    ids: Ids
    bets: Float[Tensor, "3 V"]


@cache
def counted() -> Callable[[Ids], Float[ndarray, " V"]]:
    """Return the table's bets as a function of all ids before the next."""
    text = ladder.text(0, far.STEPS // SHARE)[: far.STEPS * ladder.ROWS * ladder.LENGTH // SHARE]
    table = ngrams.count(text, ORDER, len(course_tokenizer.load()))
    way = ngrams.kneser_ney(table)
    return lambda ids: way(table, ids)


@cache
def networks() -> tuple[Any, Any]:
    """Return the LSTM and the transformer."""
    return far.shipped(), models.load("base")[0]


@torch.no_grad()
def beginnings(paths: Iterable[Ids]) -> dict[Ids, Beginning]:
    """Return all beginnings of some rows of ids, the empty one and the whole rows among them."""
    eos, found = course_tokenizer.load().eos_token_id, dict[Ids, Beginning]()
    for path in paths:
        row = torch.tensor([[eos, *path]])
        given = [model(row).logits[0].softmax(-1) for model in networks()]
        for end in range(len(path) + 1):
            if path[:end] not in found:
                shares = torch.from_numpy(counted()((eos, *path[:end]))).float()
                found[path[:end]] = Beginning(path[:end], torch.stack([shares, *(row[end] for row in given)]))
    return found


def tree(size: int) -> list[Beginning]:
    """Return `size` beginnings: those of `TEXTS`, then the likeliest that the models' own favourites lead to.

    A beginning comes after the one that it continues. Next is always the favourite of a model whose tokens have the
    largest product of the models' mean bets; a line break ends a text.
    """
    words = course_tokenizer.load()
    found = beginnings(tuple(words(text).input_ids) for text in TEXTS)
    ends = {words.eos_token_id, *words("\n").input_ids}
    waiting: list[tuple[float, Ids]] = []

    def offer(chance: float, one: Beginning) -> None:
        best = one.bets.mean(0)
        for token in {int(bet.argmax()) for bet in one.bets} - ends:
            heapq.heappush(waiting, (-chance * best[token].item(), (*one.ids, token)))

    for one in list(found.values()):
        offer(1.0, one)
    while len(found) < size:
        chance, ids = heapq.heappop(waiting)
        if ids not in found:
            found[ids] = beginnings([ids])[ids]
            offer(-chance, found[ids])
    return sorted(found.values(), key=lambda one: (len(one.ids), one.ids))
