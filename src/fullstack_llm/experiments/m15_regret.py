"""The task of module 15: a fixed set of questions about the town, and one fine-tuning of `base` on it as a row.

>>> cell = Cell(rank=4, lr=1e-2)
>>> cell.name
'r4-all-a32-b16-x1280-lr0.01-s0'
>>> len(rows()), len(held_out())
(480, 240)
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import islice
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from fullstack_llm import models
from fullstack_llm.finetuning.tune import Plan, tune
from fullstack_llm.lora.layer import ALL, ATTENTION, MLP, adapt
from fullstack_llm.models.chat import PAD, Row, collate, encode
from fullstack_llm.models.pretrain import batch, next_token_loss
from fullstack_llm.scaling.runs import OTHER_SEED, Run, tokens
from fullstack_llm.tinytown.chance import pick, shuffled, stream
from fullstack_llm.tinytown.instructions import Blend, instructions, message
from fullstack_llm.tinytown.phrases import PHRASES, answer, slots, statement
from fullstack_llm.tinytown.world import CORE_RELATIONS, Town, strangers, told, town, untold
from fullstack_llm.tokenization import course_tokenizer

TRAINED, EXAMPLES, WARMUP = 480, 1280, 1 / 8  # conversations; how many a run reads; the share of its steps
MARKERS = ("<|im_start|>", "<|im_end|>")
KNOWN, UNKNOWN = 144, 96  # held-out questions
SEEDS = (0, 1, 2)
COVERAGE = {"all": ALL, "attention": ATTENTION, "mlp": MLP}
# Three questions in five have an answer that pretraining told; to the others the answer is "I don't know.".
_BLEND = Blend(fact=0.6, unknown=0.4, two_hop=0, turns=0, sum=0, code=0, problem=0)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Describe a fine-tuning; without a `rank` it is a full one, and without `alpha` the scale is `8 / sqrt(rank)`.

    The seed decides the order of the conversations and the first `A`. `examples` conversations are read, `batch` at a
    time.
    """

    rank: int | None
    lr: float
    seed: int = 0
    targets: str = "all"
    alpha: float | None = 32.0
    batch: int = 16
    examples: int = EXAMPLES

    @property
    def name(self) -> str:
        """Return a name for files."""
        scale = "rs8" if self.alpha is None else f"a{self.alpha:g}"
        method = "full" if self.rank is None else f"r{self.rank}-{self.targets}-{scale}"
        return f"{method}-b{self.batch}-x{self.examples}-lr{self.lr:g}-s{self.seed}"


@cache
def rows(count: int = TRAINED) -> tuple[Row, ...]:
    """Return the training conversations: a question and an answer each, without a system prompt."""
    talks = (t.messages for t in instructions(town(), _BLEND, seed=1) if len(t.messages) == 2)
    return tuple(encode(course_tokenizer.load(), talk) for talk in islice(talks, count))


@cache
def held_out() -> tuple[Row, ...]:
    """Return questions in other words about other people, `KNOWN` with an answer and `UNKNOWN` without."""
    world, rng = town(), stream(1, "lora", "held out")
    known = [(p.name, relation) for p in told(world, "test") for relation in world.relations(p.name)]
    names = [p.name for p in untold(world, "test")] + list(strangers(world, "test"))
    unknown = [(name, relation) for name in names for relation in CORE_RELATIONS]
    chosen = shuffled(rng, known)[:KNOWN] + shuffled(rng, unknown)[:UNKNOWN]
    return tuple(_asked(world, rng, *pair) for pair in chosen)


def _asked(world: Town, rng: random.Random, name: str, relation: str) -> Row:
    ask = statement(slots(world, name), pick(rng, PHRASES[relation].heldout_questions))
    talk = (message("user", ask), message("assistant", answer(world, name, relation)))
    return encode(course_tokenizer.load(), talk)


@cache
def documents() -> tuple[Int[Tensor, "B T"], Int[Tensor, "B T"]]:
    """Return 16 rows of pretraining text that no model here has read, and the ids that follow."""
    return batch(tokens(Run(2, 48, 4, OTHER_SEED)), 16, 256, 0)


