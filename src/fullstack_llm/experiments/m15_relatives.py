"""The recorded runs of part 15c: LoRA's relatives on one task, four-bit bases under LoRA, and merged adapters.

>>> rows = sums(2)
>>> course_tokenizer.load().decode(rows[0].ids).count("<|im_end|>")
2
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from fullstack_llm.experiments import m15_regret as regret
from fullstack_llm.finetuning.tune import Plan, assistant_loss, tune
from fullstack_llm.lora import layer, nf4, qlora
from fullstack_llm.lora.relatives import relative, ties
from fullstack_llm.models.chat import PAD, Row, collate, encode
from fullstack_llm.tinytown import arithmetic
from fullstack_llm.tinytown.chance import stream
from fullstack_llm.tinytown.instructions import STEPS, Blend, instructions, message
from fullstack_llm.tinytown.world import town
from fullstack_llm.tokenization import course_tokenizer

STEPS_A_RUN = regret.EXAMPLES // 16
RANK, ALPHA = 16, 32.0
SUMS_ALONE = Blend(fact=0, unknown=0, two_hop=0, turns=0, sum=1, code=0, problem=0)
FACTS_ALONE = Blend(fact=1, unknown=0, two_hop=0, turns=0, sum=0, code=0, problem=0)
DENSITY = 0.2
Update = Mapping[str, Tensor]


def learned(model: Any, rate: float, seed: int, until: int = STEPS_A_RUN, rows: Sequence[Row] = ()) -> list[float]:
    """Fine-tune as part 15b does with batches of 16, up to a step, and return the first eight losses."""
    plan = regret.plan(regret.Cell(rank=None, lr=rate, seed=seed))
    state = tune(model, rows or regret.rows(), plan, watch=lambda state: len(state.losses) > until)
    return [round(x, 4) for x in state.losses[: min(until, 8)]]


def trained(model: Any) -> int:
    """Return the number of a model's trainable parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def compared(name: str, rate: float, seed: int) -> dict[str, Any]:
    """Fine-tune with one of LoRA's relatives; return its settings, its first losses and what it has learned."""
    model = relative(name, regret.start(), seed)
    count, first = trained(model), learned(model, rate, seed)
    return {"name": name, "lr": rate, "seed": seed, "trained": count, "first": first, **regret.score(model)}


BASES: dict[str, Callable[[Any], Any]] = {
    "fp32": lambda model: model,
    "nf4": qlora.quantized,
    "int4": partial(qlora.rounded, rounding=lambda weight: nf4.dequantize(nf4.quantize(weight, levels=nf4.integers()))),
}


def based(base: str, seed: int) -> Any:
    """Return the model of every run with its layers stored as `BASES` says, and updates of low rank on them."""
    return layer.adapt(BASES[base](regret.start()), RANK, ALPHA, seed=seed)


def on_base(base: str, rate: float, seed: int) -> dict[str, Any]:
    """Fine-tune updates on a base in four bits or in full; score also what the ways to merge make of them."""
    model = based(base, seed)
    first = learned(model, rate, seed)
    row = {"base": base, "lr": rate, "seed": seed, "first": first, **regret.score(model)}
    if base == "nf4":
        updates = {name: one.update.detach() for name, one in layer.layers(model)}
        row["merged"] = regret.score(layer.merge(qlora.restored(model)))["loss"]
        onto = applied(regret.start(), updates)
        row["onto_original"] = regret.score(onto)["loss"]
        again = applied(qlora.restored(qlora.quantized(regret.start())), updates)
        row["merged_again_four_bits"] = regret.score(qlora.quantized(again))["loss"]
    return row


@torch.no_grad()
def applied(model: Any, updates: Update) -> Any:
    """Add updates to a model's weights, in place, and return the model."""
    for name, update in updates.items():
        found: nn.Linear = model.get_submodule(name)
        found.weight += update
    return model


def sums(count: int) -> tuple[Row, ...]:
    """Return held-out sums of two digits with their steps, as conversations."""
    rng, tokenizer = stream(1, "lora", "sums"), course_tokenizer.load()
    drawn = [arithmetic.draw(rng, 2, "+" if number % 2 else "-", "test") for number in range(count)]
    return tuple(
        encode(
            tokenizer,
            (
                message("user", f"What is {arithmetic.expression(one)}? {STEPS}"),
                message("assistant", arithmetic.worked(one)),
            ),
        )
        for one in drawn
    )


@torch.no_grad()
def loss(model: Any, rows: Sequence[Row]) -> float:
    """Return the mean loss of the assistant's tokens in rows, in nats a token."""
    return round(assistant_loss(model.eval(), *collate(rows, PAD)).item(), 5)


def conversations(blend: Blend, count: int = regret.TRAINED) -> tuple[Row, ...]:
    """Return training conversations of one kind."""
    talks = (t.messages for t in instructions(town(), blend, seed=1) if len(t.messages) == 2)
    return tuple(encode(course_tokenizer.load(), talk) for talk in islice(talks, count))


def factors(adapters: Sequence[Update], scale: float) -> dict[str, Tensor]:
    """Return the updates of an adapter whose `A` and `B` are sums; it has mixed terms that the sum of updates lacks."""
    names = [name.removesuffix(".A") for name in adapters[0] if name.endswith(".A")]
    added = {name: torch.stack([one[name] for one in adapters]).sum(0) for name in adapters[0]}
    return {name: scale * added[f"{name}.B"] @ added[f"{name}.A"] for name in names}


def merged(seed: int, rate: float) -> dict[str, Any]:
    """Train adapters of two tasks apart and one of both; return the losses on both tasks, also of merged ones."""
    kinds = {"facts": conversations(FACTS_ALONE), "sums": conversations(SUMS_ALONE)}
    held_out = {"facts": regret.held_out()[: regret.KNOWN], "sums": sums(96)}
    both = tuple(row for pair in zip(*kinds.values(), strict=True) for row in pair)
    found: dict[str, Any] = {"seed": seed, "lr": rate}
    adapters, updates = [], []
    for number, (name, rows) in enumerate({**kinds, "together": both}.items()):
        model = layer.adapt(regret.start(), RANK, ALPHA, seed=10 * seed + number)
        scale = next(one.scale for _, one in layer.layers(model))
        steps = STEPS_A_RUN * (2 if name == "together" else 1)  # as many conversations of each task
        tune(model, rows, Plan(steps=steps, batch=16, lr=rate, warmup=10, seed=seed))
        found[name] = {task: loss(model, held) for task, held in held_out.items()}
        adapters.append(layer.adapter(model))
        updates.append({name: one.update.detach() for name, one in layer.layers(model)})
    names, pair = updates[0], updates[:2]
    ways: dict[str, Update] = {
        "sum": {name: pair[0][name] + pair[1][name] for name in names},
        "mean": {name: (pair[0][name] + pair[1][name]) / 2 for name in names},
        "factors": factors(adapters[:2], scale),
        "ties": {name: ties([one[name] for one in pair], DENSITY) for name in names},
    }
    for way, update in ways.items():
        model = applied(regret.start(), update)
        found[way] = {task: loss(model, held) for task, held in held_out.items()}
    model = regret.start()
    found["none"] = {task: loss(model, held) for task, held in held_out.items()}
    return found
