"""Exercise 6 of lab 11: the log of an engine whose blocks become fewer; where a count went wrong, how, and what it cost."""

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m11_vllm.inputs import LIBRARIES, logged


@exercise(minutes=30, difficulty=4, review=LIBRARIES)
def diagnose(log, blocks):
    tables, before, faults = {}, [0] * blocks, []
    lost = {}
    for number, (kind, name, named, counts) in enumerate(log):
        table = tables.setdefault(name, [])
        due, cause = [0] * blocks, ""
        others = [block for other, held in tables.items() if other != name for block in held]
        if kind in ("take", "share"):
            for block in named:
                due[block] += 1
            table.extend(named)
        elif kind == "copy":
            old, new = named
            due[old], due[new] = -1, 1
            table[table.index(old)] = new
        else:
            for block in table:
                due[block] -= 1
        excess = {b: counts[b] - before[b] - due[b] for b in range(blocks) if counts[b] - before[b] != due[b]}
        kept = [block for block, more in excess.items() if more == 1]
        if kind == "copy":
            if excess == {named[0]: 1}:
                cause = "source kept"
        elif kind == "share":
            if excess == dict.fromkeys(named, 1):
                cause = "counted twice"
        elif kind != "take" and len(kept) == len(excess):
            if set(kept) == set(table):
                cause = "all kept"
            elif kept == table[-1:]:
                cause = "last kept"
            elif set(kept) == set(table) & set(others):
                cause = "shared kept"
        elif excess == dict.fromkeys(lost.get(name, []), -1):
            cause = "given twice"
        if excess:
            faults.append((number, cause or "other"))
        if kind in ("preempt", "finish", "cancel"):
            lost[name] = table
            del tables[name]
        before = counts
    holders = [sum(table.count(block) for table in tables.values()) for block in range(blocks)]
    return {
        "faults": faults,
        "leaked": [block for block in range(blocks) if holders[block] == 0 and before[block] > 0],
        "exposed": [block for block in range(blocks) if holders[block] > 0 and before[block] <= 0],
        "holders": holders,
    }


@diagnose.right
def with_counters(log, blocks):
    from collections import Counter

    held, gone, last, faults = {}, {}, [0] * blocks, []
    for number, (kind, name, named, counts) in enumerate(log):
        mine = held.get(name, ())
        ends = kind in ("preempt", "finish", "cancel")
        if ends:
            now = ()
        elif kind == "copy":
            now = tuple(named[1] if block == named[0] else block for block in mine)
        else:
            now = mine + tuple(named)
        step = [b - a for a, b in zip(last, counts)]
        off = Counter()
        for block, change in enumerate(step):
            off[block] = change - now.count(block) + mine.count(block)
        off = {block: number for block, number in off.items() if number}
        if off:
            shared = [b for b in mine if any(b in table for other, table in held.items() if other != name)]
            patterns = []
            if ends:
                patterns = [("all kept", mine, 1), ("last kept", mine[-1:], 1), ("shared kept", shared, 1)]
                patterns += [("given twice", gone.get(name, ()), -1)]
            elif kind == "copy":
                patterns = [("source kept", named[:1], 1)]
            elif kind == "share":
                patterns = [("counted twice", named, 1)]
            fits = [cause for cause, which, by in patterns if which and off == dict.fromkeys(which, by)]
            faults.append((number, fits[0] if fits else "other"))
        if ends:
            gone[name] = mine
            held.pop(name, None)
        else:
            held[name] = now
        last = counts
    holders = Counter(block for table in held.values() for block in table)
    return {
        "faults": faults,
        "leaked": [block for block in range(blocks) if last[block] > 0 and not holders[block]],
        "exposed": [block for block in range(blocks) if last[block] < 1 and holders[block]],
        "holders": [holders[block] for block in range(blocks)],
    }


def with_causes(draw: Draw, blocks: int, steps: int, bugs: dict[str, str], causes: int):
    """Draw logs until one has so many pairs of an entry and a cause, and a block that somebody lost and one that has two holders."""
    while True:
        log, blocks = logged(draw, blocks, steps, bugs)
        found = diagnose(log, blocks)
        pairs = {(log[number][0], cause) for number, cause in found["faults"]}
        lost = found["leaked"] and (found["exposed"] or "given twice" not in bugs.values())
        if len(pairs) >= causes and (lost or not bugs) and max(found["holders"]) > 1:
            return log, blocks


