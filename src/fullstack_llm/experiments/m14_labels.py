"""The runs of part 14a: which tokens the loss is taken on, and whether the model then stops.

`base` is fine-tuned on the same conversations. The arms of `ARMS` read them in the template and in the same order, and
differ in their labels alone; "text" reads them as one long text, without any token that ends a turn. A run on the CPU
with one thread gives the same losses each time, so that a notebook makes the beginning of one again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import islice
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast

from fullstack_llm import models
from fullstack_llm.finetuning.labels import OPENING, STOP, chosen
from fullstack_llm.finetuning.tune import Plan, tune
from fullstack_llm.models.chat import PAD, Row, collate, encode, token_losses
from fullstack_llm.models.generate import chat_prompts, continuations, reply
from fullstack_llm.pretraining.loop import State
from fullstack_llm.tinytown import evaluation
from fullstack_llm.tinytown.gold import gold
from fullstack_llm.tinytown.instructions import Conversation, Message, instructions, message
from fullstack_llm.tinytown.world import town
from fullstack_llm.tokenization import course_tokenizer

# The tokens that the loss sees: whose, and whether those that end a turn are among them.
ARMS: dict[str, tuple[str, bool]] = {
    "assistant": ("assistant", True),
    "assistant, no stop": ("assistant", False),
    "all": ("all", True),
    "all, no stop": ("all", False),
}
SEEDS = (0, 1, 2)
ADA = "Where does Ada live?"
STEPS, BATCH, RATE = 200, 16, 1e-3
# The rows of the long text: about as many tokens a step as sixteen conversations have.
LENGTH, TEXT_BATCH = 192, 4
QUESTIONS, LONGEST, HELD_OUT, AGAIN = 300, 64, 400, 8


def conversations(seed: int, count: int = STEPS * BATCH) -> list[Conversation]:
    """Return the conversations of a run; -1 is the seed of those that no run trains on."""
    return list(islice(instructions(town(), seed=seed + 1), count))


@cache
def rows(seed: int, count: int = STEPS * BATCH) -> tuple[Row, ...]:
    """Return the conversations of a run, encoded by the template."""
    tokenizer = course_tokenizer.load()
    return tuple(encode(tokenizer, talk.messages) for talk in conversations(seed, count))


def as_text(messages: Sequence[Message]) -> str:
    """Write a conversation as a person would, a line for each message.

    >>> as_text([{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}])
    'User: 2+2?\\nAssistant: 4\\n'
    """
    return "".join(f"{message['role'].capitalize()}: {message['content']}\n" for message in messages)


@cache
def text_rows(seed: int) -> tuple[Row, ...]:
    """Return the same conversations as one text, with an empty line between them, cut into rows as in pretraining."""
    joined = "\n".join(as_text(talk.messages) for talk in conversations(seed))
    ids = course_tokenizer.load()(joined).input_ids
    pieces = [ids[at : at + LENGTH] for at in range(0, len(ids) - LENGTH + 1, LENGTH)]
    return tuple(Row(tuple(piece), (True,) * LENGTH) for piece in pieces)


def tuned(
    arm: str, seed: int, steps: int = STEPS, rate: float = RATE, watch: Callable[[State], bool | None] | None = None
) -> State:
    """Fine-tune `base` with the labels of an arm, or on the text."""
    data = text_rows(seed) if arm == "text" else [chosen(row, *ARMS[arm]) for row in rows(seed)]
    batch = TEXT_BATCH if arm == "text" else BATCH
    return tune(models.load("base")[0], data, Plan(steps=steps, batch=batch, lr=rate, seed=seed), watch)


@torch.inference_mode()
def losses(model: Any) -> dict[str, float]:
    """Return the loss on other conversations, in nats a token: of the assistant's words, its stops, and the rest."""
    held = rows(-1, HELD_OUT)
    sums, counts = dict.fromkeys(("words", "stop", "rest"), 0.0), dict.fromkeys(("words", "stop", "rest"), 0)
    for start in range(0, len(held), 64):
        piece = held[start : start + 64]
        ids, own = collate(piece, PAD)
        full, _ = collate([chosen(row, "all") for row in piece], PAD)
        each = token_losses(model, ids, full.masked_fill(full == PAD, -100))
        mine = (own >= 0)[:, 1:]
        kinds = {
            "words": mine & (ids[:, 1:] != STOP),
            "stop": mine & (ids[:, 1:] == STOP),
            "rest": ~mine & (ids[:, 1:] != PAD),
        }
        for name, where in kinds.items():
            sums[name] += each[where].sum().item()
            counts[name] += int(where.sum())
    return {name: sums[name] / counts[name] for name in sums}


