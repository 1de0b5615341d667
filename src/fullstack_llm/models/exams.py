"""Examine checkpoints on phrasings and problems that training never saw; answers are decoded greedily."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice

import torch
from transformers import LlamaForCausalLM, LlamaForSequenceClassification, PreTrainedTokenizerFast

from fullstack_llm.models.generate import complete, reply
from fullstack_llm.models.judges import pleased
from fullstack_llm.models.pairs import log_probabilities, scores, turn
from fullstack_llm.models.scores import Score, mean, share
from fullstack_llm.tinytown import evaluation, problems
from fullstack_llm.tinytown.chance import stream
from fullstack_llm.tinytown.gold import gold, total
from fullstack_llm.tinytown.instructions import STEPS
from fullstack_llm.tinytown.phrases import DONT_KNOW
from fullstack_llm.tinytown.preferences import Pair, preferences
from fullstack_llm.tinytown.verifiers import verify
from fullstack_llm.tinytown.world import Town

END = "<|im_end|>"


def begins(text: str, target: str) -> bool:
    """Return whether a text begins with the target as a whole word.

    >>> begins(" a hen called Seven.", "a hen"), begins(" blueberries.", "blue"), begins(" 41.", "4")
    (True, False, False)
    """
    return re.match(rf"\s*{re.escape(target)}(?!\w)", text) is not None


def last_result(text: str) -> str:
    """Return the last number after an equals sign, or "" if there is none.

    >>> last_result("2 + 4 = 6 write 6\\n1 + 3 = 4 write 4\\n12 + 34 = 46")
    '46'
    """
    found = re.findall(r"= (-?[0-9]+)", text)
    return found[-1] if found else ""


@dataclass(frozen=True)
class Paper:
    """Hold an exam: its items, the key of the prompt, the longest answer in tokens, and when an answer is right."""

    items: Callable[[Town, int | None], list[evaluation.Item]]
    prompt: str
    max_new_tokens: int
    right: Callable[[str, str], bool]


_SUMS = {op: partial(evaluation.sums, op=op) for op in "+-"}
PAPERS = {
    "facts": Paper(evaluation.facts, "prompt", 16, begins),
    "addition with steps": Paper(_SUMS["+"], "prompt", 96, lambda text, target: last_result(text) == target),
    "addition at once": Paper(_SUMS["+"], "direct", 8, begins),
    "subtraction with steps": Paper(_SUMS["-"], "prompt", 96, lambda text, target: last_result(text) == target),
}


def completions(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, world: Town, count: int | None = None
) -> dict[str, Score]:
    """Examine a pretrained model on completing facts and two-digit sums (`None`: all facts, 300 sums a kind)."""
    found = {}
    for name, paper in PAPERS.items():
        items = paper.items(world, count if name == "facts" else count or 300)
        texts = complete(model, tokenizer, [str(item[paper.prompt]) for item in items], paper.max_new_tokens)
        targets = [str(item["target"]).strip() for item in items]
        found[name] = share([paper.right(text, target) for text, target in zip(texts, targets, strict=True)])
    return found


def chats(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    world: Town,
    count: int | None = None,
    parent: LlamaForCausalLM | None = None,
) -> dict[str, Score]:
    """Examine a model that answers in the template; `None`: 1,350 questions, 300 sums a kind.

    "in form" is an answer that is one line and ends with <|im_end|>; "gold" is the mean hidden reward, and "proxy" the
    share of answers that please `judges.pleased`. With a parent, "gold gained" is the mean difference to its answers,
    question by question, and "divergence" is the mean log-ratio to it over the model's answers (nats an answer; an
    estimate of KL where answers are drawn).
    """
    asked = [str(item["prompt"]) for item in evaluation.questions(world, count or 900, split=None)]
    unknown, k = evaluation.unknowns(world), max(1, (count or 900) // 4)
    untold, strangers = (
        [str(i["prompt"]) for i in unknown if i["in_town"] is at_home][:k] for at_home in (True, False)
    )
    prompts = [*asked, *untold, *strangers]
    replies = reply(model, tokenizer, prompts, 64)
    texts = [text.removesuffix(END) for text in replies]
    parts = [gold(world, prompt, text) for prompt, text in zip(prompts, texts, strict=True)]
    abstains = [DONT_KNOW in text for text in texts]
    n, m = len(asked), len(asked) + len(untold)
    found = {
        "in form": share([text.endswith(END) and text.count("<|") == 1 and "\n" not in text for text in replies]),
        "right on the told": share([part["correctness"] == 1.0 for part in parts[:n]]),
        "abstains on the told": share(abstains[:n]),
        "abstains on the untold": share(abstains[n:m]),
        "abstains on strangers": share(abstains[m:]),
        "gold": mean([total(part) for part in parts]),
        "proxy": share([pleased(text) == 1.0 for text in texts]),
        "words": mean([float(len(text.split())) for text in texts]),
    }
    if parent is not None:
        before = [text.removesuffix(END) for text in reply(parent, tokenizer, prompts, 64)]
        old = [total(gold(world, prompt, text)) for prompt, text in zip(prompts, before, strict=True)]
        found["gold gained"] = mean([total(part) - was for part, was in zip(parts, old, strict=True)])
        rows = [turn(tokenizer, prompt, text) for prompt, text in zip(prompts, texts, strict=True)]
        pieces = [rows[at : at + 64] for at in range(0, len(rows), 64)]
        with torch.inference_mode():
            ratios = torch.cat([log_probabilities(model, piece) - log_probabilities(parent, piece) for piece in pieces])
        found["divergence"] = mean(ratios.tolist())
    rng = stream(0, "exam", "addition", "2")
    drawn = [problems.draw(world, rng, "addition", level=2, split="test") for _ in range(count or 300)]
    for name, wish in (("addition", ""), ("addition, steps asked for", f" {STEPS}")):
        answers = reply(model, tokenizer, [problem.prompt + wish for problem in drawn], 96)
        found[name] = share([verify(p, a.removesuffix(END)) for p, a in zip(drawn, answers, strict=True)])
    return found


def judgements(
    model: LlamaForSequenceClassification, tokenizer: PreTrainedTokenizerFast, world: Town, count: int | None = None
) -> dict[str, Score]:
    """Examine a reward model: in how many of 1,000 pairs it prefers what gold prefers.

    "pairs" are in held-out phrasings, about people whom training asked about; "pairs on others" are about people of
    whom it never said that they are known or not. The rest of the scores are parts of the first.
    """
    pairs, ahead = _judged(model, tokenizer, world, "phrasing", count or 1000)
    _, on_others = _judged(model, tokenizer, world, "test", count or 1000)
    lie = [pair.traits[1].startswith("false") for pair in pairs]
    return {
        "pairs": share(ahead),
        "pairs with a lie": share([a for a, is_it in zip(ahead, lie, strict=True) if is_it]),
        "pairs without": share([a for a, is_it in zip(ahead, lie, strict=True) if not is_it]),
        "pairs on others": share(on_others),
    }


@torch.inference_mode()
def _judged(
    model: LlamaForSequenceClassification, tokenizer: PreTrainedTokenizerFast, world: Town, split: str, count: int
) -> tuple[list[Pair], list[bool]]:
    """Return pairs, and whether the model scores the better answer of each higher."""
    pairs, ahead = list(islice(preferences(world, split=split), count)), list[bool]()
    for start in range(0, count, 64):
        piece = pairs[start : start + 64]
        rows = [turn(tokenizer, pair.prompt, pair.chosen) for pair in piece]
        rows += [turn(tokenizer, pair.prompt, pair.rejected) for pair in piece]
        both = scores(model, rows)
        ahead += (both[: len(piece)] > both[len(piece) :]).tolist()
    return pairs, ahead
