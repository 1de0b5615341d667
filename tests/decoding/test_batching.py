"""A row of a batch is the row alone; what breaks it does break it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fullstack_llm import models
from fullstack_llm.decoding.batching import attend, generate, visible
from fullstack_llm.models.generate import sampler
from fullstack_llm.models.padding import positions, rectangle

ROWS = [[2, 50, 60, 70, 80], [2, 90], [2, 40, 30, 45]]


@pytest.fixture(scope="module")
def draft() -> Any:
    return models.load("draft")[0]


def last(model: Any, rows: list[list[int]], **inputs: Any) -> torch.Tensor:
    with torch.inference_mode():
        return model(rectangle(rows)[0], **inputs).logits[:, -1]


def test_left_padding_with_a_mask_is_the_row_alone(draft: Any) -> None:
    _, mask = rectangle(ROWS)
    alone = torch.cat([last(draft, [row]) for row in ROWS])
    for more in ({}, {"position_ids": positions(mask)}):
        torch.testing.assert_close(last(draft, ROWS, attention_mask=mask.long(), **more), alone, atol=2e-5, rtol=0)
    without = last(draft, ROWS)
    assert (without - alone)[1:].abs().amax() > 0.01, "control: padding that is seen"
    torch.testing.assert_close(without[0], alone[0], atol=2e-5, rtol=0)


def test_a_row_that_sees_nothing_poisons_the_next_layer() -> None:
    x = torch.randn(1, 4, 8, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[False, True, True, True]])
    naive = visible(mask) & mask[:, None, :]
    once = attend(x, x, x, naive)
    assert once[0, 0].isnan().all() and once[0, 1:].isfinite().all()
    assert attend(once, once, once, naive).isnan().all(), "0 times nan is nan"
    twice = attend(*[attend(x, x, x, visible(mask))] * 3, visible(mask))
    alone = x[:, 1:]
    own = visible(torch.ones(1, 3, dtype=torch.bool))
    torch.testing.assert_close(twice[:, 1:], attend(*[attend(alone, alone, alone, own)] * 3, own))


def test_rows_end_apart_and_are_those_of_transformers(draft: Any) -> None:
    stop = [2, 29]
    found = generate(draft, ROWS, 12, stop)
    ids, mask = rectangle(ROWS)
    out = draft.generate(ids, attention_mask=mask.long(), max_new_tokens=12, do_sample=False, eos_token_id=stop)
    for got, want, row in zip(found, out[:, ids.shape[1] :].tolist(), ROWS, strict=True):
        assert got == want[: len(got)] and not any(want[len(got) :])
        assert got == generate(draft, [row], 12, stop)[0]
    assert len({len(got) for got in found}) > 1, "they end apart"


def test_a_seed_decides_what_is_drawn(draft: Any) -> None:
    one, same, other = (generate(draft, ROWS, 8, [], sampler(seed)) for seed in (0, 0, 1))
    assert one == same != other
    assert all(len(row) == 8 for row in one)
