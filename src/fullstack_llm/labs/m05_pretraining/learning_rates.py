"""Exercise 2 of lab 05: the rates of a run that was stopped, and resumed for another total."""

import math

import numpy as np

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m05_pretraining.inputs import LIBRARIES


@exercise(minutes=25, difficulty=3, review=LIBRARIES)
def learning_rates(shape, peak, floor, warmup, fall, legs):
    rates = []
    for planned, stopped in legs:
        start, before = len(rates), rates[-1] if rates else 0.0
        rest = max(planned - start - warmup, 0)
        length = rest if shape == "cosine" else min(fall, rest)
        for step in range(start, stopped):
            done = step - start + 1
            fallen = length - (planned - 1 - step)
            share = max(fallen, 0) / max(length, 1)
            if done <= warmup:
                rate = before + (peak - before) * done / warmup
            elif shape == "cosine":
                rate = floor + (peak - floor) * (1 + math.cos(math.pi * share)) / 2
            else:
                rate = peak + (floor - peak) * share
            rates.append(rate)
    return rates


@learning_rates.right
def pieces(shape, peak, floor, warmup, fall, legs):
    # The whole of each leg as it was planned, in three pieces, cut where it was stopped.
    rates = []
    for planned, stopped in legs:
        before, count = rates[-1] if rates else 0.0, planned - len(rates)
        climb = np.linspace(before, peak, warmup + 1)[1:]
        rest = max(0, count - warmup)
        if shape == "wsd":
            down = min(fall, rest)
            tail = [peak] * (rest - down) + list(np.linspace(peak, floor, down + 1)[1:])
        else:
            angles = np.linspace(0, np.pi, rest + 1)[1:]
            tail = list((peak + floor) / 2 + (peak - floor) / 2 * np.cos(angles))
        rates += [float(rate) for rate in [*climb, *tail][: stopped - len(rates)]]
    return rates


@learning_rates.right
def recursive(shape, peak, floor, warmup, fall, legs):
    if not legs:
        return []
    old = recursive(shape, peak, floor, warmup, fall, legs[:-1])
    (planned, stopped), first, last = legs[-1], len(old), old[-1] if old else 0.0

    def rate(step):
        left = planned - step - 1
        if step - first < warmup:
            return last + (peak - last) * ((step - first + 1) / warmup)
        down = planned - first - warmup
        if shape == "cosine":
            return floor + (peak - floor) * math.sin(math.pi / 2 * left / down) ** 2
        down = min(down, fall)
        return peak if left >= down else floor + (peak - floor) * left / down

    return old + [rate(step) for step in range(first, stopped)]


def number(draw: Draw, low: float, high: float) -> float:
    """Draw a number of few digits, so that a case can be read."""
    return round(draw.uniform(low, high), 3)


@learning_rates.part(
    6,
    "Print the rates at the last step of the warm-up, which has the peak, and at the last of all, which has the floor.",
    "one leg",
    rtol=1e-6,
    atol=1e-9,
)
def one_leg(draw: Draw):
    for shape, peak, floor, warmup, fall, steps in (
        ("cosine", 0.6, 0.15, 5, 7, 23),
        ("wsd", 0.6, 0.15, 5, 7, 23),
        ("cosine", 1.0, 0.1, 2, 0, 6),
        ("wsd", 0.003, 0.0, 11, 3, 29),
        ("cosine", 0.02, 0.0, 3, 5, 17),
    ):
        yield shape, peak * number(draw, 1.0, 2.0), floor, warmup, fall, [(steps, steps)]
    # Stopped early, and not resumed.
    yield "cosine", number(draw, 1.0, 2.0), 0.25, 3, 4, [(19, 13)]
    yield "wsd", number(draw, 1.0, 2.0), 0.25, 3, 7, [(19, 16)]
    yield "wsd", number(draw, 1.0, 2.0), 0.25, 3, 7, [(12, 8)]


