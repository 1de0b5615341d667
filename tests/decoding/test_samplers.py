"""Every rule is a processor of `transformers`, on ordinary rows and on the odd ones, bit by bit."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from transformers import (
    EpsilonLogitsWarper,
    EtaLogitsWarper,
    GenerationConfig,
    LogitsProcessorList,
    MinPLogitsWarper,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)

from fullstack_llm import models
from fullstack_llm.decoding import draws, samplers

V = 41
THEIRS = {
    "temperature": (TemperatureLogitsWarper, [0.2, 1.0, 1.9]),
    "top_k": (TopKLogitsWarper, [1, 2, 7, 40, 41, 99]),
    "top_p": (TopPLogitsWarper, [0.0, 1e-6, 0.35, 0.9, 1.0]),
    "min_p": (MinPLogitsWarper, [0.0, 0.05, 0.5, 1.0]),
    "typical": (TypicalLogitsWarper, [0.1, 0.5, 0.9, 0.99]),
    "epsilon": (EpsilonLogitsWarper, [1e-4, 0.02, 0.3]),
    "eta": (EtaLogitsWarper, [1e-4, 0.02, 0.3]),
}
CASES = [(name, value) for name, (_, values) in THEIRS.items() for value in values]


def rows(kind: str, count: int = 500) -> torch.Tensor:
    logits = torch.randn(count, V, generator=torch.Generator().manual_seed(7)) * 3
    if kind == "ties":
        return logits.round()
    if kind == "flat":
        return logits * 0
    if kind == "huge":
        return logits * 1e4
    if kind == "forbidden":
        cut = torch.rand(count, V, generator=torch.Generator().manual_seed(8)) < 0.6
        cut[:, 3] = False
        return logits.masked_fill(cut, -torch.inf)
    if kind == "survivor":
        return torch.full_like(logits, -torch.inf).index_fill(1, torch.tensor([5]), 2.0)
    return logits


KINDS = ["ordinary", "ties", "flat", "huge", "forbidden", "survivor"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "value"), CASES)
def test_a_rule_is_the_processor(name: str, value: float, kind: str) -> None:
    scores = rows(kind)
    before = scores.clone()
    got = samplers.RULES[name](scores, value)
    want = THEIRS[name][0](value)(torch.zeros(len(scores), 1, dtype=torch.long), scores.clone())
    assert torch.equal(got, want)
    assert torch.equal(scores, before), "the scores that were given are as they were"
    assert got.isfinite().any(-1).all(), "never an empty set"


@pytest.mark.parametrize("name", [name for name in THEIRS if name != "temperature"])
def test_control_another_value_cuts_otherwise(name: str) -> None:
    scores, (one, *_, other) = rows("ordinary"), THEIRS[name][1]
    assert not torch.equal(samplers.RULES[name](scores, one), samplers.RULES[name](scores, other))


@pytest.mark.parametrize("penalty", [0.7, 1.0, 1.3])
@pytest.mark.parametrize("kind", ["ordinary", "ties", "huge"])
def test_repetition_and_n_grams_are_the_processors(kind: str, penalty: float) -> None:
    scores = rows(kind, 60)
    ids = torch.randint(0, 5, (60, 13), generator=torch.Generator().manual_seed(1))
    got = samplers.repetition(scores, samplers.counts(ids, V), penalty)
    assert torch.equal(got, RepetitionPenaltyLogitsProcessor(penalty)(ids, scores.clone()))
    padding = [at % 5 for at in range(60)]
    theirs = RepetitionPenaltyLogitsProcessor(penalty, prompt_ignore_length=torch.tensor(padding))
    got = samplers.repetition(scores, samplers.counts(ids, V, padding), penalty)
    assert torch.equal(got, theirs(ids, scores.clone()))
    for n in (1, 2, 3, 13, 14):
        assert torch.equal(samplers.no_repeat(scores, ids, n), NoRepeatNGramLogitsProcessor(n)(ids, scores.clone())), n


def test_a_constant_moves_repetition_and_not_the_subtraction() -> None:
    scores, seen = rows("ordinary", 20), samplers.counts(torch.randint(0, V, (20, 9)), V)
    by_size = [samplers.repetition(scores + shift, seen, 1.3).softmax(-1) for shift in (0.0, 5.0)]
    by_count = [samplers.frequency(scores + shift, seen, 0.5, 0.2).softmax(-1) for shift in (0.0, 5.0)]
    torch.testing.assert_close(*by_count, atol=1e-6, rtol=1e-4)
    assert not torch.allclose(*by_size, atol=1e-2)


@pytest.mark.parametrize("settings", list(itertools.product([0.6, 1.7], [0, 6], [1.0, 0.8], [None, 0.1])))
def test_the_chain_is_what_generate_puts_together(settings: tuple[Any, ...]) -> None:
    """The processors of the installed `generate` itself, in its own order, with every cut that it knows."""
    temperature, k, p, m = settings
    model = models.load("draft")[0]
    config = GenerationConfig(
        do_sample=True, temperature=temperature, top_k=k, top_p=p, min_p=m, typical_p=0.95, epsilon_cutoff=1e-3,
        eta_cutoff=2e-3, num_beams=1,
    )  # fmt: skip
    theirs = model._get_logits_processor(config, input_ids_seq_length=3)
    assert isinstance(theirs, LogitsProcessorList) and len(theirs) >= 4
    asked: dict[str, float] = {"temperature": temperature, "typical": 0.95, "epsilon": 1e-3, "eta": 2e-3}
    asked |= {"top_k": k} if k else {}
    asked |= {"top_p": p} if p < 1 else {}
    asked |= {"min_p": m} if m is not None else {}
    for kind in ("ordinary", "ties", "forbidden"):
        scores = rows(kind, 80)
        want = theirs(torch.zeros(80, 3, dtype=torch.long), scores.clone())
        assert torch.equal(samplers.chain(scores, **asked), want)
        turned = samplers.chain(scores, order=[*reversed(samplers.RULES)], **asked)
        assert not torch.equal(turned, want), "control: another order is another cut"


def test_a_setting_that_no_rule_reads_is_an_error() -> None:
    with pytest.raises(ValueError, match="topk"):
        samplers.chain(torch.zeros(1, 3), topk=3)
    with pytest.raises(ValueError, match="min_p"):
        samplers.chain(torch.zeros(1, 3), order=["top_k"], min_p=0.1)


def test_noise_draws_the_softmax_and_the_test_tells_another_temperature() -> None:
    scores = torch.randn(1, 17, generator=torch.Generator().manual_seed(2))
    uniform = torch.rand(40_000, 17, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    found = draws.gumbel(scores.expand(40_000, -1), uniform).bincount(minlength=17)
    assert draws.surprise(found, scores[0].softmax(-1)) > 1e-6
    assert draws.surprise(found, (scores[0] / 1.1).softmax(-1)) < 1e-6
    assert draws.surprise(found, samplers.distribution(scores, top_k=16)[0]) == 0.0, "drawn, though it is forbidden"


def test_pearsons_tail_is_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    found, shares = torch.tensor([30, 50, 20, 3]), torch.tensor([0.25, 0.5, 0.2, 0.05])
    want = stats.chisquare(found.double().numpy(), (shares * 103).double().numpy()).pvalue
    assert draws.surprise(found, shares) == pytest.approx(want, rel=1e-5)
