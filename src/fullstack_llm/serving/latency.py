"""Say how long readers waited: for the first token, and between tokens, as percentiles.

>>> percentile([3.0, 1.0, 2.0, 10.0], 50), percentile([3.0, 1.0, 2.0, 10.0], 99)
(2.0, 10.0)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TypedDict

from fullstack_llm.serving.drive import Trace

PERCENTS = (50, 95, 99)


class Summary(TypedDict):
    """Hold throughput in tokens per second, and percentiles of waiting in seconds, by percent."""

    tokens: int
    seconds: float
    throughput: float
    first: dict[str, float]
    between: dict[str, float]


def percentile(values: Iterable[float], percent: float) -> float:
    """Return the smallest value that at least `percent` of all values do not exceed: a wait that somebody had."""
    ordered = sorted(values)
    return ordered[max(math.ceil(percent / 100 * len(ordered)) - 1, 0)]


def waits(trace: Trace) -> tuple[float, list[float]]:
    """Return the time to a request's first token, and the times between its tokens.

    Tokens that come together were waited for together: the first of them waits, and the others do not.
    """
    gaps = [after - before for before, after in zip(trace.times, trace.times[1:], strict=False)]
    return trace.times[0] - trace.request.arrival, gaps


def summary(traces: Sequence[Trace]) -> Summary:
    """Summarise a run. Its seconds go from the first arrival to the last token."""
    firsts, gaps = zip(*(waits(trace) for trace in traces), strict=True)
    between = [gap for each in gaps for gap in each] or [0.0]
    tokens = sum(len(trace.tokens) for trace in traces)
    seconds = max(trace.times[-1] for trace in traces) - min(trace.request.arrival for trace in traces)
    return {
        "tokens": tokens,
        "seconds": seconds,
        "throughput": tokens / seconds,
        "first": {str(percent): percentile(firsts, percent) for percent in PERCENTS},
        "between": {str(percent): percentile(between, percent) for percent in PERCENTS},
    }
