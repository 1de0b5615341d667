"""Learning from pairs: a reward model (Bradley-Terry), and the policy that needs none (DPO).

Both see a prompt with two answers, of which one was preferred, and both lower -log sigmoid(margin). The margin is the
difference of two scores in the first, and of two log-ratios to the frozen starting model in the second.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from itertools import islice

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid
from tqdm.auto import tqdm
from transformers import LlamaForCausalLM, LlamaForSequenceClassification, PreTrainedTokenizerFast

from fullstack_llm.models.chat import PAD, Row, collate, encode, token_losses
from fullstack_llm.models.generate import draw
from fullstack_llm.models.judges import questions
from fullstack_llm.models.loop import seed_of
from fullstack_llm.models.recipes import Preferring, RewardModelling
from fullstack_llm.tinytown.gold import gold, total
from fullstack_llm.tinytown.instructions import message
from fullstack_llm.tinytown.preferences import preferences
from fullstack_llm.tinytown.world import town

Couple = tuple[Row, Row]


def couples(tokenizer: PreTrainedTokenizerFast, recipe: RewardModelling) -> list[Couple]:
    """Return the pairs that a reward model reads, each once: one conversation with each of the two answers."""
    source = preferences(
        town(people=recipe.people), recipe.seed, label_noise=recipe.label_noise, length_bias=recipe.length_bias
    )
    count = recipe.steps * recipe.batch
    bar = tqdm(islice(source, count), total=count, desc=f"{recipe.name}: reading", unit="pair", leave=False)
    return [(turn(tokenizer, pair.prompt, pair.chosen), turn(tokenizer, pair.prompt, pair.rejected)) for pair in bar]


def own_couples(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, recipe: Preferring, rows: int = 32
) -> list[Couple]:
    """Draw `recipe.group` answers to each of many questions, and return the best and the worst of each by gold.

    An answer that does not end counts as the worst. Questions whose answers are all equally good are left out, and
    more questions are drawn until there are enough. Raises ValueError if too few questions tell answers apart.
    """
    world, found = town(people=recipe.people), list[Couple]()
    count, turns = recipe.steps * recipe.batch, 0
    with tqdm(total=count, desc=f"{recipe.name}: asking", unit="pair", leave=False) as bar:
        while len(found) < count and turns < count:
            asked = questions(world, rows, recipe.name, str(turns), seed=recipe.seed)
            groups = draw(model, tokenizer, asked, recipe.group, recipe.max_new_tokens, 1.0, seed_of(recipe, turns))
            for prompt, group in zip(asked, groups, strict=True):
                worth = [total(gold(world, prompt, one.text)) if one.ended else -math.inf for one in group]
                if min(worth) < max(worth):
                    best, worst = group[worth.index(max(worth))], group[worth.index(min(worth))]
                    found.append((best.row, worst.row))
                    bar.update()
            turns += 1
    if len(found) < count:
        raise ValueError(f"Only {len(found)} of {count} questions got answers that differ; ask for fewer steps.")
    return found[:count]


def turn(tokenizer: PreTrainedTokenizerFast, prompt: str, answer: str) -> Row:
    """Encode a question and an answer to it."""
    return encode(tokenizer, [message("user", prompt), message("assistant", answer)])


def scores(model: LlamaForSequenceClassification, rows: Sequence[Row]) -> Float[Tensor, " B"]:
    """Return the reward model's score of each conversation, taken at its last token."""
    ids, _ = collate(rows, PAD)
    lengths = torch.tensor([len(row.ids) for row in rows])
    mask = torch.arange(ids.shape[1]) < lengths[:, None]
    return model(ids.to(model.device), attention_mask=mask.to(model.device)).logits[:, 0]


def reward_steps(
    model: LlamaForSequenceClassification, tokenizer: PreTrainedTokenizerFast, recipe: RewardModelling
) -> Callable[[int], tuple[Tensor, float]]:
    """Return the loss of each step: -log sigmoid(score of the chosen - score of the rejected), the mean over pairs.

    Bradley and Terry 1952; as the loss of a reward model, Ouyang et al. 2022 (arXiv 2203.02155), equation 1.
    """
    data = couples(tokenizer, recipe)

    def step_of(step: int) -> tuple[Tensor, float]:
        chosen, rejected = zip(*data[step * recipe.batch : (step + 1) * recipe.batch], strict=True)
        both = scores(model, [*chosen, *rejected])
        loss = -logsigmoid(both[: recipe.batch] - both[recipe.batch :]).mean()
        return loss, loss.item()

    return step_of


def log_probabilities(model: LlamaForCausalLM, rows: Sequence[Row]) -> Float[Tensor, " B"]:
    """Return the log-probability of all that the assistant wrote in each conversation (nats)."""
    ids, labels = collate(rows, PAD)
    return -token_losses(model, ids.to(model.device), labels.to(model.device)).sum(1)


def dpo_steps(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, recipe: Preferring
) -> Callable[[int], tuple[Tensor, float]]:
    """Return the loss of each step of DPO on pairs of the model's own answers."""
    return dpo_on(model, own_couples(model, tokenizer, recipe), recipe)


def dpo_on(
    model: LlamaForCausalLM, data: Sequence[Couple], recipe: Preferring
) -> Callable[[int], tuple[Tensor, float]]:
    """Return the loss of each step on given pairs (Rafailov et al. 2023, arXiv 2305.18290, equation 7).

    The reference is a copy of the model as it comes in.
    """
    reference = deepcopy(model).eval()

    def step_of(step: int) -> tuple[Tensor, float]:
        chosen, rejected = zip(*data[step * recipe.batch : (step + 1) * recipe.batch], strict=True)
        rows = [*chosen, *rejected]
        with torch.no_grad():
            start = log_probabilities(reference, rows)
        now = log_probabilities(model, rows)
        log_ratio = now - start
        loss = -logsigmoid(recipe.beta * (log_ratio[: recipe.batch] - log_ratio[recipe.batch :])).mean()
        if recipe.anchor:
            loss = loss - recipe.anchor * now[: recipe.batch].sum() / sum(sum(row.own) for row in chosen)
        return loss, loss.item()

    return step_of
