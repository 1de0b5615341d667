"""Who runs and who waits: first come, first served, within the budget, and nobody starves."""

from __future__ import annotations

import random

import engines
import pytest

from fullstack_llm.engine.blocks import BlockManager
from fullstack_llm.engine.requests import Sequence, Settings
from fullstack_llm.engine.scheduler import Plan, Scheduler


def sequence(request: int, prompt: int, new: int = 4, n: int = 1) -> Sequence:
    """A request whose tokens no other one has."""
    settings = Settings(max_tokens=new, temperature=0, n=n)
    tokens = list(range(1000 * request, 1000 * request + prompt))
    return Sequence(request, settings, tokens, engines.tokenizer(), width=n)


def finish(scheduler: Scheduler, plan: Plan) -> None:
    """What the engine does after a step, with the same next token for everybody."""
    for chunk in plan.chunks:
        sequence = chunk.sequence
        scheduler.manager.commit(sequence.table, sequence.tokens, chunk.end)
        if chunk.complete:
            for each in [sequence, *scheduler.fork(sequence)]:
                each.tokens.append(7)
                if each.room == 0:
                    scheduler.remove(each)


def shape(plan: Plan) -> list[tuple[int, int]]:
    return [(chunk.sequence.request, chunk.end - chunk.start) for chunk in plan.chunks]


def test_decoding_comes_first_and_prompts_take_the_rest() -> None:
    scheduler = Scheduler(BlockManager(50, 4), budget=8, rows=4)
    scheduler.waiting += [sequence(0, 3, new=9), sequence(1, 17), sequence(2, 2)]
    steps = []
    while len(steps) < 5:
        steps.append(shape(plan := scheduler.plan()))
        finish(scheduler, plan)
    assert steps == [
        [(0, 3), (1, 5)],
        [(0, 1), (1, 7)],
        [(0, 1), (1, 5), (2, 2)],
        [(0, 1), (1, 1), (2, 1)],
        [(0, 1), (1, 1), (2, 1)],
    ]


def test_nobody_overtakes_the_first_who_waits() -> None:
    scheduler = Scheduler(BlockManager(4, 4), budget=32, rows=8)
    scheduler.waiting += [sequence(0, 8), sequence(1, 12), sequence(2, 1)]
    assert shape(scheduler.plan()) == [(0, 8)]
    assert [each.request for each in scheduler.waiting] == [1, 2]


def test_the_youngest_gives_way_and_waits_at_the_front() -> None:
    scheduler = Scheduler(BlockManager(4, 2, prefix_cache=False), budget=8, rows=8)
    scheduler.waiting += [sequence(0, 3, new=6), sequence(1, 4, new=5), sequence(2, 2)]
    finish(scheduler, scheduler.plan())
    plan = scheduler.plan()
    # The second needs a third block, and none is left: it is the youngest itself.
    assert (shape(plan), plan.preempted) == ([(0, 1)], 1)
    assert [each.request for each in scheduler.waiting] == [1, 2]
    assert len(scheduler.waiting[0].tokens) == 5, "what was generated is kept"
    scheduler.manager.check([each.table for each in scheduler.running])


def test_what_a_preempted_chunk_was_to_take_is_given_to_others() -> None:
    """A younger sequence that decodes comes first in the plan; an older one that reads then takes its blocks."""
    scheduler = Scheduler(BlockManager(5, 2, prefix_cache=False), budget=6, rows=6)
    scheduler.waiting += [sequence(0, 10), sequence(1, 2)]
    old, young = scheduler.waiting
    for each, length in ((old, 6), (young, 2)):
        scheduler.running.append(each)
        scheduler.manager.reserve(each.table, length)
        scheduler.manager.commit(each.table, each.tokens, length)
    scheduler.waiting.clear()
    young.tokens.append(7)
    plan = scheduler.plan()
    assert (shape(plan), plan.preempted, plan.left) == ([(0, 4)], 1, 2)
    assert list(scheduler.waiting) == [young]


def test_the_answers_of_a_request_count_before_they_fork() -> None:
    scheduler = Scheduler(BlockManager(50, 4), budget=32, rows=4)
    scheduler.waiting += [sequence(0, 5, n=3), sequence(1, 5, n=2), sequence(2, 5)]
    plan = scheduler.plan()
    assert shape(plan) == [(0, 5)]
    finish(scheduler, plan)
    assert [(each.request, each.index) for each in scheduler.running] == [(0, 0), (0, 1), (0, 2)]
    plan = scheduler.plan()
    # All but one copy the block that they share in the middle of.
    assert (shape(plan), len(plan.copies)) == ([(0, 1)] * 3, 2)


def test_budget_and_rows() -> None:
    with pytest.raises(ValueError, match="cannot give each of 9 sequences one"):
        Scheduler(BlockManager(4, 4), budget=8, rows=9)


@pytest.mark.parametrize("seed", range(6))
def test_in_order_within_bounds_and_to_the_end(seed: int) -> None:
    """Random requests through a small pool: order is kept, the budget too, and the oldest never stops for good."""
    rng = random.Random(seed)
    blocks, size, budget, rows = rng.choice([9, 15]), rng.choice([2, 4]), rng.choice([6, 13]), rng.choice([2, 6])
    scheduler = Scheduler(BlockManager(blocks, size, rng.random() < 0.5), budget, rows, drafts=rng.choice([0, 3]))
    preempted, arrived, last, waited = 0, 0, (-1, 0), 0
    for _ in range(4000):
        if arrived < 25 and rng.random() < 0.3:
            scheduler.waiting.append(sequence(arrived, rng.randint(1, 11), rng.randint(1, 8), rng.randint(1, 2)))
            arrived += 1
        elif arrived == 25 and not scheduler.running and not scheduler.waiting:
            break
        plan = scheduler.plan()
        order = [(each.request, each.index) for each in [*scheduler.running, *scheduler.waiting]]
        assert order == sorted(order), "somebody overtook"
        assert sum(len(chunk.tokens) for chunk in plan.chunks) == budget - plan.left <= budget
        assert sum(each.width for each in scheduler.running) <= rows
        scheduler.manager.check([each.table for each in scheduler.running])
        assert bool(plan.chunks) is bool(scheduler.running)
        preempted += plan.preempted
        # The oldest goes on in each step, unless those that decode use up the budget.
        oldest = (order[0], len(scheduler.running[0].tokens) if scheduler.running else 0) if order else ((-1, 0), 0)
        waited = waited + 1 if oldest == last else 0
        last = oldest  # type: ignore[assignment]
        assert waited < 30
        finish(scheduler, plan)
    else:
        raise AssertionError("the queue is not empty after 4,000 steps")
    assert preempted or blocks * size > 40


def test_control_a_preempted_sequence_at_the_back_is_overtaken(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Scheduler._make_room

    def at_the_back(self: Scheduler, plan: Plan, sequence: Sequence, length: int) -> bool:
        before = plan.preempted
        fits = right(self, plan, sequence, length)
        self.waiting.rotate(before - plan.preempted)
        return fits

    monkeypatch.setattr(Scheduler, "_make_room", at_the_back)
    with pytest.raises(AssertionError, match="overtook"):
        for seed in range(6):
            test_in_order_within_bounds_and_to_the_end(seed)
