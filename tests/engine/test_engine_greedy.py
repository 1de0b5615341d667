"""Greedy answers are those of `transformers.generate`, token for token, whatever is switched on."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import engines
import pytest
import torch

from fullstack_llm.engine import Counts, paged
from fullstack_llm.engine.blocks import BlockManager
from fullstack_llm.engine.engine import Engine
from fullstack_llm.engine.scheduler import Scheduler

# What is on, and what must have happened for that to have been tested.
FEATURES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "all at once": ({"prefix_cache": False, "budget": 2048}, set()),
    "a few at a time": ({"prefix_cache": False, "rows": 5, "budget": 2048}, set()),
    "prefix cache": ({"rows": 3}, {"hits"}),
    "small chunks": ({"prefix_cache": False, "rows": 5, "budget": 7}, set()),
    "few blocks": ({"prefix_cache": False, "blocks": 12, "budget": 64}, {"preempted"}),
    "guesses": ({"prefix_cache": False, "drafts": 4}, {"drafted", "accepted"}),
    "everything": (
        {"blocks": 26, "block_size": 4, "budget": 11, "rows": 6, "drafts": 3},
        {"hits", "preempted", "drafted"},
    ),
}


def happened(counts: Counts) -> set[str]:
    return {name for name, value in asdict(counts).items() if value}


@pytest.mark.parametrize("features", FEATURES)
def test_greedy_is_that_of_transformers(served: engines.Served, features: str) -> None:
    options, needed = FEATURES[features]
    made = engines.engine(served, **options)
    assert engines.mismatches(served, engines.greedy(served, made)) == []
    assert needed <= happened(made.counts)


def test_one_at_a_time(served: engines.Served) -> None:
    made = engines.engine(served)
    some = served._replace(prompts=served.prompts[::7], answers=served.answers[::7], gaps=served.gaps[::7])
    found = [engines.greedy(some, made, [prompt])[0] for prompt in some.prompts]
    assert engines.mismatches(some, found) == []


def test_there_are_enough_prompts_and_none_is_a_tie() -> None:
    found = [engines.served(name) for name in engines.NAMES]
    assert sum(len(of.prompts) for of in found) >= 200
    # Two ways of adding up the same numbers in float32 differ by about a millionth here.
    assert min(gap for of in found for gaps in of.gaps for gap in gaps) > 1e-4


def test_the_engine_leaves_the_model_as_it_was() -> None:
    of = engines.served("llama")
    before = of.model.config._attn_implementation
    engines.greedy(of, engines.engine(of), of.prompts[:2])
    assert of.model.config._attn_implementation == before != paged.NAME


def one_too_few(spans: Any, block_size: int, device: torch.device, right: Any = paged.arrange) -> paged.Row:
    row = right(spans, block_size, device)
    hidden = [each._replace(mask=each.mask & (each.mask.cumsum(-1) > 1)) for each in row.rectangles]
    return row._replace(rectangles=hidden)


def from_zero(spans: Any, block_size: int, device: torch.device, right: Any = paged.arrange) -> paged.Row:
    row = right(spans, block_size, device)
    restarted = torch.cat([torch.arange(span.size) if span.size > 1 else torch.tensor([span.start]) for span in spans])
    return row._replace(positions=restarted)


def forgets(self: Scheduler, plan: Any, sequence: Any, length: int, right: Any = Scheduler._make_room) -> bool:
    fits = right(self, plan, sequence, length)
    for each in self.waiting:
        del each.tokens[each.prompt + 1 :]
    return fits


# The feature under which each fault must be seen.
FAULTS = {
    "a mask that hides the first token": ("all at once", Engine.step.__globals__, "arrange", one_too_few),
    "positions that restart in each chunk": ("small chunks", Engine.step.__globals__, "arrange", from_zero),
    "tokens lost with the blocks": ("few blocks", Scheduler, "_make_room", forgets),
    "every guess taken": ("guesses", Engine.step.__globals__, "accepted", lambda drafts, chosen: len(drafts)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_control_a_fault_is_seen(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    feature, place, name, wrong = FAULTS[fault]
    of = engines.served("llama")
    if isinstance(place, dict):
        monkeypatch.setitem(place, name, wrong)
    else:
        monkeypatch.setattr(place, name, wrong)
    assert engines.mismatches(of, engines.greedy(of, engines.engine(of, **FEATURES[feature][0])))


def without_parents(self: BlockManager, table: Any, tokens: Any, index: int) -> bytes:
    size = self.block_size
    return bytes(str(tokens[index * size : (index + 1) * size]), "ascii")


@pytest.mark.parametrize("chained", [True, False])
def test_equal_blocks_behind_different_beginnings(monkeypatch: pytest.MonkeyPatch, chained: bool) -> None:
    """A block hits only behind the tokens that it was stored behind. Without the chain of hashes it hits too often."""
    of = engines.served("llama")
    x, y, same, other = (of.prompts[at][:8] for at in (2, 5, 8, 11))
    prompts = [[*x, *same, 50], [*y, *other, 50], [*y, *same, 50]]
    right = engines.greedy(of, engines.engine(of, prefix_cache=False), prompts)
    if not chained:
        monkeypatch.setattr(BlockManager, "_key", without_parents)
    made = engines.engine(of)
    assert ([engines.greedy(of, made, [prompt])[0] for prompt in prompts] == right) is chained
    assert made.counts.hits == (8 if chained else 16)
