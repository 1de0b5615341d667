"""Supervised fine-tuning: the pretraining loss again, on what the assistant says in conversations.

The chat template of the course's tokenizer marks the assistant's tokens; only these are learned.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from torch import Tensor
from tqdm.auto import tqdm
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from fullstack_llm.models.chat import PAD, collate, encode, token_losses
from fullstack_llm.models.recipes import FineTuning
from fullstack_llm.tinytown.instructions import instructions
from fullstack_llm.tinytown.world import town


def steps(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, recipe: FineTuning
) -> Callable[[int], tuple[Tensor, float]]:
    """Return the loss of each step: the mean over all tokens that the assistant wrote in its conversations (nats)."""
    count = recipe.steps * recipe.batch
    source = islice(instructions(town(people=recipe.people), recipe.blend, recipe.seed), count)
    bar = tqdm(source, total=count, desc=f"{recipe.name}: reading", unit="conversation", leave=False)
    rows = [encode(tokenizer, talk.messages) for talk in bar]

    def step_of(step: int) -> tuple[Tensor, float]:
        ids, labels = collate(rows[step * recipe.batch : (step + 1) * recipe.batch], PAD)
        losses = token_losses(model, ids.to(model.device), labels.to(model.device))
        loss = losses.sum() / (labels[:, 1:] >= 0).sum()
        return loss, loss.item()

    return step_of
