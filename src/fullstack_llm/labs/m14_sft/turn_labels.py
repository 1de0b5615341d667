"""Exercise 1 of lab 14: the labels of a rendered row, turn by turn."""

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m14_sft.inputs import END, LIBRARIES, NEWLINE, START, header, turn, words


@exercise(minutes=20, difficulty=2, review=LIBRARIES)
def turn_labels(ids, header, end, weights):
    labels, size = [-100] * len(ids), len(header)
    place = number = 0
    while place < len(ids):
        if ids[place] != header[0]:
            place += 1
            continue
        # A turn goes on to its end mark, whatever stands in it.
        last = place
        while last < len(ids) and ids[last] != end:
            last += 1
        if ids[place : place + size] == header:
            if weights[number]:
                labels[place + size : last + 1] = ids[place + size : last + 1]
            number += 1
        place = last + 1
    return labels


@turn_labels.right
def one_pass(ids, header, end, weights):
    labels, begun, mine, answers = [], None, False, iter(weights)
    for at, token in enumerate(ids):
        if begun is None and token == header[0]:
            begun = at
            mine = ids[at : at + len(header)] == header and next(answers) == 1
        inside = begun is not None and mine and at >= begun + len(header)
        labels.append(token if inside else -100)
        if token == end:
            begun, mine = None, False
    return labels


@turn_labels.right
def pieces(ids, header, end, weights):
    # Cut behind each end mark: a piece holds one turn at most, from its first start mark on.
    labels, rest, weights = [], list(ids), list(weights)
    while rest:
        cut = rest.index(end) + 1 if end in rest else len(rest)
        piece, rest = rest[:cut], rest[cut:]
        before = piece.index(header[0]) if header[0] in piece else len(piece)
        turn = piece[before:]
        learnt = turn[: len(header)] == header and weights.pop(0)
        given = before + len(header) if learnt else len(piece)
        labels += [-100] * given + piece[given:]
    return labels


def rows(draw: Draw, *turns: tuple[str, int]):
    return [one for role, count in turns for one in turn(role, words(draw, count))]


SYSTEM, USER, BOT, TOOL = "system", "user", "assistant", "tool"
HEADER = header(BOT)


@turn_labels.part(
    5, "Begin with one turn: after the assistant's header, up to its end mark, and the mark too, each id is its label.",
    "answers",
)  # fmt: skip
def answers(draw: Draw):
    yield rows(draw, (SYSTEM, 2), (USER, 5), (BOT, 4), (USER, 3), (BOT, 6), (USER, 1), (BOT, 1)), HEADER, END, [1, 1, 1]
    yield rows(draw, (USER, 2), (BOT, 3)), HEADER, END, [1]
    yield rows(draw, (USER, 2), (BOT, 3), (TOOL, 4), (BOT, 2)), HEADER, END, [1, 1]
    # A row in which the template leaves out the newline; a header of three ids.
    row = [7, 8, 5, *words(draw, 3), 6, 7, 1, 5, *words(draw, 2), 6]
    yield row, [7, 1, 5], 6, [1]


@turn_labels.part(
    4, "weights has a number for each turn of the assistant, in order: 0 says that it is not learnt.", "weights"
)
def weighed(draw: Draw):
    turns = ((SYSTEM, 2), (USER, 3), (BOT, 4), (TOOL, 2), (BOT, 3), (USER, 1), (BOT, 5), (USER, 2), (BOT, 2))
    for weights in ([1, 0, 0, 1], [0, 1, 0, 1], [1, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]):
        yield rows(draw, *turns), HEADER, END, weights
    yield rows(draw, (USER, 3), (BOT, 4), (USER, 3), (BOT, 2)), HEADER, END, [1, 0]


@turn_labels.part(
    4,
    "A turn begins outside of any other and goes on to the next end mark; a start mark in between is content.",
    "marks",
)
def quoted(draw: Draw):
    a, b, c, d = (words(draw, n) for n in (3, 2, 4, 2))
    # A user who quotes the header of an answer; an answer that quotes one; a start mark alone.
    user = turn(USER, [*a, *HEADER, *b])
    yield [*user, *turn(BOT, c), *turn(USER, d), *turn(BOT, b), *turn(BOT, a)], HEADER, END, [1, 0, 0]
    yield [*turn(USER, a), *turn(BOT, [*c, *header(USER), *b]), *turn(USER, c), *turn(BOT, d)], HEADER, END, [1, 1]
    yield [*turn(USER, a), *turn(BOT, [*c, *HEADER, *b]), *turn(USER, c), *turn(BOT, d)], HEADER, END, [1, 0]
    yield [*turn(TOOL, [*c, START, *d]), *turn(BOT, [START, *a])], HEADER, END, [1]


