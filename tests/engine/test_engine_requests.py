"""Requests: what is refused, what comes back in pieces, what a cancelled one leaves, and hundreds of them in a row."""

from __future__ import annotations

import gc
import random
from typing import Any

import engines
import psutil
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from fullstack_llm.engine import Engine, Settings

BAD: list[tuple[dict[str, Any], str]] = [
    ({"max_tokens": 0}, "max_tokens"),
    ({"temperature": -1.0}, "temperature"),
    ({"temperature": float("nan")}, "temperature"),
    ({"temperature": 1e-30}, "temperature"),
    ({"top_k": -1}, "top_k"),
    ({"top_p": 0.0}, "top_p"),
    ({"top_p": 1.1}, "top_p"),
    ({"min_p": -0.1}, "min_p"),
    ({"n": 0}, "n is"),
    ({"seed": -1}, "seed"),
    ({"stop": "abc"}, "stop"),
    ({"stop": ("",)}, "stop"),
    ({"logprobs": -1}, "logprobs"),
]


@pytest.mark.parametrize(("settings", "message"), BAD)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**settings)


@pytest.mark.parametrize(
    ("prompt", "settings", "message"),
    [
        ([], {}, "at least one token"),
        ([512], {}, "from 0 to 511"),
        ([-1], {}, "from 0 to 511"),
        ([5] * 30, {"max_tokens": 20}, "there is room for 49"),
        ([5], {"n": 9}, "at most 8"),
    ],
)
def test_what_can_never_run_is_refused_at_once(prompt: list[int], settings: dict[str, Any], message: str) -> None:
    made = engines.engine(engines.served("llama"), blocks=6, rows=8)
    with pytest.raises(ValueError, match=message):
        made.add(prompt, Settings(**settings))
    assert made.sequences == []


def test_what_just_fits_is_answered() -> None:
    """49 tokens in a cache with room for 48, as the last one is never put through the model; and not one more."""
    made = engines.engine(engines.served("llama"), blocks=6)
    [[answer]] = made.generate([[5] * 30], Settings(max_tokens=19, temperature=0, ignore_eos=True))
    assert len(answer.tokens) == 19
    longest = engines.engine(engines.served("llama"))
    [[answer]] = longest.generate([[5] * 250], Settings(max_tokens=7, temperature=0, ignore_eos=True))
    assert len(answer.tokens) == 7
    with pytest.raises(ValueError, match="room for 257"):
        longest.add([5] * 250, Settings(max_tokens=8))


def test_positions_that_depend_on_the_batch_are_refused() -> None:
    rope = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    model = LlamaForCausalLM(LlamaConfig(**{**engines.SMALL, "rope_parameters": rope}))
    with pytest.raises(ValueError, match="dynamic depends"):
        Engine(model, engines.tokenizer(), blocks=4)


def test_a_prompt_may_be_text() -> None:
    of = engines.served("sft")
    ids = of.tokenizer("Ada lives in").input_ids
    found = engines.engine(of).generate(["Ada lives in", ids], engines.GREEDY)
    assert found[0][0].tokens == found[1][0].tokens and found[0][0].text == found[1][0].text != ""


def test_pieces_come_step_by_step_and_add_up() -> None:
    of = engines.served("base")
    prompts = [prompt for prompt in of.prompts if prompt[0] == 2][:3]
    settings = Settings(max_tokens=12, temperature=0, n=2, ignore_eos=True)
    streamed = list(engines.engine(of).stream(prompts, settings))
    want = engines.engine(of).generate(prompts, settings)
    assert len(streamed) == 3 * 2 * 12
    assert [piece.request for piece in streamed[:6]] == [0, 0, 1, 1, 2, 2]
    for request, answers in enumerate(want):
        for index, answer in enumerate(answers):
            own = [piece for piece in streamed if (piece.request, piece.index) == (request, index)]
            assert (
                "".join(piece.text for piece in own)
                == answer.text
                == of.tokenizer.decode(answer.tokens, skip_special_tokens=True)
            )
            assert [piece.finish for piece in own] == [None] * 11 + ["length"]


