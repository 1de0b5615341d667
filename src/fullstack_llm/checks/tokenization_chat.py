"""Exercise 6 of lab 03, the chat template: what is right, what broken renderers sent, and how offsets go wrong."""

import re
from collections.abc import Callable
from typing import Any

from fullstack_llm.checks import Draw

Message = dict[str, str]
Renderer = Callable[[list[Message], bool], str]


def render(messages: list[Message], add_generation_prompt: bool) -> str:
    """The course's chat template; a test holds it equal to `apply_chat_template`."""
    turns = ["<|im_start|>{role}\n{content}<|im_end|>\n".format(**message) for message in messages]
    return "".join(turns) + "<|im_start|>assistant\n" * add_generation_prompt


def first_difference(text: str, sent: str) -> int:
    """The number of bytes that both begin with, or -1 if they are the same bytes."""
    ours, theirs = text.encode(), sent.encode()
    if ours == theirs:
        return -1
    return max(n for n in range(min(len(ours), len(theirs)) + 1) if ours[:n] == theirs[:n])


def _contents(change: Callable[[str], str]) -> Renderer:
    return lambda messages, add: render([{**m, "content": change(m["content"])} for m in messages], add)


def _replaced(old: str, new: str) -> Renderer:
    return lambda messages, add: render(messages, add).replace(old, new)


# What went out in production: each a bug of white space that somebody has shipped, and one that is none.
RENDERERS: dict[str, Renderer] = {
    "nothing": render,
    "no newline at the end": lambda messages, add: render(messages, add).removesuffix("\n"),
    "one newline more at the end": lambda messages, add: render(messages, add) + "\n",
    "a space at the end": lambda messages, add: render(messages, add) + " " * add,
    "a space for the last newline": lambda messages, add: render(messages, add)[:-1] + " ",
    "contents stripped": _contents(str.strip),
    "runs of white space in contents collapsed": _contents(lambda content: re.sub(r"\s+", " ", content)),
    "indentation lost": _contents(lambda content: "\n".join(line.lstrip() for line in content.split("\n"))),
    "thin spaces replaced": _contents(lambda content: content.replace("\u2009", "\u202f")),
    "a space after the role": lambda messages, add: re.sub(r"(start\|>\w+)\n", r"\1 \n", render(messages, add)),
    "a space after the role's newline": lambda messages, add: re.sub(r"(start\|>\w+\n)", r"\1 ", render(messages, add)),
    "a space after the turn": _replaced("<|im_end|>\n", "<|im_end|> \n"),
    "a newline before the end mark": _replaced("<|im_end|>\n", "\n<|im_end|>\n"),
    "a blank line between turns": _replaced("<|im_end|>\n", "<|im_end|>\n\n"),
    "no newline between turns": _replaced("<|im_end|>\n", "<|im_end|>"),
    "line ends of Windows": _replaced("\n", "\r\n"),
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


def conversations(draw: Draw) -> list[tuple[list[Message], bool, str]]:
    """Messages, ending and what was sent: every renderer once where its bug shows, and once with drawn messages."""
    given = [{"role": "system", "content": CONTENTS[1]}, {"role": "user", "content": CONTENTS[2]}]
    # What was sent is right at first, so that a text with a bug is not taken for a copy of what was sent.
    cases = [(given, True, render(given, True)), (given, False, render(given, False))]
    nobody: list[Message] = []
    cases += [(nobody, False, ""), (nobody, True, "<|im_start|>assistant")]
    for send in RENDERERS.values():
        messages = [
            {"role": draw.choice(["system", "user", "assistant", "tool"]), "content": draw.choice(CONTENTS)}
            for _ in range(draw.choice([1, 2, 3, 5]))
        ]
        add = draw.random() < 0.5
        cases += [(given, True, send(given, True)), (messages, add, send(messages, add))]
    return cases


def render_mistakes(messages: list[Message], add: bool, sent: str) -> list[tuple[Any, str]]:
    """Texts with the bugs of broken renderers, and with other misreadings of the template."""
    opened = "The assistant's turn is opened, not closed: the model goes on from there."
    header = "The header of an assistant's turn stands at the end if, and only if, add_generation_prompt is true."
    space = "Look at the white space again; your text has this bug: {}."
    return [
        (sent, "This is the prompt as it was sent: return the one that should have been sent."),
        (render(messages, add) + "<|im_end|>\n" * add, opened),
        (render(messages, not add), header),
        *((send(messages, add), space.format(name)) for name, send in RENDERERS.items() if name != "nothing"),
    ]


def difference_mistakes(text: str, sent: str) -> list[tuple[Any, str]]:
    """Wrong offsets of the first difference."""
    right = first_difference(text, sent)
    points = next((i for i, (a, b) in enumerate(zip(text, sent, strict=False)) if a != b), min(len(text), len(sent)))
    if right < 0:
        every = "Both are the same bytes: then the answer is -1, an int."
        return [(value, every) for value in (0, None, len(text), len(text.encode()))]
    longer = max(len(text.encode()), len(sent.encode()))
    prefix = right == min(len(text.encode()), len(sent.encode()))
    ends = f"This is the end of the longer one: they part {'where the *shorter* one ends' if prefix else 'before'}."
    if longer == right + 1:
        ends = f"One too far: the first byte has offset 0. {ends}"
    return [
        (longer, ends),
        (points, "This offset counts characters: count UTF-8 bytes; é is two of them, most emoji are four."),
        (
            len(text[:points].encode()),
            "This is where the character that differs begins: its first bytes can still be equal.",
        ),
        (right + 1, "One too far: the first byte has offset 0."),
        (right - 1, "This is the last byte that is still equal: return the first one that differs."),
        (
            -1,
            "Equal as far as both go, but one is longer: the first difference is where the shorter one ends."
            if prefix
            else "-1 says that nothing differs, and something does: compare all bytes.",
        ),
    ]
