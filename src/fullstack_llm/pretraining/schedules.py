"""Learning-rate schedules, as the share of the peak that a step takes.

Each warms up in a straight line, so that the last step of the warm-up, `warmup - 1`, has the peak.

>>> [round(cosine(step, 100, warmup=10), 3) for step in (0, 9, 54, 99)]
[0.1, 1.0, 0.55, 0.1]
>>> [round(wsd(step, 100, warmup=10, decay=0.2), 3) for step in (0, 9, 79, 80, 90, 99)]
[0.1, 1.0, 1.0, 1.0, 0.5, 0.05]
>>> [round(linear(step, 100, warmup=10), 3) for step in (0, 9, 10, 55, 99)]
[0.1, 1.0, 1.0, 0.5, 0.011]
"""

from __future__ import annotations

import math

from fullstack_llm.models.loop import learning_rate


def constant(step: int, steps: int, warmup: int) -> float:
    """Stay at the peak after the warm-up."""
    return min(1.0, (step + 1) / warmup)


def cosine(step: int, steps: int, warmup: int, floor: float = 0.1) -> float:
    """Fall from the peak to `floor` of it along half a wave (Loshchilov and Hutter 2017, arXiv 1608.03983)."""
    if step < warmup:
        return (step + 1) / warmup
    half = 0.5 * (1 + math.cos(math.pi * (step + 1 - warmup) / (steps - warmup)))
    return floor + (1 - floor) * half


def wsd(step: int, steps: int, warmup: int, decay: float = 0.2) -> float:
    """Warm up, stay, and decay in a straight line to zero over the last share `decay` of the steps.

    Until the decay begins, the number of steps is not needed (Hu et al. 2024, arXiv 2404.06395).
    """
    return learning_rate(steps, warmup, decay, 1.0, step)


def linear(step: int, steps: int, warmup: int) -> float:
    """Fall in a straight line to zero from the end of the warm-up on."""
    return learning_rate(steps, warmup, 1 - warmup / steps, 1.0, step)
