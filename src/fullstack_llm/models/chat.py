"""Encode conversations as token ids, with a mask of the tokens that the assistant wrote.

>>> from fullstack_llm.tokenization import course_tokenizer
>>> talk = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]
>>> row = encode(course_tokenizer.load(), talk)
>>> course_tokenizer.load().decode([i for i, own in zip(row.ids, row.own, strict=True) if own])
'4<|im_end|>'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from fullstack_llm.tokenization.course_tokenizer import SPECIAL_TOKENS

IGNORE = -100
# Its id, in the tokenizer of every model here.
PAD = SPECIAL_TOKENS.index("<|pad|>")


@dataclass(frozen=True)
class Row:
    """Hold a conversation's ids, and for each id whether the assistant wrote it."""

    ids: tuple[int, ...]
    own: tuple[bool, ...]


def encode(tokenizer: PreTrainedTokenizerFast, messages: Sequence[Mapping[str, str]]) -> Row:
    """Encode a conversation by the tokenizer's chat template; its `generation` block marks the assistant's tokens."""
    out: Any = tokenizer.apply_chat_template(
        [dict(m) for m in messages], return_dict=True, return_assistant_tokens_mask=True
    )
    return Row(tuple(out["input_ids"]), tuple(map(bool, out["assistant_masks"])))


def answered(prompt: Sequence[int], answer: Sequence[int]) -> Row:
    """Return the row of a prompt and the assistant's answer, both given as ids.

    >>> answered([5, 6], [7]).own
    (False, False, True)
    """
    return Row((*prompt, *answer), (*[False] * len(prompt), *[True] * len(answer)))


def collate(rows: Sequence[Row], pad: int) -> tuple[Int[Tensor, "B T"], Int[Tensor, "B T"]]:
    """Return ids and labels, padded on the right; a label is the id itself where the assistant wrote it, else -100.

    >>> [found.tolist() for found in collate([Row((7, 8, 9), (False, True, True)), Row((5,), (True,))], pad=0)]
    [[[7, 8, 9], [5, 0, 0]], [[-100, 8, 9], [5, -100, -100]]]
    """
    width = max(len(row.ids) for row in rows)
    ids = [[*row.ids, *[pad] * (width - len(row.ids))] for row in rows]
    labels = [
        [token if own else IGNORE for token, own in zip(row.ids, row.own, strict=True)]
        + [IGNORE] * (width - len(row.ids))
        for row in rows
    ]
    return torch.tensor(ids), torch.tensor(labels)


def token_losses(
    model: LlamaForCausalLM, ids: Int[Tensor, "B T"], labels: Int[Tensor, "B T"]
) -> Float[Tensor, "B T-1"]:
    """Return the loss of each labelled token from what precedes it, in nats; 0 where there is no label."""
    logits = model(ids, use_cache=False).logits[:, :-1]
    return cross_entropy(logits.transpose(1, 2), labels[:, 1:], ignore_index=IGNORE, reduction="none")
