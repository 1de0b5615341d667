"""The beam search by lists is that of `transformers`: the same sequences and the same scores."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from fullstack_llm import models
from fullstack_llm.decoding.beam import beam_search, exhaustive, of_model

PROMPTS = ["", "Ada", "Zed keeps a", "12 + 34 =", "Ada lives on"]
END = 2


@pytest.fixture(scope="module")
def draft() -> Any:
    return models.load("draft")


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("penalty", [-1.0, 0.0, 1.0, 2.0])
@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_ours_is_theirs(draft: Any, width: int, penalty: float, early: bool) -> None:
    model, tok = draft
    stop = [END, tok.convert_tokens_to_ids(".")] if width == 3 else [END]
    for prompt in PROMPTS:
        ids = torch.tensor([[END, *tok(prompt).input_ids]])
        options = {"eos_token_id": stop, "max_new_tokens": 13, "do_sample": False, "num_beams": width}
        if width == 1:
            want = model.generate(ids, attention_mask=torch.ones_like(ids), **options)[0, ids.shape[1] :].tolist()
            assert beam_search(of_model(model), ids[0].tolist(), 1, 13, stop, penalty, early)[0].tokens == want
            continue
        options |= {"length_penalty": penalty, "early_stopping": early, "num_return_sequences": width}
        options |= {"return_dict_in_generate": True, "output_scores": True}
        out = model.generate(ids, attention_mask=torch.ones_like(ids), **options)
        found = beam_search(of_model(model), ids[0].tolist(), width, 13, stop, penalty, early)
        theirs = out.sequences[:, ids.shape[1] :].tolist()
        for one, row, score in zip(found, theirs, out.sequences_scores, strict=False):
            assert one.tokens == row[: len(one.tokens)], prompt
            # What they fill with: not the padding token, whose id is 0, but the first stop token.
            assert set(row[len(one.tokens) :]) <= {END}
            assert one.score == pytest.approx(score.item(), rel=2e-4)


def test_a_table_on_which_greedy_fails_and_two_beams_do_not() -> None:
    table = {(0,): [0.0, 0.4, 0.6], (0, 1): [0.9, 0.05, 0.05], (0, 2): [0.4, 0.3, 0.3]}

    def toy(rows: list[list[int]]) -> torch.Tensor:
        return torch.tensor([table.get(tuple(row), [1.0, 0.0, 0.0]) for row in rows]).log()

    greedy, wide = (beam_search(toy, [0], width, 3, [0], 0.0)[0] for width in (1, 2))
    best = exhaustive(toy, [0], 3, [0])
    assert greedy.tokens == [2, 0] and wide.tokens == best.tokens == [1, 0]
    assert math.exp(best.logp) == pytest.approx(0.36)


def test_beams_are_not_the_maximum() -> None:
    """Over random tables the exhaustive search is never worse, and with two beams sometimes better."""
    generator = torch.Generator().manual_seed(0)
    better = 0
    for _ in range(40):
        logits = {}

        def toy(rows: list[list[int]], logits: dict[Any, Any] = logits) -> torch.Tensor:
            for row in rows:
                logits.setdefault(tuple(row), (torch.randn(6, generator=generator) * 2).log_softmax(-1))
            return torch.stack([logits[tuple(row)] for row in rows])

        best = exhaustive(toy, [], 4, [0])
        for width in (2, 1300):
            found = beam_search(toy, [], width, 4, [0], 0.0)[0]
            assert found.logp <= best.logp + 1e-5
            if width == 1300:
                assert found.tokens == best.tokens
            else:
                better += best.logp > found.logp + 1e-5
    assert better > 0
