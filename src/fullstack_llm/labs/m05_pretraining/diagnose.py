"""Exercise 6 of lab 05: what a loader read that went wrong when its run was resumed, and what is left to read."""

from collections import Counter
from itertools import chain

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m05_pretraining.inputs import LIBRARIES


@exercise(minutes=25, difficulty=4, review=LIBRARIES)
def diagnose(order, batch, log):
    kept = {}
    for step, ids in log:
        # What was done from this step on is undone: the weights of a checkpoint know nothing of it.
        kept = {s: i for s, i in kept.items() if s < step}
        kept[step] = ids
    first, cause = -1, ""
    for step, ids in sorted(kept.items()):
        if ids != order[step * batch : (step + 1) * batch]:
            at = order.index(ids[0])
            first = step
            if ids != order[at : at + len(ids)]:
                cause = "reshuffled"
            elif at == 0:
                cause = "restarted"
            else:
                cause = "repeated" if at < step * batch else "skipped"
            break
    read = Counter(i for ids in kept.values() for i in ids)
    due = order[: len(kept) * batch]
    return {
        "first": first,
        "cause": cause,
        "twice": sorted(i for i in read if read[i] > 1),
        "never": [i for i in due if not read[i]],
        "rest": [i for i in order if not read[i]],
    }


@diagnose.right
def cut(order, batch, log):
    # The log is cut back to the step that comes again: what is left are steps 0, 1, 2, ... in order.
    batches = []
    for step, ids in log:
        del batches[step:]
        batches.append(ids)
    seen = list(chain.from_iterable(batches))
    wrong = [s for s, ids in enumerate(batches) if ids != order[s * batch :][: len(ids)]]
    cause, first = "", wrong[0] if wrong else -1
    if wrong:
        ids, place = batches[first], {i: at for at, i in enumerate(order)}
        ats = [place[i] for i in ids]
        if ats != list(range(ats[0], ats[0] + len(ids))):
            cause = "reshuffled"
        else:
            cause = "restarted" if not ats[0] else ("skipped", "repeated")[ats[0] < first * batch]
    rest = [i for i in order if i not in seen]
    never = [i for i in rest if i in order[: batch * len(batches)]]
    return {
        "first": first,
        "cause": cause,
        "twice": sorted({i for i in seen if seen.count(i) > 1}),
        "never": never,
        "rest": rest,
    }


@diagnose.right
def last_come(order, batch, log):
    # An entry survives if no later one has its step or an earlier one.
    lowest, survived = float("inf"), []
    for step, ids in reversed(log):
        if step < lowest:
            survived.insert(0, (step, ids))
            lowest = step
    times = dict.fromkeys(order, 0)
    for _, ids in survived:
        for one in ids:
            times[one] += 1
    found = {"first": -1, "cause": ""}
    for step, ids in reversed(survived):
        begin = step * batch
        if ids != order[begin : begin + batch]:
            at = order.index(ids[0])
            slices = all(at + k < len(order) and order[at + k] == one for k, one in enumerate(ids))
            name = "reshuffled" if not slices else "skipped" if at > begin else "repeated" if at else "restarted"
            found = {"first": step, "cause": name}
    done = len(survived) * batch
    return found | {
        "twice": sorted(one for one, count in times.items() if count >= 2),
        "never": [one for one in order[:done] if times[one] == 0],
        "rest": [one for one in order if times[one] == 0],
    }


def logged(draw: Draw, size: int, batch: int, *legs: tuple[int, int, str]):
    """Draw an epoch's order and the log of a run: legs from a checkpoint to a crash, each with what its loader did."""
    order = draw.sample(range(100, 1000), size)
    log = []
    for start, end, fault in legs:
        source, shift = order, 0
        if fault == "restarted":
            shift = -start * batch
        elif fault == "repeated":
            shift = -draw.randint(1, start * batch - 1)
        elif fault == "skipped":
            shift = draw.randint(1, max(1, size - end * batch))
        elif fault == "reshuffled":
            while source[start * batch : start * batch + 2] == order[start * batch : start * batch + 2]:
                source = draw.sample(order, size)
        for step in range(start, end):
            ids = source[step * batch + shift : (step + 1) * batch + shift]
            if ids:
                log.append((step, ids))
    return order, batch, log