@learning_rates.part(
    8,
    "A resumed leg climbs, in warmup steps, from the rate of the last step done to the peak; then it falls by its plan.",
    "resumed",
    rtol=1e-6,
    atol=1e-9,
)
def resumed(draw: Draw):
    yield "cosine", number(draw, 1.0, 2.0), 0.15, 3, 7, [(23, 14), (41, 41)]
    yield "wsd", number(draw, 1.0, 2.0), 0.15, 3, 7, [(23, 20), (41, 41)]
    # Before its fall, nothing shows in WSD but that the fall is elsewhere.
    yield "wsd", number(draw, 1.0, 2.0), 0.15, 3, 7, [(23, 11), (41, 41)]
    # For fewer steps than were planned; within the warm-up; three legs, the last of them stopped.
    yield "cosine", number(draw, 1.0, 2.0), 0.2, 2, 5, [(40, 11), (19, 19)]
    yield "cosine", number(draw, 1.0, 2.0), 0.2, 7, 5, [(40, 3), (29, 29)]
    for shape in ("cosine", "wsd"):
        yield shape, number(draw, 1.0, 2.0), 0.3, 4, 6, [(17, 17), (31, 28), (53, 50)]


@learning_rates.part(
    4,
    "Which of the three pieces have no step here: warm-up, peak, fall?",
    "edges",
    rtol=1e-6,
    atol=1e-9,
)
def edges(draw: Draw):
    peak = number(draw, 1.0, 2.0)
    # A fall that is longer than what is left; no warm-up; no fall; a leg that ends in its warm-up, or has no step.
    yield "wsd", peak, 0.2, 5, 20, [(13, 13), (24, 24)]
    for shape in ("cosine", "wsd"):
        yield shape, peak, 0.2, 0, 3, [(7, 7), (11, 11)]
        yield shape, peak, 0.2, 5, 3, [(5, 5)]
        yield shape, peak, 0.2, 7, 3, [(4, 4), (9, 9), (30, 30)]
        yield shape, peak, 0.2, 2, 3, [(11, 6), (11, 6), (11, 11)]
        yield shape, peak, 0.2, 1, 1, [(1, 1)]
        yield shape, peak, peak, 2, 3, [(9, 9)]
    yield "wsd", peak, 0.2, 2, 0, [(9, 9)]
    yield "wsd", peak, 0.2, 3, 4, []


