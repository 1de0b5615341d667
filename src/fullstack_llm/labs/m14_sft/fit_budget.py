"""Exercise 5 of lab 14: a conversation that is too long, cut so that the last answer keeps its question and its end."""

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m14_sft.inputs import END, LIBRARIES, NEWLINE, header, words


def laid(turns, closing):
    ids, labels = [], []
    for role, head, content in turns:
        body = content + closing[:1]
        ids += head + content + closing
        learnt = body if role == "assistant" else [-100] * len(body)
        labels += [-100] * len(head) + learnt + [-100] * len(closing[1:])
    return ids, labels


@exercise(minutes=25, difficulty=3, review=LIBRARIES, uses=(laid,))
def fit_budget(turns, closing, budget):
    starts = [at for at, (role, _, _) in enumerate(turns) if role == "user"]
    head = turns[: starts[0]] if starts else turns
    # Each exchange is a user's turn and what follows it; the oldest go first, and the last one stays.
    kept = []
    for start in starts or [len(turns)]:
        kept = head + turns[start:]
        if len(laid(kept, closing)[0]) <= budget:
            return laid(kept, closing)
    over = len(laid(kept, closing)[0]) - budget
    if not starts or over > len(turns[starts[-1]][2]):
        return [], []
    _, mark, content = turns[starts[-1]]
    kept = [*head, ("user", mark, content[over:]), *turns[starts[-1] + 1 :]]
    return laid(kept, closing)


@fit_budget.right
def counted(turns, closing, budget):
    sizes = [len(head) + len(content) + len(closing) for _, head, content in turns]
    exchange, number = [], 0
    for role, _, _ in turns:
        number += role == "user"
        exchange.append(number)
    first = 1
    while first < number and sum(s for s, e in zip(sizes, exchange) if e == 0 or e >= first) > budget:
        first += 1
    keep = [e == 0 or e >= first for e in exchange]
    over = max(0, sum(s for s, k in zip(sizes, keep) if k) - budget)
    ids, labels = [], []
    for at, (role, head, content) in enumerate(turns):
        if not keep[at]:
            continue
        if over and role == "user":
            content, over = content[over:], max(0, over - len(content))
        ids += [*head, *content, *closing]
        labels += [-100] * len(head)
        for token in [*content, closing[0]]:
            labels.append(token if role == "assistant" else -100)
        labels += [-100] * (len(closing) - 1)
    return (ids, labels) if over == 0 else ([], [])


@fit_budget.right
def from_the_end(turns, closing, budget):
    places = []
    for role, head, content in turns:
        mine = role == "assistant"
        turn = [(one, -100) for one in head] + [(one, one if mine else -100) for one in content]
        turn += [(one, one if mine and at == 0 else -100) for at, one in enumerate(closing)]
        places.append((role, turn, len(head), len(content)))
    head = []
    while places and places[0][0] != "user":
        head += places.pop(0)[1]
    groups = []
    for role, turn, *sizes in places:
        if role == "user":
            groups.append([turn, *sizes])
        else:
            groups[-1][0] = groups[-1][0] + turn
    tail = []
    for at, (group, skip, size) in enumerate(reversed(groups)):
        room = budget - len(head) - len(tail)
        if at == 0 and len(group) > room:
            over = len(group) - room
            if over > size:
                return [], []
            tail = group[:skip] + group[skip + over :]
            break
        if len(group) > room:
            break
        tail = group + tail
    row = head + tail
    if len(row) > budget:
        return [], []
    return [one for one, _ in row], [label for _, label in row]


def talk(draw: Draw, *parts: tuple[str, int]):
    names = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
    return [(names[letter], header(names[letter]), words(draw, size)) for letter, size in parts]


def size_of(turns, start: int = 0):
    return sum(len(head) + len(content) + 2 for _, head, content in turns[start:])


CLOSING = [END, NEWLINE]


@fit_budget.part(3, "All of it fits here: header, content and closing of each turn; what is learnt?", "whole")
def whole(draw: Draw):
    turns = talk(draw, ("s", 3), ("u", 5), ("a", 4), ("u", 2), ("t", 3), ("a", 6))
    yield turns, CLOSING, 99
    yield turns, CLOSING, size_of(turns)
    yield talk(draw, ("u", 3), ("a", 0), ("u", 0), ("a", 2)), [6], 40


@fit_budget.part(5, "Which exchanges stay? The system's turn and the newest ones, each of them whole.", "exchanges")
def exchanges(draw: Draw):
    # A short exchange stands before a long one: what is dropped is the beginning, without holes.
    sizes = ("s", 3), ("u", 2), ("a", 1), ("u", 9), ("a", 8), ("t", 5), ("a", 7), ("u", 3), ("a", 4), ("u", 5), ("a", 2)
    turns = talk(draw, *sizes)
    last, third = size_of(turns, 9), size_of(turns, 7)
    older, middle = third + size_of(turns[1:3]), third + size_of(turns[4:7]) + 1
    for room in (third + 1, third, older, middle, third - 1, last, size_of(turns, 3) - 1):
        yield turns, CLOSING, size_of(turns[:1]) + room
    turns = talk(draw, ("u", 4), ("a", 3), ("u", 2), ("t", 6), ("a", 5), ("u", 7), ("a", 1))
    yield turns, CLOSING, size_of(turns, 2)
    yield turns, CLOSING, size_of(turns, 2) - 1


