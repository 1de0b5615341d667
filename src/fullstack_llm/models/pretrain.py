"""Pretraining: one long row of tokens from documents, its batches, and the loss of the next token."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy
from tqdm.auto import tqdm
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from fullstack_llm.models.recipes import Pretraining
from fullstack_llm.presets import preset
from fullstack_llm.tinytown.mixture import documents
from fullstack_llm.tinytown.world import town


def stream(recipe: Pretraining, tokenizer: PreTrainedTokenizerFast) -> Int[Tensor, " N"]:
    """Return all tokens that the model will read, in order: documents with an <|eos|> before each.

    The stream is as long as training needs, so no token is read twice, and the loss of a step is that of unseen text.
    """
    source = (document.text for document in documents(town(people=recipe.people), recipe.mix, recipe.seed))
    return tokenized(source, recipe.tokens + 1, tokenizer, recipe.name)


def tokenized(
    texts: Iterable[str], needed: int, tokenizer: PreTrainedTokenizerFast, name: str = "texts"
) -> Int[Tensor, " N"]:
    """Return the first tokens of texts, with an <|eos|> before each; raise ValueError if the texts are too short."""
    eos, source = tokenizer.eos_token_id, iter(texts)
    pieces, total = [], 0
    with tqdm(total=needed, unit="token", unit_scale=True, desc=f"{name}: reading", leave=False) as bar:
        while total < needed:
            some = list(islice(source, 500))
            if not some:
                raise ValueError(f"The texts have {total} tokens, and {needed} are asked for.")
            ids = [token for found in tokenizer(some).input_ids for token in (eos, *found)]
            pieces.append(np.array(ids, dtype=np.int16))
            total += len(ids)
            bar.update(len(ids))
    return torch.from_numpy(np.concatenate(pieces)[:needed])


def begin(recipe: Pretraining, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Return the model before its first step, on the preset's device; the recipe's seed decides its weights."""
    torch.manual_seed(recipe.seed)
    return LlamaForCausalLM(recipe.config(len(tokenizer))).to(preset().device)


def next_token_loss(
    model: LlamaForCausalLM, inputs: Int[Tensor, "B T"], targets: Int[Tensor, "B T"]
) -> Float[Tensor, ""]:
    """Return the mean loss of the targets, the ids that follow the inputs, in nats a token."""
    return cross_entropy(model(inputs, use_cache=False).logits.flatten(0, 1), targets.flatten())


def batch(tokens: Int[Tensor, " N"], rows: int, length: int, step: int) -> tuple[Tensor, Tensor]:
    """Return the ids of a step (B, T), and the id that follows each of them (B, T).

    >>> [found.tolist() for found in batch(torch.arange(13), rows=2, length=3, step=1)]
    [[[6, 7, 8], [9, 10, 11]], [[7, 8, 9], [10, 11, 12]]]
    """
    piece = tokens[step * rows * length : (step + 1) * rows * length + 1].long()
    return piece[:-1].view(rows, length), piece[1:].view(rows, length)


def steps(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, recipe: Pretraining
) -> Callable[[int], tuple[Tensor, float]]:
    """Return the loss of each step, in nats a token."""
    return steps_on(stream(recipe, tokenizer), model, recipe)


def steps_on(
    tokens: Int[Tensor, " N"], model: LlamaForCausalLM, recipe: Pretraining
) -> Callable[[int], tuple[Tensor, float]]:
    """Return the loss of each step on tokens that are read in order, in nats a token."""

    def step_of(step: int) -> tuple[Tensor, float]:
        inputs, targets = (found.to(model.device) for found in batch(tokens, recipe.batch, recipe.length, step))
        loss = next_token_loss(model, inputs, targets)
        return loss, loss.item()

    return step_of