@turn_labels.part(
    3,
    "Where does the row begin, and where does it end: in a turn or outside? Outside of turns nothing is learnt.",
    "edges",
)
def edges(draw: Draw):
    a, b, c = (words(draw, n) for n in (3, 2, 4))
    whole = [*turn(USER, a), *turn(BOT, b)]
    # End marks as padding; a row that begins inside of a turn; one that ends in an answer, and in its header.
    yield [*whole, END, END, END], HEADER, END, [1]
    yield [*c, END, NEWLINE, *whole], HEADER, END, [1]
    yield [*whole, *turn(USER, c), *HEADER, *a], HEADER, END, [1, 1]
    yield [*turn(USER, a), *HEADER], HEADER, END, [1]
    yield [*turn(BOT, a), *turn(USER, b), *turn(BOT, c)], HEADER, END, [1, 1]
    yield [*c, *HEADER, *a], HEADER, END, [1]
    yield [*turn(USER, a), *HEADER[:-1]], HEADER, END, []
    # An empty answer is its end mark; a row without turns; no row.
    yield [*turn(USER, a), *turn(BOT, []), *turn(USER, []), *turn(BOT, c)], HEADER, END, [1, 1]
    yield words(draw, 5), HEADER, END, []
    yield [], HEADER, END, []