@fit_budget.part(
    4,
    "Only the last exchange is left, and it is too long: its question's content loses ids from its beginning.",
    "question",
)
def question(draw: Draw):
    turns = talk(draw, ("s", 3), ("u", 4), ("a", 5), ("u", 11), ("t", 3), ("a", 2))
    for missing in (4, 10, 1, 11):
        yield turns, CLOSING, size_of(turns[:1]) + size_of(turns, 3) - missing
    yield turns[1:], CLOSING, size_of(turns, 3) - 3


@fit_budget.part(
    3, "Where the last exchange does not fit without its question's content, both lists are empty.", "edges"
)
def edges(draw: Draw):
    turns = talk(draw, ("s", 3), ("u", 4), ("a", 5), ("u", 7), ("a", 6))
    for missing in (8, 9, 20):
        yield turns, CLOSING, size_of(turns[:1]) + size_of(turns, 3) - missing
    # The assistant greets first; nobody asks; nobody speaks.
    greeted = talk(draw, ("s", 2), ("a", 4), ("u", 3), ("a", 5), ("u", 2), ("a", 3))
    yield greeted, CLOSING, size_of(greeted) - 1
    yield greeted, CLOSING, size_of(greeted[:2]) + size_of(greeted[4:]) - 1
    greeting = talk(draw, ("s", 3), ("a", 4))
    yield greeting, CLOSING, 50
    yield greeting, CLOSING, size_of(greeting)
    yield talk(draw, ("s", 3), ("a", 4)), CLOSING, 10
    yield talk(draw, ("u", 3), ("a", 4)), CLOSING, 0
    yield [], CLOSING, 5


