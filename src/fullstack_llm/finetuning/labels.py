"""Choose the tokens of a conversation that the loss is taken on."""

from __future__ import annotations

from fullstack_llm.models.chat import Row
from fullstack_llm.tokenization.course_tokenizer import SPECIAL_TOKENS

START, STOP = SPECIAL_TOKENS.index("<|im_start|>"), SPECIAL_TOKENS.index("<|im_end|>")


def chosen(row: Row, which: str = "assistant", stop: bool = True) -> Row:
    """Return the row with other tokens to train on: "all", what the "assistant" wrote, or its "last" turn alone.

    Without `stop`, no token that ends a turn is trained on.

    >>> row = Row((3, 70, 4, 3, 80, 4), (False, False, False, False, True, True))
    >>> chosen(row, "all", stop=False).own
    (True, True, False, True, True, False)
    """
    if which not in ("all", "assistant", "last"):
        raise ValueError(f"Which tokens: all, assistant or last, not {which!r}.")
    own = [True] * len(row.ids) if which == "all" else list(row.own)
    if which == "last":
        ends = [at for at, mine in enumerate(own) if mine and (at + 1 == len(own) or not own[at + 1])]
        first = ends[-2] + 1 if len(ends) > 1 else 0
        own = [mine and at >= first for at, mine in enumerate(own)]
    return Row(row.ids, tuple(mine and (stop or token != STOP) for token, mine in zip(row.ids, own, strict=True)))
