"""Exercise 1 of lab 11: blocks handed out, shared by forks, copied before a write, taken back, or refused."""

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m11_vllm.inputs import LIBRARIES


@exercise(minutes=20, difficulty=3, review=LIBRARIES)
def allocate(operations, blocks, block_size):
    holders = [0] * blocks
    tables, lengths, copies, refused = {}, {}, [], []

    def take():
        block = holders.index(0)
        holders[block] = 1
        return block

    for number, (kind, name, value) in enumerate(operations):
        if kind == "write":
            table, length = list(tables.get(name, [])), lengths.get(name, 0)
            at = length // block_size
            shared = value > 0 and at < len(table) and holders[table[at]] > 1
            new = -(-(length + value) // block_size) - len(table)
            if new + shared > holders.count(0):
                refused.append(number)
                continue
            if shared:
                old = table[at]
                table[at] = take()
                holders[old] -= 1
                copies.append((old, table[at]))
            table += [take() for _ in range(new)]
            tables[name], lengths[name] = table, length + value
        elif kind == "fork":
            for block in tables[name]:
                holders[block] += 1
            tables[value], lengths[value] = list(tables[name]), lengths[name]
        else:
            keep = -(-value // block_size)
            for block in tables[name][keep:]:
                holders[block] -= 1
            tables[name], lengths[name] = tables[name][:keep], value
            if kind == "end":
                del tables[name], lengths[name]
    return {"tables": tables, "copies": copies, "refused": refused, "holders": holders}


@allocate.right
def by_looking(operations, blocks, block_size):
    # Nothing is counted: who holds a block is looked up in the tables each time.
    rows, copies, refused = {}, [], []
    for number, (kind, name, value) in enumerate(operations):
        if kind == "end":
            rows.pop(name)
        elif kind == "cut":
            rows[name] = rows[name][:value]
        elif kind == "fork":
            rows[value] = [*rows[name]]
        else:
            # One entry for each token: its block.
            row = [*rows.get(name, [])]
            held = {block for other in rows.values() for block in other}
            elsewhere = {block for key, other in rows.items() if key != name for block in other}
            free = iter([block for block in range(blocks) if block not in held])
            moved = []
            try:
                filled = len(row) % block_size
                if filled and value and row[-1] in elsewhere:
                    moved = [(row[-1], next(free))]
                    row[-filled:] = [moved[0][1]] * filled
                for _ in range(value):
                    row.append(row[-1] if len(row) % block_size else next(free))
            except StopIteration:
                refused.append(number)
                continue
            rows[name] = row
            copies += moved
    tables = {name: list(dict.fromkeys(row)) for name, row in rows.items()}
    holders = [sum(block in table for table in tables.values()) for block in range(blocks)]
    return {"tables": tables, "copies": copies, "refused": refused, "holders": holders}


def trace(draw: Draw, blocks: int, block_size: int, steps: int, kinds: str):
    """Draw operations that fit each other; `kinds` are letters, as often as each is wanted."""
    operations: list[tuple] = []
    lengths: dict[str, int] = {}
    for step in range(steps):
        kind = draw.choice(kinds) if lengths else "w"
        name = draw.choice(sorted(lengths)) if lengths else "a0"
        if kind == "f":
            operations.append(("fork", name, f"f{step}"))
            lengths[f"f{step}"] = lengths[name]
        elif kind == "c":
            lengths[name] = draw.randint(0, lengths[name])
            operations.append(("cut", name, lengths[name]))
        elif kind == "e":
            operations.append(("end", name, 0))
            del lengths[name]
        else:
            name = draw.choice((name, f"a{step}"))
            operations.append(("write", name, draw.randint(1, 2 * block_size + 1)))
            if step not in allocate(operations, blocks, block_size)["refused"]:
                lengths[name] = lengths.get(name, 0) + operations[-1][2]
    return operations, blocks, block_size


@allocate.part(
    6, "Follow one table from operation to operation: which blocks are free, and which of them is taken?", "tables",
    items=("tables",),
)  # fmt: skip
def alone(draw: Draw):
    # Nothing is shared, and there is room for all.
    begun = [("write", "p", 11), ("write", "q", 5), ("write", "r", 3), ("write", "r", 1), ("end", "p", 0)]
    yield [*begun, ("write", "q", 3), ("write", "s", 6)], 7, 5
    yield [("write", "p", 7), ("write", "q", 9), ("cut", "p", 4), ("cut", "q", 6), ("write", "r", 5), ("write", "q", 2)], 8, 3  # fmt: skip
    for size in (2, 3, 7):
        yield trace(draw, 97, size, 13, "wwwwcce")
    yield [("write", "p", 4), ("cut", "p", 0), ("write", "q", 1), ("write", "p", 1)], 5, 2
    yield [("write", "p", 3), ("cut", "p", 3), ("end", "p", 0)], 3, 3
    yield [], 3, 2


@allocate.part(
    8, "Who holds the block into which the next token goes? And what of the blocks before it?", "shared", whole=True,
)  # fmt: skip
def shared(draw: Draw):
    fork = [("write", "p", 7), ("fork", "p", "q"), ("write", "q", 2), ("write", "p", 1)]
    yield [*fork, ("fork", "p", "r"), ("end", "p", 0), ("write", "r", 6)], 13, 5
    # After a fork a table is cut inside of a whole block that another one holds.
    yield [("write", "p", 9), ("fork", "p", "q"), ("cut", "q", 4), ("write", "q", 3), ("write", "p", 2)], 13, 3
    # Where the last block is full, nothing is copied.
    yield [("write", "p", 6), ("fork", "p", "q"), ("write", "q", 2), ("write", "p", 2), ("fork", "q", "r")], 11, 3
    yield [("write", "p", 5), ("fork", "p", "q"), ("fork", "q", "r"), *(("write", n, 1) for n in "rpq")], 11, 4
    for size in (2, 3, 5):
        yield trace(draw, 61, size, 17, "wwwffce")
    yield [("write", "p", 4), ("fork", "p", "q"), ("write", "q", 0), ("end", "q", 0), ("write", "p", 1)], 5, 3


@allocate.part(
    4, "How many blocks would this write take, a copy among them, and how many are free? Then all of them or none.",
    "full", whole=True,
)  # fmt: skip
def full(draw: Draw):
    begun = [("write", "p", 7), ("write", "q", 9), ("write", "q", 2), ("write", "q", 6), ("write", "r", 3)]
    yield [*begun, ("write", "q", 1), ("write", "s", 5), ("cut", "p", 3), ("write", "r", 3)], 6, 4
    # One block is free: enough for a copy, or for a new block, and not for both.
    yield [("write", "p", 7), ("fork", "p", "q"), ("write", "q", 6), ("write", "q", 2), ("write", "p", 3), ("write", "p", 2)], 3, 5  # fmt: skip
    yield [("write", "p", 6), ("fork", "p", "q"), ("write", "q", 1), ("write", "p", 1), ("end", "q", 0), ("write", "p", 1)], 2, 5  # fmt: skip
    for size in (2, 3, 5):
        yield trace(draw, 7, size, 19, "wwwwfce")
    yield [("write", "p", 3), ("write", "q", 1), ("write", "q", 2)], 1, 2


SHARED = "value > 0 and at < len(table) and holders[table[at]] > 1"
NEW = "-(-(length + value) // block_size) - len(table)"
CUT = "for block in tables[name][keep:]:"
# Free blocks in the order in which they came free.
QUEUE = (
    "class Counted(list):\\n        order = list(range(blocks))\\n        def __setitem__(self, at, count):\\n"
    "            if not count and self[at]: self.order.append(at)\\n            super().__setitem__(at, count)\\n"
    "    holders = Counted([{0}] * blocks)"
)
LISTED = '"holders": holders => "holders": list(holders)'
allocate.mistakes(f"""
The tables are lists of blocks in the order of their tokens.
    tables[name], lengths[name] = table, length + value => tables[name], lengths[name] = sorted(table), length + value
A token goes into the room that is left in the last block; only then is a new block taken.
    {NEW} => -(-value // block_size)
Where the last block is just full nothing more is reserved: ceil(tokens / block_size) blocks, and not one more.
    {NEW} => (length + value) // block_size + 1 - len(table)
A block that is begun counts as a whole one: round up.
    {NEW} => (length + value) // block_size - len(table)
After a cut there remain as many blocks as the tokens that are left fill or begin: round up.
    keep = -(-value // block_size) => keep = value // block_size
    keep = -(-value // block_size) => keep = value // block_size + 1
cut says how many tokens are left, and not how many go.
    keep = -(-value // block_size) => value = lengths[name] - value if kind == "cut" else 0\\n            keep = -(-value // block_size)
A cut gives back the blocks behind what is left: here they stay in the table, or stay counted.
    {CUT} => for block in tables[name][keep:] if kind == "end" else []:
    keep = -(-value // block_size) => keep = -(-value // block_size) if kind == "end" else len(tables[name])\\n            value = value if kind == "end" else lengths[name]
What a cut leaves in the last block is written behind from there on: the length changes too.
    [:keep], value => [:keep], value if kind == "end" else lengths[name]
An ended request gives all of its blocks back: here some or all stay counted, and are never free again.
    {CUT} => for block in tables[name][keep:] if kind == "cut" else []:
    {CUT} => for block in tables[name][keep:] if kind == "cut" else tables[name][:-1]:
An ended request disappears from the tables.
    del tables[name], lengths[name] => pass
A block that others hold too is not free when one of its holders ends or is cut: it loses one holder.
    {CUT}\\n                holders[block] -= 1 => {CUT}\\n                holders[block] = 0
    {CUT}\\n                holders[block] -= 1 => {CUT}\\n                holders[block] = holders[block] - 1 if kind == "cut" else 0
A block is written into by one holder at most: where another table holds it too, it is copied first.
    {SHARED} => False
Only a block that somebody else holds too is copied: a holder who is alone writes into it as it is.
    {SHARED} => value > 0 and at < len(table)
A full block is never written again: a write behind it begins a new block, and copies nothing.
    {SHARED} => value > 0 and len(table) > 0 and holders[table[-1]] > 1 && old = table[at] => at = len(table) - 1\\n                old = table[at]
The copy takes a block too: count it when you compare with what is free.
    if new + shared > => if new >
Only the block into which is written is copied: those before it stay shared.
    copies.append((old, table[at])) => copies.append((old, table[at]))\\n                for i in range(at):\\n                    if holders[table[i]] > 1: holders[table[i]] -= 1; copies.append((table[i], take())); table[i] = copies[-1][1]
The block that a copy takes has a holder from then on: it is not free any more.
    copies.append((old, table[at])) => copies.append((old, table[at]))\\n                holders[table[at]] = 0
After the copy the old block has one holder fewer.
    holders[old] -= 1 => pass
A write of no tokens writes nowhere: it copies nothing.
    {SHARED} => at < len(table) and holders[table[at]] > 1
The copy's block is taken first, then the new ones.
    if shared: => grown = [take() for _ in range(new)]\\n            if shared: && table += [take() for _ in range(new)] => table += grown
A copy is noted as (old block, new block).
    copies.append((old, table[at])) => copies.append((table[at], old))
A copy is a tuple of two blocks.
    copies.append((old, table[at])) => copies.append([old, table[at]])
The copies are noted, each when it is made.
    copies.append((old, table[at])) => pass
A fork copies nothing: both tables name the same blocks until one of them writes.
    tables[value], lengths[value] = list(tables[name]) => for block in tables[name]: holders[block] -= 1\\n            tables[value], lengths[value] = [take() for _ in tables[name]]
A fork makes its blocks have one holder more.
    holders[block] += 1 => pass
A fork has as many tokens as the request that it comes from, and goes on where that one would.
    list(tables[name]), lengths[name] => list(tables[name]), 0
Each table is a list of its own: what one of them appends must not appear in the other.
    table, length = list(tables.get(name, [])) => table, length = tables.get(name, []) && list(tables[name]), lengths[name] => tables[name], lengths[name]
holders says of every block how many tables hold it, also of those that nobody holds.
    "holders": holders => "holders": {{block: count for block, count in enumerate(holders) if count}}
    "holders": holders => "holders": [count > 0 for count in holders]
A request whose first write was refused has no table.
    table, length = list(tables.get(name, [])), lengths.get(name, 0) => table, length = list(tables.setdefault(name, [])), lengths.setdefault(name, 0)
A write that finds too little room takes nothing: here it takes what there is.
    refused.append(number) => refused.append(number)\\n                for _ in range(holders.count(0)): table.append(take())\\n                tables[name], lengths[name] = table, len(table) * block_size
    if new + shared > holders.count(0): => if holders.count(0) < new + shared:\\n                if shared and holders.count(0): copies.append((table[at], take())); holders[table[at]] -= 1; table[at] = copies[-1][1]
A write that just fits is not refused: it may take the last free block.
    > holders.count(0) => >= holders.count(0)
What counts is how many blocks the write takes beyond those that the table has.
    if new + shared > => if new + len(table) + shared >
refused holds the numbers of the operations, counted from 0.
    refused.append(number) => refused.append(number + 1)
    refused.append(number) => refused.append(name)
    "refused": refused => "refused": len(refused)
After a write that is refused the others go on: it ends nothing.
    continue => break
Of the free blocks the one with the lowest number is taken: here it is another.
    holders = [0] * blocks => {QUEUE.format(0)} && block = holders.index(0) => block = holders.order.pop(0) && {LISTED}
    holders = [0] * blocks => {QUEUE.format(0)} && block = holders.index(0) => block = holders.order.pop(0) && {LISTED} && {CUT} => for block in tables[name][keep:][::-1]:
    holders = [0] * blocks => {QUEUE.format(0)}\\n    holders.order.reverse() && block = holders.index(0) => block = holders.order.pop() && {LISTED}
    holders = [0] * blocks => {QUEUE.format(0)}\\n    holders.order.reverse() && block = holders.index(0) => block = holders.order.pop() && {LISTED} && {CUT} => for block in tables[name][keep:][::-1]:
    holders = [0] * blocks => {QUEUE.format(0)} && block = holders.index(0) => block = holders.order.pop() && {LISTED}
    block = holders.index(0) => block = max(i for i in range(blocks) if not holders[i])
""")
