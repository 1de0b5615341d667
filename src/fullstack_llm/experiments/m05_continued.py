"""Continued pretraining: the course's base reads about a second town, with more or less of the first one in between.

The towns share some people: those of the course's examples, of whom the same is true in both, and some who have only
their names in common. So there are facts that the new text does not mention, and facts that it contradicts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from transformers import LlamaForCausalLM

from fullstack_llm import models
from fullstack_llm.models.exams import begins
from fullstack_llm.models.generate import complete
from fullstack_llm.models.loop import optimizers
from fullstack_llm.models.pretrain import tokenized
from fullstack_llm.models.recipes import Pretraining, recipe
from fullstack_llm.pretraining import schedules
from fullstack_llm.pretraining.loop import State, advance, planned
from fullstack_llm.pretraining.objectives import mean_loss
from fullstack_llm.tinytown import evaluation
from fullstack_llm.tinytown.mixture import documents
from fullstack_llm.tinytown.world import Town, town
from fullstack_llm.tokenization import course_tokenizer

OLD, NEW = 0, 1  # seeds of the towns
ROWS, LENGTH, STEPS, WARMUP, TIMES = 8, 256, 25, 3, 1.0  # TIMES multiplies the peaks that base was trained with
REPLAY = (0, 1, 4)  # rows of a batch that tell of the old town
SEEDS = (0, 1, 2)
HELD_OUT, FACTS, OTHER_SEED = 16, 40, 1_000


@cache
def read(world: int, seed: int, rows: int) -> Int[Tensor, " N"]:
    """Return text about a town as ids, one more than `rows` rows have, with an <|eos|> before each document."""
    texts = (document.text for document in documents(town(world), seed=seed))
    return tokenized(texts, rows * LENGTH + 1, course_tokenizer.load(), f"town {world}")


def asked(world: Town, other: Town, group: str) -> list[evaluation.Item]:
    """Return questions about people of one town: those whom the other has not, or those of whom it says otherwise.

    `group` is `"only"` or `"contradicted"`.
    """
    names = {fact.subject for fact in other.facts}

    def wanted(item: evaluation.Item) -> bool:
        key = (str(item["subject"]), str(item["relation"]))
        if group == "only":
            return key[0] not in names
        return key in other.index and other.index[key] != world.index[key]

    return [item for item in evaluation.facts(world, None) if wanted(item)][:FACTS]


def known(model: LlamaForCausalLM, items: list[evaluation.Item]) -> float:
    """Return the share of the questions that a model answers rightly."""
    texts = complete(model, course_tokenizer.load(), [str(item["prompt"]) for item in items], 12)
    right = [begins(text, str(item["target"]).strip()) for text, item in zip(texts, items, strict=True)]
    return sum(right) / len(right)


@torch.no_grad()
def loss_on(model: LlamaForCausalLM, world: int) -> float:
    """Return the mean loss on other documents about a town, in nats a token."""
    inputs, targets = planned(read(world, OTHER_SEED, HELD_OUT), HELD_OUT, LENGTH)(0)
    return mean_loss(model(inputs.to(model.device), use_cache=False).logits, targets.to(model.device)).item()


def continued(replay: int, seed: int, until: int = STEPS) -> State:
    """Train base on the new town, with `replay` of the rows of each batch about the old one."""
    model, _ = models.load("base")
    model = model.float()
    plan = recipe("base")
    assert isinstance(plan, Pretraining)
    state = State(model, optimizers(model, replace(plan, lr=plan.lr * TIMES, muon_lr=plan.muon_lr * TIMES)))
    # Text that base has not read: other documents about the old town.
    new = planned(read(NEW, 10 + seed, STEPS * ROWS), ROWS, LENGTH)
    old = planned(read(OLD, 10 + seed, STEPS * ROWS), ROWS, LENGTH)

    def batches(number: int) -> tuple[Tensor, Tensor]:
        pairs = zip(old(number), new(number), strict=True)
        inputs, targets = (torch.cat([mine[:replay], fresh[replay:]]) for mine, fresh in pairs)
        return inputs, targets

    return advance(state, batches, partial(schedules.linear, steps=STEPS, warmup=WARMUP), until)


def examined(model: LlamaForCausalLM) -> dict[str, float]:
    """Return the losses on both towns and the shares of facts known, in groups."""
    old, new = town(OLD), town(NEW)
    return {
        "old": round(loss_on(model, OLD), 4),
        "new": round(loss_on(model, NEW), 4),
        "old_only": round(known(model, asked(old, new, "only")), 4),
        "old_contradicted": round(known(model, asked(old, new, "contradicted")), 4),
        "new_contradicting": round(known(model, asked(new, old, "contradicted")), 4),
    }


def measured(say: Callable[[str], None]) -> dict[str, Any]:
    """Return what base knows before, and after each amount of replay with each seed, with the losses on the way."""
    model, _ = models.load("base")
    found: dict[str, Any] = {"before": examined(model.float()), "after": {}, "losses": {}}
    say(f"before: {found['before']}")
    for replay in REPLAY:
        for seed in SEEDS:
            state = continued(replay, seed)
            found["after"].setdefault(str(replay), []).append(examined(state.model))
            if seed == 0:
                found["losses"][str(replay)] = [round(x, 4) for x in state.losses]
            say(f"{replay} rows of {ROWS} old, seed {seed}: {found['after'][str(replay)][-1]}")
    return {"settings": {"steps": STEPS, "rows": ROWS, "replay": list(REPLAY), "seeds": list(SEEDS)}, **found}