def drawn(draw: Draw):
    """Draw logs of engines with different faults."""
    yield with_causes(draw, 17, 53, {"preempt": "kept", "cancel": "kept", "finish": "kept"}, 8)
    yield with_causes(draw, 17, 47, {"preempt": "last kept", "copy": "source kept"}, 2)
    yield with_causes(draw, 13, 41, {"finish": "kept", "share": "counted twice", "preempt": "odd"}, 4)
    yield with_causes(draw, 19, 43, {"finish": "given twice", "cancel": "given twice", "preempt": "all kept"}, 2)
    yield with_causes(draw, 17, 37, {"finish": "odd", "take": "odd", "copy": "odd", "share": "odd"}, 4)
    yield with_causes(draw, 17, 43, dict.fromkeys(("preempt", "finish", "cancel", "copy", "share"), "any"), 5)
    yield with_causes(draw, 13, 23, {}, 0)
    # One block that is all, last and shared; a request that ends with nothing; nothing at all.
    yield [("take", "a", [0, 1, 2], [1, 1, 1]), ("share", "b", [0, 1], [2, 2, 1]), ("preempt", "a", [], [2, 1, 0])], 3


@diagnose.part(
    3, "What should each count be at the end of the log? Fill the tables from the events alone.", "holders",
    items=("holders",),
)  # fmt: skip
@diagnose.part(
    5, "Compare the last counts with who really holds a block: nobody, and counted; somebody, and not counted.", "blocks",
    items=("leaked", "exposed"),
)  # fmt: skip
def ends(draw: Draw):
    yield from drawn(draw)
    yield from (([], 2), ([("take", "a", [0, 1], [-1, 1, 1])], 3))


@diagnose.part(
    8, "By how much should each count have changed at this entry, and by how much did it? What is left over says the cause.",
    "faults", items=("faults",),
)  # fmt: skip
def logs(draw: Draw):
    # A count that was too low already: the block is shared in truth. Then each kind of end, with a cause of its own.
    low = [("take", "a", [0, 1], [1, 1, 0, 0]), ("share", "b", [0], [2, 1, 0, 0]), ("take", "c", [2], [1, 1, 1, 0])]
    low += [("preempt", "a", [], [1, 0, 1, 0]), ("share", "d", [0], [2, 0, 1, 0]), ("take", "d", [1], [2, 1, 1, 0])]
    low += [("cancel", "d", [], [2, 0, 1, 0]), ("share", "e", [0], [3, 0, 1, 0]), ("take", "e", [1], [3, 1, 1, 0])]
    low += [("preempt", "e", [], [3, 1, 1, 0]), ("share", "f", [0], [4, 1, 1, 0]), ("take", "f", [3], [4, 1, 1, 1])]
    yield [*low, ("cancel", "f", [], [3, 1, 1, 1])], 4
    yield from drawn(draw)
    # The only block that is shared is the last; and more is wrong than all of a table.
    two = [("take", "b", [0], [1, 0]), ("take", "a", [1], [1, 1]), ("share", "a", [0], [2, 1])]
    yield [*two, ("finish", "a", [], [2, 0])], 2
    yield [*two[:2], ("finish", "a", [], [2, 1])], 2
    # A count that is too high since an earlier fault does not make a block shared.
    lost = [("take", "a", [0, 1], [1, 1]), ("share", "b", [0], [2, 1]), ("preempt", "b", [], [2, 1])]
    yield [*lost, ("preempt", "a", [], [2, 0])], 2
    yield [("take", "a", [1], [0, 1, 0]), ("preempt", "a", [], [0, 1, 0])], 3
    yield [("take", "a", [0, 2], [1, 0, 1]), ("share", "b", [0], [2, 0, 1]), ("finish", "b", [], [2, 0, 1])], 3
    yield [], 2


