"""Write down, step by step, which sequence holds which block of the cache, and what lies in it.

>>> from fullstack_llm.models import load
>>> model, tokenizer = load("base")
>>> engine = Engine(model, tokenizer, blocks=8, block_size=4)
>>> frames = watch(engine, [Arrival(0, [2, 40, 41, 42, 43], Settings(max_tokens=4, temperature=0))])
>>> [(row.blocks, row.stored) for frame in frames for row in frame.rows]
[([0, 1], 5), ([0, 1], 6), ([0, 1], 7), ([0, 1], 8)]
>>> frames[1].used, frames[1].held, look(engine).idle  # the last block was given back first
(6, 8, [1, 0])
"""

from __future__ import annotations

from collections.abc import Sequence as Several
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

from fullstack_llm.engine.engine import Engine, Prompt
from fullstack_llm.engine.requests import Piece, Settings
from fullstack_llm.engine.scheduler import Plan


class Arrival(NamedTuple):
    """Name a request, and the step before which it comes."""

    step: int
    prompt: Prompt
    settings: Settings


@dataclass(frozen=True)
class Row:
    """Hold a sequence in a step; at its end `stored` of the `tokens` have keys and values in the blocks."""

    request: int
    index: int
    running: bool
    blocks: list[int]
    stored: int
    tokens: int


@dataclass
class Frame:
    """Hold a step: all sequences in order of arrival, idle blocks, what the step adds, and the counts after it."""

    block_size: int
    rows: list[Row]
    idle: list[int]
    pieces: list[Piece] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def held(self) -> int:
        """Return in how many slots nobody else can store anything: those of all blocks that are held."""
        return self.block_size * len(self.fill())

    @property
    def used(self) -> int:
        """Return in how many of the held slots there are keys and values; a shared slot counts once."""
        return sum(self.fill().values())

    def fill(self) -> dict[int, int]:
        """Return how many slots of each held block are filled."""
        found: dict[int, int] = {}
        for row in self.rows:
            for at, block in enumerate(row.blocks):
                filled = min(self.block_size, row.stored - at * self.block_size)
                found[block] = max(found.get(block, 0), filled)
        return found


def look(engine: Engine, plan: Plan | None = None) -> Frame:
    """Return who holds what now, or at the end of the step that a plan has just been made for."""
    ends = {id(chunk.sequence): chunk.end + len(chunk.drafts) for chunk in plan.chunks} if plan else {}
    rows = [
        Row(
            each.request,
            each.index,
            running,
            list(each.table.blocks),
            ends.get(id(each), each.table.length),
            len(each.tokens),
        )
        for running, group in ((True, engine.scheduler.running), (False, engine.scheduler.waiting))
        for each in group
    ]
    return Frame(engine.manager.block_size, rows, list(engine.manager.idle), counts=asdict(engine.counts))


def watch(engine: Engine, arrivals: Several[Arrival], steps: int = 10_000) -> list[Frame]:
    """Let requests arrive at their steps, run the engine until all are answered, and return a frame for each step.

    Raises RuntimeError if that takes more than `steps`: an engine that does not move any more.
    """
    waiting, frames, plan = sorted(arrivals, key=lambda each: each.step), list[Frame](), engine.scheduler.plan

    def noted() -> Plan:
        found = plan()
        frames.append(look(engine, found))
        return found

    engine.scheduler.plan = noted  # type: ignore[method-assign]
    try:
        while waiting or engine.sequences:
            if len(frames) == steps:
                raise RuntimeError(f"{len(engine.sequences)} sequences are not finished after {steps} steps")
            while waiting and waiting[0].step <= len(frames):
                _, prompt, settings = waiting.pop(0)
                engine.add(prompt, settings)
            pieces = engine.step()
            frames[-1].pieces, frames[-1].counts = pieces, asdict(engine.counts)
    finally:
        del engine.scheduler.plan
    return frames
