"""Exercise 2 of lab 14: whole conversations in rows, as they come, with few rows open at a time."""

import torch

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m14_sft.inputs import LIBRARIES, chats_of


@exercise(minutes=30, difficulty=4, review=LIBRARIES)
def pack_chats(chats, length, most_open, pad):
    rows, used, opened, left_out = [], [], [], []
    for number, (ids, _) in enumerate(chats):
        size = len(ids)
        if size > length:
            left_out.append(number)
            continue
        fits = [row for row in opened if used[row] + size <= length]
        if fits:
            row = max(fits, key=lambda r: (used[r], -r))
        else:
            if len(opened) == most_open:
                opened.remove(max(opened, key=lambda r: (used[r], -r)))
            row = len(rows)
            opened.append(row)
            rows.append([])
            used.append(0)
        rows[row].append(number)
        used[row] += size
    ids = torch.full((len(rows), length), pad, dtype=torch.int64)
    targets, positions = torch.full_like(ids, -100), torch.zeros_like(ids)
    boundaries = [0]
    for r, row in enumerate(rows):
        at = 0
        for number in row:
            tokens, labels = chats[number]
            size = len(tokens)
            ids[r, at : at + size] = torch.tensor(tokens)
            targets[r, at : at + size] = torch.tensor([*labels[1:], -100])
            positions[r, at : at + size] = torch.arange(size)
            at += size
            boundaries.append(r * length + at)
        if at < length:
            boundaries.append((r + 1) * length)
    tables = {"ids": ids, "targets": targets, "positions": positions}
    return tables | {"boundaries": boundaries, "left_out": left_out}


@pack_chats.right
def tables(chats, length, most_open, pad):
    done, left_out = [], []
    for number, (ids, labels) in enumerate(chats):
        if len(ids) > length:
            left_out.append(number)
            continue
        places = [(i, t, p) for p, (i, t) in enumerate(zip(ids, [*labels[1:], -100]))]
        # A row is closed, its places and its pieces.
        best, still = None, [row for row in done if not row[0]]
        for row in still:
            if len(row[1]) + len(ids) <= length and (best is None or len(row[1]) > len(best[1])):
                best = row
        if best is None:
            if len(still) >= most_open:
                sorted(still, key=lambda row: -len(row[1]))[0][0] = True
            done.append(best := [False, [], []])
        best[1] += places
        best[2].append(len(ids))
    rows = [row + [(pad, -100, 0)] * (length - len(row)) for _, row, _ in done]
    table = torch.tensor(rows, dtype=torch.int64).reshape(-1, length, 3)
    boundaries = [0]
    for _, row, sizes in done:
        for size in [*sizes, *([length - len(row)] if len(row) < length else [])]:
            boundaries.append(boundaries[-1] + size)
    found = dict(zip(("ids", "targets", "positions"), table.unbind(dim=2)))
    return found | {"boundaries": boundaries, "left_out": left_out}


@pack_chats.right
def by_starts(chats, length, most_open, pad):
    # First only where each conversation begins in the flat batch; the tables are read off from there.
    room, starts, count = {}, {}, 0
    for number, (ids, _) in enumerate(chats):
        if len(ids) > length:
            continue
        able = sorted((left, row) for row, left in room.items() if left >= len(ids))
        if not able:
            if len(room) == most_open:
                del room[min(room, key=lambda row: (room[row], row))]
            room[count] = length
            able, count = [(length, count)], count + 1
        left, row = able[0]
        starts[number] = row * length + length - left
        room[row] -= len(ids)
    total = count * length
    ids, targets, positions = [pad] * total, [-100] * total, [0] * total
    edges = {0, *range(0, total + 1, length)}
    for number, start in starts.items():
        for at, token in enumerate(chats[number][0]):
            ids[start + at], positions[start + at] = token, at
            if at:
                targets[start + at - 1] = chats[number][1][at]
        edges |= {start, start + len(chats[number][0])}
    found = {"ids": ids, "targets": targets, "positions": positions}
    shaped = {key: torch.tensor(value, dtype=torch.int64).view(count, length) for key, value in found.items()}
    return shaped | {"boundaries": sorted(edges), "left_out": [n for n in range(len(chats)) if n not in starts]}


