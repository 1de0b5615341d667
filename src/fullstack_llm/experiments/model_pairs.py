"""Train `sft` by DPO on two kinds of pairs: of its own answers, and of answers that were written for it."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Literal

import torch
from transformers import LlamaForCausalLM

from fullstack_llm import models
from fullstack_llm.models import exams, pairs
from fullstack_llm.models.generate import reply
from fullstack_llm.models.loop import train
from fullstack_llm.models.recipes import Preferring, RewardModelling, recipe
from fullstack_llm.tinytown import evaluation
from fullstack_llm.tinytown.gold import gold, total
from fullstack_llm.tinytown.world import town

Kind = Literal["own", "written"]


def plan(seed: int) -> Preferring:
    """Return the recipe of `dpo` with another seed."""
    found = recipe("dpo")
    assert isinstance(found, Preferring)
    return replace(found, seed=seed)


def couples(kind: Kind, seed: int) -> list[pairs.Couple]:
    """Return the pairs of a run: `sft`'s own answers, as for `dpo`, or written ones, of the kind that `reward` read."""
    parent, words = models.load("sft")
    made = plan(seed)
    if kind == "own":
        return pairs.own_couples(parent, words, made)
    like = RewardModelling(name="pairs", steps=made.steps, batch=made.batch, lr=made.lr, seed=seed, people=made.people)
    return pairs.couples(words, like)


def trained(kind: Kind, seed: int, data: list[pairs.Couple]) -> LlamaForCausalLM:
    """Return `sft` after DPO on the pairs, by the recipe of `dpo`."""
    model, _ = models.load("sft")
    made = plan(seed)
    with tempfile.TemporaryDirectory() as folder:
        train(model, made, pairs.dpo_on(model, data, made), Path(folder) / f"{kind}.pt")
    return model.eval()


@torch.inference_mode()
def nats(model: LlamaForCausalLM, rows: list[pairs.Row]) -> list[float]:
    """Return minus the log-probability of each answer: how surprised a model would be to say it."""
    pieces = [rows[at : at + 64] for at in range(0, len(rows), 64)]
    return (-torch.cat([pairs.log_probabilities(model, piece) for piece in pieces])).tolist()


def asked(count: int) -> list[str]:
    """Return held-out questions: two in three about told people, the others half about untold people, half strangers.

    >>> len(asked(12))
    12
    """
    world = town()
    unknown = evaluation.unknowns(world)
    nobody = [[item for item in unknown if item["in_town"] is at_home][: count // 6] for at_home in (True, False)]
    items = [*evaluation.questions(world, count - 2 * (count // 6), split=None), *nobody[0], *nobody[1]]
    return [str(item["prompt"]) for item in items]


def answers(model: LlamaForCausalLM, prompts: list[str]) -> list[str]:
    """Return a model's greedy answers, without the token that ends them."""
    _, words = models.load("sft")
    return [text.removesuffix(exams.END) for text in reply(model, words, prompts, 64)]


def worth(prompts: list[str], texts: list[str]) -> float:
    """Return the mean gold reward of answers, in points a question."""
    return fmean(total(gold(town(), prompt, text)) for prompt, text in zip(prompts, texts, strict=True))
