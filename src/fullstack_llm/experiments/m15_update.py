"""The trainings of part 15a, with the settings that its recorded runs and its notebook share, and its exam.

`trained` compares the change of a full training, cut to a rank, with adapters trained at that rank. `inits` and
`scalings` train adapters with other beginnings and other factors. All are deterministic on a CPU with one thread.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from fullstack_llm import models
from fullstack_llm.finetuning.tune import Plan, assistant_loss, tune
from fullstack_llm.lora import layer, spectrum
from fullstack_llm.models.chat import PAD, Row, collate, encode
from fullstack_llm.models.exams import END
from fullstack_llm.models.generate import reply
from fullstack_llm.models.scores import Score, share
from fullstack_llm.pretraining.loop import State
from fullstack_llm.tinytown import evaluation
from fullstack_llm.tinytown.gold import gold
from fullstack_llm.tinytown.instructions import instructions
from fullstack_llm.tinytown.world import Town, town

SEEDS = (0, 1, 2)
# Read by no training: the shipped `sft` reads the first 20,800 conversations of seed 0.
HELD_SEED, HELD = 900, 160
QUESTIONS = 600


@cache
def world() -> Town:
    """Return Tinytown, made once."""
    return town()


def conversations(count: int, seed: int) -> list[Row]:
    """Return encoded conversations of all kinds."""
    _, tokenizer = models.load("base")
    return [encode(tokenizer, talk.messages) for talk in islice(instructions(world(), seed=seed), count)]


@cache
def held_out(count: int = HELD) -> tuple[Tensor, Tensor]:
    """Return ids and labels of conversations that no training here reads."""
    return collate(conversations(count, HELD_SEED), PAD)


@torch.no_grad()
def held_loss(model: Any, count: int = HELD) -> float:
    """Return the loss on what the assistant says in held-out conversations, in nats a token."""
    return assistant_loss(model.eval(), *held_out(count)).item()


def exam(model: Any, count: int) -> dict[str, Score]:
    """Return the shares of answers in form, and of right ones, to that many questions about people that are told of.

    In form is one line that ends with the stop token; right is what the hidden scorer of Tinytown takes as right.
    """
    _, tokenizer = models.load("base")
    asked = [str(item["prompt"]) for item in evaluation.questions(world(), count, split=None)]
    said = reply(model.eval(), tokenizer, asked, 32)
    texts = [text.removesuffix(END) for text in said]
    return {
        "form": share([text.endswith(END) and text.count("<|") == 1 and "\n" not in text for text in said]),
        "right": share([gold(world(), q, a)["correctness"] == 1.0 for q, a in zip(asked, texts, strict=True)]),
    }


def judged(model: Any, count: int = QUESTIONS) -> dict[str, float]:
    """Return the held-out loss and the two shares of an exam with their intervals, as plain numbers."""
    row = {"loss": round(held_loss(model), 4)}
    for name, found in exam(model, count).items():
        row |= {name: found.value, f"{name} low": found.low, f"{name} high": found.high}
    return row


# ---- training: at a rank, from other beginnings, with other factors

STEPS, BATCH, WARMUP, ROWS = 100, 16, 10, 2400
RANKS = (1, 4, 16)
FULL_RATE, LORA_RATE = 1e-3, 1e-2
INITS: dict[str, tuple[bool, bool]] = {  # whether A, and whether B, begins with random numbers
    "A": (True, False),
    "B": (False, True),
    "none": (False, False),
    "both": (True, True),
    "small B": (False, True),  # drawn in the range that A has, not in its own, which is wider
}
INIT_RATES = (1e-3, 3e-3, 1e-2, 3e-2)
INIT_STEPS = 40
SCALES: dict[str, Callable[[int], float]] = {  # the update's factor at a rank
    "alpha/r": lambda r: 16 / r,
    "alpha/sqrt(r)": lambda r: 16 / math.sqrt(r),
    "alpha = 2r": lambda r: 2.0,
}


@cache
def taught(seed: int) -> list[Row]:
    """Return the conversations of a training here; each seed has its own, and `sft` read none of them."""
    return conversations(ROWS, 1_000 + seed)


def plan(seed: int, rate: float, steps: int = STEPS) -> Plan:
    """Return the settings of a training here; its schedule falls to zero in `STEPS` steps whatever is run of it."""
    return Plan(steps=steps, batch=BATCH, lr=rate, warmup=WARMUP, seed=seed)


def adapted(rank: int, scale: float = 2.0, init: str = "A", seed: int = 0) -> Any:
    """Return `base` with adapters on all linear layers; the random one of a pair is Kaiming-uniform, as in PEFT."""
    model = layer.adapt(models.load("base")[0], rank, alpha=scale * rank, seed=seed)
    random_A, random_B = INITS[init]
    generator = torch.Generator().manual_seed(seed + 77)
    for _, one in layer.layers(model):
        if not random_A:
            nn.init.zeros_(one.A)
        if random_B:
            nn.init.kaiming_uniform_(one.B, a=math.sqrt(5), generator=generator)
        if init == "small B":
            one.B.data *= math.sqrt(rank / one.A.shape[1])
    return model


def full(seed: int, rate: float = FULL_RATE) -> State:
    """Train all linear layers of `base` in full, the embedding and the norms held still."""
    model = models.load("base")[0].requires_grad_(False)
    for name, p in model.named_parameters():
        p.requires_grad_(name.split(".")[-2] in layer.ALL)
    return tune(model, taught(seed), plan(seed, rate))


def low_rank(seed: int, rank: int, rate: float = LORA_RATE, until: int = STEPS) -> State:
    """Train adapters in their place, on the same conversations, to the step `until`."""
    return tune(adapted(rank, seed=seed), taught(seed), plan(seed, rate), lambda state: state.step >= until)


def compared(seed: int) -> dict[str, Any]:
    """Return one seed's exams: of a full training, of its change cut to each rank, and of adapters of that rank."""
    whole, base = full(seed).model, models.load("base")[0]
    d = spectrum.targets(spectrum.difference(base, whole))
    found: dict[str, Any] = {"full": judged(whole), "cut": {}, "trained": {}, "first": {}}
    found["needed"] = [spectrum.needed(torch.linalg.svdvals(one), 0.9) for one in d.values()]
    for rank in map(str, RANKS):
        cut = {name: spectrum.cut(one, int(rank)) for name, one in d.items()}
        found["cut"][rank] = judged(spectrum.added(base, cut))
        state = low_rank(seed, int(rank))
        found["trained"][rank] = judged(state.model)
        found["first"][rank] = [round(loss, 4) for loss in state.losses[:10]]
    return found