@torch.no_grad()
def score(model: Any) -> dict[str, float]:
    """Return what a model has learned and what it has kept.

    `loss` is the mean held-out loss in nats a token of the answers, `known` and `unknown` the shares of questions to
    which greedy decoding gives the answer word for word, and `kept` the loss on pretraining's documents.
    """
    was_training = model.training
    model.eval()
    total, count, right = 0.0, 0, list[bool]()
    for at in range(0, len(held_out()), 60):
        ids, labels = collate(held_out()[at : at + 60], PAD)
        logits, wanted = model(ids, use_cache=False).logits[:, :-1], labels[:, 1:]
        total += cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="sum").item()
        count += int((wanted >= 0).sum())
        right += ((logits.argmax(-1) == wanted) | (wanted < 0)).all(1).tolist()
    kept = next_token_loss(model, *documents()).item()
    model.train(was_training)
    return {
        "loss": round(total / count, 5),
        "known": sum(right[:KNOWN]) / KNOWN,
        "unknown": sum(right[KNOWN:]) / UNKNOWN,
        "kept": round(kept, 5),
    }


@cache
def marked() -> Tensor:
    """Return `base`'s embedding with the rows of the template's markers trained, and no other number moved.

    Pretraining never read the markers: a model whose embedding is frozen could not learn to write <|im_end|>.
    """
    model, tokenizer = models.load("base")
    weight = model.requires_grad_(False).get_input_embeddings().weight.requires_grad_(True)
    mine = torch.zeros(len(weight), 1)
    mine[tokenizer.convert_tokens_to_ids(list(MARKERS))] = 1
    weight.register_hook(lambda gradient: gradient * mine)
    tune(model, rows(), Plan(steps=40, batch=16, lr=1e-2, warmup=5))
    return weight.detach()


def start() -> Any:
    """Return the model that every run begins from: `base`, with the template's markers known."""
    model, _ = models.load("base")
    model.get_input_embeddings().weight.data.copy_(marked())
    return model


def prepared(cell: Cell) -> Any:
    """Return the model of `start`, ready to be trained as the cell says."""
    model = start()
    if cell.rank is not None:
        alpha = 8.0 if cell.alpha is None else cell.alpha
        adapt(model, cell.rank, alpha, COVERAGE[cell.targets], cell.alpha is None, cell.seed)
    return model


def plan(cell: Cell) -> Plan:
    """Return the settings of the cell's run."""
    steps = cell.examples // cell.batch
    return Plan(steps=steps, batch=cell.batch, lr=cell.lr, warmup=max(1, round(WARMUP * steps)), seed=cell.seed)


def run(cell: Cell) -> dict[str, Any]:
    """Fine-tune as the cell says; return its settings, the number of trained parameters, and `score`."""
    model, began = prepared(cell), time.process_time()
    losses = tune(model, rows(), plan(cell)).losses
    found = {"trained": sum(p.numel() for p in model.parameters() if p.requires_grad)}
    return {
        **asdict(cell),
        **found,
        **score(model),
        "first": [round(x, 4) for x in losses[:8]],
        "seconds": round(time.process_time() - began, 2),
    }


def swept(
    cells: Callable[[float, int], Cell],
    rates: Sequence[float],
    seeds: Sequence[int] = SEEDS,
    look: Callable[[Cell], dict[str, Any]] = run,
) -> list[dict[str, Any]]:
    """Run every rate with the first seed, and the best one and its neighbours with the others; return all rows.

    The rates are neighbours by a factor of about three. Where the best one is the lowest or the highest, the sweep goes
    on in that direction.
    """
    found = {rate: look(cells(rate, seeds[0])) for rate in rates}
    while (best := min(found, key=lambda rate: found[rate]["loss"])) in (min(found), max(found)):
        more = beyond(best, 1 if best == max(found) else -1)
        found[more] = look(cells(more, seeds[0]))
    near = [beyond(best, -1), best, beyond(best, 1)]
    return [*found.values(), *(look(cells(rate, seed)) for rate in near for seed in seeds[1:])]


def beyond(rate: float, way: int) -> float:
    """Return the next rate of 1, 3, 10, 30, ..., up or down.

    >>> beyond(0.001, 1), beyond(0.001, -1), beyond(0.03, 1)
    (0.003, 0.0003, 0.1)
    """
    place = round(2 * math.log10(rate)) + way
    return float(f"{(3 if place % 2 else 1) * 10.0 ** (place // 2):.1g}")
