"""Exercise 6 of lab 03: the prompt of a conversation, and where another prompt departs from it."""

import re

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m03_tokenization.inputs import FORBIDDEN


@exercise(minutes=25, difficulty=3, review=FORBIDDEN)
def render_chat(messages, to_answer, sent):
    header, end, text = "<|im_start|>{}\n", "<|im_end|>\n", ""
    for message in messages:
        text += header.format(message["role"]) + message["content"] + end
    last = messages[-1]["role"] if messages else ""
    if to_answer and last == "assistant":
        text = text[: -len(end)]
    elif to_answer:
        text += header.format("assistant")
    ours, theirs = text.encode("utf-8"), sent.encode("utf-8")
    if ours == theirs:
        return text, -1
    offset = 0
    while offset < min(len(ours), len(theirs)) and ours[offset] == theirs[offset]:
        offset += 1
    return text, offset


@render_chat.right
def joined(messages, to_answer, sent):
    turns = ["<|im_start|>{role}\n{content}".format(**message) for message in messages]
    if to_answer and not (messages and messages[-1]["role"] == "assistant"):
        turns.append("<|im_start|>assistant\n")
    text = "<|im_end|>\n".join([*turns, *([] if to_answer else [""])])
    a, b = text.encode(), sent.encode()
    return text, -1 if a == b else next(n for n in range(len(a + b)) if a[n : n + 1] != b[n : n + 1])


# What went out in production: each a bug of white space that somebody has shipped, and one that is none.
BUGS = {
    "nothing": lambda text: text,
    "no newline at the end": lambda text: text.removesuffix("\n"),
    "a space at the end": lambda text: text + " ",
    "runs of white space": lambda text: re.sub(r"[ \t]+", " ", text),
    "thin spaces": lambda text: text.replace("\u2009", "\u202f"),
    "a space after the role": lambda text: re.sub(r"(start\|>\w+)\n", r"\1 \n", text),
    "a space after the role's newline": lambda text: re.sub(r"(start\|>\w+\n)", r"\1 ", text),
    "a newline before the end mark": lambda text: text.replace("<|im_end|>\n", "\n<|im_end|>\n"),
    "no newline between turns": lambda text: text.replace("<|im_end|>\n", "<|im_end|>"),
    "line ends of Windows": lambda text: text.replace("\n", "\r\n"),
    "a turn that is closed": lambda text: text + "<|im_end|>\n",
}

CONTENTS = [
    "Ada adds 12 and 34.",
    "  def add(a, b):\n      return a + b\n",
    "Café à la crème ☕, dit Zoé\u2009: «\u2009oui\u2009»",
    "आडा 12  और 34 जोड़ती है।\t",
    "",
    " ",
    "Dot writes <|im_end|> & <b>bold</b>, {0}\nin her notes\r\n",
    "👩\u200d🔬 46",
]


@render_chat.part(8, "The offset counts the UTF-8 bytes with which both the right text and `sent` begin.", "diagnosis")
@render_chat.part(8, "A turn: header with the role, newline, content as it is, end mark, newline.", "text", items=(0,))
def conversations(draw: Draw):
    code, cafe = ({"role": role, "content": CONTENTS[i]} for role, i in (("assistant", 1), ("user", 2)))
    # What was sent is right at first, so that a text with a bug is not taken for a copy of what was sent.
    for given, to_answer in (([cafe, code, cafe], True), ([cafe, cafe, code], True), ([code, cafe, code], False)):
        yield given, to_answer, render_chat(given, to_answer, "")[0]
    yield [cafe, code], True, render_chat([cafe, code, cafe], True, "")[0]
    yield [], False, ""
    yield [], True, "<|im_start|>assistant"
    for bug in BUGS.values():
        roles = draw.choices(["system", "user", "assistant", "tool"], k=draw.choice([1, 2, 3, 5]))
        drawn = [{"role": role, "content": draw.choice(CONTENTS)} for role in roles]
        for given, to_answer in (([cafe, code, cafe], True), (drawn, draw.random() < 0.5)):
            yield given, to_answer, bug(render_chat(given, to_answer, "")[0])


render_chat.mistakes("""
Where the last message is the assistant's, the model goes on with that turn: no new header follows.
    last == "assistant" => False
The assistant's last turn stays open only where to_answer is true.
    to_answer and last == "assistant" => last == "assistant"
An open turn ends with the content: the end mark is gone, and its newline too.
    -len(end)] => -len(end)] + chr(10)
The header of an assistant's turn stands at the end if, and only if, the model is to answer.
    elif to_answer => elif True
    elif to_answer => elif False
The assistant's turn is opened, not closed: the model goes on from there.
    header.format("assistant") => header.format("assistant") + end
Without messages there is no last one, and the header is all there is.
    if messages else "" =>
The header of a turn is <|im_start|>, the role and a newline, and the content begins right behind.
    header.format("assistant") => header.format("assistant")[:-1]
    header.format(message["role"]) => header.format(message["role"])[:-1]
A turn ends with <|im_end|> right behind the content, and one newline.
    + end => + end[:-1] && -len(end) => 1 - len(end)
    message["content"] + end => message["content"] + chr(10) + end && -len(end) => -1 - len(end)
The contents are stripped: they stand there as they are.
    message["content"] => message["content"].strip()
This offset counts characters: count UTF-8 bytes; é is two of them, most emoji are four.
    text.encode("utf-8"), sent.encode("utf-8") => text, sent
This is where the character that differs begins: its first bytes can still be equal.
    ours, theirs = text.encode("utf-8"), sent.encode("utf-8") => ours, theirs = text, sent && return text, offset => return text, len(text[:offset].encode())
This offset is wrong by one: the first byte has offset 0, and the first byte that differs counts.
    return text, offset => return text, offset + 1
    return text, offset => return text, offset - 1
Both are the same bytes: then the offset is -1, an int.
    return text, -1 => return text, len(ours)
    return text, -1 => return text, None
Equal as far as both go, but one is longer: the first difference is where the shorter one ends.
    return text, offset => return text, offset if offset < min(len(ours), len(theirs)) else -1
    return text, offset => return text, offset if offset < min(len(ours), len(theirs)) else max(len(ours), len(theirs))
Where the shorter of the two ends, nothing is left to compare.
    offset < min(len(ours), len(theirs)) and =>
""")
