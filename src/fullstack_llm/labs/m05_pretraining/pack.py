"""Exercise 3 of lab 05: documents, end to end, in rows of one length, with labels, positions and masks."""

import torch

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m05_pretraining.inputs import LIBRARIES


@exercise(minutes=25, difficulty=3, review=LIBRARIES)
def pack(documents, length, pad):
    tokens = [token for document in documents for token in document]
    owners = [number for number, document in enumerate(documents) for _ in document]
    rows = -(-len(tokens) // length)
    empty = rows * length - len(tokens)
    ids = torch.tensor(tokens + [pad] * empty, dtype=torch.int64)
    # Each place of padding is a document of its own.
    owner = torch.tensor(owners + [-1 - place for place in range(empty)], dtype=torch.int64)
    labels = torch.full_like(ids, -100)
    goes_on = owner[1:] == owner[:-1]
    labels[:-1][goes_on] = ids[1:][goes_on]
    ids, labels, owner = (one.view(rows, length) for one in (ids, labels, owner))
    same = owner[:, :, None] == owner[:, None, :]
    mask = same.tril()
    positions = mask.sum(-1) - 1
    return {"ids": ids, "labels": labels, "positions": positions, "mask": mask}


@pack.right
def loops(documents, length, pad):
    places = []
    for number, document in enumerate(documents):
        for at, token in enumerate(document):
            label = document[at + 1] if at + 1 < len(document) else -100
            places.append((token, label, number))
    while len(places) % length:
        places.append((pad, -100, None))
    rows = [places[at : at + length] for at in range(0, len(places), length)]
    mask = torch.zeros(len(rows), length, length, dtype=torch.bool)
    positions = torch.zeros(len(rows), length, dtype=torch.int64)
    for r, row in enumerate(rows):
        for q, (_, _, mine) in enumerate(row):
            first = next(k for k in range(q + 1) if row[k][2] == mine) if mine is not None else q
            mask[r, q, first : q + 1] = True
            positions[r, q] = q - first
    table = torch.tensor([[place[:2] for place in row] for row in rows], dtype=torch.int64).reshape(-1, length, 2)
    return {"ids": table[..., 0], "labels": table[..., 1], "positions": positions, "mask": mask}


@pack.right
def blocks(documents, length, pad):
    # Row by row: pieces of documents, and a square on the diagonal for each.
    ids, labels, positions, masks, squares = [[]], [[]], [[]], [], []
    for document in documents:
        after = [*document[1:], -100]
        while document:
            room = length - len(ids[-1])
            piece, document = document[:room], document[room:]
            ids[-1] += piece
            labels[-1] += after[: len(piece)]
            after = after[len(piece) :]
            positions[-1] += range(len(piece))
            squares.append(torch.ones(len(piece), len(piece)).tril())
            if len(ids[-1]) == length:
                masks.append(torch.block_diag(*squares).bool())
                squares = []
                ids, labels, positions = ([*table, []] for table in (ids, labels, positions))
    if ids[-1]:
        room = length - len(ids[-1])
        ids[-1], labels[-1], positions[-1] = (
            ids[-1] + [pad] * room,
            labels[-1] + [-100] * room,
            positions[-1] + [0] * room,
        )
        masks.append(torch.block_diag(*squares, torch.eye(room)).bool())
    else:
        ids, labels, positions = ids[:-1], labels[:-1], positions[:-1]
    tables = {"ids": ids, "labels": labels, "positions": positions}
    made = {name: torch.tensor(table, dtype=torch.int64).reshape(-1, length) for name, table in tables.items()}
    return made | {"mask": torch.stack(masks) if masks else torch.zeros(0, length, length, dtype=torch.bool)}


def documents_of(draw: Draw, *lengths: int, smallest: int = 1):
    """Draw documents of these lengths; small ids, so that neighbours are sometimes equal."""
    return [[draw.randrange(smallest, 9) for _ in range(size)] for size in lengths]


@pack.part(
    6, "Where does each document go on? The label of a token is the next one of its document, or -100.", "rows",
    items=("ids", "labels"),
)  # fmt: skip
@pack.part(
    6, "A token sees itself and what stands before it, in its row and its document; positions count these.", "attention",
    items=("positions", "mask"),
)  # fmt: skip
def wrapped(draw: Draw):
    # A document over two rows, one that ends with its row, one over three rows, and padding.
    yield documents_of(draw, 3, 6, 3, 2, 11, 4), 6, 0
    yield [[7, 2, 8, 5, 1], [7, 3]], 4, 0
    for _ in range(3):
        yield documents_of(draw, *(draw.randint(1, 9) for _ in range(5))), draw.choice((5, 7)), 0


@pack.part(
    6,
    "Say of each document where it begins and ends; then count rows, and look at the ends of each.",
    "edges",
)
def edges(draw: Draw):
    # An empty document; padding that is a token as well; rows that are full; one document, one token; nothing.
    yield documents_of(draw, 3, 0, 4, 0, 1), 5, 0
    yield documents_of(draw, 4, 5, 2, smallest=7), 5, 8
    yield documents_of(draw, 7, 3, 4), 7, 0
    yield [[5, 5, 5], [5, 5, 5], [5]], 3, 5
    yield documents_of(draw, 17), 5, 0
    yield documents_of(draw, 2), 5, 0
    yield documents_of(draw, 1, 1, 1), 1, 0
    yield documents_of(draw, 3), 3, 0
    yield [], 3, 0
    yield [[]], 3, 0


LABELS, GOES_ON, MASK = '"labels": labels,', "owner[1:] == owner[:-1]", '"mask": mask'
PLACES = "torch.tensor([at for d in documents for at in range(len(d))] + [0] * empty, dtype=torch.int64)"
pack.mistakes(f"""
The label of a document's last token is the first one of the next document: its last token has no successor.
    {GOES_ON} => owner[1:] >= 0
    {GOES_ON} => (owner[1:] == owner[:-1]) | (owner[1:] >= 0)
The label at the end of a row is lost: the document goes on in the next row, and its next token is known.
    {LABELS} => "labels": torch.cat([labels[:, :-1], labels[:, -1:] * 0 - 100], 1),
The labels are the tokens themselves: the label of a token is the one after it.
    labels[:-1][goes_on] = ids[1:][goes_on] => labels = torch.where(owner >= 0, ids, -100)
Padding has labels here, or is one: nothing there is to be learnt.
    [-1 - place for place in range(empty)] => [-1] * empty
    {LABELS} => "labels": torch.where(owner < 0, pad, labels),
Where nothing follows, the label is -100, which losses leave out: here it is another number.
    {LABELS} => "labels": torch.where(labels == -100, -1, labels),
    {LABELS} => "labels": torch.where((labels == -100) & (owner >= 0), -1, labels),
    {LABELS} => "labels": torch.where(labels == -100, pad, labels),
    {LABELS} => "labels": torch.where((labels == -100) & (owner >= 0), pad, labels),
Labels were shifted row by row, and across documents: shift along the whole stream, and inside of a document only.
    {LABELS} => "labels": torch.cat([ids[:, 1:], labels[:, -1:] * 0 - 100], 1),
    {LABELS} => "labels": torch.cat([torch.where(owner[:, 1:] >= 0, ids[:, 1:], -100), labels[:, -1:] * 0 - 100], 1),
    {LABELS} => "labels": torch.cat([ids[:, 1:], labels[:, -1:] * 0 + pad], 1),
Nobody is asked to look away from the future: mask[b, q, k] is False for k after q.
    {MASK} => "mask": same
Documents see one another: a token may look at its own document alone.
    {MASK} => "mask": torch.ones_like(mask).tril()
    {MASK} => "mask": torch.ones_like(mask).tril() & ((owner >= 0)[:, :, None] | torch.eye(length).bool())
A token sees itself too: the diagonal is True.
    {MASK} => "mask": mask.tril(-1)
The mask is turned round: True is where a query may look.
    {MASK} => "mask": ~mask
Queries and keys have changed places: mask[b, q, k] has the query first.
    {MASK} => "mask": same.triu()
The mask has a row and a column for each place of a row, for each of the rows: one for all rows is not enough.
    {MASK} => "mask": mask[:, -1]
    {MASK} => "mask": mask.any(0)
Padding sees nothing here, and a softmax of nothing is nan: each place of it sees itself.
    {MASK} => "mask": mask & (owner >= 0)[:, :, None]
    {MASK} => "mask": mask & (owner >= 0)[:, None, :]
Padding sees what stands before it, or other padding: each place of it sees itself only.
    {MASK} => "mask": mask | ((owner < 0)[:, :, None] & (owner < 0)[:, None, :]).tril()
    {MASK} => "mask": mask | ((owner < 0)[:, :, None] & torch.ones_like(mask).tril())
Positions count from the beginning of the row: they begin at 0 with each document.
    positions = mask.sum(-1) - 1 => positions = torch.arange(length).repeat(rows, 1)
Positions go on where a document was cut: its beginning is out of sight, and the row's first token is at position 0.
    positions = mask.sum(-1) - 1 => positions = {PLACES}.view(rows, length)
Positions begin at 0, not at 1.
    mask.sum(-1) - 1 => mask.sum(-1)
The padding's positions are 0, each.
    positions = mask.sum(-1) - 1 => positions = (same | ((owner < 0)[:, :, None] & (owner < 0)[:, None, :])).tril().sum(-1) - 1
The last row is not full, and is missing: fill it up.
    rows = -(-len(tokens) // length) => rows = len(tokens) // length && empty = rows * length - len(tokens) => empty, tokens, owners = 0, tokens[: rows * length], owners[: rows * length]
There is a row of padding that nobody needs: where the tokens fill their rows, nothing is added.
    rows = -(-len(tokens) // length) => rows = len(tokens) // length + 1
The padding is pad, whatever else has that id.
    [pad] * empty => [0] * empty
Which places are padding is not told by their id: a document may hold it.
    labels[:-1][goes_on] = ids[1:][goes_on] => labels[:-1][goes_on] = ids[1:][goes_on]\\n    labels[ids == pad] = -100
    labels[:-1][goes_on] = ids[1:][goes_on] => labels[:-1][goes_on] = ids[1:][goes_on]\\n    labels[labels == pad] = -100
    {MASK} => "mask": mask & ((ids != pad)[:, :, None] | torch.eye(length).bool())
    {MASK} => "mask": mask & ((ids != pad)[:, None, :] | torch.eye(length).bool())
    same.tril() => same.tril() & ((ids != pad)[:, None, :] | torch.eye(length).bool())
Documents are told apart by their number, not by what is in them.
    owner = torch.tensor(owners + => owner = torch.tensor([documents.index(documents[o]) for o in owners] +
""")


@pack.mistake("Documents are cut where a row ends, and go on in the next: here one that does not fit begins a new row.")
def whole(documents, length, pad):
    pieces, used = [], 0
    for document in documents:
        for at in range(0, len(document), length):
            piece = document[at : at + length]
            if used + len(piece) > length:
                pieces.append([pad] * (length - used))
                used = 0
            pieces.append(piece)
            used = (used + len(piece)) % length
    return pack(pieces, length, pad)


@pack.mistake("Each document has a row of its own here, or several: put them end to end, and cut where a row is full.")
def padded(documents, length, pad):
    return pack([part for d in documents for part in (d, [pad] * (-len(d) % length))], length, pad)


@pack.mistake("A document that is cut loses what is left of it: it goes on in the next row.")
def truncated(documents, length, pad):
    kept, used = [], 0
    for document in documents:
        kept.append(document[: length - used])
        used = (used + len(kept[-1])) % length
    return pack(kept, length, pad)
