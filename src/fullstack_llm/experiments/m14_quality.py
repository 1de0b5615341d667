"""How many examples, and how good: conversations with right answers, with wrong ones among them, in sloppy form."""

from __future__ import annotations

from typing import Any

from fullstack_llm.experiments import m14_assistant as town_hall
from fullstack_llm.finetuning.tune import Plan, tune
from fullstack_llm.models.exams import END
from fullstack_llm.models.generate import reply
from fullstack_llm.tinytown.chance import pick, stream
from fullstack_llm.tinytown.gold import gold
from fullstack_llm.tinytown.instructions import Conversation, message
from fullstack_llm.tinytown.phrases import PHRASES, answer, slots, statement
from fullstack_llm.tinytown.world import CORE_RELATIONS, town

STEPS, BATCH, LR = 60, 16, 1e-3  # 60 batches of 16 read 960 conversations once, or 30 of them 32 times
COUNTS = (30, 120, 480, 960)
QUALITIES = ("clean", "wrong", "sloppy")
SEEDS = (0, 1, 2)
WRONG = 0.25  # share of answers that name another person's object, where answers may be wrong


def sloppy(mark: float, text: str) -> str:
    """Return an answer in a form that a number between 0 and 1 chooses: tidy, or with one of three faults.

    >>> [sloppy(mark, "Ada has a cat.") for mark in (0.3, 0.6, 0.9)]
    ['ada has a cat', 'Well, Ada has a cat!!', 'Ada has a cat. Ada has a cat.']
    """
    if mark < 0.25:
        return text
    if mark < 0.5:
        return text.lower().removesuffix(".")
    return f"Well, {text.removesuffix('.')}!!" if mark < 0.75 else f"{text} {text}"


def talks(count: int, quality: str, seed: int) -> list[Conversation]:
    """Return questions about told people with answers of a quality; the questions do not depend on the quality."""
    world = town()
    pairs = [pair for pair in town_hall.told_pairs(world, "train") if pair[1] in CORE_RELATIONS]
    objects = {r: sorted({fact.object for fact in world.facts if fact.relation == r}) for r in CORE_RELATIONS}
    rng = stream(seed, "quality")
    found = []
    for talk in town_hall.asked(world, pairs, count, seed, "quality"):
        subject, relation = str(talk.meta["subject"]), str(talk.meta["relation"])
        mark, other, form = rng.random(), pick(rng, objects[relation]), rng.random()
        said = talk.messages[1]["content"]
        if quality == "wrong" and mark < WRONG:
            lie = town_hall.replaced(world, subject, relation, other)
            said = answer(lie, subject, relation)
        if quality == "sloppy":
            said = sloppy(form, said)
        found.append(Conversation(quality, (talk.messages[0], message("assistant", said)), talk.meta))
    return found


def exam(model: Any, split: str, every: int) -> dict[str, int]:
    """Ask about people in held-out phrasings; count right answers, false ones, and those in tidy form, that end."""
    world, rng = town(), stream(0, "quality", "exam")
    pairs = [pair for pair in town_hall.told_pairs(world, split) if pair[1] in CORE_RELATIONS][::every]
    asks = [statement(slots(world, s), pick(rng, PHRASES[r].heldout_questions)) for s, r in pairs]
    found = {"right": 0, "false": 0, "tidy": 0, "ended": 0, "of": len(pairs)}
    for ask, said in zip(asks, reply(model, town_hall.TOKENIZER, asks, 2 * town_hall.LONGEST), strict=True):
        parts = gold(world, ask, said.removesuffix(END))
        found["right"] += parts["correctness"] == 1
        found["false"] += parts["correctness"] == -1
        found["tidy"] += parts["format"] == 1 and said.endswith(END)
        found["ended"] += said.endswith(END)
    return found


def run(count: int, quality: str, seed: int, until: int = STEPS) -> dict[str, Any]:
    """Fine-tune base on conversations of a number and quality, and examine it on people asked about and not."""
    model = town_hall.parent()
    plan = Plan(steps=STEPS, batch=BATCH, lr=LR, seed=seed)
    rows = town_hall.encoded(talks(count, quality, seed))
    state = tune(model, rows, plan, watch=lambda now: now.step == until)
    return {
        "count": count,
        "quality": quality,
        "seed": seed,
        "losses": [round(loss, 4) for loss in state.losses[:20]],
        "asked": exam(model, "train", 5),
        "never asked": exam(model, "test", 1),
    }


def runs() -> list[tuple[int, str, int]]:
    """Return the recorded runs as (count, quality, seed), those of one seed together."""
    return [(count, quality, seed) for seed in SEEDS for count in COUNTS for quality in QUALITIES]


SETTINGS = {"steps": STEPS, "batch": BATCH, "lr": LR, "counts": COUNTS, "wrong": WRONG, "seeds": SEEDS}
