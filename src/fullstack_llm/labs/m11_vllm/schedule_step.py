"""Exercise 3 of lab 11: what goes through the model in one step, who loses its blocks, and who is let in."""

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m11_vllm.inputs import LIBRARIES, crowd, queue


def blocks_of(tokens, block_size):
    return -(-tokens // block_size)


def chunk_of(one, left, block_size):
    missing = one["length"] - one["stored"]
    if missing <= left:
        return missing
    whole = (one["stored"] + left) // block_size * block_size
    return max(whole - one["stored"], 0)


@exercise(minutes=30, difficulty=4, review=LIBRARIES, uses=(blocks_of, chunk_of))
def schedule_step(requests, free, block_size, budget, rows, reserve):
    chunks, preempted, admitted = {}, [], []
    running = [one for one in requests if one["running"]]
    waiting = [one for one in requests if not one["running"]]
    first = [one for one in running if one["length"] - one["stored"] == 1]
    for one in first + [one for one in running if one not in first]:
        chunk = chunk_of(one, budget, block_size)
        if one not in running or chunk == 0:
            continue
        held = blocks_of(one["stored"], block_size)
        needed = blocks_of(one["stored"] + chunk, block_size) - held
        while needed > free:
            victim = running[0]
            for other in running:
                if other["priority"] >= victim["priority"]:
                    victim = other
            lost = chunks.pop(victim["name"], 0)
            budget += lost
            free += blocks_of(victim["stored"] + lost, block_size)
            running.remove(victim)
            preempted.append(victim["name"])
            if victim is one:
                break
        if one in running:
            chunks[one["name"]] = chunk
            free -= needed
            budget -= chunk
    waiting.sort(key=lambda one: one["priority"])
    while waiting and not preempted and len(running) < rows:
        one = waiting.pop(0)
        chunk = chunk_of(one, budget, block_size)
        needed = blocks_of(chunk, block_size)
        kept = reserve if running else 0
        if chunk == 0 or needed + kept > free:
            break
        running.append(one)
        admitted.append(one["name"])
        chunks[one["name"]] = chunk
        free -= needed
        budget -= chunk
    return {"chunks": chunks, "preempted": preempted, "admitted": admitted, "free": free}


@schedule_step.right
def by_position(requests, free, block_size, budget, rows, reserve):
    # Everything is kept by place in the list: what each has stored, what it gets, and whether it runs.
    size, every = block_size, range(len(requests))
    runs = {i for i in every if requests[i]["running"]}
    stored = [one["stored"] for one in requests]
    gets = [0] * len(requests)
    preempted, admitted = [], []

    def want(i):
        left = budget - sum(gets)
        end = min(requests[i]["length"], stored[i] + left)
        if end < requests[i]["length"]:
            end -= end % size
        return max(0, end - stored[i])

    def room():
        return free - sum((stored[i] + gets[i] + size - 1) // size - (stored[i] + size - 1) // size for i in every)

    for i in sorted(runs, key=lambda i: (requests[i]["length"] - stored[i] > 1, i)):
        if i not in runs or not (chunk := want(i)):
            continue
        while i in runs and (stored[i] + chunk + size - 1) // size - (stored[i] + size - 1) // size > room():
            out = max(runs, key=lambda j: (requests[j]["priority"], j))
            free += (stored[out] + size - 1) // size
            stored[out], gets[out] = 0, 0
            runs.discard(out)
            preempted.append(requests[out]["name"])
        if i in runs:
            gets[i] = chunk
    if not preempted:
        for _, i in sorted((requests[i]["priority"], i) for i in every if i not in runs):
            chunk = want(i)
            fits = (chunk + size - 1) // size + (reserve if runs else 0) <= room()
            if not chunk or len(runs) >= rows or not fits:
                break
            gets[i] = chunk
            runs.add(i)
            admitted.append(requests[i]["name"])
    chunks = {requests[i]["name"]: gets[i] for i in every if gets[i]}
    return {"chunks": chunks, "preempted": preempted, "admitted": admitted, "free": room()}


@schedule_step.part(
    8, "Go through the running requests by hand: those that decode, then those that read. How far does the budget go?",
    "chunks",
)  # fmt: skip
def chunks(draw: Draw):
    # Room for all; nobody waits. A chunk that ends inside of a block, one that ends with its prompt, one of nothing.
    yield queue(("a", 1, 26, 5), ("b", 0, 9, 8), ("c", 2, 13, 10), ("d", 0, 30, 15), ("e", 1, 7, 6)), 19, 5, 23, 8, 2
    yield queue(("a", 0, 31, 14), ("b", 0, 3, 2), ("c", 0, 19, 12)), 17, 4, 12, 8, 0
    yield queue(("a", 0, 40, 6), ("b", 0, 22, 21), ("c", 0, 12, 10)), 17, 3, 3, 8, 0
    yield queue(("a", 0, 9, 8), ("b", 0, 8, 7), ("c", 0, 7, 6)), 5, 4, 2, 8, 0
    for size in (3, 5):
        yield crowd(draw, size, 6, 0, 3), 50, size, draw.randint(5, 31), 11, 1
    yield queue(("a", 0, 12, 7), ("b", 0, 9, 6)), 9, 4, 1, 8, 0
    yield [], 7, 4, 9, 8, 1


@schedule_step.part(
    8, "Count the blocks that are free before each request. Who goes, by the rule, and what comes free with it?",
    "preemption",
)  # fmt: skip
def preemption(draw: Draw):
    # The victim has a chunk already, is neither the youngest nor the largest, and its tokens go back to the budget.
    more = ("f", 1, 6, 5), ("g", 0, 7, 6), ("e", 3, 7, 4)
    yield queue(("d", 2, 33, 12), ("a", 1, 21, 20), ("b", 3, 13, 12), ("c", 0, 9, 8), *more), 1, 4, 12, 8, 0
    # Two of equal priority; a request that has to go itself; nobody is let in afterwards.
    yield queue(("a", 2, 17, 16), ("b", 2, 9, 8), ("c", 1, 13, 12), ("w", 0, 3, 0)), 0, 4, 16, 8, 0
    yield queue(("a", 0, 9, 8), ("b", 4, 13, 12), ("c", 1, 5, 4), ("d", 0, 5, 4), ("w", 0, 2, 0)), 1, 4, 32, 8, 1
    # Several have to go for one.
    yield queue(("a", 0, 41, 4), ("b", 1, 6, 5), ("c", 2, 8, 7), ("d", 2, 16, 15), ("w", 0, 3, 0)), 3, 4, 48, 8, 0
    yield queue(("a", 0, 31, 3), ("b", 3, 14, 6), ("c", 3, 5, 4)), 1, 3, 15, 8, 0
    for size in (2, 3, 4):
        yield crowd(draw, size, 7, 1, 3), draw.randint(0, 1), size, draw.randint(9, 29), 11, 1
    yield queue(("a", 0, 5, 4)), 0, 4, 9, 8, 0


@schedule_step.part(
    6, "Who is first in the queue, how many blocks does its first chunk take, and how many are free after that?",
    "admission",
)  # fmt: skip
def admission(draw: Draw):
    # What is left is just the reserve; then a queue that is not in order of priority, whose last one would fit.
    yield queue(("a", 0, 6, 5), ("u", 0, 7, 0)), 4, 4, 40, 8, 2
    yield queue(("a", 0, 9, 8), ("u", 2, 3, 0), ("v", 0, 11, 0), ("w", 0, 6, 0), ("x", 1, 12, 0)), 9, 4, 60, 8, 2
    # The budget ends inside of a prompt; all rows are taken; with nobody running nothing is kept in reserve.
    yield queue(("a", 0, 6, 5), ("u", 0, 7, 0), ("v", 0, 23, 0), ("w", 0, 2, 0)), 30, 5, 20, 8, 1
    yield queue(("a", 0, 9, 8), ("u", 1, 6, 0), ("v", 0, 30, 0), ("w", 2, 1, 0)), 9, 4, 19, 8, 3
    yield queue(("a", 0, 6, 5), ("b", 0, 30, 10), ("u", 1, 2, 0), ("v", 1, 2, 0)), 30, 5, 5, 3, 1
    yield queue(("u", 1, 9, 0), ("v", 0, 13, 0)), 5, 4, 40, 8, 2
    yield queue(("u", 0, 7, 0), ("v", 0, 5, 0)), 5, 3, 40, 8, 1
    for size in (3, 5):
        yield crowd(draw, size, 3, 5, 3), draw.randint(9, 14), size, draw.randint(9, 40), 6, 2
    yield queue(("u", 0, 7, 0)), 1, 4, 40, 8, 1
    yield queue(("u", 0, 7, 0)), 5, 4, 3, 8, 0


FIRST = "first + [one for one in running if one not in first]"
VICTIM = 'if other["priority"] >= victim["priority"]:'
WHOLE = 'whole = (one["stored"] + left) // block_size * block_size'
LOST = 'free += blocks_of(victim["stored"] + lost, block_size)'
schedule_step.mistakes(f"""
Its first chunk alone has to find blocks, not the whole prompt.
    needed = blocks_of(chunk, block_size) => needed = blocks_of(one["length"], block_size)
Requests that decode come before those that read, so that no prompt holds them up.
    {FIRST} => running[:]
    {FIRST} => [one for one in running if one not in first] + first
Within those that decode, and within those that read, the order is that of arrival.
    {FIRST} => sorted(running, key=lambda one: (one["length"] - one["stored"] > 1, one["priority"]))
A chunk that does not finish its request ends where a block ends: here it ends wherever the budget does.
    {WHOLE} => whole = one["stored"] + left
    waiting.pop(0)\\n        chunk = chunk_of(one, budget, block_size) => waiting.pop(0)\\n        chunk = min(one["length"], budget)
It is the end of the chunk that lies at the end of a block, stored tokens counted, and not the chunk's own size that is a multiple.
    {WHOLE} => whole = one["stored"] + left // block_size * block_size
Only a chunk that leaves tokens over is cut to whole blocks: one that finishes its request ends with it.
    if missing <= left:\\n        return missing => left = min(missing, left) if missing > 1 else missing\\n    if missing == 1: return missing
A chunk is what is missing, or what the budget allows if that is less: here the budget is not looked at, or not used up as it goes.
    if missing <= left: => if True:
    budget -= chunk\\n    waiting.sort => waiting.sort
A chunk that would have nothing in it is no chunk: the request has no entry in this step.
    or chunk == 0:\\n            continue => :\\n            continue
    waiting.sort( => for one in running: chunks.setdefault(one["name"], 0)\\n    waiting.sort(
A request that gets nothing holds up nobody: those after it may still fit into the budget.
    if one not in running or chunk == 0:\\n            continue => if one not in running: continue\\n        if chunk == 0: break
What is read are the tokens that are not stored: length less stored.
    missing = one["length"] - one["stored"] => missing = one["length"]
The victim is the running request with the largest priority number; here priority is not looked at.
    {VICTIM} => if True:
    {VICTIM} => if False:
The largest priority number goes first: here it is the smallest.
    {VICTIM} => if other["priority"] <= victim["priority"]:
Of equal priority the one that arrived last has to go.
    {VICTIM} => if other["priority"] > victim["priority"]:
The request that needs the blocks may be the victim itself: it is one of those that run.
    victim = running[0]\\n => victim = next((o for o in running if o is not one), one)\\n && for other in running: => for other in [o for o in running if o is not one]:
Here requests lose their blocks to one of less importance: the victim is the largest number of all that run, not of those after it.
    for other in running: => for other in running[running.index(one):]: && victim = running[0] => victim = one
One victim may not be enough: go on until there is room.
    while needed > free: => if needed > free: && if victim is one:\\n                break => pass && if one in running: => if one in running and needed <= free:
    while needed > free: => if needed > free: && if victim is one:\\n                break => pass
A victim that has a chunk in this step loses it: its tokens go back to the budget, and it does not go through the model.
    budget += lost => pass
    lost = chunks.pop(victim["name"], 0) => lost = chunks.get(victim["name"], 0)
All of a victim's blocks come free, those that it took in this step among them.
    {LOST} => free += blocks_of(victim["stored"], block_size)
    {LOST} => free += victim["stored"] // block_size
A victim does not run any more: it gets no chunk in this step, also where its turn was still to come.
    if one not in running or chunk == 0: => if chunk == 0: && if one in running: => if True:
    if one in running: => if True:
The room that is left in a request's last block is used first: it needs blocks beyond those that it holds.
    held = blocks_of(one["stored"], block_size) => held = one["stored"] // block_size
    needed = blocks_of(one["stored"] + chunk, block_size) - held => needed = blocks_of(chunk, block_size)
The blocks that chunks take are not free any more.
    free -= needed\\n            budget -= chunk => budget -= chunk
    free -= needed\\n        budget -= chunk => budget -= chunk
In a step that preempts nobody is let in: the victim would take back what another one is about to need.
    while waiting and not preempted and => while waiting and
The queue is ordered by priority, the smallest number first, and by arrival among equals.
    waiting.sort(key=lambda one: one["priority"]) => pass
    waiting.sort(key=lambda one: one["priority"]) => waiting.sort(key=lambda one: -one["priority"])
Nobody overtakes: where the first in the queue does not fit, the others wait too.
    if chunk == 0 or needed + kept > free:\\n            break => if chunk == 0 or needed + kept > free:\\n            continue
With nobody running, nothing is kept in reserve: otherwise a long prompt might wait for ever.
    kept = reserve if running else 0 => kept = reserve
    kept = reserve if running else 0 => kept = reserve if len(running) > len(admitted) else 0
After an admission `reserve` blocks stay free for those that run: here they are given away.
    kept = reserve if running else 0 => kept = 0
The reserve is for admissions alone: a request that runs may take the last block.
    while needed > free: => while needed + reserve > free:
Exactly `reserve` blocks may be left.
    or needed + kept > free: => or needed + kept >= free:
At most `rows` requests run at once, those that get nothing in this step among them.
    and len(running) < rows => and len(chunks) < rows
    and len(running) < rows =>
A prompt that is let in is cut as any other: its chunk may be less than all of it, and ends with a block.
    waiting.pop(0)\\n        chunk = chunk_of(one, budget, block_size) => waiting.pop(0)\\n        chunk = one["length"] if one["length"] <= budget else 0
One request after the other is let in, as long as there is room, not one in a step.
    and len(running) < rows => and len(running) < rows and not admitted
A request that is let in has its first chunk in the same step.
    admitted.append(one["name"])\\n        chunks[one["name"]] = chunk => admitted.append(one["name"])
Those that are let in share what the others have left of the budget.
    free -= needed\\n        budget -= chunk => free -= needed
preempted are the names in the order in which they went.
    "preempted": preempted => "preempted": sorted(preempted)
    "preempted": preempted => "preempted": [one["name"] for one in requests if one["name"] in preempted]
""")