def trained(say: Callable[[str], None]) -> dict[str, Any]:
    """Return what `compared` finds, seed by seed."""
    rows = []
    for seed in SEEDS:
        rows.append(compared(seed))
        say(f"seed {seed}: {rows[-1]}")
    return {"settings": settings(ranks=list(RANKS), full_rate=FULL_RATE, lora_rate=LORA_RATE), "rows": rows}


def begun(init: str, rate: float, seed: int, until: int = INIT_STEPS) -> State:
    """Train adapters of rank 8 from one of `INITS` to the step `until` of `INIT_STEPS`."""
    model = adapted(8, 2.0, init, seed)
    return tune(model, taught(seed), plan(seed, rate, INIT_STEPS), lambda state: state.step >= until)


def ended(init: str, rate: float, seed: int) -> dict[str, Any]:
    """Return the held-out loss after such a training, and the first of its losses."""
    state = begun(init, rate, seed)
    return {"loss": round(held_loss(state.model), 4), "first": [round(x, 4) for x in state.losses[:10]]}


def inits(say: Callable[[str], None]) -> dict[str, Any]:
    """Return what `ended` finds with A random, with B random, and with B in A's range, at each rate and seed."""
    rows: dict[str, Any] = {}
    for rate in INIT_RATES:
        for init in ("A", "B", "small B"):
            rows.setdefault(init, {})[str(rate)] = [ended(init, rate, seed) for seed in SEEDS]
            say(f"{init} {rate}: {[found['loss'] for found in rows[init][str(rate)]]}")
    return {"settings": settings(rank=8, scale=2.0, rates=list(INIT_RATES), init_steps=INIT_STEPS), "rows": rows}


SCALE_RANKS = (1, 4, 16, 64)
SCALE_RATE, SCALE_STEPS = 1e-3, 20


def sized(model: Any) -> float:
    """Return the norm of all updates together: what was added to the weights."""
    return math.sqrt(sum(one.update.square().sum().item() for _, one in layer.layers(model)))


def effect(kind: str, rank: int, seed: int, steps: int = SCALE_STEPS) -> dict[str, float]:
    """Return how large the first gradient and the updates are, and what the first step of AdamW promises.

    "gradient" is the norm of the first gradient; "promise" the fall of the loss to first order, rate times the sum of
    the gradient's sizes, since that step moves each number of B by the rate; "one step" and "last" are the norms of the
    updates after one step and after `steps`; "loss" is the mean of the last five. No gradient is clipped, and the rate
    is the same from the first step on, so that a rank's factor is all that differs.
    """
    model = adapted(rank, SCALES[kind](rank), seed=seed)
    found: dict[str, float] = {}

    def watch(state: State) -> bool:
        if state.step == 0:
            grads = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
            found.update(gradient=grads.norm().item(), promise=SCALE_RATE * grads.abs().sum().item())
        if state.step == 1:
            found["one step"] = sized(model)
        return state.step >= steps

    flat = Plan(steps=10**6, batch=BATCH, lr=SCALE_RATE, warmup=1, seed=seed, clip=math.inf)
    state = tune(model, taught(seed), flat, watch)
    return {**found, "last": sized(model), "loss": sum(state.losses[-5:]) / 5}


def scalings(say: Callable[[str], None]) -> dict[str, Any]:
    """Return the effects of each scaling at each rank and seed."""
    rows: dict[str, Any] = {}
    for kind in SCALES:
        for rank in SCALE_RANKS:
            found = [effect(kind, rank, seed) for seed in SEEDS]
            rows.setdefault(kind, {})[str(rank)] = [{k: round(v, 6) for k, v in one.items()} for one in found]
            say(f"{kind} {rank}: {rows[kind][str(rank)][0]}")
    return {"settings": settings(ranks=list(SCALE_RANKS), rate=SCALE_RATE, steps=SCALE_STEPS), "rows": rows}


def settings(**more: Any) -> dict[str, Any]:
    """Return what the trainings share, and what one of them adds to it."""
    return {"steps": STEPS, "batch": BATCH, "warmup": WARMUP, "rows": ROWS, "seeds": list(SEEDS), **more}
