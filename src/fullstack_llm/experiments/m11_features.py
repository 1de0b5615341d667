"""Switch parts of the engine off and on, and serve the same requests: prefix cache, guesses, chunks, blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from fullstack_llm.experiments import m11_serving as runs
from fullstack_llm.serving import latency
from fullstack_llm.serving.arrivals import Lengths, Request, at_rate, load
from fullstack_llm.serving.continuous import Ours
from fullstack_llm.serving.drive import Trace, drive, drive_closed

COUNT = 40
SHARED = 192  # tokens that all prompts of `alike` begin with


def alike(seed: int, count: int = COUNT) -> list[Request]:
    """Return requests whose prompts begin with the same 192 tokens, as with one system prompt for all."""
    own = runs.prompts()
    system = (own[0] + own[1])[:SHARED]
    rows = [system + row for row in own[2:]]
    return load(count, 1.0, rows, seed, Lengths(SHARED + 24, 0), Lengths(12, 0.5, most=48))


def long_ones(seed: int, count: int = COUNT) -> list[Request]:
    """Return requests of which every eighth has a prompt of 400 tokens."""
    own, rows = runs.prompts(), runs.requests(count, seed)
    for at in range(7, count, 8):
        rows[at] = replace(rows[at], prompt=sum(own[at : at + 3], ())[:400], answer=min(rows[at].answer, 96))
    return rows


# What is compared: requests, and the engine's options for each variant.
FEATURES: dict[str, tuple[Callable[[int], list[Request]], dict[str, dict[str, Any]]]] = {
    "prefix": (alike, {"off": {}, "on": {"prefix_cache": True}}),
    "guesses": (lambda seed: runs.requests(COUNT, seed), {"none": {}, "four": {"drafts": 4}}),
    "chunks": (long_ones, {"512": {"budget": 512}, "128": {"budget": 128}, "64": {"budget": 64}}),
    "blocks": (lambda seed: runs.requests(COUNT, seed), {"1024": {"blocks": 1024}, "256": {}, "64": {"blocks": 64}}),
}


def once(options: dict[str, Any], asked: Sequence[Request], clients: int = 0) -> tuple[list[Trace], dict[str, int]]:
    """Serve requests with an engine of these options, in an open loop or by some clients; return traces and counts."""
    engine = runs.engine(**options)
    server = Ours(engine)
    traces = drive_closed(server, asked, clients, runs.clock()) if clients else drive(server, asked, runs.clock())
    return traces, vars(engine.counts)


def row(traces: Sequence[Trace], counts: dict[str, int]) -> dict[str, Any]:
    """Return what is kept of a run: throughput, waits in milliseconds, and what the engine counted."""
    found = latency.summary(traces)
    return {
        "throughput": round(found["throughput"], 1),
        "first": [round(1000 * each, 1) for each in found["first"].values()],
        "between": [round(1000 * each, 2) for each in found["between"].values()],
        **{name: counts[name] for name in ("steps", "tokens", "hits", "drafted", "accepted", "preempted")},
    }


def features(say: Callable[[str], None]) -> dict[str, Any]:
    """Compare variants with three seeds, in turns: all requests at once, and for guesses also one client alone."""
    once({}, runs.requests(8, 9))
    found: dict[str, Any] = {}
    for seed in runs.SEEDS:
        for feature, (make, variants) in FEATURES.items():
            asked = runs.at_once(make(seed)) if feature != "chunks" else busy(make(seed))
            answers = set()
            for name, options in variants.items():
                traces, counts = once(options, asked)
                answers.add(str([trace.tokens for trace in traces]))
                found.setdefault(feature, {}).setdefault(name, []).append(row(traces, counts))
                if feature == "guesses":
                    alone = row(*once(options, asked[:16], clients=1))
                    found.setdefault("guesses alone", {}).setdefault(name, []).append(alone)
            assert len(answers) == 1, "no variant may change an answer"
            say(f"{seed} {feature} {[(name, rows[-1]['throughput']) for name, rows in found[feature].items()]}")
    return found


def busy(asked: Sequence[Request], share: float = 0.7) -> list[Request]:
    """Return the same requests, arriving at a share of the rate at which the engine answers them all at once."""
    traces, _ = once({}, runs.at_once(asked))
    return at_rate(asked, share * len(asked) / latency.summary(traces)["seconds"])
