"""Exercise 7 of lab 02: a state that leaks from one sequence into the next, told from recorded states."""

import torch

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m02_sequence_models.inputs import LIBRARIES, normal


def run(h, ids, table, W_h):
    for token in ids:
        h = torch.tanh(table[token] + W_h @ h)
    return h


@exercise(minutes=30, difficulty=5, review=LIBRARIES, uses=(run,))
def diagnose(batches, padding, ends, table, W_h):
    slots = range(len(batches[0]))
    causes, clean = [], []
    zero = torch.zeros(len(W_h))
    for number, rows in enumerate(batches):
        width = max(len(row) for row in rows)
        before = ends[number - 1] if number else [zero for _ in slots]
        found, right = [], []
        for slot in slots:
            padded = [padding] * (width - len(rows[slot]))
            starts = [("fresh", zero, rows[slot])]
            if number:
                starts.append(("carried", before[slot], rows[slot]))
                starts += [(f"from {other}", before[other], rows[slot]) for other in slots if other != slot]
            if padded:
                starts.append(("padded", zero, padded + rows[slot]))
                starts.append(("run on", zero, rows[slot] + padded))
            likely = [
                name for name, h, ids in starts if (run(h, ids, table, W_h) - ends[number][slot]).abs().max() < 1e-3
            ]
            found.append(likely[0] if likely else "other")
            right.append(run(zero, rows[slot], table, W_h))
        causes.append(found)
        clean.append(right)
    leaks = [slot for slot in slots if any(one[slot] == "carried" or one[slot].startswith("from") for one in causes)]
    return {"causes": causes, "clean": torch.stack([torch.stack(one) for one in clean]), "leaks": leaks}


@diagnose.right
def by_lookup(batches, padding, ends, table, W_h):
    H, size = W_h.shape[0], len(batches[0])
    causes = [["other"] * size for _ in batches]
    clean = torch.zeros(len(batches), size, H)
    for number in range(len(batches)):
        widest = max(map(len, batches[number]))
        for slot in reversed(range(size)):
            ids = list(batches[number][slot])
            fill = [padding] * (widest - len(ids))
            clean[number, slot] = run(torch.zeros(H), ids, table, W_h)
            guesses = {}
            if fill:
                guesses["run on"] = run(clean[number, slot], fill, table, W_h)
                guesses["padded"] = run(torch.zeros(H), fill + ids, table, W_h)
            if number:
                for other in reversed(range(size)):
                    if other != slot:
                        guesses[f"from {other}"] = run(ends[number - 1][other], ids, table, W_h)
                guesses["carried"] = run(ends[number - 1][slot], ids, table, W_h)
            guesses["fresh"] = clean[number, slot]
            for name, state in guesses.items():
                if torch.allclose(state, ends[number][slot], atol=1e-3, rtol=0):
                    causes[number][slot] = name
    leaky = {slot for row in causes for slot in range(size) if row[slot].split()[0] in ("carried", "from")}
    return {"causes": causes, "clean": clean, "leaks": sorted(leaky)}


def record(draw: Draw, lengths: list[list[int]], causes: list[list[str]], H: int = 5):
    """Draw a run whose states at the ends of sequences come about as the causes say."""
    V = 6
    table, W_h = normal(draw, V, H, scale=0.7), normal(draw, H, H, scale=0.9 / H**0.5 * 1.6)
    batches = [[[draw.randrange(1, V) for _ in range(length)] for length in row] for row in lengths]
    ends: list[torch.Tensor] = []
    for number, rows in enumerate(batches):
        states, width = [], max(map(len, rows))
        for slot, ids in enumerate(rows):
            cause, zero, fill = causes[number][slot], torch.zeros(H), [0] * (width - len(ids))
            if cause == "carried":
                states.append(run(ends[-1][slot], ids, table, W_h))
            elif cause.startswith("from"):
                states.append(run(ends[-1][int(cause[-1])], ids, table, W_h))
            elif cause == "padded":
                states.append(run(zero, fill + ids, table, W_h))
            elif cause == "run on":
                states.append(run(zero, ids + fill, table, W_h))
            else:
                states.append(run(zero, ids, table, W_h) if cause == "fresh" else normal(draw, H, scale=0.5))
        ends.append(torch.stack(states))
    return batches, 0, torch.stack(ends), table, W_h


def distinct(draw: Draw, lengths: list[list[int]], causes: list[list[str]]):
    """Draw such a run in which no two explanations give the same states by chance."""
    while True:
        inputs = record(draw, lengths, causes)
        told = diagnose(*inputs)
        if (
            told["causes"] == causes
            and (told["clean"] - inputs[2])
            .abs()
            .amax(-1)[torch.tensor([[one != "fresh" for one in row] for row in causes])]
            .gt(0.02)
            .all()
        ):
            return inputs


