"""The requests of part 11a: what Tinytown asks, how long it is, and a scene whose every step is shown on the page.

>>> [(len(each.prompt), each.answer) for each in asked(2, seed=5)]
[(29, 10), (52, 6)]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import groupby, islice
from typing import Any, NamedTuple

from fullstack_llm.engine import Engine, Settings
from fullstack_llm.engine.trace import Arrival, Frame, watch
from fullstack_llm.models import load
from fullstack_llm.models.chat import encode
from fullstack_llm.models.exams import END
from fullstack_llm.tinytown.instructions import instructions
from fullstack_llm.tinytown.world import town

CLERK = "You are the clerk of Tinytown."
BLOCKS, SIZE, BUDGET = 20, 8, 40  # of the scene


class Asked(NamedTuple):
    """Hold a request: the ids of its prompt, and how many tokens its answer has, with the one that ends it."""

    prompt: list[int]
    answer: int


def asked(count: int, seed: int) -> list[Asked]:
    """Return requests of the kinds and lengths of the conversations that `sft` learned from."""
    _, tokenizer = load("sft")
    found = []
    for talk in islice(instructions(town(), seed=seed), count):
        row = encode(tokenizer, talk.messages)
        runs = [(own, len(list(group))) for own, group in groupby(row.own)]
        size = next(length for own, length in reversed(runs) if own)
        after = 0 if runs[-1][0] else runs[-1][1]
        found.append(Asked(list(row.ids[: len(row.ids) - size - after]), size))
    return found


@cache
def chat(question: str, system: str = CLERK) -> list[int]:
    """Return the ids of a question in the chat template, up to where the assistant begins to write."""
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": question})
    out: Any = load("sft")[1].apply_chat_template(messages, add_generation_prompt=True, return_dict=True)
    return list(out["input_ids"])


def greedy(tokens: int, **more: Any) -> Settings:
    """Return settings for the likeliest answer, up to the token that ends a turn."""
    end = load("sft")[1].convert_tokens_to_ids(END)
    return Settings(**{"max_tokens": tokens, "temperature": 0.0, "stop_ids": (end,), **more})


def scene() -> list[Arrival]:
    """Return the requests of the animation: what Ada's neighbours ask, and one sum."""
    return [
        Arrival(0, chat("Where does Ada live?"), greedy(24)),
        Arrival(1, chat("What is 12 + 34? Show your steps.", ""), greedy(80)),
        Arrival(3, chat("What is Ada's favourite food?"), greedy(24)),
        Arrival(6, chat("How old is Ada?"), greedy(24, temperature=1.4, n=2, seed=10)),
        Arrival(9, chat("Where does Ada live?"), greedy(24)),
        Arrival(14, chat("Where does Ada work?"), greedy(24)),
    ]


def play(arrivals: Sequence[Arrival], **options: Any) -> list[Frame]:
    """Return what an engine with `sft` does with some arrivals, step by step."""
    model, tokenizer = load("sft")
    return watch(Engine(model, tokenizer, **options), arrivals)


def trace(say: Callable[[str], None]) -> dict[str, Any]:
    """Return the scene as the page's animation reads it: what is asked, and for each step who holds which blocks."""
    frames = play(scene(), blocks=BLOCKS, block_size=SIZE, budget=BUDGET, rows=8)
    _, tokenizer = load("sft")
    asks = [str(tokenizer.decode(each.prompt, skip_special_tokens=True)) for each in scene()]
    steps = []
    for frame in frames:
        rows = [[row.request, row.index, int(row.running), row.stored, row.tokens, row.blocks] for row in frame.rows]
        said = [[piece.request, piece.index, piece.text, piece.finish or ""] for piece in frame.pieces]
        counts = [frame.counts[name] for name in ("tokens", "hits", "preempted", "copied")]
        steps.append({"rows": rows, "idle": frame.idle, "said": said, "counts": counts})
    say(f"{len(steps)} steps, {frames[-1].counts}")
    arrivals = [[each.step, text.split("\n")[-3], len(each.prompt)] for each, text in zip(scene(), asks, strict=True)]
    return {"blocks": BLOCKS, "size": SIZE, "arrivals": arrivals, "steps": steps}