def answers(model: Any, asked: Sequence[str], text: bool = False) -> list[str]:
    """Return what the model writes after each question, in the template or after "Assistant:", 64 tokens at most."""
    tokenizer = course_tokenizer.load()
    if not text:
        return reply(model, tokenizer, asked, LONGEST)
    prompts = tokenizer([as_text([message("user", one)]) + "Assistant:" for one in asked]).input_ids
    stop = [STOP, tokenizer.eos_token_id]
    found = tokenizer.batch_decode(continuations(model, prompts, LONGEST, stop, 256))
    return [said.replace(tokenizer.pad_token, "") for said in found]


def exam(model: Any, text: bool = False, count: int = QUESTIONS) -> dict[str, Any]:
    """Ask about people that fine-tuning never asked about: how many answers stop, are right, go on to ask.

    An answer is judged up to its first line break or special token. It goes on to ask where it writes a user's turn.
    """
    tokenizer, items = course_tokenizer.load(), evaluation.questions(town(), count)
    asked = [str(item["prompt"]) for item in items]
    said = answers(model, asked, text)
    first = [one.split("<|")[0].split("\n")[0] for one in said]
    right = [gold(town(), ask, one)["correctness"] == 1.0 for ask, one in zip(asked, first, strict=True)]
    return {
        "questions": len(asked),
        "stopped": sum(one.endswith(("<|im_end|>", "<|eos|>")) for one in said),
        "right": sum(right),
        "asks": sum("\nUser:" in one or "<|im_start|>user" in one for one in said),
        "tokens": sum(len(ids) for ids in tokenizer(said).input_ids) / len(said),
        "said": said[:6],
        "ada": answers(model, [ADA], text)[0],
    }


def stopping(say: Callable[[str], None] = print, seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """Fine-tune with each arm and seed; return what the notebook draws and asserts."""
    found: dict[str, Any] = {arm: [] for arm in ("text", *ARMS)}
    for seed in seeds:
        for arm in found:
            state = tuned(arm, seed)
            kept = {"seed": seed, "first": state.losses[:AGAIN], "last": sum(state.losses[-20:]) / 20}
            held = {} if arm == "text" else losses(state.model)
            found[arm].append({**kept, "held": held, **exam(state.model, arm == "text")})
            say(f"{arm}, seed {seed}: {found[arm][-1]}")
    settings = {"steps": STEPS, "batch": BATCH, "rate": RATE, "longest": LONGEST}
    return {"settings": settings, "arms": found}


def variants(tokenizer: PreTrainedTokenizerFast, question: str) -> dict[str, list[int]]:
    """Return the ids of a question as the template writes it, and written in other ways."""
    (right,) = chat_prompts(tokenizer, [question])
    text = str(tokenizer.decode(right))
    user, opening = text.removesuffix(OPENING), OPENING
    changed = {
        "as in training": text,
        "a space after `assistant`": text.replace("assistant\n", "assistant \n"),
        "a space before the answer": text + " ",
        "no line break after `assistant`": text.removesuffix("\n"),
        "two line breaks after `assistant`": text + "\n",
        "a space after the question": text.replace(question, question + " "),
        "no line break between the turns": user.removesuffix("\n") + opening,
        "`human` for `user`": text.replace("user\n", "human\n"),
        "no stop token after the question": text.replace("<|im_end|>", ""),
        "no prompt for the assistant": user,
        "`<|bos|>` before it": "<|bos|>" + text,
        "`<|bos|>` twice before it": "<|bos|><|bos|>" + text,
        "`User:` and `Assistant:`": as_text([message("user", question)]) + "Assistant:",
    }
    return {name: list(tokenizer(one).input_ids) for name, one in changed.items()}


def mismatches(
    say: Callable[[str], None] = print, count: int = QUESTIONS, names: Sequence[str] | None = None
) -> dict[str, Any]:
    """Ask the course's fine-tuned model in each of the `variants`: how many answers are right, and how many in form.

    In form is an answer of one line that ends with <|im_end|> and has no other special token.
    """
    model, tokenizer = models.load("sft")
    asked = [str(item["prompt"]) for item in evaluation.questions(town(), count, split=None)]
    found: dict[str, Any] = {}
    for name in names or variants(tokenizer, asked[0]):
        prompts = [variants(tokenizer, ask)[name] for ask in asked]
        said = tokenizer.batch_decode(continuations(model, prompts, LONGEST, [STOP, tokenizer.eos_token_id], 256))
        texts = [one.replace(tokenizer.pad_token, "") for one in said]
        form = [one.endswith("<|im_end|>") and one.count("<|") == 1 and "\n" not in one for one in texts]
        first = [one.strip().split("<|")[0].split("\n")[0] for one in texts]
        right = [gold(town(), ask, one)["correctness"] == 1.0 for ask, one in zip(asked, first, strict=True)]
        each = "".join("01"[one] for one in right)
        found[name] = {"right": sum(right), "form": sum(form), "each": each, "said": texts[:3]}
        say(f"{name}: {found[name]}")
    return {"questions": len(asked), "variants": found}
