"""Four bugs that small engines had in public, put into this one: each is a context in which the engine has the bug.

They are used by the tests of the engine, which go through the same traces with it as it is, and by part 11a.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple
from unittest.mock import patch

import torch

from fullstack_llm.engine import Engine, Piece, paged
from fullstack_llm.engine.blocks import BlockManager, Table
from fullstack_llm.engine.paged import Row, Span
from fullstack_llm.engine.requests import Sequence
from fullstack_llm.engine.scheduler import Plan, Scheduler
from fullstack_llm.engine.trace import Arrival, watch
from fullstack_llm.experiments.m11_paging import chat, greedy
from fullstack_llm.models import load


@contextmanager
def hits_all() -> Iterator[None]:
    """Let a prompt be found in the cache altogether, so that no token of it goes through the model."""
    right = BlockManager.match
    with patch.object(BlockManager, "match", lambda self, table, tokens: right(self, table, [*tokens, 0])):
        yield


@contextmanager
def counts_before_the_hit() -> Iterator[None]:
    """Count how many tokens a sequence lacks before the prefix cache is asked, not after."""
    match, append, matched = BlockManager.match, Scheduler._append, list[Table]()

    def noted(self: BlockManager, table: Table, tokens: list[int]) -> int:
        matched.append(table)
        return match(self, table, tokens)

    def stale(self: Scheduler, plan: Plan, sequence: Sequence, count: int) -> None:
        begins = any(table is sequence.table for table in matched)
        matched.clear()
        append(self, plan, sequence, min(len(sequence.tokens), plan.left) if begins else count)

    with patch.object(BlockManager, "match", noted), patch.object(Scheduler, "_append", stale):
        yield


@contextmanager
def throws_away() -> Iterator[None]:
    """Take a preempted sequence that was read again for one whose prompt is being read, and drop its next token."""
    right = Engine._extend

    def forgetful(self: Engine, sequence: Sequence, tokens: list[int], logprobs: Any) -> Piece:
        if len(sequence.tokens) > sequence.prompt and sequence.missing > 1:
            return Piece(sequence.request, sequence.index)
        return right(self, sequence, tokens, logprobs)

    with patch.object(Engine, "_extend", forgetful):
        yield


@contextmanager
def reads_only_its_own() -> Iterator[None]:
    """Let what is left of a prompt after a hit attend to itself only, at positions that begin at 0."""

    def restarted(spans: list[Span], block_size: int, device: torch.device) -> Row:
        row = paged.arrange(spans, block_size, device)
        own = []
        for each in row.rectangles:
            first = each.positions[:, :1] if each.queries.shape[1] > 1 else 0 * each.positions[:, :1]
            own.append(each._replace(mask=each.mask & (torch.arange(each.mask.shape[-1]) >= first)[:, None]))
        places = [torch.arange(span.size) if span.size > 1 else torch.tensor([span.start]) for span in spans]
        return row._replace(positions=torch.cat(places), rectangles=own)

    with patch("fullstack_llm.engine.engine.arrange", restarted):
        yield


class Bug(NamedTuple):
    """Hold a bug: where it was reported, the requests and the engine that bring it out, and how to have it."""

    reported: str
    arrivals: Callable[[], list[Arrival]]
    options: dict[str, Any]
    fault: Callable[[], AbstractContextManager[None]]


def _twice() -> list[Arrival]:
    """A prompt of 48 tokens, which are six blocks, and again when it has been answered."""
    return [Arrival(step, chat("What is Ada's favourite food?"), greedy(24)) for step in (0, 20)]


def _crowd() -> list[Arrival]:
    """Three questions with nothing in common, which fill the memory."""
    asked = ("Where does Ada live?", "What is 12 + 34? Show your steps.", "How old is Zed?")
    return [Arrival(0, chat(question, ""), greedy(40)) for question in asked]


def _at_once() -> list[Arrival]:
    """The same question twice, the second time while the first is being answered."""
    return [Arrival(step, chat("Where does Ada live?"), greedy(24)) for step in (0, 2)]


BUGS = {
    "whole blocks": Bug("nano-vllm, issue 144", _twice, {"blocks": 40}, hits_all),
    "hit after preemption": Bug("nano-vllm, pull requests 211 and 233", _crowd, {"blocks": 13}, counts_before_the_hit),
    "read again": Bug("nano-vllm, pull request 217", _crowd, {"blocks": 13, "prefix_cache": False}, throws_away),
    "equal prompts": Bug("MinivLLM, pull request 98", _at_once, {"blocks": 40}, reads_only_its_own),
}


def run(bug: Bug, faulty: bool) -> tuple[dict[int, list[int]], dict[str, int]]:
    """Return the tokens of each request and the engine's counts; the engine has the bug if it is to be faulty."""
    model, tokenizer = load("sft")
    engine = Engine(model, tokenizer, block_size=8, **bug.options)
    tokens: dict[int, list[int]] = {}
    with bug.fault() if faulty else nullcontext():
        frames = watch(engine, bug.arrivals(), steps=300)
    for frame in frames:
        for piece in frame.pieces:
            tokens.setdefault(piece.request, []).extend(piece.tokens)
    engine.manager.check([])
    return tokens, frames[-1].counts
