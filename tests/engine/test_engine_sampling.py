"""Samplers are the logits processors of `transformers`, and a draw depends on its own sequence alone."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import engines
import pytest
import torch
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from fullstack_llm.engine import Settings
from fullstack_llm.engine.sampling import choose, draw, log_probabilities, restrict

GRID = [
    Settings(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    for temperature, top_k, top_p, min_p in itertools.product(
        [0.3, 1.0, 1.7], [0, 1, 5, 99], [1.0, 0.9, 0.35, 1e-6], [0.0, 0.1, 1.0]
    )
]


def processors(settings: Settings) -> LogitsProcessorList:
    """Those that `generate` would put together, in its order; it leaves out what does nothing."""
    found = LogitsProcessorList([TemperatureLogitsWarper(settings.temperature)])
    if settings.top_k:
        found.append(TopKLogitsWarper(settings.top_k))
    if settings.top_p < 1:
        found.append(TopPLogitsWarper(settings.top_p))
    if settings.min_p:
        found.append(MinPLogitsWarper(settings.min_p))
    return found


def some_logits(kind: str) -> torch.Tensor:
    torch.manual_seed(7)
    logits = torch.randn(len(GRID), 37) * 3
    if kind == "ties":
        return logits.round()
    if kind == "flat":
        return logits * 0
    if kind == "extreme":
        return logits * 40
    return logits


@pytest.mark.parametrize("kind", ["ordinary", "ties", "flat", "extreme"])
def test_rows_are_cut_as_by_transformers(kind: str) -> None:
    """All settings side by side in one batch, against the processors row by row: the same values, bit by bit."""
    logits = some_logits(kind)
    found = restrict(logits, GRID)
    for row, settings, got in zip(logits, GRID, found, strict=True):
        want = processors(settings)(torch.zeros(1, 1), row[None])[0]
        assert torch.equal(got, want), settings
        assert got.isfinite().any()


def test_control_another_order_is_another_cut() -> None:
    logits = some_logits("ordinary")
    settings = Settings(temperature=1.7, top_k=5, top_p=0.9)
    swapped = LogitsProcessorList([TemperatureLogitsWarper(1.7), TopPLogitsWarper(0.9), TopKLogitsWarper(5)])
    got = restrict(logits, [settings] * len(logits))
    assert torch.equal(got, processors(settings)(torch.zeros(1, 1), logits))
    assert not torch.equal(got, swapped(torch.zeros(1, 1), logits))


def test_equal_random_numbers_give_each_token_its_share() -> None:
    """With random numbers on an even grid, a token is drawn as often as its probability says, to one draw in 10,000."""
    scores = restrict(torch.randn(1, 11, generator=torch.Generator().manual_seed(1)), [Settings(top_k=7)])
    grid = (torch.arange(10_000) + 0.5) / 10_000
    found = draw(scores.expand(10_000, -1), grid).bincount(minlength=11) / 10_000
    torch.testing.assert_close(found, scores.softmax(-1)[0], rtol=0, atol=1.01e-4)
    assert not found[scores[0] == -torch.inf].any()


@pytest.mark.parametrize("uniform", [0.0, 1 - 2**-53])
def test_the_ends_of_the_unit_interval_draw_what_is_possible(uniform: float) -> None:
    scores = torch.tensor([[-torch.inf, 1.0, 0.0, -torch.inf]])
    assert draw(scores, torch.tensor([uniform], dtype=torch.float64)).item() == (1 if uniform == 0 else 2)


def test_rows_of_one_batch_keep_to_their_own_settings() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0]]).expand(3, -1)
    settings = [Settings(temperature=0), Settings(top_k=1), Settings(seed=4)]
    generators = [each.generator(0) for each in settings]
    state = generators[0].get_state()
    draws = [choose(logits, settings, generators) for _ in range(50)]
    assert {each[0] for each in draws} == {each[1] for each in draws} == {2}
    assert {each[2] for each in draws} == {0, 1, 2}
    assert torch.equal(generators[0].get_state(), state), "a greedy row needs no random number"


def test_log_probabilities() -> None:
    logits = torch.randn(2, 13, generator=torch.Generator().manual_seed(2))
    none, found = log_probabilities(logits, [5, 6], [None, 4])
    want = logits.log_softmax(-1)[1]
    assert none is None and found is not None
    assert found.logprob == pytest.approx(want[6].item(), abs=1e-6)
    assert [token for token, _ in found.top] == want.argsort(descending=True)[:4].tolist()
    assert [value for _, value in found.top] == pytest.approx(want.sort(descending=True).values[:4].tolist(), abs=1e-6)


def test_log_probabilities_of_an_answer_are_those_of_the_whole_row() -> None:
    of = engines.served("qwen3")
    prompt = of.prompts[4]
    [[answer]] = engines.engine(of).generate([prompt], Settings(max_tokens=9, seed=1, logprobs=2))
    with torch.inference_mode():
        want = of.model(torch.tensor([[*prompt, *answer.tokens]])).logits[0, len(prompt) - 1 :].log_softmax(-1)
    chosen = [want[at, token].item() for at, token in enumerate(answer.tokens)]
    assert [each.logprob for each in answer.logprobs] == pytest.approx(chosen, abs=1e-4)
    assert [each.top[0][0] for each in answer.logprobs] == want[: len(chosen)].argmax(-1).tolist()


@pytest.mark.parametrize("options", [{}, {"budget": 7, "rows": 7}, {"blocks": 7, "block_size": 8}, {"drafts": 3}])
def test_log_probabilities_of_a_prompt(options: dict[str, Any]) -> None:
    """They are those of one plain pass: read in chunks, read again, in the cache, and for each of two answers."""
    of = engines.served("qwen3")
    prompt, other = of.prompts[28], of.prompts[26]
    made = engines.engine(of, **options)
    settings = Settings(max_tokens=8, temperature=0, ignore_eos=True)
    made.generate([prompt], settings)  # so that the cache has it
    answers = made.generate([other, prompt], replace(settings, n=2, prompt_logprobs=1))[1]
    with torch.inference_mode():
        want = of.model(torch.tensor([prompt])).logits[0].log_softmax(-1)
    for answer in answers:
        assert [each.logprob for each in answer.prompt_logprobs] == pytest.approx(
            [want[at, token].item() for at, token in enumerate(prompt[1:])], abs=1e-4
        )
        assert [each.top[0][0] for each in answer.prompt_logprobs] == want[:-1].argmax(-1).tolist()
        assert answer.tokens == answers[0].tokens


def draws(options: dict[str, Any], mates: int) -> list[list[int]]:
    """What three sampled requests say among `mates` others."""
    of = engines.served("llama")
    made = engines.engine(of, **options)
    asked = {
        made.add(of.prompts[4 + at], Settings(max_tokens=12, temperature=0.8, top_p=0.9, n=2, seed=at)): at
        for at in range(3)
    }
    for mate in range(mates):
        made.add(of.prompts[mate], Settings(max_tokens=3 + mate, seed=100 + mate))
    found: dict[tuple[int, int], list[int]] = {(at, index): [] for at in range(3) for index in range(2)}
    while made.sequences:
        for piece in made.step():
            if piece.request in asked:
                found[asked[piece.request], piece.index] += piece.tokens
    return list(found.values())


def test_draws_do_not_depend_on_the_rest_of_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    want = draws({}, mates=0)
    assert len({tuple(each) for each in want}) == 6
    for options in ({}, {"budget": 9, "rows": 9}, {"blocks": 14, "prefix_cache": False}, {"drafts": 3}):
        assert draws(options, mates=12) == want, options
    one = torch.Generator().manual_seed(0)
    monkeypatch.setattr(Settings, "generator", lambda self, index: one)
    assert draws({}, mates=0) != draws({}, mates=12)


def test_more_answers_leave_the_first_ones_as_they_are() -> None:
    of = engines.served("llama")
    three, five = (engines.engine(of).generate([of.prompts[2]], Settings(max_tokens=8, seed=3, n=n))[0] for n in (3, 5))
    assert [each.tokens for each in three] == [each.tokens for each in five[:3]]
    again = engines.engine(of).generate([of.prompts[2]], Settings(max_tokens=8, seed=4, n=3))[0]
    assert [each.tokens for each in three] != [each.tokens for each in again]
    unseeded = [engines.engine(of).generate([of.prompts[2]], Settings(max_tokens=8))[0][0].tokens for _ in range(3)]
    assert len({tuple(each) for each in unseeded}) > 1
