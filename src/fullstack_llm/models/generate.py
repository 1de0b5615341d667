"""Continue prompts in batches, greedily or by sampling, in the plain loop that later chapters make fast.

>>> from fullstack_llm.models import load
>>> model, tokenizer = load("base")
>>> complete(model, tokenizer, ["12 + 34\\n"], 80)[0].splitlines()[-1]
'12 + 34 = 46'
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from fullstack_llm.models.chat import PAD, Row, answered
from fullstack_llm.models.padding import positions, rectangle

# From what is written so far (B, T) and the logits (B, V) to the next tokens (B,).
Choose = Callable[[Tensor, Tensor], Tensor]


class Answer(NamedTuple):
    """Hold a sampled answer: the conversation as ids, and the text, which is "" if the answer did not end in time."""

    row: Row
    text: str
    ended: bool


def likeliest(ids: Int[Tensor, "B T"], logits: Float[Tensor, "B V"]) -> Int[Tensor, " B"]:
    """Choose the likeliest token, the first of equal ones."""
    return logits.argmax(-1)


def sampler(
    seed: int,
    rules: Callable[[Tensor, Tensor], Tensor] = lambda ids, scores: scores,
    device: torch.device | str = "cpu",
) -> Choose:
    """Return a choice that draws from what the rules leave; the seed decides the draws.

    >>> choose = sampler(0, rules=lambda ids, scores: scores * torch.tensor([1.0, torch.inf]))
    >>> choose(torch.zeros(1, 0), torch.tensor([[0.0, -1.0]])).tolist()
    [0]
    """
    generator = torch.Generator(device).manual_seed(seed)

    def choose(ids: Tensor, logits: Tensor) -> Tensor:
        return torch.multinomial(rules(ids, logits).softmax(-1), 1, generator=generator)[:, 0]

    return choose


@torch.inference_mode()
def extend(
    model: LlamaForCausalLM,
    ids: Int[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
    max_new_tokens: int,
    stop: Sequence[int],
    choose: Choose = likeliest,
) -> Int[Tensor, "B N"]:
    """Return the tokens that follow each row, up to and including the first one in `stop`, then padding."""
    written, new = ids.to(model.device), ids.to(model.device)
    mask = mask.to(model.device)
    ends = torch.tensor(list(stop), device=model.device)
    ended = torch.zeros(len(ids), 1, dtype=torch.bool, device=model.device)
    cache, position = None, positions(mask)
    while written.shape[1] < ids.shape[1] + max_new_tokens and not ended.all():
        out = model(new, attention_mask=mask, position_ids=position, past_key_values=cache, use_cache=True)
        cache, new = out.past_key_values, choose(written, out.logits[:, -1].float())[:, None]
        new = new.masked_fill(ended, PAD)
        written = torch.cat([written, new], 1)
        ended = ended | torch.isin(new, ends)
        mask = torch.cat([mask, torch.ones_like(ended)], 1)
        position = position[:, -1:] + 1
    return written[:, ids.shape[1] :]


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
    # A temperature of 0 takes the likeliest token, any other draws from softmax(logits / temperature).
    choose = sampler(seed, lambda _, logits: logits / temperature, model.device) if temperature else likeliest
    rows = extend(model, *rectangle(asked), max_new_tokens, [stop], choose).tolist()
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
        ids, mask = rectangle([encoded[index] for index in chosen])
        for index, row in zip(chosen, extend(model, ids, mask, max_new_tokens, stop).tolist(), strict=True):
            found[index] = row
    return found
