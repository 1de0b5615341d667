"""The loss on all tokens against the loss on the assistant's: by lengths of prompt and answer, and number of examples.

Three kinds of conversation, each with its own held-out questions: "short" has a short prompt and a short answer, "full"
a short prompt and a full sentence, and "long" a prompt that begins with seven facts of a person, then asks for one of
them, and a short answer.
"""

from __future__ import annotations

from typing import Any

from fullstack_llm.experiments import m14_assistant as town_hall
from fullstack_llm.finetuning.tune import Plan, tune
from fullstack_llm.models.chat import Row
from fullstack_llm.models.exams import END
from fullstack_llm.models.generate import reply
from fullstack_llm.tinytown.chance import pick, sample, shuffled, stream
from fullstack_llm.tinytown.documents import told_facts
from fullstack_llm.tinytown.instructions import Conversation, message, question, short_answer
from fullstack_llm.tinytown.phrases import PHRASES, answer, slots, statement
from fullstack_llm.tinytown.world import town

STEPS, BATCH, LR = 60, 8, 1e-3
KINDS = ("short", "full", "long")
COUNTS = (30, 120, 480)
TOKENS = ("assistant", "all")
SEEDS = (0, 1, 2)
OTHER = (("short", 120), ("long", 30))  # cells that are trained at two other rates too
HELD_OUT = 150
FACTS = 7  # sentences before the question in a long prompt


def talks(kind: str, count: int, seed: int, split: str = "train") -> list[Conversation]:
    """Return conversations of a kind; those of the test split ask other people's facts, in held-out phrasings."""
    world = town()
    rng = stream(seed, "loss", kind, split)
    pairs = shuffled(rng, town_hall.told_pairs(world, split))
    found = []
    for at in range(count):
        subject, relation = pairs[at % len(pairs)]
        ask = question(world, rng, subject, relation)
        if split == "test":
            ask = statement(slots(world, subject), pick(rng, PHRASES[relation].heldout_questions))
        if kind == "long":
            others = [r for r in world.relations(subject) if r != relation]
            relations = shuffled(rng, [relation, *sample(rng, others, FACTS - 1)])
            ask = f"{told_facts(world, rng, subject, relations)} {ask}"
        said = (answer if kind == "full" else short_answer)(world, subject, relation)
        messages = (message("user", ask), message("assistant", said))
        found.append(Conversation(kind, messages, {"subject": subject, "relation": relation}))
    return found


def rows(kind: str, count: int, tokens: str, seed: int) -> list[Row]:
    """Return encoded conversations, with all tokens to be learned or the assistant's alone."""
    found = town_hall.encoded(talks(kind, count, seed))
    return [town_hall.whole(row) for row in found] if tokens == "all" else found


def run(kind: str, count: int, tokens: str, seed: int, lr: float = LR, until: int = STEPS) -> dict[str, Any]:
    """Fine-tune base; return the loss on held-out answers, and how many of them it gives word for word."""
    model = town_hall.parent()
    plan = Plan(steps=STEPS, batch=BATCH, lr=lr, warmup=6, seed=seed)
    state = tune(model, rows(kind, count, tokens, seed), plan, watch=lambda now: now.step == until)
    test = talks(kind, HELD_OUT, 0, "test")
    texts = reply(model, town_hall.TOKENIZER, [talk.messages[0]["content"] for talk in test], town_hall.LONGEST)
    right = sum(text.removesuffix(END) == talk.messages[1]["content"] for text, talk in zip(texts, test, strict=True))
    return {
        "kind": kind,
        "count": count,
        "tokens": tokens,
        "lr": lr,
        "seed": seed,
        "losses": [round(loss, 4) for loss in state.losses[:10]],
        "held_out": round(town_hall.loss_on(model, town_hall.encoded(test)), 4),
        "right": right,
        "of": len(test),
    }


def runs() -> list[tuple[str, int, str, int, float]]:
    """Return the recorded runs as (kind, count, tokens, seed, rate), those of one seed together; other rates last."""
    grid = [(kind, n, tokens, seed, LR) for seed in SEEDS for kind in KINDS for n in COUNTS for tokens in TOKENS]
    others = [(kind, n, tokens, 0, lr) for kind, n in OTHER for tokens in TOKENS for lr in (LR / 3, 3 * LR)]
    return grid + others


SETTINGS = {"steps": STEPS, "batch": BATCH, "lr": LR, "counts": COUNTS, "seeds": SEEDS, "facts": FACTS}
