"""Exercise 3 of lab 14: labels from which the stop tokens were lost, with the padding that took them along."""

import torch

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m14_sft.inputs import LIBRARIES


@exercise(minutes=20, difficulty=3, review=LIBRARIES)
def restore_stops(ids, labels, real, stop):
    given, (B, T) = labels.tolist(), ids.shape
    new = [[label if here else -100 for label, here in zip(row, mask)] for row, mask in zip(given, real.tolist())]
    restored = unended = 0
    for b in range(B):
        for t in range(1, T):
            if not (real[b, t] and ids[b, t] == stop):
                continue
            # What came in decides: an end that is put back is no reason for another one.
            learnt = real[b, t - 1] and given[b][t - 1] != -100
            if learnt and ids[b, t - 1] != stop:
                restored += new[b][t] != stop
                new[b][t] = stop
        for t in range(T):
            ends = new[b][t] != -100 and (t + 1 == T or new[b][t + 1] == -100)
            unended += ends and ids[b, t].item() != stop
    return torch.tensor(new, dtype=torch.int64).reshape(B, T), int(restored), int(unended)


@restore_stops.right
def shifted(ids, labels, real, stop):
    new = labels.masked_fill(~real, -100)
    before = torch.zeros_like(real)
    before[:, 1:] = ((new != -100) & (ids != stop))[:, :-1]
    ends = before & (ids == stop) & real
    missing = ends & (new == -100)
    new = torch.where(missing, ids, new)
    after = torch.zeros_like(real)
    after[:, :-1] = (new != -100)[:, 1:]
    return new, int(missing.sum()), int(((new != -100) & ~after & (ids != stop)).sum())


@restore_stops.right
def rows(ids, labels, real, stop):
    made, restored, unended = [], 0, 0
    for tokens, row, mask in zip(ids.tolist(), labels.tolist(), real.tolist()):
        row = [label if here else None for label, here in zip(row, mask)]
        out, last = [], (None, None)
        for token, label in zip(tokens, row):
            put = label == -100 and token == stop and last[1] not in (None, -100) and last[0] != stop
            restored += put
            out.append(stop if put else -100 if label is None else label)
            last = (token, label)
        made.append(out)
        unended += sum(
            1 for at, label in enumerate(out) if label != -100 and tokens[at] != stop and [*out, -100][at + 1] == -100
        )
    return torch.tensor(made, dtype=torch.int64).view_as(ids), restored, unended


# A row as a text: capitals are learnt, "|" is a learnt stop, "!" one that was lost, ";" a stop that is given,
# "_" is padding, and "*" padding that is learnt. Padding has the stop's id where `shared`.
def batch(draw: Draw, *rows: str, stop: int = 4, shared: bool = True, shuffled: bool = True):
    width = max(map(len, rows), default=0)
    order = [row.ljust(width, "_") for row in (draw.sample(rows, len(rows)) if shuffled else rows)]
    words = draw.sample(range(50, 90), 26)
    pad = stop if shared else 2
    ids, labels, real = [], [], []
    for row in order:
        tokens = [pad if c in "_*" else stop if c in "|!;" else words[ord(c.lower()) - ord("a")] for c in row]
        ids.append(tokens)
        labels.append([token if c.isupper() or c in "|*" else -100 for c, token in zip(row, tokens)])
        real.append([c not in "_*" for c in row])
    shape = (len(rows), -1) if rows else (0, 5)
    made = [torch.tensor(one, dtype=kind).reshape(shape) for one, kind in ((ids, torch.int64), (labels, torch.int64))]
    return *made, torch.tensor(real, dtype=torch.bool).reshape(shape), stop


@restore_stops.part(
    3, "How many labels of stops did you change, and how many runs of learnt places end otherwise, in your own labels?",
    "counts", items=(1, 2), whole=True,
)  # fmt: skip
@restore_stops.part(
    5,
    "Which stops follow a token that is learnt? Each of these is learnt, and no other is put back.",
    "labels",
    items=(0,),
)
def lost(draw: Draw):
    # Two ends that were lost, one that was not; an answer that is cut off, so that padding follows it at once.
    yield batch(
        draw, "ab;cdEFGH!", "a;bCD!ef;gHIJ!k;b", "abCD;efG|hi;jKL", "abCDeFGHiJ", "abc;DEF!ghIJKlmnO", "aB;cD;eF;gH!"
    )
    yield batch(draw, "ab;cD!", "abc;DE!", "a;bCDEFG")
    # The template's newline is learnt as well, as "N"; a stop that nobody learns stands behind one.
    yield batch(draw, "ab;cDE!Nfg;hIJ!N", "ab;cDEF|Nfghijk", "ab;cDEFGHIJKLM", shared=False)


@restore_stops.part(
    3, "Which places are padding is told by `real`: their label is -100, whatever their id, on either side of a row.",
    "padding",
)  # fmt: skip
def padding(draw: Draw):
    yield batch(draw, "____ab;cDE!", "_______cDE!", "ab;cDEFGHIJ", "**ab;cDEF!*")
    yield batch(draw, "**;abCD!", "_;abcDE|", "***;aBC!")
    yield batch(draw, "**;abCD!", "*;abCDE!", "***;aBC!", shared=False)
    yield batch(draw, "ab;cD!**", "aB!*****", shared=False)


