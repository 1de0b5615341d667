"""Exercise 5 of lab 05: find the spikes of a loss while it runs, and say where to go back to."""

import math
import statistics

import numpy as np

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m05_pretraining.inputs import LIBRARIES, cycled


@exercise(minutes=25, difficulty=3, review=LIBRARIES)
def incidents(losses, window, threshold, patience, margin, every):
    healthy, run, alarmed, found = [], 0, False, []
    for step, loss in enumerate(losses):
        recent = healthy[-window:]
        broken = not math.isfinite(loss)
        odd = broken
        if len(recent) == window and not broken:
            middle = statistics.median(recent)
            spread = statistics.median([abs(x - middle) for x in recent])
            odd = loss > middle + threshold * max(spread, 0.01)
        if not odd:
            healthy.append(loss)
            run, alarmed = 0, False
            continue
        run += 1
        start = step - run + 1
        if (run >= patience or broken) and not alarmed:
            alarmed = True
            back = max(start - margin, 0) // every * every
            found.append((start, step, back))
    return found


@incidents.right
def arrays(losses, window, threshold, patience, margin, every):
    x = np.array(losses, dtype=float)
    fine = np.zeros(len(x), dtype=bool)
    for t in range(len(x)):
        last = x[:t][fine[:t]][-window:]
        fine[t] = np.isfinite(x[t])
        if fine[t] and len(last) == window:
            middle = np.median(last)
            fine[t] = x[t] <= middle + threshold * max(np.median(np.abs(last - middle)), 0.01)
    found, t = [], 0
    while t < len(x):
        if fine[t]:
            t += 1
            continue
        end = t
        while end < len(x) and not fine[end]:
            end += 1
        broken = [s for s in range(t, end) if not np.isfinite(x[s])]
        alarms = broken[:1] + ([t + patience - 1] if end - t >= patience else [])
        if alarms:
            saved = [c for c in range(0, len(x) + 1, every) if c <= t - margin]
            found.append((t, min(alarms), saved[-1] if saved else 0))
        t = end
    return found


