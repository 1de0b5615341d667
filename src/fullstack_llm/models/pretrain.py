"""Pretraining: one long row of tokens from documents, its batches, and the loss of the next token."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn.functional import cross_entropy
from tqdm.auto import tqdm
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from fullstack_llm.models.recipes import Pretraining
from fullstack_llm.tinytown.mixture import documents
from fullstack_llm.tinytown.world import town


def stream(recipe: Pretraining, tokenizer: PreTrainedTokenizerFast) -> Int[Tensor, " N"]:
    """Return all tokens that the model will read, in order: documents with an <|eos|> before each.

    The stream is as long as training needs, so no token is read twice, and the loss of a step is that of unseen text.
    """
    eos, needed = tokenizer.eos_token_id, recipe.tokens + 1
    source = (document.text for document in documents(town(people=recipe.people), recipe.mix, recipe.seed))
    pieces, total = [], 0
    with tqdm(total=needed, unit="token", unit_scale=True, desc=f"{recipe.name}: reading", leave=False) as bar:
        while total < needed:
            ids = [token for found in tokenizer(list(islice(source, 500))).input_ids for token in (eos, *found)]
            pieces.append(np.array(ids, dtype=np.int16))
            total += len(ids)
            bar.update(len(ids))
    return torch.from_numpy(np.concatenate(pieces)[:needed])


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
    tokens = stream(recipe, tokenizer)

    def step_of(step: int) -> tuple[Tensor, float]:
        inputs, targets = (found.to(model.device) for found in batch(tokens, recipe.batch, recipe.length, step))
        loss = cross_entropy(model(inputs, use_cache=False).logits.flatten(0, 1), targets.flatten())
        return loss, loss.item()

    return step_of