LEARN = "labels[place + size : last + 1] = ids[place + size : last + 1]"
MINE = "if ids[place : place + size] == header:"
turn_labels.mistakes(f"""
Without turns the labels are -100 for each id, and without ids there are none.
    labels, size = [-100] * len(ids), len(header) => labels, size = [-100] * len(ids), len(header)\\n    if not weights:\\n        return []
    labels, size = [-100] * len(ids), len(header) => labels, size = [-100] * len(ids), len(header)\\n    if header[0] not in ids:\\n        return list(ids)
An answer may be empty: its end mark is learnt.
    if weights[number]: => if weights[number] and last > place + size:
A header that the row cuts off is not complete: nobody's answer has begun.
    {MINE} => if ids[place : place + size] == header[: len(ids) - place]:
What stands before the first start mark is the end of a turn that was cut off, and nobody knows whose: it is not learnt.
    place = number = 0 => place = number = 0\\n    if ids and ids[0] != header[0] and end in ids:\\n        labels[: ids.index(end) + 1] = ids[: ids.index(end) + 1]
An end mark that ends no answer is learnt: here it is padding, or the end of another's turn.
    return labels => return [i if i == end else label for i, label in zip(ids, labels)]
    return labels => return [i if i == end and ids[at - 1 : at] == [end] else label for at, (i, label) in enumerate(zip(ids, labels))]
    return labels => return [i if i == end and header[0] not in ids[:at] else label for at, (i, label) in enumerate(zip(ids, labels))]
A row may begin with an answer: here one that stands at place 0 was not seen.
    if ids[place] != header[0]: => if ids[place] != header[0] or (place == 0 and ids[:size] == header):
An answer that the row cuts off is learnt as far as it stands there: only its end is unknown.
    labels, size = [-100] * len(ids), len(header) => labels, size = [-100] * len(ids), len(header)\\n    if end not in ids:\\n        return labels
    if weights[number]: => if weights[number] and last < len(ids):
Marks that are quoted in an answer are left out of it: they are content, and learnt.
    return labels => return [-100 if label == header[0] else label for label in labels]
An answer that quotes a start mark goes on: a turn ends at its end mark, and at nothing else.
    ids[last] != end: => ids[last] != end and (last == place or ids[last] != header[0]):
    {LEARN} => labels[place + size : last + 1] = [-100 if header[0] in ids[place + 1 : at + 1] else ids[at] for at in range(place + size, last + 1) if at < len(ids)]
A header that stands inside of an answer is part of it: it begins no turn, and takes no weight.
    place = last + 1 => place = place + 1 if ids[place : place + size] == header else last + 1 && if weights[number]: => if (weights + [1] * 9)[number]:
A turn of another was taken for an answer: it *quotes* the assistant's header. A turn ends at its end mark, and not before.
    place = last + 1 => place = last + 1 if ids[place : place + size] == header else place + 1 && if weights[number]: => if (weights + [1] * 9)[number]:
    place = last + 1 => place += 1 && if weights[number]: => if (weights + [1] * 9)[number]:
There are more turns than weights here: were turns of others counted, or a header that is only quoted?
    number += 1 => pass && place = last + 1 => place = last + 1; number += 1
    place = last + 1 => place = last + 1 if ids[place : place + size] == header else place + 1
    place = last + 1 => place += 1
Each turn has a weight of its own: here it was given that of the one before, or of the one behind.
    if weights[number]: => if (weights + [1])[number + 1]:
    if weights[number]: => if weights[number - 1]:
A turn with weight 0 is a turn all the same: the next one has the next weight.
    number += 1 => number += weights[number]
A turn with weight 1 is missing, and one with 0 is learnt: here 1 is taken for "leave out".
    if weights[number]: => if not weights[number]:
weights counts the turns of the assistant alone: here the turns of others were counted too.
    number += 1 => pass && place = last + 1 => place = last + 1; number += 1 && if weights[number]: => if weights[min(number, len(weights) - 1)]:
The end mark of an answer is not learnt here: the model would never be taught to stop.
    {LEARN} => labels[place + size : last] = ids[place + size : last]
What follows the end mark, the template's newline, is learnt: the model has stopped before it.
    {LEARN} => labels[place + size : last + 2] = ids[place + size : last + 2]
    {LEARN} => labels[place + size : last + 1] = ids[place + size : last + 1]\\n                labels[last + 1 : last + 2] = [i for i in ids[last + 1 : last + 2] if i != header[0]] or [-100] * len(ids[last + 1 : last + 2])
The header is learnt: it is given with the prompt, and the answer begins behind it.
    {LEARN} => labels[place : last + 1] = ids[place : last + 1]
    {LEARN} => labels[place + 1 : last + 1] = ids[place + 1 : last + 1]
A part of the header is learnt, or of the answer is not: the header has len(header) ids, the newline among them.
    {LEARN} => labels[place + size - 1 : last + 1] = ids[place + size - 1 : last + 1]
    {LEARN} => labels[place + size + 1 : last + 1] = ids[place + size + 1 : last + 1]
These labels are shifted: the label of a place is the id that stands there, and the loss shifts later.
    return labels => return labels[1:] + [-100]
    return labels => return labels[1:] + labels[:1]
    return labels => return [-100] + labels[:-1]
This is right from the second place on, but one label is missing: there is one for each id.
    return labels => return labels[1:]
Every turn is learnt, the user's too: compare all of the header.
    {MINE} => if True: && if weights[number]: => if number >= len(weights) or weights[number]:
Turns of another role are learnt: its header begins as the assistant's does, and is another. Compare all of it.
    {MINE} => if ids[place : place + 2] == header[:2]: && if weights[number]: => if number >= len(weights) or weights[number]:
    {MINE} => if ids[place : place + 2] == header[:2]: && if weights[number]: => if (weights + [1] * 9)[number]:
It is the other way round: these are the ids that are *not* to be learnt.
    return labels => return [i if label == -100 else -100 for i, label in zip(ids, labels)]
A turn with weight 0 is learnt.
    if weights[number]: => if True:
Only the last turn of the assistant is learnt: each whose weight is 1 is.
    if weights[number]: => if weights[number] and number == len(weights) - 1:
    if weights[number]: => if weights[number]:\\n                labels[:] = [-100] * len(ids)
Only the first turn of the assistant is learnt: each whose weight is 1 is.
    if weights[number]: => if weights[number] and number == 0:
The numbers of weights enter the labels: a label is an id, or -100.
    return labels => return [int(label != -100) for label in labels]
    return labels => return [label != -100 for label in labels]
What is not learnt has the label -100, which the loss leaves out: 0 is the id of a token.
    return labels => return [0 if label == -100 else label for label in labels]
    return labels => return [-1 if label == -100 else label for label in labels]
    return labels => return [None if label == -100 else label for label in labels]
Where nothing is learnt, there is a label all the same, -100: these are the learnt ids alone.
    return labels => return [label for label in labels if label != -100]
""")
