"""Models that are quick to serve, what `transformers` makes of some prompts, and a comparison that explains itself."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from fullstack_llm.engine import Engine, Settings
from fullstack_llm.models import load

NAMES = ("base", "sft", "llama", "qwen2", "qwen3", "window")
NEW = 12  # tokens that are generated
GREEDY = Settings(max_tokens=NEW, temperature=0)
SMALL: dict[str, Any] = {
    "vocab_size": 512,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.4,  # so that logits are far from flat
    "eos_token_id": 2,
    "bos_token_id": 1,
    "pad_token_id": 0,
}


class Served(NamedTuple):
    """A model, prompts of the same few lengths, the ids that `transformers` adds, and the two largest logits' gaps."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    prompts: list[list[int]]
    answers: list[list[int]]
    gaps: list[list[float]]


@cache
def model(name: str) -> PreTrainedModel:
    """A checkpoint of the course, or a random model."""
    if name in ("base", "sft"):
        return load(name)[0]
    torch.manual_seed(11)
    if name == "llama":
        made: PreTrainedModel = LlamaForCausalLM(LlamaConfig(**SMALL))
    elif name == "qwen2":
        made = Qwen2ForCausalLM(Qwen2Config(**SMALL))
    elif name == "qwen3":
        made = Qwen3ForCausalLM(Qwen3Config(**SMALL, head_dim=12))
    else:
        window = {"use_sliding_window": True, "sliding_window": 7, "max_window_layers": 1}
        made = Qwen3ForCausalLM(Qwen3Config(**SMALL, head_dim=12, **window))
    return made.eval()


def tokenizer() -> PreTrainedTokenizerBase:
    """The course's tokenizer, which all of these models have 512 ids for."""
    return load("base")[1]


def prompts(name: str) -> list[list[int]]:
    """36 prompts of three lengths: a third with the same beginning, a third that repeats itself, a third at random.

    Of those with the same beginning some are the same altogether. The course's models are asked for sums as well.
    """
    rng, rows = random.Random(name), []
    for length in (9, 16, 33):
        start = [rng.randrange(20, 512) for _ in range(length)]
        for index in range(4):
            tail = rng.choice([0, 1, 3])
            rows.append(start[: length - tail] + [rng.randrange(20, 512) for _ in range(tail)])
            motif = [rng.randrange(20, 512) for _ in range(3 + index)]
            rows.append((motif * length)[:length])
            rows.append([rng.randrange(20, 512) for _ in range(length)])
    if name in ("base", "sft"):
        sums = (f"{rng.randrange(10, 100)} + {rng.randrange(10, 100)}\n" for _ in range(12))
        rows[2::3] = [[2, *ids] for ids in tokenizer()(list(sums)).input_ids]
    return rows


@cache
def served(name: str) -> Served:
    """A model's prompts, and what `transformers.generate` answers to those of one length together, without padding."""
    made, rows = model(name), prompts(name)
    answers: list[list[int]] = [[] for _ in rows]
    gaps: list[list[float]] = [[] for _ in rows]
    for length in sorted({len(row) for row in rows}):
        which = [at for at, row in enumerate(rows) if len(row) == length]
        ids = torch.tensor([rows[at] for at in which])
        out = made.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=NEW,
            do_sample=False,
            return_dict_in_generate=True,
            output_logits=True,
            pad_token_id=0,
        )
        two = torch.stack(out.logits, 1).topk(2).values
        for at, found, gap in zip(
            which, out.sequences[:, length:].tolist(), (two[..., 0] - two[..., 1]).tolist(), strict=True
        ):
            end = found.index(2) + 1 if 2 in found else len(found)
            answers[at], gaps[at] = found[:end], gap[:end]
    return Served(made, tokenizer(), rows, answers, gaps)


def engine(of: Served, **options: Any) -> Engine:
    """An engine with room for what the tests ask, unless they say otherwise."""
    return Engine(of.model, of.tokenizer, **{"blocks": 200, "block_size": 8, **options})


def mismatches(of: Served, found: Sequence[Sequence[int]]) -> list[str]:
    """Where answers depart from those of `transformers`, each with the gap between the two largest logits there."""
    faults = []
    for number, (want, got, gaps) in enumerate(zip(of.answers, found, of.gaps, strict=True)):
        if list(got) != want:
            at = next((i for i, (a, b) in enumerate(zip(want, got, strict=False)) if a != b), min(len(want), len(got)))
            gap = f"the top two logits are {gaps[at]:.2e} apart" if at < len(gaps) else "it goes on too long"
            faults.append(f"prompt {number}, token {at}: {want[at : at + 3]} and not {list(got[at : at + 3])}; {gap}")
    return faults


def greedy(of: Served, made: Engine, some: Sequence[list[int]] | None = None) -> list[list[int]]:
    """The ids that an engine adds to the prompts."""
    answers = made.generate(of.prompts if some is None else some, GREEDY)
    made.manager.check([])
    return [answer[0].tokens for answer in answers]
