"""Choose size and tokens of a model for a budget that pays for training and for serving, with only so much data.

A trained token costs 6 N FLOP and a served one 2 N. `premium` says how many times as much a FLOP costs in serving as in
training, where machines are used less well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from fullstack_llm.scaling.intervals import Interval, interval
from fullstack_llm.scaling.laws import FLOP, Law
from fullstack_llm.scaling.repeats import effective

SERVED = 2  # FLOP of a parameter and a token in a forward pass
GOLDEN = (math.sqrt(5) - 1) / 2
SMALLEST, WIDTH = 1.0, 1e-9  # parameters of the smallest model looked at; how narrow the search ends, in log N


@dataclass(frozen=True)
class Demand:
    """Describe what a model is for: tokens that it will serve, different tokens that there are to train it on.

    `worth` is what all repeats of the data together are worth (`repeats.effective`).
    """

    served: float = 0.0
    unique: float = math.inf
    worth: float = math.inf
    premium: float = 1.0


class Plan(NamedTuple):
    """Give a model's size, the tokens of its training and how often it reads each, its loss, and FLOP by purpose."""

    parameters: float
    tokens: float
    epochs: float
    loss: float
    training: float
    serving: float


ANY = Demand()


def valley(value: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function with one valley is lowest, by golden sections.

    >>> round(valley(lambda x: (x - 2) ** 2, 0, 9), 6)
    2.0
    """
    a, b = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_a, at_b = value(a), value(b)
    while high - low > WIDTH:
        if at_a < at_b:
            high, b, at_b = b, a, at_a
            a = high - GOLDEN * (high - low)
            at_a = value(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + GOLDEN * (high - low)
            at_b = value(b)
    return (low + high) / 2


def planned(law: Law, parameters: float, tokens: float, demand: Demand = ANY) -> Plan:
    """Return what becomes of a model of that size which reads that many tokens."""
    loss = law.loss(parameters, effective(tokens, demand.unique, demand.worth))
    epochs = max(1.0, tokens / demand.unique)
    serving = SERVED * parameters * demand.served
    return Plan(parameters, tokens, epochs, loss, FLOP * parameters * tokens, serving)


def best(law: Law, flop: float, demand: Demand = ANY) -> Plan:
    """Return the plan with the lowest loss whose training and serving (times the premium) cost `flop` together.

    Where nothing is served and the data suffice, it is the law's own optimum:

    >>> law = Law(E=1.0, A=6.0, B=4.0, alpha=0.5, beta=0.5)
    >>> plan = best(law, 6 * 24 * 24)
    >>> round(plan.parameters, 3), round(plan.tokens, 3)
    (36.0, 16.0)
    >>> plan = best(law, 6 * 24 * 24, Demand(served=16))
    >>> round(plan.parameters, 1), round(plan.tokens, 1), round(plan.training + plan.serving)
    (24.5, 18.2, 3456)
    """
    if not flop > 0:
        raise ValueError(f"A budget of {flop} FLOP buys nothing; give a number above 0.")

    def tokens(log_n: float) -> float:
        return (flop / math.exp(log_n) - SERVED * demand.premium * demand.served) / FLOP

    # At the upper end one token of training is left; the valley is one, since the loss is convex in log N.
    high = math.log(flop / (FLOP + SERVED * demand.premium * demand.served))
    low = min(math.log(SMALLEST), high)
    log_n = valley(lambda x: planned(law, math.exp(x), max(tokens(x), 1.0), demand).loss, low, high)
    return planned(law, math.exp(log_n), max(tokens(log_n), 1.0), demand)


def tokens_for(law: Law, loss: float, parameters: float) -> float:
    """Return the fresh tokens with which a model of that size reaches a loss; infinity if it is too small for it.

    >>> tokens_for(Law(E=1.0, A=6.0, B=4.0, alpha=0.5, beta=0.5), 2.5, 36)
    64.0
    """
    rest = loss - law.E - law.A / parameters**law.alpha
    return (law.B / rest) ** (1 / law.beta) if rest > 0 else math.inf


def cheapest(law: Law, loss: float, served: float, premium: float = 1.0) -> Plan:
    """Return the plan that reaches a loss at the lowest cost of training and serving together; data are unlimited.

    >>> law = Law(E=1.0, A=6.0, B=4.0, alpha=0.5, beta=0.5)
    >>> [round(cheapest(law, 3.0, served).parameters, 1) for served in (0, 16, 1e9)]
    [36.0, 28.9, 9.0]
    """
    least = (law.A / (loss - law.E)) ** (1 / law.alpha) if loss > law.E else math.inf
    if math.isinf(least):
        raise ValueError(f"No model of this law gets to {loss} nats: {law.E:.3f} is what none gets below.")

    def cost(log_n: float) -> float:
        n = math.exp(log_n)
        return math.log(FLOP * n * tokens_for(law, loss, n) + SERVED * premium * n * served)

    low = math.log(least) + 1e-9
    n = math.exp(valley(cost, low, low + math.log(1e6)))
    return planned(law, n, tokens_for(law, loss, n), Demand(served=served, premium=premium))


def break_even(law: Law, loss: float, smaller: float, larger: float) -> float:
    """Return the served tokens from which the smaller of two models with one loss has cost less over its life.

    The smaller one is trained for longer, which 6 N D counts, and saves two FLOP a token for each parameter less.
    It is 0 where the smaller one is cheaper to train already, and infinity where it cannot reach the loss.

    >>> round(break_even(Law(E=1.0, A=6.0, B=4.0, alpha=0.5, beta=0.5), 3.0, smaller=16, larger=36))
    67
    """
    long, short = tokens_for(law, loss, smaller), tokens_for(law, loss, larger)
    if math.isinf(long):
        return math.inf
    return max(0.0, FLOP * (smaller * long - larger * short) / (SERVED * (larger - smaller)))


def spread(
    laws: Sequence[Law], worths: Sequence[float], flop: float, demand: Demand = ANY, level: float = 0.9
) -> dict[str, Interval]:
    """Return for size, tokens and loss of the best plan the middle of what several laws give, each with its own R."""
    pairs = zip(laws, worths, strict=True)
    plans = [best(law, flop, replace(demand, worth=worth)) for law, worth in pairs]
    names = ("parameters", "tokens", "loss")
    return {name: interval([getattr(plan, name) for plan in plans], level) for name in names}


def dollars(flop: float, peak: float, utilisation: float, hourly: float) -> float:
    """Return what a FLOP count costs on machines of `peak` FLOP a second that are used to a share, at a price an hour.

    >>> round(dollars(3.6e18, peak=1e15, utilisation=0.5, hourly=2.0), 2)
    4.0
    """
    return flop / (peak * utilisation) / 3_600 * hourly
