"""Draw inputs for lab 11, and name what an answer is asked not to use."""

import torch
from jaxtyping import Float
from torch import Tensor

from fullstack_llm.checks import Draw

# The lab's text says: none of them in any answer.
LIBRARIES = ("vllm", "fullstack_llm.engine", "transformers")


def normal(draw: Draw, *shape: int, scale: float = 1.0) -> Float[Tensor, "..."]:
    """Draw normal numbers of a shape."""
    count = torch.Size(shape).numel()
    return torch.tensor([draw.gauss(0, scale) for _ in range(count)]).reshape(shape)


def logged(draw: Draw, blocks: int, steps: int, bugs: dict[str, str]):
    """Draw the log of an engine that miscounts: `bugs` says at which kind of entry, and how, two times out of three.

    The engine believes its own counts, so a block that it takes for free may be held already.
    """
    tables: dict[str, list[int]] = {}
    lost: dict[str, list[int]] = {}
    counts, log, made = [0] * blocks, [], 0

    def note(kind: str, name: str, named: list[int], due: dict[int, int]) -> None:
        excess: dict[int, int] = {}
        table, bug = tables[name], bugs.get(kind, "")
        others = {block for other, held in tables.items() if other != name for block in held}
        ways = {
            "all kept": (table, 1),
            "last kept": (table[-1:], 1),
            "shared kept": ([block for block in table if block in others], 1),
            "some kept": (table[: draw.randint(1, 3)], 1),
            "given twice": (lost.get(name, []), -1),
            "source kept": (named[:1], 1),
            "counted twice": (named, 1),
            "odd": (draw.sample(range(blocks), 2), draw.choice((1, -1, 2))),
        }
        if bug == "kept":
            bug = draw.choice(("all kept", "last kept", "shared kept", "some kept"))
        if bug == "any":
            ends = ["all kept", "last kept", "shared kept", "given twice"]
            bug = draw.choice({"copy": ["source kept"], "share": ["counted twice"]}.get(kind, ends))
        if bug and draw.random() < 0.67:
            excess = dict.fromkeys(ways[bug][0], ways[bug][1])
        for change in (due, excess):
            for block, more in change.items():
                counts[block] += more
        log.append((kind, name, list(named), list(counts)))

    def free() -> list[int]:
        return [block for block in range(blocks) if counts[block] <= 0]

    while len(log) < steps:
        kind = draw.choice(("admit", "admit", "admit", "grow", "grow", "copy", "copy", "preempt", "finish", "cancel"))
        names = sorted(tables)
        if kind == "admit" or not names:
            name = draw.choice(sorted(lost)) if lost and draw.random() < 0.7 else f"r{made}"
            made += name == f"r{made}"
            if name in tables or not free():
                name = ""
            else:
                other = draw.choice(names) if names else ""
                tables[name] = []
                if other and draw.random() < 0.7 and tables[other]:
                    named = tables[other][: draw.randint(1, len(tables[other]))]
                    note("share", name, named, dict.fromkeys(named, 1))
                    tables[name] += named
        else:
            name = draw.choice(names)
        if not name:
            kind = "finish"
            name = draw.choice(names) if names else ""
            if not name:
                break
        if kind in ("admit", "grow"):
            room = free()
            room = [block for block in room if block not in tables[name]]
            if room and len(tables[name]) < 6:
                named = room[: draw.randint(1, 2 + (kind == "admit"))]
                note("take", name, named, dict.fromkeys(named, 1))
                tables[name] += named
        elif kind == "copy":
            shared = [block for block in tables[name] if counts[block] > 1]
            room = [block for block in free() if block not in tables[name]]
            if shared and room:
                note("copy", name, [shared[-1], room[0]], {shared[-1]: -1, room[0]: 1})
                tables[name][tables[name].index(shared[-1])] = room[0]
        else:
            note(kind, name, [], dict.fromkeys(tables[name], -1))
            table = tables.pop(name)
            lost.pop(name, None)
            if kind == "preempt":
                lost[name] = table
    return log, blocks


def queue(*rows: tuple[str, int, int, int]):
    """Return requests of (name, priority, length, stored); what has stored nothing waits."""
    keys = ("name", "priority", "length", "stored")
    return [dict(zip(keys, row, strict=True)) | {"running": row[3] > 0} for row in rows]


def crowd(draw: Draw, size: int, count: int, waits: int, levels: int):
    """Draw requests of which about half decode, and the last ones wait, with few blocks free."""
    rows = []
    for number in range(count):
        stored = draw.randint(1, 4 * size)
        length = stored + 1 if draw.random() < 0.5 else stored // size * size + size + draw.randint(1, 3 * size)
        stored = stored if length == stored + 1 else stored // size * size + size * (stored < size)
        rows.append((f"r{number}", draw.randrange(levels), max(length, stored + 1), stored))
    rows += [(f"w{number}", draw.randrange(levels), draw.randint(2, 4 * size), 0) for number in range(waits)]
    draw.shuffle(rows)
    return queue(*rows)