def faults(draw: Draw):
    # The second crash comes earlier than the first, so that entries are undone which do not come again by their step.
    yield logged(draw, 61, 3, (0, 9, ""), (6, 12, "repeated"), (8, 9, ""), (9, 14, "skipped"))
    yield logged(draw, 47, 3, (0, 8, ""), (5, 11, "restarted"), (9, 12, ""))
    yield logged(draw, 53, 4, (0, 6, ""), (4, 9, "skipped"), (7, 10, ""))
    yield logged(draw, 41, 3, (0, 6, ""), (3, 9, "reshuffled"), (7, 10, "restarted"))
    yield logged(draw, 37, 5, (0, 4, ""), (2, 6, "repeated"))


@diagnose.part(
    5, "What do the weights at the end remember? Strike out what was done after a checkpoint to which the run went back.",
    "what was read", items=("twice", "never"),
)  # fmt: skip
def what_was_read(draw: Draw):
    yield from faults(draw)


@diagnose.part(
    5, "Compare surviving batches with the order's. Where does the first that differs stand? If none: -1, and an empty string.",
    "cause", items=("first", "cause"), whole=True,
)  # fmt: skip
def causes(draw: Draw):
    yield from faults(draw)
    yield logged(draw, 31, 4, (0, 5, ""), (3, 6, ""))


@diagnose.part(3, "After the rest, each id has been read once at least, and none needlessly.", "rest", items=("rest",))
def repaired(draw: Draw):
    yield from faults(draw)


@diagnose.part(
    3, "Nothing may be wrong, a wrong leg may be undone, and an epoch may end with a short batch.",
    "edges",
)  # fmt: skip
def edges(draw: Draw):
    # A wrong leg that a later one undoes; nothing wrong; a whole epoch; a whole epoch with a leg that skipped.
    yield logged(draw, 43, 3, (0, 7, ""), (5, 9, "restarted"), (4, 8, ""))
    yield logged(draw, 23, 4, (0, 5, ""))
    yield logged(draw, 23, 4, (0, 5, ""), (3, 6, ""))
    yield logged(draw, 23, 4, (0, 3, ""), (2, 6, "repeated"))
    yield logged(draw, 17, 4, (0, 3, ""), (2, 4, "restarted"), (3, 5, ""))
    yield logged(draw, 11, 1, (0, 6, ""), (4, 9, "repeated"))
    yield logged(draw, 7, 7, (0, 1, ""))
    # A last leg of a single step; a batch that was mixed, of which nothing is missing.
    yield logged(draw, 31, 2, (0, 8, ""), (5, 9, "skipped"), (4, 5, ""))
    order, batch, log = logged(draw, 31, 3, (0, 6, ""))
    log[3] = (3, [log[3][1][k] for k in (1, 2, 0)])
    yield order, batch, log
    yield logged(draw, 7, 3)


