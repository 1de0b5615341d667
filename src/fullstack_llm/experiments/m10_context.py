"""The trainings of part 10c: `base`, stretched to rows four times as long as those that it was trained on.

`stretched` gives `base` the frequencies of a method, and `tuned` trains it for a few steps on long rows of other text.
Exams look at the loss by position, and ask for facts that `base` has in its weights (`known`) after ever more text.
All are deterministic on a CPU with one thread.
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
from fullstack_llm.decoding import needles, sinks
from fullstack_llm.decoding.rope_scaling import METHODS, stretch
from fullstack_llm.models.loop import optimizers
from fullstack_llm.models.pretrain import tokenized
from fullstack_llm.models.recipes import Pretraining, recipe
from fullstack_llm.pretraining import schedules
from fullstack_llm.pretraining.loop import State, advance, planned
from fullstack_llm.tinytown import evaluation
from fullstack_llm.tinytown.chance import stream
from fullstack_llm.tinytown.mixture import documents
from fullstack_llm.tinytown.stories import stories
from fullstack_llm.tinytown.world import Town, town
from fullstack_llm.transformer import from_llama

TRAINED, FACTOR = 256, 4
LONG = TRAINED * FACTOR
LENGTHS = (256, 512, 1024, 2048)
SEEDS = (0, 1, 2)
TOKENS, STEPS, WARMUP = 2048, 60, 6  # tokens of a step, whatever the length of its rows
RATES = (0.1, 0.3, 1.0)  # multiples of the rates that base was trained with; tried with one seed of interpolation
RATE = 1.0
HELD_OUT = 900  # a seed of documents that no training reads
FACTS, STACKS, ROWS, BIN = 120, 6, 8, 64


@cache
def world() -> Town:
    """Return Tinytown, made once."""
    return town()


@cache
def hay(seed: int, count: int) -> Int[Tensor, " N"]:
    """Return other documents of the town as ids, an <|eos|> before each."""
    _, tokenizer = models.load("base")
    return tokenized((one.text for one in documents(world(), seed=seed)), count, tokenizer, "hay")


def stretched(method: str, factor: float = FACTOR) -> LlamaForCausalLM:
    """Return `base` with the frequencies of a method, and its weights as they were."""
    model = stretch(models.load("base")[0].float(), method, factor, TRAINED)
    assert isinstance(model, LlamaForCausalLM)
    return model


def tuned(method: str, seed: int, rate: float = RATE, length: int = LONG, until: int = STEPS) -> State:
    """Train the stretched model for a few steps on rows of a length, of text that `base` has not read."""
    plan, model = recipe("base"), stretched(method)
    assert isinstance(plan, Pretraining)
    state = State(model, optimizers(model, replace(plan, lr=plan.lr * rate, muon_lr=plan.muon_lr * rate)))
    batches = planned(hay(1_000 + seed, STEPS * TOKENS + 1).long(), TOKENS // length, length)
    return advance(state, batches, partial(schedules.linear, steps=STEPS, warmup=WARMUP), until)


@torch.no_grad()
def curve(model: Any, length: int, rows: int = ROWS, width: int = BIN) -> Float[Tensor, " N"]:
    """Return the loss by position on other documents, averaged over rows and over `width` positions, in nats."""
    ids = hay(HELD_OUT, rows * length).long().view(rows, length).to(model.device)
    logits = torch.cat([model(row[None], use_cache=False).logits for row in ids])
    losses = cross_entropy(logits[:, :-1].mT, ids[:, 1:], reduction="none").mean(0)
    return torch.cat([losses, losses[-1:]]).view(-1, width).mean(1).cpu()


def known(model: Any, before: int, count: int = FACTS, stacks: int = STACKS) -> list[bool]:
    """Return which facts of the town a model completes after `before` tokens of other documents."""
    items = [needles.Needle(str(i["prompt"]), str(i["target"])) for i in evaluation.facts(world(), count)]
    return after(model, before, items, stacks)


def after(model: Any, before: int, items: Sequence[needles.Needle], stacks: int) -> list[bool]:
    """Return which items a model completes after `before` tokens of other documents, in `stacks` different texts."""
    _, tokenizer = models.load("base")
    text, right = hay(HELD_OUT + 2, stacks * max(LENGTHS)).long().tolist(), [False] * len(items)
    for stack in range(stacks):
        context = [*text[stack * max(LENGTHS) :][:before], tokenizer.eos_token_id]
        found = needles.recalled(model, tokenizer, context, items[stack::stacks], lead="")
        right[stack::stacks] = [one.right for one in found]
    return right


def examined(model: Any, lengths: Sequence[int] = LENGTHS) -> dict[str, Any]:
    """Return the loss by position in rows of the greatest length, and the number of facts known after each length."""
    return {
        "curve": [round(x, 4) for x in curve(model, max(lengths)).tolist()],
        "known": {str(length): sum(known(model, length)) for length in (0, *lengths)},
    }


def run(method: str, seed: int, rate: float = RATE, length: int = LONG) -> dict[str, Any]:
    """Return the exams of a tuned model, and the losses on the way."""
    state = tuned(method, seed, rate, length)
    return {**examined(state.model), "losses": [round(loss, 4) for loss in state.losses]}


def needled(model: Any, length: int, stacks: int = 20, count: int = 6) -> dict[str, list[list[float]]]:
    """Ask for needles at the end of texts that hold them, and of the same texts without them.

    "right" and "right without" have a row for each text, with a one for each needle that is recalled, the first depth
    at the beginning; "lift" says how much likelier the target is for having been in the text, in nats.
    """
    _, tokenizer = models.load("base")
    text, found = hay(HELD_OUT + 1, stacks * length).long().tolist(), dict[str, list[list[float]]]()
    for stack in range(stacks):
        facts, piece = needles.drawn(world(), count, 7_000 + stack), text[stack * length : (stack + 1) * length]
        told = needles.recalled(model, tokenizer, needles.context(tokenizer, piece, facts, length), facts)
        untold = needles.recalled(model, tokenizer, piece, facts)
        row = {
            "right": [float(one.right) for one in told],
            "right without": [float(one.right) for one in untold],
            "lift": [a.log_probability - b.log_probability for a, b in zip(told, untold, strict=True)],
        }
        for name, values in row.items():
            found.setdefault(name, []).append(values)
    return found


@cache
def endings(count: int) -> tuple[list[needles.Needle], list[int]]:
    """Return stories that no training read, up to the name of who has the thing at the end, and how many it may be."""
    found, people = list[needles.Needle](), list[int]()
    for story in stories(world(), stream(HELD_OUT, "endings")):
        holders = story.meta["holders"]
        assert isinstance(holders, tuple)
        head, name, rest = story.text.rpartition(f" {holders[-1]}")
        if len(found) == count:
            break
        # The name has to stand in the last sentence, which ends the story.
        if ". " not in rest and "? " not in rest:
            found.append(needles.Needle(head, name))
            people.append(len(set(holders)))
    return found, people


def read(model: Any, before: int, count: int = FACTS, stacks: int = STACKS) -> list[bool]:
    """Return for which stories, told after `before` tokens of other documents, a model says who has the thing."""
    return after(model, before, endings(count)[0], stacks)


STREAM, WINDOW, SINKS = 4096, 128, 4


def streams(count: int = STREAM) -> dict[str, Float[Tensor, " T"]]:
    """Return the loss of each token of a stream, in nats, by what is kept of the tokens before it."""
    decoder, ids = from_llama(models.load("base")[0].float()), hay(HELD_OUT + 3, 2 * STREAM).long()[:count]
    found = {
        "window": sinks.streamed(sinks.Ring(decoder, WINDOW), ids),
        "four sinks": sinks.streamed(sinks.Ring(decoder, WINDOW, SINKS), ids),
    }
    for name, mask in (("sinks at true positions", sinks.visible(count, WINDOW, SINKS)), ("no window", None)):
        with torch.no_grad():
            logits = decoder(ids[None], mask=mask)[0, :-1]
        found[name] = cross_entropy(logits, ids[1:], reduction="none")
    return found


def settings() -> dict[str, Any]:
    """Return what the runs share."""
    return {
        "trained": TRAINED, "factor": FACTOR, "lengths": list(LENGTHS), "seeds": list(SEEDS), "tokens": TOKENS,
        "steps": STEPS, "rate": RATE, "facts": FACTS, "rows": ROWS, "bin": BIN, "methods": list(METHODS),
    }  # fmt: skip