@pack_chats.part(
    7, "Write down, chat by chat, which rows are open and how full each is. Where does the next one go?", "rows",
    items=("ids",),
)  # fmt: skip
def placed(draw: Draw):
    # Nearly every wrong rule gives rows of its own here.
    yield chats_of(draw, 2, 4, 6, 7, 6, 6, 5, 4, 7, 3, 4, 7, 1), 11, 3, 0
    yield chats_of(draw, 4, 8, 2, 5, 9, 3, 1, 6, 7, 2, 3), 11, 2, 0
    # Rows that are equally full.
    yield chats_of(draw, 5, 5, 2, 6, 3, 1, 4), 7, 2, 0
    yield chats_of(draw, 4, 4, 4, 3, 2, 5, 1), 7, 2, 0
    # A row at a time; more rows than are ever needed.
    yield chats_of(draw, 3, 4, 2, 6, 1, 1), 7, 1, 0
    yield chats_of(draw, 6, 5, 4, 3, 2, 1, 2), 7, 9, 0
    for most_open in (1, 2, 3):
        yield chats_of(draw, *(draw.randint(2, 8) for _ in range(13))), 11, most_open, 0


@pack_chats.part(
    6, "A target is the label of the next place of the same conversation, or -100; positions begin at 0 with each one.",
    "targets", items=("targets", "positions"),
)  # fmt: skip
def learnt(draw: Draw):
    yield chats_of(draw, 4, 3, 5, 2, 6), 11, 2, 0
    yield chats_of(draw, 4, 3, 5, 2, 6, first=False), 13, 2, 0
    yield chats_of(draw, 5, 1, 1, 4, 7), 7, 3, 0


@pack_chats.part(
    3, "Each conversation is a piece, and so is the padding of a row; count on over all rows.", "boundaries",
    items=("boundaries",),
)  # fmt: skip
def pieces(draw: Draw):
    yield chats_of(draw, 4, 3, 5, 2, 6), 11, 2, 0
    yield chats_of(draw, 5, 2, 4, 3, 1), 7, 2, 0


@pack_chats.part(
    4, "A conversation longer than a row is left out; there may be rows without padding, and no rows at all.", "edges"
)
def edges(draw: Draw):
    yield chats_of(draw, 4, 12, 7, 2, 8, 5), 7, 2, 0
    yield chats_of(draw, 3, 7, 2, 5), 7, 2, 60
    yield chats_of(draw, 1, 1, 1), 1, 2, 0
    yield chats_of(draw, 1), 5, 1, 51
    yield [], 5, 2, 0
    yield chats_of(draw, 8, 9), 7, 2, 0