@diagnose.part(4, "Which slots pass a state on from one batch to the next?", "leaks", items=("leaks",), whole=True)
@diagnose.part(
    3, "What would each sequence end with if it began at zero, and saw no padding?", "clean", items=("clean",)
)
@diagnose.part(7, "Make each explanation's state for a sequence, and compare all of its numbers with what was recorded.", "causes", items=("causes",), whole=True)  # fmt: skip
def runs(draw: Draw):
    yield distinct(draw, [[3, 2, 3], [2, 3, 2], [3, 3, 1]], [["fresh"] * 3, ["carried", "fresh", "from 1"], ["carried", "carried", "from 0"]])  # fmt: skip
    yield distinct(draw, [[2, 6, 4], [4, 1, 2], [1, 3, 3]], [["padded", "fresh", "run on"], ["fresh", "run on", "fresh"], ["run on", "fresh", "fresh"]])  # fmt: skip
    yield distinct(draw, [[2, 3], [3, 1], [2, 2]], [["run on", "fresh"], ["fresh", "padded"], ["from 1", "fresh"]])
    yield distinct(draw, [[3, 1, 2], [1, 3, 3]], [["fresh", "padded", "run on"], ["run on", "other", "fresh"]])
    yield distinct(draw, [[2, 2], [2, 3], [3, 2], [1, 2]], [["fresh", "other"], ["carried", "carried"], ["carried", "from 0"], ["padded", "carried"]])  # fmt: skip
    yield distinct(draw, [[3], [2], [3]], [["fresh"], ["carried"], ["carried"]])
    yield distinct(draw, [[2, 3, 2, 3], [3, 2, 3, 2]], [["fresh"] * 4, ["from 3", "fresh", "from 1", "from 0"]])
    yield distinct(draw, [[2, 1], [1, 3]], [["fresh", "fresh"], ["fresh", "fresh"]])


NEAR, BEFORE = (
    "(run(h, ids, table, W_h) - ends[number][slot]).abs().max() < 1e-3",
    "before = ends[number - 1] if number else [zero for _ in slots]",
)
CARRIED, OTHERS = (
    'starts.append(("carried", before[slot], rows[slot]))',
    'starts += [(f"from {other}", before[other], rows[slot]) for other in slots if other != slot]',
)
PADDED, RUN_ON = (
    'starts.append(("padded", zero, padded + rows[slot]))',
    'starts.append(("run on", zero, rows[slot] + padded))',
)
LEAKS = 'any(one[slot] == "carried" or one[slot].startswith("from") for one in causes)'
CLEAN = "right.append(run(zero, rows[slot], table, W_h))"
diagnose.mistakes(f"""
A clean state begins at zero, with every sequence.
    {CLEAN} => right.append(run(before[slot], rows[slot], table, W_h))
    {CLEAN} => right.append(ends[number][slot])
A clean state is the one after the sequence's last token: no padding, before or after.
    {CLEAN} => right.append(run(zero, rows[slot] + padded, table, W_h))
    {CLEAN} => right.append(run(zero, padded + rows[slot], table, W_h))
    {CLEAN} => right.append(run(zero, rows[slot][:-1], table, W_h))
What leaks is the state that was *recorded* at the end of the batch before, and not the one that should have been there.
    {BEFORE} => before = clean[number - 1] if number else [zero for _ in slots]
A carried state is that of the batch before this one, in the same slot.
    {CARRIED} => pass
    {CARRIED} => starts.append(("carried", ends[0][slot], rows[slot]))
    {CARRIED} => starts.append(("carried", before[0], rows[slot]))
Any other slot's state can have come in: "from" and its number.
    {OTHERS} => pass
    for other in slots if other != slot] => for other in slots if other == slot - 1]
    for other in slots if other != slot] => for other in slots if other == slot + 1]
    (f"from {{other}}", => (f"from {{slot}}",
"padded" is padding that was read before the sequence, up to the longest of the batch.
    {PADDED} => pass
    {PADDED} => starts.append(("padded", zero, [padding] + rows[slot]))
    {PADDED} => starts.append(("padded", zero, rows[slot] + padded))
"run on" is padding that was read after the sequence, up to the longest of the batch.
    {RUN_ON} => pass
    {RUN_ON} => starts.append(("run on", zero, rows[slot] + [padding]))
    {RUN_ON} => starts.append(("run on", zero, padded + rows[slot]))
Padding fills a row up to the longest one of its own batch.
    width = max(len(row) for row in rows) => width = max(len(row) for batch in batches for row in batch)
    width = max(len(row) for row in rows) => width = len(rows[0])
What no explanation gives is "other".
    else "other" => else "fresh"
    else "other" => else "carried"
    else "other" => else None
A state is a vector: a few of its numbers, or its size, may agree by chance.
    {NEAR} => (run(h, ids, table, W_h) - ends[number][slot]).abs().min() < 1e-2
    {NEAR} => abs(run(h, ids, table, W_h).norm() - ends[number][slot].norm()) < 0.3
Recorded states may differ in their last digits: allow a thousandth.
    {NEAR} => (run(h, ids, table, W_h) - ends[number][slot]).abs().max() < 0
A thousandth, and not more: with a wider bound the wrong cause is near enough.
    {NEAR} => (run(h, ids, table, W_h) - ends[number][slot]).abs().max() < 0.7
A slot leaks if a state came in from the batch before, of its own or of another slot: padding is no leak.
    {LEAKS} => any(one[slot] != "fresh" for one in causes)
    {LEAKS} => any(one[slot] == "carried" for one in causes)
    {LEAKS} => any(one[slot].startswith("from") for one in causes)
    {LEAKS} => any(one[slot] not in ("fresh", "other") for one in causes)
    {LEAKS} => causes[-1][slot] == "carried" or causes[-1][slot].startswith("from")
    {LEAKS} => all(one[slot] == "carried" or one[slot].startswith("from") for one in causes[1:])
""")