learning_rates.mistakes("""
The first step has the rate 0, and learns nothing: the k-th of the warm-up's steps, counted from 1, has k / warmup.
    done = step - start + 1 => done = step - start && done <= warmup => done < warmup
    done / warmup => (done - 1) / max(warmup - 1, 1)
The first leg climbs from 0, not from the floor.
    if rates else 0.0 => if rates else floor
    rates[-1] if rates else 0.0 => floor
The fall goes upwards: it begins at the peak and ends at the floor.
    (1 + math.cos(math.pi * share)) => (1 - math.cos(math.pi * share))
    rate = peak + (floor - peak) * share => rate = floor + (peak - floor) * share
    (1 + math.cos(math.pi * share)) => (1 - math.cos(math.pi * share)) && rate = peak + (floor - peak) * share => rate = floor + (peak - floor) * share
The cosine is of pi times the share: half a wave, in radians.
    math.cos(math.pi * share) => math.cos(share)
    math.cos(math.pi * share) => math.cos(2 * math.pi * share)
    math.cos(math.pi * share) => math.cos(180 * share)
The climb has `warmup` steps: here it has one more, and passes the peak.
    done <= warmup => done <= warmup + 1
The floor is never reached: the last step that was planned has it.
    (planned - 1 - step) => (planned - step)
The fall begins a step late, or is a step too short: its k-th step, counted from 1, has gone k of its length.
    max(fallen, 0) / max(length, 1) => max(fallen - 1, 0) / max(length - 1, 1)
The floor is a rate, not a share of the peak.
    rates = [] => rates, floor = [], floor * peak
It falls to 0: between peak and floor lies peak - floor, and the floor is where it ends.
    floor + (peak - floor) * (1 + => peak * (1 + && (floor - peak) => -peak
It falls to 0 and is cut off at the floor: the whole curve ends there.
    floor + (peak - floor) * (1 + math.cos(math.pi * share)) / 2 => max(floor, peak * (1 + math.cos(math.pi * share)) / 2) && peak + (floor - peak) * share => max(floor, peak - peak * share)
    rates.append(rate) => rates.append(max(rate, floor))
This is a quarter of a wave: the cosine goes from 1 to -1, over half of one, and ends flat.
    (1 + math.cos(math.pi * share)) / 2 => math.cos(math.pi * share / 2)
The peak is exceeded: 1 + cos goes from 2 to 0, so halve it.
    (1 + math.cos(math.pi * share)) / 2 => (1 + math.cos(math.pi * share))
wsd falls in a straight line: here it is another curve.
    rate = peak + (floor - peak) * share => rate = peak * (floor / peak) ** share
    rate = peak + (floor - peak) * share => rate = peak + (floor - peak) * share**0.5
    rate = peak + (floor - peak) * share => rate = floor + (peak - floor) * (1 - share) ** 2
    rate = peak + (floor - peak) * share => rate = floor + (peak - floor) * (1 + math.cos(math.pi * share)) / 2
wsd stays at the peak until the last `fall` steps: here it falls from the end of the warm-up on.
    rest if shape == "cosine" else min(fall, rest) => rest
The fall is at the end: here it begins `fall` steps after the warm-up, or stays out.
    rest if shape == "cosine" else min(fall, rest) => rest if shape == "cosine" else max(rest - fall, 0)
cosine falls over all that the warm-up leaves: `fall` is for wsd.
    rest if shape == "cosine" else min(fall, rest) => min(fall, rest)
The cosine begins at the end of the warm-up, not with it: its steps are those that the warm-up leaves.
    rest if shape == "cosine" else min(fall, rest) => planned - start if shape == "cosine" else min(fall, rest)
The curve ends where the leg was stopped: it was planned for more steps, and keeps to its plan until it stops.
    for planned, stopped in legs: => for _, stopped in legs:\\n        planned = stopped
    planned, stopped in legs => _, planned in legs && range(start, stopped) => range(start, planned)
    min(fall, rest) => min(fall, max(stopped - start - warmup, 0))
There are steps here that the run never did: a leg ends where it was stopped.
    range(start, stopped) => range(start, planned)
A resumed leg climbs from the rate of the last step done: here it begins at 0 again.
    rates[-1] if rates else 0.0 => 0.0
A resumed leg has a warm-up too: here its rate jumps to the new plan's.
    done <= warmup => done <= warmup and not start
    done <= warmup => done <= warmup and not start && rest = max(planned - start - warmup, 0) => rest = max(planned - start - (0 if start else warmup), 0)
    done <= warmup => done <= warmup and not start && rest = max(planned - start - warmup, 0) => rest = max(planned - warmup, 0)
A resumed leg climbs from the rate at which the run stopped to the peak: here it stays where it was.
    (peak - before) * done / warmup => (peak - before) * (done / warmup if not start else 0)
A resumed leg climbs in equal parts, from the last rate to the peak: here the larger one of two rates is taken.
    before + (peak - before) * done / warmup => max(before, peak * done / warmup)
The steps of a resumed leg's climb are counted from its own first step, not from the run's.
    done / warmup => (step + 1) / warmup
The resumed leg's cosine has the length of the whole run: its plan is for the steps from its own start, less its warm-up.
    rest = max(planned - start - warmup, 0) => rest = max(planned - warmup, 0)
    rest = max(planned - start - warmup, 0) => rest = max(planned - warmup, 0) && length - (planned - 1 - step) => done - warmup - (rest - length)
    rest = max(planned - start - warmup, 0) => rest = max(planned - warmup, 0) && length - (planned - 1 - step) => done - warmup - (rest - length) && max(fallen, 0) / max(length, 1) => min(max(fallen, 0) / max(length, 1), 1)
The numbers of a leg count from the beginning of the run: here they were counted from the beginning of the leg.
    start, before = len(rates), => planned, stopped = planned + len(rates), stopped + len(rates)\\n        start, before = len(rates),
What was done before the leg is taken off twice: planned counts from the run's first step, and planned - start are left.
    rest = max(planned - start - warmup, 0) => rest = max(planned - 2 * start - warmup, 0) && fallen = length - (planned - 1 - step) => fallen = done - warmup - (rest - length)
A leg climbs from the last step's rate, so that the k-th step of its climb has gone k of warmup: here one rate is there twice.
    (peak - before) * done / warmup => (peak - before) * (done - (start > 0)) / warmup
The fall is longer than what the warm-up leaves, and then it takes just that.
    min(fall, rest) => fall
Something is divided by 0: there may be no warm-up, or no step left for the fall.
    / max(length, 1) => / length
""")