BEST, CLOSE = "row = max(fits, key=lambda r: (used[r], -r))", "opened.remove(max(opened, key=lambda r: (used[r], -r)))"
TARGET, SKIP = "torch.tensor([*labels[1:], -100])", "left_out.append(number)\\n            continue"
RETURN = "return tables |"
pack_chats.mistakes(f"""
A conversation of exactly `length` ids fits: it fills a row.
    if size > length: => if size >= length:
left_out holds the numbers of conversations that are longer than a row, from 0.
    left_out.append(number) => left_out.append(ids)
    {SKIP} => continue
A conversation that is longer than a row is left out whole: here its beginning was kept.
    size = len(ids)\\n        if size > length: => size = min(len(ids), length)\\n        if False: && tokens, labels = chats[number] => tokens, labels = (one[:length] for one in chats[number])
A conversation that is longer than a row is left out whole: here its end was kept.
    size = len(ids)\\n        if size > length: => size = min(len(ids), length)\\n        if False: && tokens, labels = chats[number] => tokens, labels = (one[-length:] for one in chats[number])
The padding is pad, whatever it is.
    length), pad, dtype => length), 0, dtype
A row that is full to its last place has no padding, and no piece of it.
    if at < length: => if True:
The padding at the end of a row is a piece of its own: the next row's first conversation does not begin there.
    if at < length: => if False:
    boundaries.append(r * length + at) => boundaries.append(boundaries[-1] + size) && if at < length: => if False:
boundaries count over the whole batch: the second row begins at `length`.
    boundaries.append(r * length + at) => boundaries.append(at) && boundaries.append((r + 1) * length) => boundaries.append(length)
boundaries say where pieces end: these are the sizes of the pieces. Add them up.
    {RETURN} => boundaries = [b - a for a, b in zip(boundaries, boundaries[1:])]\\n    {RETURN}
boundaries begin with 0.
    boundaries = [0] => boundaries = []
The last boundary, the number of places of the whole batch, is missing.
    {RETURN} => boundaries = boundaries[:-1]\\n    {RETURN}
boundaries is a list of integers.
    {RETURN} => boundaries = torch.tensor(boundaries)\\n    {RETURN}
The padding's positions are 0, each: here they go on.
    positions[r, at : at + size] = torch.arange(size) => positions[r, at:] = torch.arange(length - at)
    if at < length: => if at < length:\\n            positions[r, at:] = torch.arange(length - at)
Positions count from the beginning of the row: they begin at 0 with each conversation.
    positions[r, at : at + size] = torch.arange(size) => positions[r, at : at + size] = torch.arange(at, at + size)
    positions[r, at : at + size] = torch.arange(size) => positions[r] = torch.arange(length)
Positions begin at 0, not at 1.
    = torch.arange(size) => = torch.arange(1, size + 1)
The end of a conversation predicts the first token of the next one: they have nothing to do with each other.
    {RETURN} => flat = torch.full((len(rows), length + 1), -100)\\n    for r, row in enumerate(rows):\\n        joined = [one for number in row for one in chats[number][1]]\\n        flat[r, : len(joined)] = torch.tensor(joined)\\n    tables["targets"] = flat[:, 1:]\\n    {RETURN}
These are the labels as they came in: a target is what the *next* place has for a label.
    {TARGET} => torch.tensor(labels)
The shift goes the wrong way: the target of a place is the label of the next one.
    {TARGET} => torch.tensor([-100, *labels[:-1]])
Each next token is a target here, those of the prompt too: a target is a label, and may be -100.
    {TARGET} => torch.tensor([*tokens[1:], -100])
The last place of a conversation has no next one: -100.
    {TARGET} => torch.tensor([*labels[1:], labels[-1]])
Padding is not to be learnt: its target is -100.
    torch.full_like(ids, -100) => torch.full_like(ids, pad)
A conversation that fills a row to its last place fits in it.
    used[row] + size <= length => used[row] + size < length
The first row with room is taken: take the *fullest* that has room.
    {BEST} => row = fits[0]
The emptiest row with room is taken: take the fullest that has room.
    {BEST} => row = min(fits, key=lambda r: (used[r], r))
The last row that was opened is taken, or the last with room: take the fullest that has room.
    {BEST} => row = fits[-1]
    fits = [row for row in opened if => fits = [row for row in opened[-1:] if
Of rows that are equally full, the one that was opened first is taken.
    {BEST} => row = max(fits, key=lambda r: (used[r], r))
The row that was opened first is closed: close the fullest.
    {CLOSE} => opened.pop(0)
The emptiest row is closed: close the fullest.
    {CLOSE} => opened.remove(min(opened, key=lambda r: (used[r], r)))
The row that was opened last is closed: close the fullest.
    {CLOSE} => opened.pop()
Of rows that are equally full, the one that was opened first is closed.
    {CLOSE} => opened.remove(max(opened, key=lambda r: (used[r], r)))
All rows are closed at once: close one, the fullest.
    {CLOSE} => opened.clear()
No row is ever closed here: at most most_open are open at a time.
    if len(opened) == most_open: => if False:
Is a row closed too early, or too late? One is closed when a new row is needed and most_open are open.
    if len(opened) == most_open: => if len(opened) > most_open:
    if len(opened) == most_open: => if len(opened) == max(most_open - 1, 1):
Rows stand in the order in which they were opened, not in that in which they were closed.
    ids = torch.full((len(rows) => ended = [r for r in range(len(rows)) if r not in opened]\\n    rows = [rows[r] for r in sorted(ended, key=lambda r: -used[r]) + opened]\\n    ids = torch.full((len(rows)
The conversations were sorted by length first: they are placed as they come.
    rows, used, opened, left_out = [], [], [], [] => rows, used, opened, left_out = [], [], [], []\\n    chats = sorted(chats, key=lambda chat: -len(chat[0]))
Every conversation has a row of its own.
    fits = [row for row in opened if used[row] + size <= length] => fits = []
""")


@pack_chats.mistake("Conversations are cut where a row ends: each stays whole, in one row.")
def wrapped(chats, length, most_open, pad):
    tokens = [token for ids, _ in chats for token in ids]
    labels = [label for ids, labels in chats for label in [*labels[1:], -100]]
    places = [at for ids, _ in chats for at in range(len(ids))]
    empty = -len(tokens) % length
    columns = (tokens + [pad] * empty, labels + [-100] * empty, places + [0] * empty)
    ids, targets, positions = (torch.tensor(one, dtype=torch.int64).reshape(-1, length) for one in columns)
    return {"ids": ids, "targets": targets, "positions": positions, "boundaries": [0], "left_out": []}
