"""A trace says what the engine did, and leaves it as it was."""

from __future__ import annotations

from collections import Counter
from typing import Any

import engines
import pytest

from fullstack_llm.engine import Settings
from fullstack_llm.engine.trace import Arrival, Frame, look, watch


def arrivals(steps: list[int], settings: Settings = engines.GREEDY) -> list[Arrival]:
    of = engines.served("llama")
    return [Arrival(step, prompt, settings) for step, prompt in zip(steps, of.prompts, strict=False)]


def traced(steps: list[int], settings: Settings = engines.GREEDY, **options: Any) -> list[Frame]:
    return watch(engines.engine(engines.served("llama"), **options), arrivals(steps, settings))


@pytest.mark.parametrize("blocks", [200, 12])
def test_the_answers_are_those_without_a_trace(blocks: int) -> None:
    of = engines.served("llama")
    frames, found = traced([0, 0, 2, 5, 5], blocks=blocks), dict[int, list[int]]()
    for piece in (piece for frame in frames for piece in frame.pieces):
        found.setdefault(piece.request, []).extend(piece.tokens)
    assert [found[at] for at in range(5)] == of.answers[:5]
    assert bool(frames[-1].counts["preempted"]) == (blocks == 12)


def test_used_and_held_are_counted_once_for_a_shared_block() -> None:
    size = 8
    for frame in traced([0, 1, 1, 1], Settings(max_tokens=9, temperature=1.0, n=3, seed=0, ignore_eos=True)):
        blocks = {block for row in frame.rows for block in row.blocks}
        assert frame.held == size * len(blocks) and blocks.isdisjoint(frame.idle)
        slots = {
            (block, at)
            for row in frame.rows
            for place, block in enumerate(row.blocks)
            for at in range(size)
            if place * size + at < row.stored
        }
        assert frame.used == len(slots)
    assert any(count > 1 for count in Counter(block for row in frame.rows for block in row.blocks).values())


def test_a_frame_is_of_the_step_and_not_of_its_end() -> None:
    frames = traced([0])
    assert [row.stored for frame in frames for row in frame.rows] == [9 + at for at in range(engines.NEW)]
    assert frames[-1].rows and frames[-1].pieces[0].finish == "length"


def test_arrivals_come_at_their_steps_in_any_order() -> None:
    frames = watch(engines.engine(engines.served("llama")), arrivals([4, 0, 2])[::-1])
    assert [len(frame.rows) for frame in frames[:5]] == [1, 1, 2, 2, 3]


def test_the_engine_is_as_before_and_one_that_stands_still_is_an_error() -> None:
    made = engines.engine(engines.served("llama"))
    with pytest.raises(RuntimeError, match="2 sequences are not finished after 3 steps"):
        watch(made, arrivals([0, 0]), steps=3)
    assert "plan" not in vars(made.scheduler)
    before = look(made)
    assert len(before.rows) == 2 and before.rows[0].stored == before.rows[0].tokens - 1