KEPT, TWICE = "if set(kept) == set(table):", "dict.fromkeys(lost.get(name, []), -1)"
SHARED = "elif set(kept) == set(table) & set(others):"
HOLDERS, LEAKED = "sum(table.count(block) for table in tables.values())", "holders[block] == 0 and before[block] > 0"
EXPOSED, NOTED = "holders[block] > 0 and before[block] <= 0", 'faults.append((number, cause or "other"))'
CLOSED = 'if kind in ("preempt", "finish", "cancel"):'
diagnose.mistakes(f"""
A count is wrong at the entry where it changed by something else than it should: what was wrong before is no fault of this one.
    before = counts => before = [one + counts[b] * 0 for b, one in enumerate([sum(t.count(b) for t in tables.values()) for b in range(blocks)])] && {LEAKED} => holders[block] == 0 and counts[block] > 0 && {EXPOSED} => holders[block] > 0 and counts[block] <= 0
Entries whose counts changed as they should are no faults.
    if excess: => if True:
The number of an entry is its place in the log, counted from 0.
    {NOTED} => faults.append((number + 1, cause or "other"))
Every fault is wanted, also those after the first.
    {NOTED} => faults += [(number, cause or "other")] if not faults else []
A fault is its number and its cause, as a tuple.
    {NOTED} => faults.append((cause or "other", number))
    {NOTED} => faults.append((name, cause or "other"))
shared: held by another table at this moment, in truth; counts may be wrong, and say of a lost block that it is shared.
    {SHARED} => elif set(kept) == {{block for block in table if before[block] > 1}}:
A copy puts one block in the place of another: the first that it names loses a holder, and the second gains one.
    old, new = named => new, old = named && table[table.index(old)] = new => table[table.index(new) if new in table else 0] = old
    due[old], due[new] = -1, 1 => due[old], due[new] = 1, 1
    due[old], due[new] = -1, 1 => due[new] = 1
What a table held goes to the log's next entry of that name as a new table: a preempted request holds nothing.
    {CLOSED} => if kind in ("finish", "cancel"):
    {CLOSED} => if kind in ("preempt", "finish"):
    {CLOSED} => if kind in ("preempt", "cancel"):
The first cause that fits is taken: "all kept" comes before "last kept", and that before "shared kept".
    elif kept == table[-1:]: => elif kept == table[-1:] and set(kept) != set(table) & set(others):
    {KEPT} => if set(kept) == set(table) and len(table) > 1 and set(table) - set(others):
    {KEPT} => if set(kept) == set(table) and kept != table[-1:]:
last kept: the last block is that of the table, in its order, and not the one with the highest number.
    kept == table[-1:] => kept == [max(table)]
A preempted request gives its blocks back as one that ends does, and may have them kept in the same ways.
    elif kind != "take" and len(kept) == len(excess): => elif kind in ("finish", "cancel") and len(kept) == len(excess):
A request that is cancelled gives its blocks back as one that has finished, and may have them kept in the same ways.
    elif kind != "take" and len(kept) == len(excess): => elif kind in ("finish", "preempt") and len(kept) == len(excess):
Causes that are no pattern of the table have a name too: "other".
    if excess: => if excess and cause:
Blocks that are taken or shared are put at the end of the table, in their order, which says which one is the last.
    table.extend(named) => table[:0] = named
last kept: one block, the last, stayed counted: here that is another cause, or the first block.
    kept == table[-1:] => len(kept) == 1
    kept == table[-1:] => False
A cause fits if nothing else has changed wrongly: blocks that it does not mention have no excess.
    {KEPT} => if table and set(kept) >= set(table):
    elif kept == table[-1:]: => elif table and table[-1] in kept:
all kept: every block of the table stayed counted: here some or none are enough, or it has no name.
    {KEPT} => if kept:
    {KEPT} => if False:
shared kept: the blocks that others hold too, all of them and no more.
    {SHARED} => elif set(kept) <= set(others):
    {SHARED} => elif False:
source kept: at a copy, the block that was copied from, and only it, is still counted.
    if excess == {{named[0]: 1}}: => if False:
    if excess == {{named[0]: 1}}: => if excess:
counted twice: each block that was shared gained one holder too many.
    if excess == dict.fromkeys(named, 1): => if False:
    if excess == dict.fromkeys(named, 1): => if excess:
given twice: what was lowered once too often are the blocks that the request held when it was preempted.
    {TWICE} => dict.fromkeys(table, -1)
    {TWICE} => None
    {TWICE} => dict.fromkeys(lost.get(name, [])[-1:], -1)
given twice: blocks of an earlier table lost one holder, exactly those; any that lost one are not enough.
    elif excess == {TWICE}: => elif name in lost and set(excess.values()) == {{-1}}:
    elif excess == {TWICE}: => elif excess and set(excess.values()) == {{-1}}:
holders: a shared block has a holder for each table that it is in.
    {HOLDERS} => any(block in table for table in tables.values()) + 0
    if kind in ("take", "share"): => if kind == "share": due = [(block in named) + 0 for block in range(blocks)]\\n        elif kind in ("take",):
holders: those are the right counts, from the tables, and not the last ones of the log.
    {HOLDERS} => before[block]
A copy puts the new block where the old one stood in the table: the old one is gone, and the new one is not at the end.
    table[table.index(old)] = new => pass
    table[table.index(old)] = new => table.append(new)
    table[table.index(old)] = new => table.remove(old)\\n            table.append(new)
leaked: nobody holds the block, and its count is above 0, so that it is never handed out again.
    {LEAKED} => before[block] > holders[block]
    {LEAKED} => holders[block] == 0
    {LEAKED} => holders[block] == 0 and before[block] != 0
exposed: somebody holds the block, and its count is 0 or less, so that it is handed out to another.
    {EXPOSED} => before[block] < holders[block]
    {EXPOSED} => before[block] <= 0
    {EXPOSED} => holders[block] > 0 and before[block] < 0
    {EXPOSED} => holders[block] > 0 and before[block] == 0
""")
