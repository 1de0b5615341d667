"""Continue prompts in batches, greedily or by sampling, in the plain loop that later chapters make fast.

>>> from fullstack_llm.models import load
>>> model, tokenizer = load("base")
>>> complete(model, tokenizer, ["12 + 34\\n"], 80)[0].splitlines()[-1]
'12 + 34 = 46'
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from fullstack_llm.models.chat import PAD, Row, answered


class Answer(NamedTuple):
    """Hold a sampled answer: the conversation as ids, and the text, which is "" if the answer did not end in time."""

    row: Row
    text: str
    ended: bool


def pad_left(rows: Sequence[Sequence[int]], pad: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return ids (B, T), padded on the left, and the mask of the ids that are no padding.

    >>> pad_left([[5, 6, 7], [8]], 0, torch.device("cpu"))[0].tolist()
    [[5, 6, 7], [0, 0, 8]]
    """
    width = max(map(len, rows))
    ids = torch.tensor([[pad] * (width - len(row)) + list(row) for row in rows], device=device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
    return ids, mask.bool()


@torch.inference_mode()
def extend(
    model: LlamaForCausalLM,
    ids: Int[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
    max_new_tokens: int,
    stop: Sequence[int],
    temperature: float = 0.0,
    generator: torch.Generator | None = None,
) -> Int[Tensor, "B N"]:
    """Return the tokens that follow each row, up to and including the first one in `stop`, then padding.

    A temperature of 0 takes the likeliest token, any other draws from softmax(logits / temperature).
    """
    ends = torch.tensor(list(stop), device=ids.device)
    ended = torch.zeros(len(ids), 1, dtype=torch.bool, device=ids.device)
    added: list[Tensor] = []
    cache = None
    position = (mask.cumsum(1) - 1).clamp(min=0)
    while len(added) < max_new_tokens and not ended.all():
        out = model(ids, attention_mask=mask, position_ids=position, past_key_values=cache, use_cache=True)
        cache, logits = out.past_key_values, out.logits[:, -1].float()
        if temperature == 0.0:
            ids = logits.argmax(-1, keepdim=True)
        else:
            ids = torch.multinomial(torch.softmax(logits / temperature, -1), 1, generator=generator)
        ids = ids.masked_fill(ended, PAD)
        added.append(ids)
        ended = ended | torch.isin(ids, ends)
        mask = torch.cat([mask, torch.ones_like(ended)], 1)
        position = position[:, -1:] + 1
    return torch.cat(added, 1)


def complete(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[str],
    max_new_tokens: int,
    rows: int = 256,
) -> list[str]:
    """Continue each prompt greedily as the beginning of a document; returns only what was added, up to <|eos|>."""
    # In training every document follows an <|eos|>.
    encoded = [[tokenizer.eos_token_id, *ids] for ids in tokenizer(list(prompts)).input_ids]
    found = continuations(model, encoded, max_new_tokens, [tokenizer.eos_token_id], rows)
    return tokenizer.batch_decode(found, skip_special_tokens=True)


def reply(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[str],
    max_new_tokens: int,
    rows: int = 256,
) -> list[str]:
    """Answer each user's message greedily, in the chat template; special tokens are left in, <|im_end|> among them."""
    encoded = chat_prompts(tokenizer, prompts)
    stop = [tokenizer.convert_tokens_to_ids("<|im_end|>"), tokenizer.eos_token_id]
    found = tokenizer.batch_decode(continuations(model, encoded, max_new_tokens, stop, rows))
    return [text.replace(tokenizer.pad_token, "") for text in found]


def chat_prompts(tokenizer: PreTrainedTokenizerFast, prompts: Sequence[str]) -> list[list[int]]:
    """Return the ids of each message in the template, up to where the assistant begins."""
    chats = [[{"role": "user", "content": prompt}] for prompt in prompts]
    out: Any = tokenizer.apply_chat_template(chats, add_generation_prompt=True, return_dict=True)
    return list(out["input_ids"])


def draw(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[str],
    group: int,
    max_new_tokens: int,
    temperature: float,
    seed: int,
) -> list[list[Answer]]:
    """Draw `group` answers to each user's message, in the chat template; the seed decides them."""
    stop: Any = tokenizer.convert_tokens_to_ids("<|im_end|>")
    asked = [ids for ids in chat_prompts(tokenizer, prompts) for _ in range(group)]
    ids, mask = pad_left(asked, PAD, model.device)
    generator = torch.Generator(model.device).manual_seed(seed)
    rows = extend(model, ids, mask, max_new_tokens, [stop], temperature, generator).tolist()
    answers = []
    for prompt, row in zip(asked, rows, strict=True):
        ended = stop in row
        said = row[: row.index(stop) + 1] if ended else row
        answers.append(Answer(answered(prompt, said), str(tokenizer.decode(said[:-1])) if ended else "", ended))
    return [answers[at : at + group] for at in range(0, len(answers), group)]


def continuations(
    model: LlamaForCausalLM,
    encoded: Sequence[Sequence[int]],
    max_new_tokens: int,
    stop: Sequence[int],
    rows: int,
) -> list[list[int]]:
    """Extend rows of ids greedily, those of about equal length together, at most `rows` at once; keeps their order."""
    order = sorted(range(len(encoded)), key=lambda index: len(encoded[index]))
    found: list[list[int]] = [[] for _ in encoded]
    for start in range(0, len(order), rows):
        chosen = order[start : start + rows]
        ids, mask = pad_left([encoded[index] for index in chosen], PAD, model.device)
        for index, row in zip(chosen, extend(model, ids, mask, max_new_tokens, stop).tolist(), strict=True):
            found[index] = row
    return found
