"""The trainings of part 10c: `base` learns to read answers in short rows, and is then stretched to rows four times as long.

A *reader* is `base` after some steps on rows of the trained length in which sentences about strangers stand twice, so
that the second can be known from the first. `stretched` gives a reader other frequencies, and `tuned` trains it for a
few steps on long rows. Exams ask for what stands in the context alone (`recall`) and for what `base` has in its weights
(`known`), and look at the loss by position. All are deterministic on a CPU with one thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import LlamaForCausalLM

from fullstack_llm import models
from fullstack_llm.decoding import needles
from fullstack_llm.decoding.rope_scaling import METHODS, stretch
from fullstack_llm.models.loop import optimizers
from fullstack_llm.models.pretrain import tokenized
from fullstack_llm.models.recipes import Pretraining, recipe
from fullstack_llm.pretraining import schedules
from fullstack_llm.pretraining.loop import Batches, State, advance
from fullstack_llm.tinytown import evaluation
from fullstack_llm.tinytown.mixture import documents
from fullstack_llm.tinytown.world import Town, town

TRAINED, FACTOR = 256, 4
LONG = TRAINED * FACTOR
LENGTHS = (256, 512, 1024, 2048)
SEEDS = (0, 1, 2)
TOKENS = 2048  # of a step, whatever the length of its rows
READ_STEPS, READ_TIMES = 150, 1.0  # the multiple of the rates that base was trained with
TUNE_STEPS, TUNE_TIMES = 60, 0.25
EVERY = 32  # tokens of a row for each needle in it
WEIGHT = 1.0  # of the answers in a row, beside its tokens
DEPTHS, STACKS = 10, 24
HELD_OUT = 900  # a seed of documents that no training reads
FACTS, ROWS, BIN = 60, 8, 64


@cache
def world() -> Town:
    """Return Tinytown, made once."""
    return town()


@cache
def hay(seed: int, count: int) -> Int[Tensor, " N"]:
    """Return other documents of the town as ids, an <|eos|> before each."""
    _, tokenizer = models.load("base")
    return tokenized((one.text for one in documents(world(), seed=seed)), count, tokenizer, "hay")


def exercises(seed: int, length: int, steps: int) -> tuple[Batches, list[Tensor]]:
    """Return batches of rows to learn reading from, and a list whose entry says which targets of the last are answers."""
    _, tokenizer = models.load("base")
    rows, last = TOKENS // length, [torch.zeros(0)]
    text = hay(1_000 + seed, steps * TOKENS + 1).long().tolist()

    def batch(number: int) -> tuple[Tensor, Tensor]:
        found = []
        for row in range(rows):
            key = (seed * 10_000 + number) * 100 + row
            facts = needles.drawn(world(), length // EVERY, key, "train")
            at = (number * rows + row) * length
            found.append(needles.practice(tokenizer, text[at : at + length], facts, length, key))
        ids = torch.tensor([one.ids for one in found])
        last[0] = torch.tensor([one.answers for one in found])[:, 1:]
        return ids[:, :-1], ids[:, 1:]

    return batch, last


def trained(
    model: LlamaForCausalLM, seed: int, length: int, steps: int, times: float, until: int | None = None
) -> State:
    """Train a model in place on rows of a length, with answers counted `WEIGHT` times more, and return the state."""
    plan = recipe("base")
    assert isinstance(plan, Pretraining)
    batches, answers = exercises(seed, length, steps)

    def loss_of(model: LlamaForCausalLM, inputs: Tensor, targets: Tensor) -> Tensor:
        losses = cross_entropy(model(inputs, use_cache=False).logits.mT, targets, reduction="none")
        return losses.mean() + WEIGHT * losses[answers[0].to(losses.device)].mean()

    state = State(model, optimizers(model, replace(plan, lr=plan.lr * times, muon_lr=plan.muon_lr * times)))
    return advance(state, batches, partial(schedules.linear, steps=steps, warmup=10), until or steps, loss_of=loss_of)


def reader(seed: int, until: int | None = None) -> State:
    """Teach `base` to read in rows of the length that it was trained with."""
    return trained(models.load("base")[0].float(), seed, TRAINED, READ_STEPS, READ_TIMES, until)


def tuned(model: LlamaForCausalLM, method: str, seed: int, length: int = LONG, until: int | None = None) -> State:
    """Stretch a reader in place, and train it for a few steps on rows of a length, on other text than it has read."""
    stretch(model, method, FACTOR, TRAINED)
    return trained(model, 100 + seed, length, TUNE_STEPS, TUNE_TIMES, until)


@torch.no_grad()
def curve(model: Any, length: int, rows: int = ROWS, width: int = BIN) -> Float[Tensor, " N"]:
    """Return the loss by position on other documents, averaged over rows and over `width` positions, in nats."""
    ids = hay(HELD_OUT, rows * length).long().view(rows, length).to(model.device)
    logits = torch.cat([model(row[None], use_cache=False).logits for row in ids])
    losses = cross_entropy(logits[:, :-1].mT, ids[:, 1:], reduction="none").mean(0)
    return torch.cat([losses, losses[-1:]]).view(-1, width).mean(1).cpu()


def recall(model: Any, length: int, stacks: int = STACKS) -> Int[Tensor, " D"]:
    """Return how many needles of each depth are recalled, the first depth at the beginning, out of `stacks`."""
    _, tokenizer = models.load("base")
    text, right = hay(HELD_OUT + 1, stacks * length).long().tolist(), torch.zeros(DEPTHS, dtype=torch.long)
    for stack in range(stacks):
        facts = needles.drawn(world(), DEPTHS, 7_000 + stack, "test")
        context = needles.context(tokenizer, text[stack * length : (stack + 1) * length], facts, length)
        right += torch.tensor(needles.recalled(model, tokenizer, context, facts))
    return right


def known(model: Any, before: int, count: int = FACTS, stacks: int = 6) -> int:
    """Return how many facts of the town a model completes after other text, in which they may stand too."""
    _, tokenizer = models.load("base")
    items = [needles.Needle(str(i["prompt"]), str(i["target"])) for i in evaluation.facts(world(), count)]
    text, right = hay(HELD_OUT + 2, stacks * max(LENGTHS)).long().tolist(), 0
    for stack in range(stacks):
        context = [*text[stack * max(LENGTHS) :][:before], tokenizer.eos_token_id]
        right += sum(needles.recalled(model, tokenizer, context, items[stack::stacks], lead=""))
    return right


def examined(model: Any, lengths: Sequence[int] = LENGTHS) -> dict[str, Any]:
    """Return the exams of a model: the loss by position in rows of 2,048, recall by length and depth, facts known."""
    return {
        "curve": [round(x, 4) for x in curve(model, max(lengths)).tolist()],
        "recall": {str(length): recall(model, length).tolist() for length in lengths},
        "known": {str(length): known(model, length) for length in (0, *lengths)},
    }


def settings() -> dict[str, Any]:
    """Return what the runs share."""
    return {
        "trained": TRAINED, "factor": FACTOR, "lengths": list(LENGTHS), "seeds": list(SEEDS), "tokens": TOKENS,
        "read_steps": READ_STEPS, "tune_steps": TUNE_STEPS, "depths": DEPTHS, "stacks": STACKS, "facts": FACTS,
        "methods": list(METHODS), "bin": BIN,
    }  # fmt: skip