@incidents.right
def by_the_text(losses, window, threshold, patience, margin, every):
    def middle(values):
        ordered, n = sorted(values), len(values)
        return (ordered[(n - 1) // 2] + ordered[n // 2]) / 2

    recent, odd_steps, found = [], [], []
    for step, loss in enumerate(losses):
        number = -math.inf < loss < math.inf
        fine = number
        if number and len(recent) >= window:
            m = middle(recent)
            fine = not loss - m > threshold * max(0.01, middle([abs(r - m) for r in recent]))
        if fine:
            recent = [*recent, loss][-window:]
            odd_steps = []
        else:
            odd_steps.append(step)
            told = bool(found) and found[-1][0] == odd_steps[0]
            if not told and (len(odd_steps) >= patience or not number):
                goal = odd_steps[0] - margin
                found.append((odd_steps[0], step, goal - goal % every if goal > 0 else 0))
    return found


@incidents.part(
    8, "Write down, step by step: the window, its median and spread, whether the loss is an outlier, how many in a row.",
    "spikes",
)  # fmt: skip
def spikes(draw: Draw):
    # A height below the losses of the beginning; outliers that are too few; then runs, each above the limit of one more
    # wrong rule; the last ends the log.
    runs = (11, 50, 4), (12, 40, 1), (6, 40, 2), (9, 5.3, 5), (12, 7.2, 4), (7, 10, 6), (14, 14, 4), (6, 3, 4)
    yield cycled(draw, *runs, (9, 20, 4), (7, 900, 5)), 5, 4.0, 4, 13, 8
    for window, patience, margin, every in ((7, 2, 0, 10), (9, 4, 11, 7), (13, 1, 3, 5)):
        losses = [round(2.5 - 0.004 * step + draw.gauss(0, 0.01), 4) for step in range(71)]
        for at in (16, 27, 43, 58):
            for step in range(at, at + draw.randint(1, 5)):
                losses[step] = round(losses[step] + draw.uniform(2.0, 4.0), 4)
        yield losses, window, 30.0, patience, margin, every


@incidents.part(
    4, "A comparison with nan is False, and a loss that is no number waits for nobody's patience.",
    "no numbers",
)  # fmt: skip
def no_numbers(draw: Draw):
    losses = cycled(draw, (11, 900, 5), (23, 900, 4), (11, 900, 2), (9, 0, 1))
    for step, value in ((40, math.nan), (61, math.nan), (79, math.inf), (85, math.inf), (86, math.nan)):
        losses[step] = value
    yield losses, 5, 6.0, 4, 2, 5
    losses = cycled(draw, (9, 0, 1))
    losses[2], losses[20:24] = math.nan, [math.nan] * 4
    yield losses, 5, 8.0, 2, 3, 4
    yield [math.nan] * 5, 3, 5.0, 2, 0, 2


@incidents.part(
    4, "How many healthy losses are there, how wide is their spread, and is there a checkpoint so early?",
    "edges",
)  # fmt: skip
def edges(draw: Draw):
    # Equal losses, whose spread is 0; a loss at the limit; a window that is not full; a spike before any checkpoint.
    yield [2.0] * 7 + [2.005] * 2 + [2.0] * 5 + [2.04] * 3 + [2.0] * 5 + [2.7] * 4, 5, 5.0, 2, 3, 4
    # Around the limit of 10: 4, 4, 1, 1 have the median 2.5 and the spread 1.5.
    around = (25.0, 8.0, 9.0, 10.0, 10.03, 10.2, 11.3, 12.5, 15.0, 25.0)
    blocks = [x for loss in around for x in (4.0, 4.0, 1.0, 1.0, 4.0, 4.0, 1.0, 1.0, loss)]
    yield [40.0, 40.0, 30.0, 30.0] * 4 + blocks, 4, 5.0, 1, 0, 3
    # A spread that is small and not 0; a window that a loss without a number keeps from being full.
    yield [2.0, 2.002, 1.998, 2.0, 2.002, 2.03, 2.0, 2.002, 2.07], 5, 5.0, 1, 1, 2
    yield [2.0, math.nan, math.nan, 2.01, 9.0, 2.0, 2.0, 9.0], 4, 5.0, 1, 1, 2
    yield [2.0, 2.1, 1.9, 2.0, 9.0, 9.0, 9.0, 2.0, 2.5, 2.5], 4, 5.0, 2, 1, 2
    # Without the last of 1, 2, 3, 4 the limit would be 7, and it is 7.5.
    yield [1.0, 2.0, 3.0, 4.0, 7.2, 2.0, 3.0, 60.0], 4, 5.0, 1, 1, 3
    high = round(draw.uniform(6.0, 9.0), 2)
    yield [3.0, high, 3.0, high, 3.0, 3.0, 2.9, 60.0, 60.0], 6, 4.0, 2, 20, 3
    yield [2.5, 2.4, 2.5, 60.0, 60.0], 8, 4.0, 1, 0, 1
    # Loss that stays high, and loss that falls: the one is one incident, the other is none.
    yield [2.0, 2.1, 1.9, 2.0, *[5.0] * 12], 4, 6.0, 3, 1, 2
    yield [2.0, 2.1, 1.9, 2.0, *[0.1] * 7], 4, 6.0, 2, 1, 2
    yield [], 4, 6.0, 2, 1, 2


MIDDLE, SPREAD = "statistics.median(recent)", "statistics.median([abs(x - middle) for x in recent])"
ODD = "odd = loss > middle + threshold * max(spread, 0.01)"
BACK = "max(start - margin, 0) // every * every"
incidents.mistakes(f"""
No incident is found, and there is one: print the limit at each step, and which losses lie above it.
    return found => return []
The mean is drawn along by single losses: the middle is the median.
    {MIDDLE} => statistics.fmean(recent)
The spread is the median of the distances from the median, not a standard deviation: one low loss widens that.
    {SPREAD} => statistics.stdev(recent)
    {SPREAD} => statistics.pstdev(recent)
    {MIDDLE} => statistics.fmean(recent) && {SPREAD} => statistics.stdev(recent)
    {MIDDLE} => statistics.fmean(recent) && {SPREAD} => statistics.pstdev(recent)
The spread is the *median* distance from the median, not the mean distance.
    {SPREAD} => statistics.fmean([abs(x - middle) for x in recent])
The threshold counts median distances as they are: no factor of 1.4826.
    {SPREAD} => 1.4826 * statistics.median([abs(x - middle) for x in recent])
Low losses are no spikes: only what lies above counts.
    {ODD} => odd = abs(loss - middle) > threshold * max(spread, 0.01)
A loss is compared with those before it: here it stands in its own window.
    recent = healthy[-window:] => recent = [*healthy[-window + 1 :], loss] if math.isfinite(loss) else healthy[-window:]
Outliers do not enter the window: after a spike the window still holds healthy losses alone.
    healthy, run, alarmed, found => seen, run, alarmed, found && healthy[-window:] => [x for x in seen if math.isfinite(x)][-window:]\\n        seen.append(loss) && healthy.append(loss)\\n => pass\\n
The window is the last healthy losses, not all of them: the loss was higher, long ago.
    recent = healthy[-window:] => recent = healthy[-window:] if len(healthy) < window else healthy && len(recent) == window => len(recent) >= window
One outlier alone is no incident: it takes `patience` of them, one after the other.
    run >= patience or broken => True
The alarm comes a step late: with the outlier that makes `patience` in a row, not with the next.
    run >= patience or broken => run > patience or broken
    (start, step, back) => (start, step + 1, back)
A run of outliers ends with a healthy loss: count from 1 again.
    run, alarmed = 0, False => alarmed = False
The first outlier of an incident is that of its own row: a healthy loss ends a row, and the next one begins anew.
    alarmed, found = [], 0, False, [] => alarmed, found, begun = [], 0, False, [], None && run, alarmed = 0, False => run, alarmed = 0, False && start = step - run + 1 => begun = step if begun is None else begun\\n        start = begun
    alarmed, found = [], 0, False, [] => alarmed, found, begun = [], 0, False, [], None && run, alarmed = 0, False => alarmed = False && start = step - run + 1 => begun = step if begun is None else begun\\n        start = begun
One incident is reported at every step: the alarm goes off once, until a healthy loss ends it.
    and not alarmed => and True
The incident starts with the first outlier of the run, not with the alarm.
    start = step - run + 1 => start = step
The incident starts a step too early: with the first outlier.
    start = step - run + 1 => start = step - run
The way back is counted from the first outlier, not from the alarm.
    {BACK} => max(step - margin, 0) // every * every
The margin is missing: go back to a checkpoint that lies so many steps, or more, before the first outlier.
    {BACK} => start // every * every
A checkpoint that lies after start - margin is too late: round down.
    {BACK} => -(-max(start - margin, 0) // every) * every
    {BACK} => round(max(start - margin, 0) / every) * every
start - margin need not be a checkpoint: those are the multiples of `every`.
    {BACK} => max(start - margin, 0)
Step start - margin itself is early enough: a checkpoint there will do.
    {BACK} => max(start - margin - 1, 0) // every * every
A checkpoint at start - margin is the last that will do: here one that lies a step later is taken too.
    {BACK} => max(start + 1 - margin, 0) // every * every
The last checkpoint before the spike, then the margin off it: take the margin off first, and then go to a checkpoint.
    {BACK} => max(start // every * every - margin, 0)
The margin is in steps, not in checkpoints: one checkpoint back is not enough, or too much.
    {BACK} => max(start // every * every - every, 0)
    {BACK} => max(start // every - margin, 0) * every
Back to how many steps were done, not to the number of the checkpoint.
    {BACK} => max(start - margin, 0) // every
nan passes here: no comparison with it is True. Ask math.isfinite first.
    broken = not math.isfinite(loss) => broken = False
    broken = not math.isfinite(loss) => broken = math.isinf(loss)
Infinity is no number that a run comes back from: an alarm at once, as with nan.
    broken = not math.isfinite(loss) => broken = math.isnan(loss)
A loss that is no number sets the alarm off at once: here it waits for `patience`.
    run >= patience or broken => run >= patience
nan is an outlier even while the window is not full.
    broken = not math.isfinite(loss) => broken = not math.isfinite(loss) and len(recent) == window
The spread can be 0, and then everything is an outlier: it counts as 0.01 at least.
    max(spread, 0.01) => spread
    max(spread, 0.01) => (spread or 0.01)
The least spread is for the spread, not for the limit.
    threshold * max(spread, 0.01) => max(threshold * spread, 0.01)
    threshold * max(spread, 0.01) => threshold * (spread + 0.01)
An outlier lies above the limit: a loss that is equal to it is healthy.
    loss > middle => loss >= middle
The window has to be full: before that, no finite loss is an outlier.
    len(recent) == window and => recent and
    len(recent) == window and => len(recent) > 1 and
    len(recent) == window and => recent and step >= window and
The window ends with the last healthy loss: here that one is left out.
    recent = healthy[-window:] => recent = healthy[-window - 1 : -1]
    recent = healthy[-window:] => recent = healthy[-window - 1 : -1] && len(recent) == window and => len(healthy) >= window and
    recent = healthy[-window:] => recent = healthy[-window:-1] && len(recent) == window => len(recent) == window - 1
Of an even number of losses the median is the mean of the two in the middle.
    {MIDDLE} => statistics.median_low(recent)
    {MIDDLE} => statistics.median_high(recent)
    {MIDDLE} => statistics.median_high(recent) && {SPREAD} => statistics.median_high([abs(x - middle) for x in recent])
    {MIDDLE} => statistics.median_low(recent) && {SPREAD} => statistics.median_low([abs(x - middle) for x in recent])
`window` healthy losses are enough: here the first limit comes one later.
    len(recent) == window and => len(healthy) > window and
What comes after a step is not known at that step: here the whole log is in the window.
    recent = healthy[-window:] => recent = [x for x in losses if math.isfinite(x)] && len(recent) == window => recent
The limit lies above the median by so many spreads: it is no multiple of the median.
    middle + threshold * max(spread, 0.01) => threshold * middle
    middle + threshold * max(spread, 0.01) => threshold * max(spread, 0.01)
There is a checkpoint at 0, the start of the run, and none before it.
    {BACK} => (start - margin) // every * every
""")
