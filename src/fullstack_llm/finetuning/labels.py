"""Choose the tokens of a conversation that the loss is taken on: by the text, by the markers, by their structure.

>>> from fullstack_llm.models.chat import encode
>>> from fullstack_llm.tokenization import course_tokenizer
>>> tokenizer = course_tokenizer.load()
>>> talk = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]
>>> by_text(tokenizer, talk) == by_markers(encode(tokenizer, talk).ids) == assembled(tokenizer, talk)
True
>>> assembled(tokenizer, talk) == encode(tokenizer, talk)
True
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from transformers import PreTrainedTokenizerFast

from fullstack_llm.models.chat import Row
from fullstack_llm.tokenization import course_tokenizer
from fullstack_llm.tokenization.course_tokenizer import SPECIAL_TOKENS

START, STOP = SPECIAL_TOKENS.index("<|im_start|>"), SPECIAL_TOKENS.index("<|im_end|>")
OPENING, CLOSING = "<|im_start|>assistant\n", "<|im_end|>"


def by_text(tokenizer: PreTrainedTokenizerFast, messages: Sequence[Mapping[str, str]]) -> Row:
    """Search the rendered conversation for the assistant's opening and closing; tokenise the pieces between them."""
    text: Any = tokenizer.apply_chat_template([dict(m) for m in messages], tokenize=False)
    ids, own = list[int](), list[bool]()
    while text:
        before, opening, rest = text.partition(OPENING)
        answer, closing, text = rest.partition(CLOSING)
        for piece, mine in ((before + opening, False), (answer + closing, True)):
            found = tokenizer(piece).input_ids
            ids += found
            own += [mine] * len(found)
    return Row(tuple(ids), tuple(own))


@cache
def prompt_ids() -> tuple[int, ...]:
    """Return the ids that open an assistant's turn in the course's template."""
    return tuple(course_tokenizer.load()(OPENING).input_ids)


def by_markers(ids: Sequence[int]) -> Row:
    """Walk over the ids: after those that open an assistant's turn all are the assistant's, up to the stop token.

    >>> row = by_markers([START, 70, STOP, *prompt_ids(), 80, STOP])
    >>> [token for token, mine in zip(row.ids, row.own) if mine] == [80, STOP]
    True
    """
    opening, own, mine = prompt_ids(), list[bool](), False
    for at, token in enumerate(ids):
        mine = mine or tuple(ids[max(0, at - len(opening)) : at]) == opening
        own.append(mine)
        mine = mine and token != STOP
    return Row(tuple(ids), tuple(own))


def assembled(tokenizer: PreTrainedTokenizerFast, messages: Sequence[Mapping[str, str]]) -> Row:
    """Lay the ids message by message: markers as ids, and contents as text in which no marker is recognised.

    Whatever a user types, it opens no turn and ends none.
    """
    line = tokenizer("\n").input_ids
    ids, own = list[int](), list[bool]()
    for message in messages:
        role, content = (tokenizer(message[key], split_special_tokens=True).input_ids for key in ("role", "content"))
        head, body = [START, *role, *line], [*content, STOP]
        mine = message["role"] == "assistant"
        ids += [*head, *body, *line]
        own += [False] * len(head) + [mine] * len(body) + [False] * len(line)
    return Row(tuple(ids), tuple(own))


def spans(own: Sequence[bool]) -> Iterator[slice]:
    """Yield the runs of trained tokens.

    >>> list(spans([False, True, True, False, True]))
    [slice(1, 3, None), slice(4, 5, None)]
    """
    edges = [at for at in range(len(own) + 1) if (at > 0 and own[at - 1]) != (at < len(own) and own[at])]
    yield from (slice(first, end) for first, end in zip(edges[::2], edges[1::2], strict=True))


def chosen(row: Row, which: str = "assistant", stop: bool = True) -> Row:
    """Return the row with other tokens to train on: "all", what the "assistant" wrote, or its "last" turn alone.

    Without `stop`, no token that ends a turn is trained on. Raises ValueError for another word.

    >>> row = Row((3, 70, 4, 3, 80, 4), (False, False, False, False, True, True))
    >>> chosen(row, "all", stop=False).own
    (True, True, False, True, True, False)
    """
    if which not in ("all", "assistant", "last"):
        raise ValueError(f"Which tokens: all, assistant or last, not {which!r}.")
    own = [which == "all" or mine for mine in row.own]
    if which == "last":
        first = max((span.start for span in spans(row.own)), default=0)
        own = [mine and at >= first for at, mine in enumerate(own)]
    return Row(row.ids, tuple(mine and (stop or token != STOP) for token, mine in zip(row.ids, own, strict=True)))
