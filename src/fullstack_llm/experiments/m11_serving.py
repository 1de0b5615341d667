"""Serve the same requests by several systems: the naive loop, static batches, two engines, vLLM.

All of them have room for the keys and values of 4,096 tokens, and one static batch has four times as much. All are
greedy, and answer to the length that is asked for; what they answer must be the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import islice
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from fullstack_llm import models
from fullstack_llm.engine import Engine
from fullstack_llm.presets import pick, preset
from fullstack_llm.serving import latency
from fullstack_llm.serving.arrivals import Lengths, Request, at_rate, load
from fullstack_llm.serving.continuous import Ours, Theirs
from fullstack_llm.serving.drive import Server, Trace, drive
from fullstack_llm.serving.static import Static
from fullstack_llm.tinytown.mixture import documents
from fullstack_llm.tinytown.world import town

ROOM, LONGEST = 4096, 512  # tokens that there is room for; tokens of the longest sequence
BUDGET, ROWS, BLOCK = 256, 64, 16
WIDE = {
    "vocab_size": 512,
    "hidden_size": 2048,
    "intermediate_size": 5632,
    "num_hidden_layers": 22,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "max_position_embeddings": LONGEST,
}
SEEDS, FACTORS, COUNT = (0, 1, 2), (0.5, 1.0, 2.0, 4.0), 48
MANY, FEW = 192, 24  # requests that are there at once, and those of them that the naive loop is given
ALIKE = {"prompt": Lengths(40, 0), "answer": Lengths(32, 0)}


Drive = Callable[[Sequence[Request]], Sequence[Trace]]


@cache
def served() -> tuple[Any, Any]:
    """Return the model that is served and its tokenizer: `base`, or on a GPU a billion random weights in bf16."""
    if preset().name == "cpu":
        return models.load("base")
    torch.manual_seed(0)
    with torch.device(preset().device):
        model = LlamaForCausalLM(LlamaConfig(**WIDE)).to(torch.bfloat16).eval()
    return model, models.load("base")[1]


@cache
def prompts() -> list[tuple[int, ...]]:
    """Return 200 beginnings, of 160 tokens each: documents of Tinytown one after the other, as `base` has read them."""
    _, tokenizer = models.load("base")
    texts = [document.text for document in islice(documents(town(), seed=11), 1000)]
    rows = [(tokenizer.eos_token_id, *ids) for ids in tokenizer(texts).input_ids]
    return [sum(rows[at : at + 5], ())[:160] for at in range(0, 1000, 5)]


def requests(count: int, seed: int, alike: bool = False) -> list[Request]:
    """Return requests that arrive one a second on average; `alike` gives all of them the same lengths."""
    ours = prompts()
    first = seed * count % len(ours)
    shifted = ours[first:] + ours[:first]
    return load(count, 1.0, shifted, seed, **(ALIKE if alike else {}))


def at_once(asked: Sequence[Request]) -> list[Request]:
    """Return the same requests, all of them there at the beginning: what a system can do at most."""
    return [replace(one, arrival=0.0) for one in asked]


def engine(**options: Any) -> Engine:
    """Return the course's engine with the model that is served, and room for 4,096 tokens unless `options` differ."""
    model, tokenizer = served()
    given = {"blocks": ROOM // BLOCK, "block_size": BLOCK, "budget": BUDGET, "rows": ROWS, "prefix_cache": False}
    return Engine(model, tokenizer, **{**given, **options})


SYSTEMS: dict[str, Callable[[], Server]] = {
    "naive": lambda: Static(served()[0], 1),
    "static 8": lambda: Static(served()[0], ROOM // LONGEST),
    "static 32": lambda: Static(served()[0], 4 * ROOM // LONGEST),
    "engine": lambda: Ours(engine()),
    "transformers": lambda: Theirs(served()[0], ROOM // BLOCK, BLOCK, BUDGET, prefix_cache=False),
}


def clock() -> Callable[[], float]:
    """Return the clock of a run: CPU seconds, or the wall's on an accelerator, where a step ends in a copy from it."""
    return pick(cpu=time.process_time, gpu=time.perf_counter)


def run(name: str, asked: Sequence[Request]) -> list[Trace]:
    """Serve requests with one of the systems, made afresh."""
    return drive(SYSTEMS[name](), asked, clock())


def compared(every: Mapping[str, Drive], asked: Sequence[Request]) -> dict[str, Any]:
    """Serve the same requests by several systems, and return for each its throughput and all waits, in milliseconds.

    `same` counts the answers that are those of the first system, token by token.
    """
    found, first = dict[str, Any](), list[list[int]]()
    for name, serve in every.items():
        traces = serve(asked)
        tokens = [trace.tokens for trace in traces]
        first = first or tokens
        waits = [latency.waits(trace) for trace in traces]
        found[name] = {
            "throughput": latency.summary(traces)["throughput"],
            "same": sum(a == b for a, b in zip(first, tokens, strict=True)),
            "first": [round(1000 * wait, 2) for wait, _ in waits],
            "between": [round(1000 * gap, 2) for _, gaps in waits for gap in gaps],
        }
    return found


def all_at_once(every: Mapping[str, Drive], seed: int, alike: bool = False) -> dict[str, Any]:
    """Compare systems that have more to do than they can: their throughput is the most that they are capable of.

    The naive loop has the same throughput for a few of the requests, and is given no more.
    """
    asked = at_once(requests(MANY, seed, alike))
    naive = compared({"naive": every["naive"]}, asked[:FEW])
    return naive | compared({name: serve for name, serve in every.items() if name != "naive"}, asked)


def pooled(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return for each system its throughput in each of some runs, and percentiles over the waits of all of them."""

    def percentiles(name: str, kind: str) -> list[float]:
        waits = [wait for row in rows for wait in row[name][kind]]
        return [latency.percentile(waits, percent) for percent in latency.PERCENTS]

    return {
        name: {
            "throughput": [round(row[name]["throughput"], 1) for row in rows],
            "same": sum(row[name]["same"] for row in rows),
            "first": percentiles(name, "first"),
            "between": percentiles(name, "between"),
        }
        for name in rows[0]
    }


def naive_rate(row: Mapping[str, Any], asked: Sequence[Request]) -> float:
    """Return how many of these requests the naive loop answers in a second."""
    return float(row["naive"]["throughput"]) * len(asked) / sum(one.answer for one in asked)


def points(seed: int, rate: float) -> dict[str, list[Request]]:
    """Return the same requests at several rates: multiples of `rate`, which the naive loop manages."""
    asked = requests(COUNT, seed)
    return {str(factor): at_rate(asked, factor * rate) for factor in FACTORS}
