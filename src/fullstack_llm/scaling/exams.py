"""Ask a model for facts and sums, and measure the answers by a metric with a threshold and by one without.

A greedy answer is right if each of its tokens is the likeliest one after the tokens before it, so that one pass over
prompt and answer tells both how likely the answer is and whether it would be given.
"""

from __future__ import annotations

from functools import cache

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import LlamaForCausalLM

from fullstack_llm.tinytown import arithmetic, evaluation
from fullstack_llm.tinytown.chance import stream
from fullstack_llm.tinytown.world import town
from fullstack_llm.tokenization import course_tokenizer

FACTS, SUMS = 300, 200


@cache
def items(kind: str) -> tuple[tuple[str, str], ...]:
    """Return prompts and answers in phrasings and with numbers that no training text has: `facts`, or worked `sums`.

    >>> items("sums")[0]
    ('53 + 82\\n', '3 + 2 = 5 write 5\\n5 + 8 = 13 write 3 carry 1\\ncarry 1 write 1\\n53 + 82 = 135')
    """
    if kind == "facts":
        return tuple((str(item["prompt"]), str(item["target"])) for item in evaluation.facts(town(), FACTS))
    rng = stream(0, "scaling", "sums")
    worked = [arithmetic.worked(arithmetic.draw(rng, 2, "+", "test")) for _ in range(SUMS)]
    return tuple((f"{prompt}\n", answer) for prompt, _, answer in (text.partition("\n") for text in worked))


@cache
def _rows(kind: str) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"]]:
    """Return <|eos|>, prompt and answer of each item, padded on the right, and where the answers' tokens stand."""
    words = course_tokenizer.load()
    prompts = [words(prompt).input_ids for prompt, _ in items(kind)]
    answers = [words(answer).input_ids for _, answer in items(kind)]
    width = 1 + max(len(p) + len(a) for p, a in zip(prompts, answers, strict=True))
    ids = torch.full((len(prompts), width), words.pad_token_id)
    asked = torch.zeros(ids.shape, dtype=torch.bool)
    for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        whole = [words.eos_token_id, *prompt, *answer]
        ids[row, : len(whole)] = torch.tensor(whole)
        asked[row, len(whole) - len(answer) : len(whole)] = True
    return ids, asked


@torch.no_grad()
def token_scores(model: LlamaForCausalLM, kind: str) -> tuple[Float[Tensor, "B T"], Bool[Tensor, "B T"]]:
    """Return the log-probability of each answer's token, and whether it is the likeliest; elsewhere 0 and True."""
    ids, asked = _rows(kind)
    logits = torch.cat([model(some.to(model.device), use_cache=False).logits.cpu() for some in ids.split(50)])
    logits, wanted, asked = logits[:, :-1], ids[:, 1:], asked[:, 1:]
    chosen = logits.log_softmax(-1).gather(-1, wanted[..., None])[..., 0]
    return chosen * asked, (logits.argmax(-1) == wanted) | ~asked


def answered(model: LlamaForCausalLM) -> dict[str, float]:
    """Return for each kind the share of answers that are right, and the mean loss of an answer's token in nats."""
    found: dict[str, float] = {}
    for kind in ("facts", "sums"):
        chosen, right = token_scores(model, kind)
        count = _rows(kind)[1].sum().item()
        found[f"{kind}_right"] = round(right.all(1).float().mean().item(), 4)
        found[f"{kind}_loss"] = round(-chosen.sum().item() / count, 4)
    return found