UNDONE = "kept = {s: i for s, i in kept.items() if s < step}"
AT = 'cause = "repeated" if at < step * batch else "skipped"'
diagnose.mistakes(f"""
A run that goes back to step c loses all from c on, not only the steps that are done again under the same number.
    {UNDONE} => pass
The first batch of a step is kept here, and the last one is what the weights have read.
    {UNDONE} => pass && kept[step] = ids => kept.setdefault(step, ids)
The steps after the one to which the run went back are all undone, the next one too.
    {UNDONE} => kept = {{s: i for s, i in kept.items() if s <= step + 1}}
The order inside of a batch counts too: one that was mixed is "reshuffled".
    if ids != order[step * batch : (step + 1) * batch]: => if sorted(ids) != sorted(order[step * batch : (step + 1) * batch]):
never: the steps that are done should have read so much of the order, and no more; what comes later is not late.
    due = order[: len(kept) * batch] => due = order
rest: what its steps have not come to is left as well.
    for i in order if not read[i]], => for i in due if not read[i]],
never: what was read twice was read.
    for i in due if not read[i]] => for i in due if read[i] != 1]
Step s begins at the place s * batch of the order.
    order[step * batch : (step + 1) * batch] => order[step : step + batch]
rest: going on at the next step's place leaves out for ever what was skipped, and reads again what was read too early.
    for i in order if not read[i]], => for i in order[len(kept) * batch :]],
rest: what was skipped is still to be read, and what was read too early is not: go through the whole order.
    for i in order if not read[i]], => for i in order[len(kept) * batch :] if not read[i]],
rest: what the steps missed, then what they had not come to: but some of that was read too early.
    for i in order if not read[i]], => for i in order if not read[i] or i not in due],
rest: documents that were read twice are done with.
    for i in order if not read[i]], => for i in order if not read[i] or read[i] > 1],
rest and never stand in the order's order, not sorted by id.
    for i in due if not read[i]] => for i in sorted(due) if not read[i]]
    for i in order if not read[i]], => for i in sorted(order) if not read[i]],
twice is sorted by id.
    "twice": sorted(i for i in read if read[i] > 1), => "twice": [i for i in order if read[i] > 1],
twice names each id once, however often it was read.
    "twice": sorted(i for i in read if read[i] > 1), => "twice": sorted(i for i in read for _ in range(read[i] - 1)),
    "twice": sorted(i for i in read if read[i] > 1), => "twice": sorted(i for i in read.elements() if read[i] > 1),
twice: ids that were read three times are read more than once, too.
    "twice": sorted(i for i in read if read[i] > 1), => "twice": sorted(i for i in read if read[i] == 2),
These were read, and only once: twice are those that were read more than once.
    "twice": sorted(i for i in read if read[i] > 1), => "twice": sorted(i for i in read if read[i] >= 1),
first is the first step that is wrong, not the last one.
    break =>  continue
Is the batch the order's next one, or does it begin elsewhere in it? Ahead of its place is "skipped", behind it "repeated".
    {AT} => cause = "skipped" if at < step * batch else "repeated"
Position 0 of the order is the beginning of the epoch: that is "restarted", not "repeated".
    elif at == 0: => elif False:
"restarted" is a batch from the very beginning of the order: another one that comes too early is "repeated".
    elif at == 0: => elif at < step * batch:
A batch that is not a piece of the order is "reshuffled".
    if ids != order[at : at + len(ids)]: => if False:
A batch that lies behind its place is a piece of the order all the same: "reshuffled" is one that stands nowhere in it.
    if ids != order[at : at + len(ids)]: => if True:
If all is right, first is -1.
    first, cause = -1, "" => first, cause = None, ""
    first, cause = -1, "" => first, cause = 0, ""
If all is right, the cause is an empty string.
    first, cause = -1, "" => first, cause = -1, None
    first, cause = -1, "" => first, cause = -1, "none"
""")


@diagnose.mistake(
    "Batches that were undone are counted: a run that goes back to a checkpoint forgets what it read after it."
)
def everything(order, batch, log):
    read = Counter(i for _, ids in log for i in ids)
    due = order[: (1 + max((step for step, _ in log), default=-1)) * batch]
    never, rest = [i for i in due if not read[i]], [i for i in order if not read[i]]
    twice = sorted(i for i in read if read[i] > 1)
    return diagnose(order, batch, log) | {"twice": twice, "never": never, "rest": rest}


@diagnose.mistake("The first wrong batch of the log was undone by a later resume: look at those that survive.")
def in_the_order_of_the_log(order, batch, log):
    wrong = [step for step, ids in log if ids != order[step * batch : (step + 1) * batch]]
    found = diagnose(order, batch, log)
    if wrong and wrong[0] != found["first"]:
        end = next(at for at, (step, ids) in enumerate(log) if ids != order[step * batch : (step + 1) * batch])
        first = diagnose(order, batch, log[: end + 1])
        found = found | {"first": first["first"], "cause": first["cause"]}
    return found