def test_who_leaves_gives_the_blocks_back() -> None:
    made = engines.engine(engines.served("llama"), prefix_cache=False)
    pieces = made.stream([[5] * 20, [6] * 30], Settings(max_tokens=50, ignore_eos=True, n=3))
    next(pieces)
    assert made.manager.room < 200 and len(made.sequences) == 6
    with pytest.raises(RuntimeError, match="other requests"):
        next(made.stream([[5]], Settings()))
    pieces.close()
    assert made.manager.room == 200 and made.sequences == []
    made.manager.check([])


def test_a_request_that_cannot_be_taken_leaves_nothing_of_its_batch() -> None:
    made = engines.engine(engines.served("llama"))
    with pytest.raises(ValueError, match="at least one token"):
        made.generate([[5], []], Settings())
    assert made.sequences == []


def soak(requests: int, seed: int) -> Engine:
    """Send requests of all kinds, cancel some of them at any time, and check the blocks after every step."""
    of, rng = engines.served("llama"), random.Random(seed)
    made = engines.engine(of, blocks=24, block_size=4, budget=24, rows=10, drafts=2)
    live, ended, left, rest = set[int](), 0, 0, requests
    memory = list[int]()
    starts = [[rng.randrange(512) for _ in range(20)] for _ in range(3)]
    while rest or live:
        if rest and len(live) < 12:
            prompt = rng.choice(starts)[: rng.randint(1, 20)] + [rng.randrange(512) for _ in range(rng.randint(0, 8))]
            settings = Settings(
                max_tokens=rng.randint(1, 16),
                temperature=rng.choice([0, 0.7]),
                n=rng.choice([1, 1, 1, 3]),
                seed=rest,
                stop=rng.choice([(), ("e",)]),
            )
            live.add(made.add(prompt, settings))
            rest -= 1
            continue
        if live and rng.random() < 0.2:
            gone = rng.choice(sorted(live))
            made.cancel(gone)
            live.discard(gone)
            left += 1
        for piece in made.step():
            assert piece.request in live, "a piece of a request that was cancelled or has ended"
        now = {sequence.request for sequence in made.sequences}
        ended += len(live - now)
        live &= now
        made.manager.check([sequence.table for sequence in made.sequences])
        if made.counts.steps % 200 == 0:
            gc.collect()
            memory.append(psutil.Process().memory_info().rss)
    assert ended + left == requests and left > requests / 20
    assert made.manager.room == made.manager.blocks
    made.manager.check([])
    assert len(memory) < 20 or max(memory[len(memory) // 2 :]) < max(memory[: len(memory) // 2]) + 2**24
    return made


def test_hundreds_of_requests_with_cancels() -> None:
    counts = soak(120, seed=1).counts
    assert min(counts.preempted, counts.hits, counts.drafted, counts.copied) > 0


@pytest.mark.full
def test_ten_thousand_requests_with_cancels() -> None:
    soak(10_000, seed=2)


def test_control_a_cancel_that_leaks_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def leaky(self: Engine, request: int) -> None:
        for queue in (self.scheduler.running, self.scheduler.waiting):
            for sequence in [each for each in queue if each.request == request]:
                queue.remove(sequence)

    monkeypatch.setattr(Engine, "cancel", leaky)
    with pytest.raises((AssertionError, RuntimeError)):
        soak(100, seed=1)


def test_half_precision_runs() -> None:
    of = engines.served("llama")
    model = LlamaForCausalLM(of.model.config).to(torch.bfloat16)
    made = Engine(model, of.tokenizer, blocks=20)
    assert made.cache.keys.dtype == torch.bfloat16
    assert len(made.generate([[5, 6, 7]], Settings(max_tokens=5, seed=0, ignore_eos=True))[0][0].tokens) == 5
