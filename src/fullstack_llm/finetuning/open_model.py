"""Fine-tune an open model on an open set of instructions: any tokenizer, and any template whose turns are a prefix.

>>> from fullstack_llm.tokenization import course_tokenizer
>>> talk = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]
>>> row = by_prefix(course_tokenizer.load(), talk)
>>> course_tokenizer.load().decode([i for i, own in zip(row.ids, row.own, strict=True) if own])
'4<|im_end|>\\n'
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import torch

from fullstack_llm.finetuning.tune import Plan, assistant_loss, tune
from fullstack_llm.models.chat import PAD, Row, collate
from fullstack_llm.tinytown.instructions import Conversation, Message

STOP = "<|im_end|>"
# For a tokenizer without a template: each turn between two marks, as in the course's own.
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def prepared(tokenizer: Any) -> Any:
    """Give a tokenizer that has no template the plain one; raise ValueError if it has not the marks for it."""
    if tokenizer.chat_template is None:
        tokenizer.chat_template = CHATML
    lacking = [mark for mark in ("<|im_start|>", STOP) if len(tokenizer.encode(mark, add_special_tokens=False)) != 1]
    if lacking:
        raise ValueError(f"The tokenizer has no token for {', '.join(lacking)}, which end and begin a turn.")
    return tokenizer


def rendered(tokenizer: Any, messages: Sequence[Message], prompt: bool = False) -> tuple[int, ...]:
    """Return a conversation as ids; with `prompt`, up to where the assistant begins."""
    found: Any = tokenizer.apply_chat_template(list(messages), add_generation_prompt=prompt, return_dict=True)
    return tuple(found["input_ids"])


def by_prefix(tokenizer: Any, messages: Sequence[Message]) -> Row:
    """Mark what each assistant's turn adds to its prompt, without any help of the template.

    Raises ValueError where a prompt is not the beginning of the conversation that follows from it: then what the model
    reads in use differs from what it was trained on.
    """
    ids = rendered(tokenizer, messages)
    own = [False] * len(ids)
    for at, message in enumerate(messages):
        if message["role"] == "assistant":
            before = rendered(tokenizer, messages[:at], prompt=True)
            after = rendered(tokenizer, messages[: at + 1])
            if ids[: len(before)] != before or ids[: len(after)] != after:
                raise ValueError(f"The template's prompt of turn {at} is not the beginning of the conversation.")
            own[len(before) : len(after)] = [True] * (len(after) - len(before))
    return Row(ids, tuple(own))


def rows_of(tokenizer: Any, talks: Iterable[Conversation], count: int, longest: int) -> tuple[list[Row], int]:
    """Return the first `count` rows of at most `longest` ids, and how many longer ones were left out.

    A longer one is left out whole: cut, it would lose its end, and with it the token that says stop.
    """
    found: list[Row] = []
    left_out = 0
    for talk in talks:
        if len(found) == count:
            break
        row = by_prefix(tokenizer, talk.messages)
        if len(row.ids) <= longest:
            found.append(row)
        else:
            left_out += 1
    return found, left_out


@torch.no_grad()
def held_out_loss(model: Any, rows: Sequence[Row], batch: int) -> float:
    """Return the mean loss of the batches of the rows, in nats a token that the assistant wrote."""
    losses = []
    for at in range(0, len(rows), batch):
        ids, labels = (found.to(model.device) for found in collate(rows[at : at + batch], PAD))
        losses.append(assistant_loss(model, ids, labels).item())
    return sum(losses) / len(losses)


@torch.no_grad()
def answers(model: Any, tokenizer: Any, asks: Sequence[Sequence[Message]], longest: int) -> list[tuple[str, bool]]:
    """Answer each conversation greedily; return the text, and whether it ended with the token that says stop."""
    stop = tokenizer.encode(STOP, add_special_tokens=False)[0]
    found = []
    for messages in asks:
        ids = torch.tensor([rendered(tokenizer, messages, prompt=True)], device=model.device)
        settings = {"max_new_tokens": longest, "do_sample": False, "eos_token_id": stop, "pad_token_id": stop}
        out = model.generate(ids, attention_mask=torch.ones_like(ids), **settings)[0, ids.shape[1] :].tolist()
        found.append((tokenizer.decode(out, skip_special_tokens=True), stop in out))
    return found


def fine_tuned(
    model: Any,
    tokenizer: Any,
    talks: Iterable[Conversation],
    plan: Plan,
    *,
    count: int,
    held_out: int,
    longest: int,
    say: Callable[[str], None],
) -> Mapping[str, Any]:
    """Fine-tune all of a model's weights in place; return losses, and answers to held-out questions, before and after.

    The first `held_out` conversations are not trained on. Raises ValueError where there are too few.
    """
    tokenizer = prepared(tokenizer)
    source = iter(talks)
    tests = list(islice(source, held_out))
    test_rows, _ = rows_of(tokenizer, tests, held_out, longest)
    rows, left_out = rows_of(tokenizer, source, count, longest)
    if not rows or not test_rows:
        raise ValueError(f"There are {len(rows)} conversations to train on and {len(test_rows)} to test with.")
    say(f"{len(rows)} conversations, {left_out} left out as longer than {longest} ids")
    asks = [talk.messages[:-1] for talk in tests[:20]]
    found: dict[str, Any] = {"rows": len(rows), "left_out": left_out}
    for name in ("before", "after"):
        if name == "after":
            found["losses"] = tune(model, rows, plan).losses
        said = answers(model, tokenizer, asks, longest=64)
        loss = held_out_loss(model, test_rows, plan.batch)
        found[name] = {"loss": loss, "ended": sum(ended for _, ended in said), "said": [text for text, _ in said]}
        say(f"{name}: held-out loss {loss:.3f} nats a token, {found[name]['ended']} of {len(said)} answers end")
    return found
