"""Forgetting: what base could do, after a fine-tuning on questions that has nothing to do with it; and replay.

Replay puts documents of pretraining among the conversations, every token of which is to be learned.
"""

from __future__ import annotations

from functools import cache
from itertools import islice
from typing import Any

from transformers import LlamaForCausalLM

from fullstack_llm.experiments import m14_assistant as town_hall
from fullstack_llm.finetuning.tune import Plan, tune
from fullstack_llm.models.chat import Row
from fullstack_llm.models.exams import last_result
from fullstack_llm.models.generate import complete
from fullstack_llm.pretraining.loop import State
from fullstack_llm.tinytown import evaluation
from fullstack_llm.tinytown.mixture import documents
from fullstack_llm.tinytown.world import town

STEPS, BATCH = 150, 16
STOPS = (25, 75)
# Peak rate, and one row of how many is a document (0: none).
PLANS = ((3e-4, 0), (1e-3, 0), (3e-3, 0), (1e-3, 8), (3e-3, 8))
SEEDS = (0, 1, 2)
LENGTH = 64  # tokens of a document that is replayed
KINDS = ("biography", "quiz", "letter", "sum_steps", "code")
DOCUMENTS, SUMS = 12, 60  # of each kind; two-digit additions with steps
UNREAD = 5_000  # seed of documents that no model here has read


def as_row(text: str, length: int) -> Row:
    """Return the beginning of a document as a row of which every token is to be learned."""
    ids = [town_hall.TOKENIZER.eos_token_id, *town_hall.TOKENIZER(text).input_ids][:length]
    return Row(tuple(ids), (True,) * len(ids))


@cache
def held_out(kind: str) -> tuple[Row, ...]:
    """Return rows of documents of a kind that no model here has read."""
    found = (document.text for document in documents(town(), seed=UNREAD) if document.kind == kind)
    return tuple(as_row(text, 256) for text in islice(found, DOCUMENTS))


def rows(replay: int, seed: int, count: int = 800) -> list[Row]:
    """Return conversations about facts, with and without an answer; one row in `replay` is a document."""
    world = town()
    known = town_hall.asked(world, town_hall.told_pairs(world, "train"), 3 * count // 4, seed, "fact")
    nobody = town_hall.asked(world, town_hall.unknown_pairs(world, "train"), count // 4, seed, "unknown")
    old = (document.text for document in documents(world, seed=UNREAD + 1 + seed))
    return town_hall.encoded(known + nobody) + [
        as_row(text, LENGTH) for text in islice(old, count // (replay - 1) if replay else 0)
    ]


def abilities(model: LlamaForCausalLM) -> dict[str, float]:
    """Return what a model can do as a completer: facts, sums, and its loss on each kind of document."""
    world = town()
    found = {}
    for name, split in (("facts asked", "train"), ("facts never asked", "test")):
        known = town_hall.knows(model, world, town_hall.told_pairs(world, split)[:: 6 if split == "train" else 1])
        found[name] = round(sum(known) / len(known), 4)
    items = evaluation.sums(world, SUMS)
    texts = complete(model, town_hall.TOKENIZER, [str(item["prompt"]) for item in items], 96)
    right = [last_result(text) == item["target"] for text, item in zip(texts, items, strict=True)]
    found["sums"] = round(sum(right) / len(right), 4)
    return found | {kind: round(town_hall.loss_on(model, held_out(kind)), 4) for kind in KINDS}


def run(lr: float, replay: int, seed: int, until: int = STEPS) -> dict[str, Any]:
    """Fine-tune base; return its abilities on the way and at the end, and its answers to the questions."""
    model, stops = town_hall.parent(), {}

    def watch(state: State) -> bool:
        if state.step in STOPS:
            stops[str(state.step)] = abilities(model)
        return state.step == until

    plan = Plan(steps=STEPS, batch=BATCH, lr=lr, seed=seed)
    state = tune(model, rows(replay, seed), plan, watch=watch)
    stops[str(until)] = abilities(model)
    pairs = town_hall.told_pairs(town(), "train")[::6]
    answers = {"asked": town_hall.counts(town_hall.ask(model, town(), pairs))}
    losses = [round(loss, 4) for loss in state.losses[:20]]
    return {"lr": lr, "replay": replay, "seed": seed, "losses": losses, "stops": stops, "answers": answers}


def runs() -> list[tuple[float, int, int]]:
    """Return the recorded runs as (rate, replay, seed), those of one seed together."""
    return [(lr, replay, seed) for seed in SEEDS for lr, replay in PLANS]


SETTINGS = {"steps": STEPS, "batch": BATCH, "plans": PLANS, "seeds": SEEDS, "length": LENGTH}