FITS = "if len(laid(kept, closing)[0]) <= budget:"
LEARN, ROW = 'learnt = body if role == "assistant" else [-100] * len(body)', "labels += [-100] * len(head) + learnt"
KEPT = "kept = head + turns[start:]"
CUT, NONE = "content[over:]", "if not starts or over > len(turns[starts[-1]][2]):"
fit_budget.mistakes(f"""
Without a user's turn nothing can be dropped: what fits stays whole, and what does not is left out.
    {NONE} => if not starts:\\n        return tuple(one[:budget] for one in laid(turns, closing))\\n    if over > len(turns[starts[-1]][2]):
    {NONE} => if not starts:\\n        return laid(turns[:1], closing)\\n    if over > len(turns[starts[-1]][2]):
    starts = [at => if not any(turn[0] == "user" for turn in turns):\\n        return [], []\\n    starts = [at
The question's content may be lost altogether, as long as its turn stays.
    over > len(turns[starts[-1]][2]) => over >= len(turns[starts[-1]][2])
What does not fit even so is left out: both lists are empty.
    {NONE} => if not starts:
    {NONE} => if not starts:\\n        return [], []\\n    if over > len(turns[starts[-1]][2]):\\n        return tuple(one[:budget] for one in laid(kept, closing))\\n    if False:
    {NONE} => if not starts:\\n        return [], []\\n    if over > len(turns[starts[-1]][2]):\\n        return tuple(one[-budget:] for one in laid(kept, closing))\\n    if False:
    {NONE} => if not starts:\\n        return [], []\\n    if over > len(turns[starts[-1]][2]):\\n        return laid(head, closing)\\n    if False:
What comes before the first question stays, a greeting too: it belongs to no exchange.
    head = turns[: starts[0]] if starts else turns => head = [turn for turn in turns[:1] if turn[0] == "system"]
    {KEPT} => kept = (head if start == starts[0] else [turn for turn in head if turn[0] == "system"]) + turns[start:]
The question loses ids from its *beginning*: its end is what the answer is about.
    {CUT} => content[: len(content) - over]
The question's content loses only as many ids as it must.
    {CUT} => []
    {CUT} => content[over + 1 :]
The last answer lost ids, and with them its end: the question's content is cut instead.
    kept = [*head, ("user", mark, {CUT}), *turns[starts[-1] + 1 :]]\\n    return laid(kept, closing) => return tuple(one[:budget] for one in laid(kept, closing))
The beginning of the row was cut, the system's turn with it: the question's content is cut instead.
    kept = [*head, ("user", mark, {CUT}), *turns[starts[-1] + 1 :]]\\n    return laid(kept, closing) => return tuple(one[-budget:] for one in laid(kept, closing))
The question's header was cut as well: only its content loses ids.
    ("user", mark, {CUT}) => ("user", (mark + content)[over:], [])
The last exchange is never dropped: here the row holds none, or nothing at all.
    {NONE} => if starts:\\n        return laid(head, closing)\\n    if True:
    {NONE} => if True:
The end of the row was cut away, and the last answer's end with it: drop the oldest exchanges instead.
    for start in starts or [len(turns)]: => ids, labels = laid(turns, closing)\\n    return ids[:budget], labels[:budget]\\n    for start in starts or [len(turns)]:
The beginning of the row was cut away wherever it fell: drop whole exchanges, and keep the system's turn.
    for start in starts or [len(turns)]: => ids, labels = laid(turns, closing)\\n    return ids[-budget:], labels[-budget:]\\n    for start in starts or [len(turns)]:
The system's turn is missing: it stays, whatever else goes.
    {KEPT} => kept = turns[start:] if start > starts[0] else turns
The system's turn takes room, too: count it before an exchange is kept.
    {FITS} => if len(laid(turns[start:], closing)[0]) <= budget:
A row of exactly `budget` ids fits.
    {FITS} => if len(laid(kept, closing)[0]) < budget:
The header and the closing of a turn take room as its content does.
    {FITS} => if sum(len(content) for _, _, content in kept) <= budget:
    {FITS} => if len(laid(kept, closing)[0]) - len(closing) * len(kept) <= budget:
    {FITS} => if len(laid(kept, [])[0]) <= budget:
Turns were dropped one by one: an answer, or a tool's turn, stands here without its question. Drop whole exchanges.
    for start in starts or [len(turns)]: => for start in range(len(head), starts[-1] + 1) if starts else [len(turns)]:
There is a hole: once an exchange is dropped, all older ones go, too.
    for start in starts or [len(turns)]: => blocks = [turns[a:b] for a, b in zip(starts, [*starts[1:], len(turns)])]\\n    kept = blocks[-1] if blocks else []\\n    for block in blocks[-2::-1]:\\n        if len(laid(head + block + kept, closing)[0]) <= budget:\\n            kept = block + kept\\n    if starts and len(laid(head + kept, closing)[0]) <= budget:\\n        return laid(head + kept, closing)\\n    for start in starts or [len(turns)]:
    for start in starts or [len(turns)]: => blocks = [turns[a:b] for a, b in zip(starts, [*starts[1:], len(turns)])]\\n    while len(blocks) > 1 and len(laid(head + sum(blocks, []), closing)[0]) > budget:\\n        blocks.remove(max(blocks[:-1], key=lambda block: len(laid(block, closing)[0])))\\n    if blocks and len(laid(head + sum(blocks, []), closing)[0]) <= budget:\\n        return laid(head + sum(blocks, []), closing)\\n    for start in starts or [len(turns)]:
The newest exchanges were dropped: the oldest go first.
    for start in starts or [len(turns)]: => for end in [*starts[1:], len(turns)][::-1] if starts else []:\\n        if len(laid(turns[:end], closing)[0]) <= budget:\\n            return laid(turns[:end], closing)\\n    for start in starts or [len(turns)]:
Everything but the last exchange was dropped: only as many exchanges go as must.
    for start in starts or [len(turns)]: => for start in [starts[0], starts[-1]] if starts else [len(turns)]:
    for start in starts or [len(turns)]: => for start in starts[-1:] or [len(turns)]:
The end of an answer is not learnt here: the first id of closing is the stop token.
    {LEARN} => learnt = content + [-100] if role == "assistant" else [-100] * len(body)
All of closing is learnt: only its first id, the stop token, is.
    + learnt + [-100] * len(closing[1:]) => + learnt + (closing[1:] if role == "assistant" else [-100] * len(closing[1:]))
An answer's header is learnt: it is given with the prompt.
    {ROW} => labels += (head if role == "assistant" else [-100] * len(head)) + learnt
Only the last answer is learnt: each that stays is.
    return ids, labels => last = max([at for at, turn in enumerate(turns) if turn[0] == "assistant"], default=0)\\n    given = sum(len(h) + len(c) + len(closing) for _, h, c in turns[:last])\\n    return ids, [-100] * given + labels[given:]
Everything is learnt here: only answers and their stop tokens are.
    {LEARN} => learnt = body
    return ids, labels => return ids, list(ids)
Turns of others are learnt, the tool's or the system's: only the assistant's answers are.
    {LEARN} => learnt = body if role != "user" else [-100] * len(body)
    {LEARN} => learnt = body if role in ("assistant", "tool") else [-100] * len(body)
    {LEARN} => learnt = body if role in ("assistant", "system") else [-100] * len(body)
These labels are shifted: each stands at its own id's place.
    return ids, labels => return ids, labels[1:] + [-100] * (len(labels) > 0)
Labels are ids, or -100 where nothing is learnt.
    return ids, labels => return ids, [int(one != -100) for one in labels]
    return ids, labels => return ids, [0 if one == -100 else one for one in labels]
""")
