"""Four bugs that small engines had in public, as traces that this engine goes through; and each with the bug put in.

- nano-vllm, issue 144: a prompt of whole blocks that all hit leaves no token to go through the model.
- nano-vllm, pull requests 211 and 233: how many tokens a preempted sequence lacks is counted before the prefix hit.
- nano-vllm, pull request 217: the token chosen after a preempted sequence was read again is thrown away.
- MinivLLM, pull request 98: a prompt shares blocks with an equal prompt that still runs, but its prefill reads only
  what it computed itself, at positions that begin at 0.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import engines
import pytest

from fullstack_llm.engine import Engine
from fullstack_llm.engine.scheduler import Plan
from fullstack_llm.experiments import m11_bugs as bugs

SIZE = 8
Trace = Callable[[], None]


def run(made: Engine, steps: int = 300) -> dict[int, list[int]]:
    """The tokens of each request, after all steps; a trace that does not end is a failure."""
    found: dict[int, list[int]] = {}
    for _ in range(steps):
        if not made.sequences:
            made.manager.check([])
            return found
        for piece in made.step():
            found.setdefault(piece.request, []).extend(piece.tokens)
    raise AssertionError(f"not finished after {steps} steps")


def whole_blocks() -> None:
    """A prompt of exactly two blocks, twice: the second time all of it is in the cache."""
    of = engines.served("llama")
    at = next(at for at, prompt in enumerate(of.prompts) if len(prompt) == 2 * SIZE)
    made = engines.engine(of, block_size=SIZE)
    for request in range(2):
        made.add(of.prompts[at], engines.GREEDY)
        assert run(made)[request] == of.answers[at]
    assert made.counts.hits == SIZE, "the last block goes through the model again, for its logits"


def preempted_then_hit() -> None:
    """Sequences of which nothing is alike, which lose their blocks and find most of them again."""
    of = engines.served("llama")
    which = [25, 26, 28, 29]
    made = engines.engine(of, block_size=SIZE, blocks=11)
    asked = {made.add(of.prompts[at], engines.GREEDY): at for at in which}
    found = run(made)
    assert [found[request] for request in asked] == [of.answers[at] for at in which]
    assert made.counts.preempted and made.counts.hits >= 2 * SIZE


def read_again() -> None:
    """Each sequence whose last token goes through the model is longer afterwards, preempted or not."""
    of = engines.served("llama")
    made = engines.engine(of, block_size=SIZE, blocks=10, prefix_cache=False)
    for prompt in of.prompts[12:20]:
        made.add(prompt, engines.GREEDY)
    plan, plans = made.scheduler.plan, list[list[tuple[Any, int]]]()

    def noted() -> Plan:
        found = plan()
        plans.append([(chunk.sequence, len(chunk.sequence.tokens)) for chunk in found.chunks if chunk.complete])
        return found

    made.scheduler.plan = noted  # type: ignore[method-assign]
    while made.sequences:
        made.step()
        assert all(len(sequence.tokens) == before + 1 for sequence, before in plans[-1])
    assert made.counts.preempted


def equal_prompts() -> None:
    """The same prompt three times: at once, and while the others still run, so that live blocks are shared."""
    of = engines.served("llama")
    at = next(at for at, prompt in enumerate(of.prompts) if len(prompt) == 33)
    made = engines.engine(of, block_size=12)
    made.add(of.prompts[at], engines.GREEDY)
    made.add(of.prompts[at], engines.GREEDY)
    first = made.step()
    made.add(of.prompts[at], engines.GREEDY)
    found = run(made)
    for piece in first:
        found[piece.request] = piece.tokens + found[piece.request]
    assert [found[request] for request in range(3)] == [of.answers[at]] * 3
    assert made.counts.hits == 24


TRACES: dict[str, Trace] = {
    "whole blocks": whole_blocks,
    "preempted then hit": preempted_then_hit,
    "read again": read_again,
    "equal prompts": equal_prompts,
}


@pytest.mark.parametrize("trace", TRACES)
def test_trace(trace: str) -> None:
    TRACES[trace]()


FAULTS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "whole blocks": bugs.hits_all,
    "preempted then hit": bugs.counts_before_the_hit,
    "read again": bugs.throws_away,
    "equal prompts": bugs.reads_only_its_own,
}


@pytest.mark.parametrize("trace", TRACES)
def test_control_the_bug_is_seen(trace: str) -> None:
    with FAULTS[trace](), pytest.raises((AssertionError, IndexError, RuntimeError)):
        TRACES[trace]()
