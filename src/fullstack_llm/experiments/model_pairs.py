"""Train `sft` by DPO on two kinds of pairs: of its own answers, and of answers that were written for it."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Literal

import torch
from transformers import LlamaForCausalLM

from fullstack_llm import models
from fullstack_llm.models import exams, pairs
from fullstack_llm.models.generate import reply
from fullstack_llm.models.loop import train
from fullstack_llm.models.recipes import Preferring, RewardModelling, recipe
from fullstack_llm.tinytown import evaluation
from fullstack_llm.tinytown.world import town

Kind = Literal["own", "written"]


def plan(seed: int, steps: int | None = None) -> Preferring:
    """Return the recipe of `dpo` with another seed, or with fewer steps."""
    found = recipe("dpo")
    assert isinstance(found, Preferring)
    return replace(found, seed=seed, steps=steps or found.steps)


def couples(kind: Kind, seed: int, steps: int | None = None) -> list[pairs.Couple]:
    """Return the pairs of a run: `sft`'s own answers, as for `dpo`, or written ones, of the kind that `reward` read."""
    parent, words = models.load("sft")
    made = plan(seed, steps)
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


def said(model: LlamaForCausalLM, count: int) -> list[pairs.Row]:
    """Return a model's greedy answers to held-out questions, which are in neither kind of pair."""
    _, words = models.load("sft")
    asked = [str(item["prompt"]) for item in islice(evaluation.questions(town(), count, split=None), count)]
    answers = [text.removesuffix(exams.END) for text in reply(model, words, asked, 64)]
    return [pairs.turn(words, prompt, text) for prompt, text in zip(asked, answers, strict=True)]
