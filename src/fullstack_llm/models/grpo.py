"""Reinforcement learning by groups: answers of one prompt are compared with each other, so nothing estimates a value.

GRPO (Shao et al. 2024, arXiv 2402.03300) in the form that has become common: one update for each batch of answers, so
that the ratio to the policy that drew them is 1 and there is nothing to clip; the loss is a mean over tokens (Yu et
al. 2025, arXiv 2503.14476).
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from fullstack_llm.models.chat import PAD, collate, token_losses
from fullstack_llm.models.generate import draw
from fullstack_llm.models.judges import task
from fullstack_llm.models.loop import seed_of
from fullstack_llm.models.recipes import Reinforcing
from fullstack_llm.tinytown.world import town


def advantages(rewards: Float[Tensor, "P G"]) -> Float[Tensor, "P G"]:
    """Compare each answer with its group: how many standard deviations above the mean; 0 if all rewards are equal.

    >>> advantages(torch.tensor([[1.0, 0.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0]])).round(decimals=2).tolist()
    [[1.0, -1.0, 1.0, -1.0], [0.0, 0.0, 0.0, 0.0]]
    """
    centred = rewards - rewards.mean(1, keepdim=True)
    return centred / rewards.std(1, correction=0, keepdim=True).clamp(min=1e-4)


def steps(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, recipe: Reinforcing
) -> Callable[[int], tuple[Tensor, float]]:
    """Return the loss of each step and its mean reward, as the judge of `judges.task` gives it.

    An answer that does not end within `max_new_tokens` is judged as an empty one.
    """
    world, reference = town(people=recipe.people), deepcopy(model).eval()

    def step_of(step: int) -> tuple[Tensor, float]:
        prompts, judge = task(world, recipe, step)
        seed = seed_of(recipe, step)
        groups = draw(model, tokenizer, prompts, recipe.group, recipe.max_new_tokens, recipe.temperature, seed)
        rows = [answer.row for group in groups for answer in group]
        earned = [[judge(number, answer.text) for answer in group] for number, group in enumerate(groups)]
        rewards = torch.tensor(earned, device=model.device)
        better = advantages(rewards).flatten()

        inputs, labels = (found.to(model.device) for found in collate(rows, PAD))
        losses, count = token_losses(model, inputs, labels), (labels[:, 1:] >= 0).sum()
        loss = (better[:, None] * losses).sum() / count
        if recipe.beta:
            with torch.no_grad():
                before = token_losses(reference, inputs, labels)
            # k3 (Schulman 2020): its mean is the divergence from the parent, and no term is below 0.
            log_ratio = losses - before
            loss = loss + recipe.beta * (log_ratio.exp() - 1 - log_ratio).sum() / count
        return loss, rewards.mean().item()

    return step_of
