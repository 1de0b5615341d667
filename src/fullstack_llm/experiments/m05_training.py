"""The training runs of part 05b, with the settings that its recorded runs and its notebook share.

All but the continued pretraining and the speeds train the model of two layers and width 48, on 1,024 tokens a step. A
run on the CPU with one thread gives the same losses each time, so that a notebook makes the beginning of one again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from fullstack_llm.models.loop import optimizers
from fullstack_llm.models.pretrain import begin
from fullstack_llm.pretraining import batch_size, schedules, spikes
from fullstack_llm.pretraining.loop import Batches, Rate, State, advance, planned, restore, saved
from fullstack_llm.scaling.runs import LENGTH, ROWS, Run, held_out_loss, tokens
from fullstack_llm.tokenization import course_tokenizer

LAYERS, WIDTH = 2, 48
SEEDS = (0, 1, 2)
VOCABULARY = 512
# Bounds the difference of the first losses between processors, in nats, over the steps that the notebook makes again.
TOLERANCE = 2e-3


def fresh(seed: int, times: float = 1.0) -> State:
    """Return a new model and its optimizers; `times` multiplies the rates that a short run has in module 06."""
    recipe = Run(LAYERS, WIDTH, 1, seed, rate=times).recipe
    model = begin(recipe, course_tokenizer.load())
    return State(model, optimizers(model, recipe))


def data(seed: int, steps: int, rows: int = ROWS) -> Batches:
    """Return the batches of a run of that many steps; runs of one seed read the same text."""
    return planned(tokens(Run(LAYERS, WIDTH, -(-steps * rows // ROWS), seed)), rows, LENGTH)


# ---- schedules and rates

STEPS, WARMUP = 300, 30
SCHEDULES: dict[str, Callable[[int, int, int], float]] = {
    "constant": schedules.constant,
    "cosine": schedules.cosine,
    "wsd": schedules.wsd,
    "linear": schedules.linear,
}
TIMES = (0.0625, 0.125, 0.25, 0.5, 1.0, 2.0)


def scheduled(kind: str, times: float, seed: int, until: int = STEPS) -> State:
    """Train with one of `SCHEDULES` and a multiple of the rates, to the step `until`."""
    schedule = SCHEDULES[kind]
    return advance(fresh(seed, times), data(seed, STEPS), lambda step: schedule(step, STEPS, WARMUP), until)


# ---- batch size

SIZES = (1, 2, 4, 8, 16, 32)  # rows of a batch
MOMENTS = (20, 400)  # steps of the trunk, of ROWS rows, before a branch
WINDOW_ROWS = 128  # rows that each branch reads
NOISE_ROWS = 128
STEADY = 0.25  # times the rates of `fresh`, held after the warm-up


def trunk(seed: int, until: int, state: State | None = None) -> State:
    """Train at a steady rate, on from a state if there is one."""
    rate = partial(schedules.constant, steps=until, warmup=WARMUP)
    return advance(state or fresh(seed, STEADY), data(seed, max(MOMENTS)), rate, until)


def branch(state: State, rows: int, seed: int, until: int | None = None) -> State:
    """Go on from a trunk's state with another batch, its rate scaled by the root of the batch's ratio.

    Each branch reads the same rows, none of which the trunk has read.
    """
    first = max(MOMENTS) * ROWS
    batches = data(seed, first + WINDOW_ROWS, 1)

    def stacked(number: int) -> tuple[Tensor, Tensor]:
        found = [batches(first + number * rows + row) for row in range(rows)]
        return torch.cat([ids for ids, _ in found]), torch.cat([targets for _, targets in found])

    begun = min(1.0, (state.step + 1) / WARMUP)
    state.batch, steps = 0, WINDOW_ROWS // rows if until is None else until
    return advance(state, stacked, lambda _: begun * (rows / ROWS) ** 0.5, state.step + steps)


def noise(state: State, seed: int, rows: int = NOISE_ROWS) -> float:
    """Return tr(Σ)/|G|² at a state, in rows."""
    first = max(MOMENTS) * ROWS
    batches = data(seed, first + WINDOW_ROWS, 1)
    small, large, count = batch_size.squares(state.model, batches, range(first, first + rows))
    return batch_size.noise_scale(small, large, 1, count)


# ---- spikes

SPIKE, AFTER, LASTING = 250, 60, 4  # the step of the fault, the steps after it, the steps or batches that it lasts


def garbled(batches: Batches, numbers: Sequence[int], seed: int = 0) -> Batches:
    """Return batches of which those in `numbers` hold random tokens in place of text."""

    def found(number: int) -> tuple[Int[Tensor, "B T"], Int[Tensor, "B T"]]:
        inputs, targets = batches(number)
        if number not in numbers:
            return inputs, targets
        generator = torch.Generator().manual_seed(1_000_003 * seed + number)
        row = torch.randint(3, VOCABULARY, (inputs.shape[0], inputs.shape[1] + 1), generator=generator)
        return row[:, :-1], row[:, 1:]

    return found


def slipped(steps: Sequence[int], times: float = 30.0) -> Rate:
    """Return a rate that is `times` too high in some steps."""
    return lambda step: schedules.constant(step, 0, WARMUP) * (times if step in steps else 1.0)


FAULTY = range(SPIKE, SPIKE + LASTING)
FAULTS: dict[str, Callable[[int], tuple[Batches, Rate]]] = {
    "none": lambda seed: (data(seed, 2 * SPIKE), slipped(())),
    "garbled": lambda seed: (garbled(data(seed, 2 * SPIKE), FAULTY, seed), slipped(())),
    "rate": lambda seed: (data(seed, 2 * SPIKE), slipped(FAULTY)),
}


def spiked(
    kind: str, seed: int, clip: float | None = 1.0, until: int = SPIKE + AFTER, state: State | None = None
) -> State:
    """Train through a fault, on from a state if there is one."""
    return advance(state or fresh(seed), *FAULTS[kind](seed), until, clip)


def again(kind: str, seed: int, early: dict[str, Any], state: State) -> State:
    """Read the batches around the fault from an earlier saved state, at the ordinary rate."""
    batches, _ = FAULTS[kind](seed)
    state = restore(state, early)
    state.batch = SPIKE - 4
    return advance(state, batches, slipped(()), state.step + 4 + LASTING + 8)


def drilled(kind: str, seed: int, until: int = SPIKE + AFTER) -> tuple[State, list[dict[str, Any]]]:
    """Train through a fault with the drill: go back at least 20 steps, leave out the batches around, go on."""
    return spikes.drill(fresh(seed), *FAULTS[kind](seed), until, every=25, back=20)


# ---- the records


@cache
def unigram() -> float:
    """Return the held-out loss of a model that knows how often each token occurs and no more."""
    counts = torch.bincount(tokens(Run(LAYERS, WIDTH, 1_000, 0)).long(), minlength=VOCABULARY) + 1.0
    held = tokens(Run(LAYERS, WIDTH, 64, 1_000)).long()
    return -(counts / counts.sum()).log()[held].mean().item()


def sweep(say: Callable[[str], None]) -> dict[str, Any]:
    """Return for each schedule and rate the held-out loss of each seed, and the training losses of the first seed."""
    found: dict[str, Any] = {"held_out": {}, "losses": {}, "unigram": round(unigram(), 5)}
    for kind in SCHEDULES:
        for times in TIMES:
            for seed in SEEDS:
                state = scheduled(kind, times, seed)
                found["held_out"].setdefault(kind, {}).setdefault(str(times), []).append(
                    round(held_out_loss(state.model), 5)
                )
                if seed == 0:
                    found["losses"].setdefault(kind, {})[str(times)] = [round(x, 4) for x in state.losses]
            say(f"{kind} {times}: {found['held_out'][kind][str(times)]}")
    return {"settings": {"steps": STEPS, "warmup": WARMUP, "times": list(TIMES), "seeds": list(SEEDS)}, **found}


def batches(say: Callable[[str], None]) -> dict[str, Any]:
    """Return for each moment and seed the held-out loss before and after each branch, and the noise scale in rows."""
    found: dict[str, Any] = {str(moment): {"before": [], "noise": [], "after": {}} for moment in MOMENTS}
    for seed in SEEDS:
        state = None
        for moment in MOMENTS:
            state = trunk(seed, moment, state)
            kept, at = saved(state), found[str(moment)]
            at["before"].append(round(held_out_loss(state.model), 5))
            at["noise"].append(round(noise(state, seed), 4))
            for rows in SIZES:
                branch(restore(state, kept), rows, seed)
                at["after"].setdefault(str(rows), []).append(round(held_out_loss(state.model), 5))
            restore(state, kept)
            say(f"seed {seed}, step {moment}: {at}")
    settings = {"rows": ROWS, "length": LENGTH, "window_rows": WINDOW_ROWS, "sizes": list(SIZES)}
    return {"settings": {**settings, "moments": list(MOMENTS), "seeds": list(SEEDS)}, "moments": found}


def faults(say: Callable[[str], None]) -> dict[str, Any]:
    """Return losses and norms around each fault, with and without clipping, and what the forensics say."""
    found: dict[str, Any] = {"runs": {}, "again": {}, "drill": []}
    first = SPIKE - 50
    for seed in SEEDS:
        state = spiked("none", seed, until=150)
        early = saved(state)
        spiked("none", seed, until=SPIKE, state=state)
        late = saved(state)
        for kind in FAULTS:
            for name, clip in (("clipped", 1.0), ("free", None)):
                spiked(kind, seed, clip, state=restore(state, late))
                run = {
                    "losses": [round(x, 4) for x in state.losses[first:]],
                    "norms": [round(x, 4) for x in state.norms[first:]],
                    "held_out": round(held_out_loss(state.model), 5),
                }
                found["runs"].setdefault(kind, {}).setdefault(name, []).append(run)
        for kind in ("none", "garbled"):
            losses = again(kind, seed, early, state).losses[early["step"] :]
            found["again"].setdefault(kind, []).append([round(x, 4) for x in losses])
        state, done = drilled("garbled", seed)
        found["drill"].append({"done": done, "held_out": round(held_out_loss(state.model), 5)})
        say(f"seed {seed}: {[(k, r[seed]['held_out']) for k, v in found['runs'].items() for r in v.values()]} {done}")
    return {"settings": {"spike": SPIKE, "lasting": LASTING, "first": first, "seeds": list(SEEDS)}, **found}
