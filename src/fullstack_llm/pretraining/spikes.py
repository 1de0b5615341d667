"""Find a spike of the loss while it happens, ask what made it, go back, leave the batches out, and go on.

>>> list(spikes([2.0, 2.1, 1.9, 2.0, 6.0, 2.0], window=4))
[4]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from fullstack_llm.pretraining.loop import Batches, Rate, State, advance, restore, saved

WINDOW, TIMES, LEAST = 32, 8.0, 0.05


def is_spike(loss: float, healthy: Sequence[float], times: float = TIMES) -> bool:
    """Return whether a loss lies far above the median of healthy ones, in units of their median distance from it.

    The median of 32 losses does not move much for one outlier, and neither does the median distance; `LEAST` nats keep
    a very quiet run from crying wolf. A loss that is no number is a spike.
    """
    middle = median(healthy)
    spread = max(median(abs(x - middle) for x in healthy), LEAST)
    return not loss <= middle + times * spread


def spikes(losses: Sequence[float], window: int = WINDOW, times: float = TIMES) -> Iterator[int]:
    """Yield the steps that are spikes, each judged by healthy losses before it; the first `window` are not."""
    healthy = list(losses[:window])
    for step, loss in enumerate(losses[window:], window):
        if is_spike(loss, healthy[-window:], times):
            yield step
        else:
            healthy.append(loss)


def drill(
    state: State,
    batches: Batches,
    rate: Rate,
    until: int,
    every: int,
    back: int,
    clip: float | None = 1.0,
    around: tuple[int, int] = (1, 4),
    window: int = WINDOW,
) -> tuple[State, list[dict[str, Any]]]:
    """Train to `until`; at a spike go back to a saved state at least `back` steps old, skip batches, and go on.

    The state is saved every `every` steps. Skipped are the batches from `around[0]` before the one at which the loss
    rose to `around[1]` after it. Returns the state and what was done: the step and the batch of each spike, the step
    from which the run went on, and the batches that were left out. Raises RuntimeError if the same step spikes again
    without them, since then the batches are not the cause.
    """
    kept, skip, done = [saved(state)], set[int](), list[dict[str, Any]]()

    def watch(now: State) -> bool:
        return now.step >= window and is_spike(now.losses[-1], now.losses[-1 - window : -1])

    while state.step < until:
        advance(state, batches, rate, min(until, (state.step // every + 1) * every), clip, skip, watch)
        if len(state.losses) == state.step:
            kept.append(saved(state))
            continue
        # The spike's step has its loss and no update.
        step, at = state.step, state.batch
        if any(one["step"] == step for one in done):
            raise RuntimeError(
                f"Step {step} spikes again without its batches: look for a cause that is not in the data."
            )
        kept = [old for old in kept if old["step"] <= step - back] or kept[:1]
        out = range(max(0, at - around[0]), at + around[1] + 1)
        skip |= set(out)
        restore(state, kept[-1])
        done.append({"step": step, "batch": at, "from": state.step, "skipped": [out.start, out.stop - 1]})
    return state, done