@restore_stops.part(
    3, "Two stops in a row, a stop at either end of the row, nothing that is learnt, and no rows at all.", "edges"
)
def edges(draw: Draw):
    yield batch(draw, "abCD!;efGH|;", "abCD!;;efG!;", "abCDEFGHIJK!", "!abcdefghijK", shuffled=False)
    yield batch(draw, ";abcdefG", "!abcdeFG", shuffled=False)
    yield batch(draw, "ab;c;", "____;")
    yield batch(draw, "A!", ";B", stop=0, shared=False)
    yield batch(draw, "A", ";")
    yield batch(draw)


LEARNT, PUT = "learnt = real[b, t - 1] and given[b][t - 1] != -100", "new[b][t] = stop"
COUNT, RUN = "restored += new[b][t] != stop", "unended += ends and ids[b, t].item() != stop"
restore_stops.mistakes(f"""
The row's last token was taken for the one before its first, as torch.roll has it: nothing stands before the first.
    for t in range(1, T): => for t in range(T):
A stop that follows a stop ends no answer: here it is learnt.
    if learnt and ids[b, t - 1] != stop: => if learnt:
    if learnt and ids[b, t - 1] != stop: => if learnt or new[b][t - 1] == stop:
    if learnt and ids[b, t - 1] != stop: => if new[b][t - 1] != -100:
The padding keeps its labels: nothing is to be learnt there.
    label if here else -100 for => label for
The padding before a row is learnt here, and so its first stop too: what stands before a token counts if it is real.
    {LEARNT} => learnt = given[b][t - 1] != -100
A stop was put where the padding begins: an answer that was cut off has no end to learn.
    if not (real[b, t] and ids[b, t] == stop): => if not ids[b, t] == stop:
    if not (real[b, t] and ids[b, t] == stop): => if not (ids[b, t] == stop or not real[b, t]):
All stops are learnt here, those of the user's turns too: only an answer's end is.
    if learnt and ids[b, t - 1] != stop: => if True:
    if learnt and ids[b, t - 1] != stop: => if True: && for t in range(1, T): => for t in range(T):
Only the first of the lost stops of a row was put back: look at each.
    {PUT} => {PUT}\\n                break
Only the last stop of a row was put back: a row may have several answers.
    for t in range(1, T): => for t in [t for t in range(1, T) if ids[b, t] == stop and real[b, t]][-1:]:
The stop's own label says nothing: it is the one that was lost. Look at the token before.
    if learnt and ids[b, t - 1] != stop: => if given[b][t] != -100:
The labels are shifted here: each stands at its own token's place, and the stop's at the stop.
    {PUT} => new[b][t - 1] = stop
The labels are right, but the first number counts stops whose labels were there already: count those that you put back.
    {COUNT} => restored += 1
The first number counts stops that are learnt nowhere, the users' too: count those that you put back.
    return torch.tensor(new => restored = int(((ids == stop) & (labels == -100)).sum())\\n    return torch.tensor(new
    return torch.tensor(new => restored = int(((ids == stop) & (labels == -100) & real).sum())\\n    return torch.tensor(new
The first number counts rows with a stop that was put back: count the stops.
    {COUNT} => restored += new[b][t] != stop and given[b].count(stop) == new[b].count(stop)
The second number was counted before the stops were put back: count in your own labels.
    (t + 1 == T or new[b][t + 1] == -100) => (t + 1 == T or given[b][t + 1] == -100 or not real[b, t + 1])
    ends = new[b][t] != -100 and (t + 1 == T or new[b][t + 1] == -100) => ends = given[b][t] != -100 and real[b, t] and (t + 1 == T or given[b][t + 1] == -100 or not real[b, t + 1])
The second number leaves out an answer that ends with its row.
    (t + 1 == T or new[b][t + 1] == -100) => t + 1 < T and new[b][t + 1] == -100
The second number leaves out answers that the padding follows: these are unended, too.
    (t + 1 == T or new[b][t + 1] == -100) => (t + 1 == T or (new[b][t + 1] == -100 and bool(real[b, t + 1])))
The second number counts the runs that do end with the stop: count the others.
    {RUN} => unended += ends and ids[b, t].item() == stop
The second number counts all runs: count those that do not end with the stop.
    {RUN} => unended += ends
The second number counts a run that has a stop within as ended: its *last* token must be the stop.
    {RUN} => unended += ends and stop not in new[b][: t + 1][-2:]
The second number counts rows: a row may have several runs.
    {RUN} => unended += ends and ids[b, t].item() != stop and not any(new[b][k] != -100 and ids[b, k] != stop and new[b][k + 1] == -100 for k in range(t))
The second number counts learnt tokens that are not followed by a stop: only the last of a run can be.
    ends = new[b][t] != -100 and (t + 1 == T or new[b][t + 1] == -100) => ends = new[b][t] != -100 and (t + 1 == T or new[b][t + 1] != stop)
The counts are plain integers.
    int(restored), int(unended) => torch.tensor(int(restored)), torch.tensor(int(unended))
    int(restored), int(unended) => float(restored), float(unended)
""")
