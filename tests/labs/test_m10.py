"""Hold lab 10 against libraries, counted bytes and whole runs without a cache, and its text against the truth."""

import itertools
import math
from random import Random
from typing import Any

import pytest
import torch
from transformers import (
    DynamicCache,
    LlamaConfig,
    LlamaForCausalLM,
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from fullstack_llm.labs.m10_decoding.beam_texts import beam_texts, drawn
from fullstack_llm.labs.m10_decoding.cache_step import cache_step
from fullstack_llm.labs.m10_decoding.decode_bill import DEEPSEEK_V3, LLAMA_3_70B, decode_bill, full
from fullstack_llm.labs.m10_decoding.diagnose import diagnose
from fullstack_llm.labs.m10_decoding.inputs import normal, turned
from fullstack_llm.labs.m10_decoding.interpolated_angles import interpolated_angles
from fullstack_llm.labs.m10_decoding.sampler_distribution import sampler_distribution


def tiny(**more: Any) -> Any:
    """Return a small random Llama."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 24, "intermediate_size": 16, "num_attention_heads": 4, "num_key_value_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=61, num_hidden_layers=3, head_dim=6, **sizes, **more)).eval()


def test_drafts_and_rewinds_change_nothing() -> None:
    draw, d = Random(0), 6
    # Of each step: how many tokens come, for each row, and how many of them are dropped before the next one.
    plan = [([5, 3], [0, 0]), ([4, 4], [2, 4]), ([1, 1], [0, 0]), ([4, 2], [3, 0]), ([2, 3], [0, 0])]
    for slip in (0, 1):
        keys, values = torch.full((2, 19, d), 9.0), torch.full((2, 19, d), 9.0)
        lengths = dropped = torch.zeros(2, dtype=torch.int64)
        texts: list[list[tuple[torch.Tensor, ...]]] = [[], []]
        for new, lost in plan:
            q, k, v = (normal(draw, 2, max(new), d) for _ in range(3))
            out, keys, values, lengths = cache_step(keys, values, lengths, dropped, q, k, v, torch.tensor(new))
            for b, text in enumerate(texts):
                text += [(q[b, t], k[b, t], v[b, t], out[b, t]) for t in range(new[b])]
                del text[len(text) - lost[b] :]
            # The control: a rewind that is one token short.
            dropped = (torch.tensor(lost) - slip).clamp(min=0)
        for text in texts:
            q, k, v, out = (torch.stack(column) for column in zip(*text, strict=True))
            at = torch.arange(len(text))
            want = torch.nn.functional.scaled_dot_product_attention(
                turned(q, at)[None], turned(k, at)[None], v[None], is_causal=True
            )[0]
            assert torch.allclose(out, want, atol=1e-5) == (slip == 0)


def test_the_lab_turns_as_the_library_does() -> None:
    model = tiny()
    x, at = torch.randn(1, 2, 7, 6), torch.arange(7)
    cos, sin = model.model.rotary_emb(x, at[None])
    half = torch.cat([-x[..., 3:], x[..., :3]], -1)
    torch.testing.assert_close(turned(x, at.expand(1, 2, 7)), x * cos + half * sin)


def test_steps_are_those_of_the_library_where_nothing_is_tied() -> None:
    torch.manual_seed(0)
    warpers = {"temperature": TemperatureLogitsWarper, "top_k": TopKLogitsWarper, "top_p": TopPLogitsWarper}
    warpers |= {"min_p": MinPLogitsWarper}
    steps: list[tuple[str, Any]] = [("temperature", 1.7), ("top_k", 11), ("top_p", 0.8), ("min_p", 0.1)]
    for order in itertools.permutations(steps):
        scores = logits = torch.randn(1, 31) * 2
        for name, value in order:
            scores = warpers[name](value)(torch.zeros(1, 0), scores)
        chances, _ = sampler_distribution(logits[0], [], list(order), [])
        torch.testing.assert_close(chances, scores[0].softmax(-1), atol=1e-6, rtol=1e-4)
    # The control: a tie, of which the library keeps all three.
    tied = torch.tensor([1.0, 2.0, 2.0, 2.0])
    assert (TopKLogitsWarper(2)(torch.zeros(1, 0), tied[None]) > -math.inf).sum() == 3
    assert (sampler_distribution(tied, [], [("top_k", 2)], [])[0] > 0).tolist() == [False, True, True, False]


def test_what_the_text_says_of_a_temperature_before_a_cut() -> None:
    logits = torch.tensor([2.0, 1.0, 0.5, 0.0, -1.0])

    def kept(*steps: tuple[str, float]) -> int:
        return int((sampler_distribution(logits, [], list(steps), [])[0] > 0).sum())

    hot = ("temperature", 3.0)
    for cut, same in ((("top_k", 3), True), (("top_p", 0.7), False), (("min_p", 0.5), False)):
        assert (kept(hot, cut) == kept(cut, hot)) == same
        assert kept(hot, cut) >= kept(cut, hot)


def test_held_bytes_are_those_of_a_real_cache() -> None:
    model = tiny().bfloat16()
    cache = DynamicCache(config=model.config)
    with torch.no_grad():
        model(torch.randint(61, (2, 11)), past_key_values=cache)
    measured = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    assert decode_bill([full(2, 6)] * 3, [11, 11], 16, 32, 1, 1.0)["held"] == measured


def test_what_the_text_says_of_large_models() -> None:
    bill = decode_bill(LLAMA_3_70B, [4096], 16, 32, 140 * 10**9, 3.35e12)
    assert bill["grows"] == 327_680 and round(bill["held"] / 1e9, 2) == 1.34
    assert round(decode_bill([full(64, 128)] * 80, [4096], 16, 32, 1, 1.0)["held"] / 1e9, 1) == 10.7
    # 70 kB a token, by DeepSeek's own account of its third model.
    assert decode_bill(DEEPSEEK_V3, [1], 16, 32, 1, 1.0)["held"] == 70_272


def of_library(kind: str, length: int, trained: int, **more: Any) -> tuple[torch.Tensor, float]:
    """Return the speeds of 16 pairs and the factor of one of the library's ways to stretch."""
    rope = {"rope_type": kind, "rope_theta": 10_000.0, "factor": length / trained, **more}
    config = LlamaConfig(hidden_size=64, num_attention_heads=2, max_position_embeddings=length, rope_parameters=rope)
    speeds, factor = ROPE_INIT_FUNCTIONS[kind](config, "cpu")
    return speeds, factor


def test_angles_are_the_library_s_at_both_ends_of_the_ramp() -> None:
    one = torch.tensor([1])
    ours, factor = interpolated_angles(one, 2048, 32, 10_000.0, 512, (1.0, 32.0), 0)
    yarn, theirs = of_library("yarn", 2048, 512, original_max_position_embeddings=512, beta_slow=1.0, beta_fast=32.0)
    rounds = 512 * 10_000.0 ** (-torch.arange(16) / 16) / (2 * math.pi)
    # The library rounds the ends of its ramp to whole pairs, outwards: one pair more at either end is mixed.
    outside = (rounds > 32 * 10_000.0 ** (1 / 16)) | (rounds < 10_000.0 ** (-1 / 16))
    torch.testing.assert_close(ours[0, outside], yarn[outside])
    assert factor == pytest.approx(theirs) and 4 < outside.sum() < 13
    # The control: inside it the two rules differ.
    assert not torch.isclose(ours[0, ~outside], yarn[~outside], rtol=1e-2).all()
    # With bounds that no pair reaches all are stretched, which is plain interpolation.
    linear, _ = of_library("linear", 2048, 512)
    torch.testing.assert_close(interpolated_angles(one, 2048, 32, 10_000.0, 512, (1e6, 1e7), 0)[0][0], linear)


def test_what_the_text_says_of_base() -> None:
    rounds = [512 * 10_000.0 ** (-i / 16) / (2 * math.pi) for i in range(16)]
    assert [r < 1 for r in rounds] == [False] * 8 + [True] * 8
    assert round(rounds[8], 1) == 0.8 and 4.5 < rounds[15] * 360 < 5.5


def test_a_beam_that_holds_everything_finds_the_best_text() -> None:
    draw, V, end, most = Random(2), 4, 3, 4
    missed = 0
    for _ in range(20):
        start, table = drawn(draw, V)
        best = -math.inf
        for size in range(1, most + 1):
            for text in itertools.product(range(V), repeat=size):
                if end in text[:-1] or (text[-1] != end and size < most):
                    continue
                rows = [start, *(table[token] for token in text)]
                best = max(best, sum(row[token].item() for row, token in zip(rows, text, strict=False)))
        assert beam_texts(start, table, end, V**most, most, 0.0)[0][1] == best
        missed += beam_texts(start, table, end, 1, most, 0.0)[0][1] < best
    # The control: a greedy choice does not.
    assert missed > 5


def test_without_a_penalty_nothing_overtakes_what_has_ended() -> None:
    overtaken = {0.0: 0, 2.0: 0}
    for seed, alpha in itertools.product(range(40), overtaken):
        start, table = (one.log_softmax(-1) for one in drawn(Random(seed), 5))
        beams = [beam_texts(start, table, 4, 3, most, alpha) for most in range(1, 6)]
        first = [beam[0][0] for beam in beams]
        overtaken[alpha] += any(one[-1] == 4 and one != first[-1] for one in first)
    assert overtaken[0.0] == 0 and overtaken[2.0] > 0


@pytest.mark.parametrize("cause", ("none", "restarts", "padding", "unturned"))
def test_a_real_cache_is_diagnosed_and_repaired(cause: str) -> None:
    model, ids = tiny(), torch.randint(61, (1, 13), generator=torch.Generator().manual_seed(1))
    steps = [(7, 0), (5, 0), (1, 0)]
    own = torch.arange(13)
    begin = {"none": [0, 7, 12], "restarts": [0, 0, 0], "padding": [4, 11, 16]}
    cache, whole = DynamicCache(config=model.config), DynamicCache(config=model.config)
    with torch.no_grad():
        model(ids, past_key_values=whole)
        for first, (size, _), at in zip((0, 7, 12), steps, begin.get(cause, [0, 0, 0]), strict=True):
            positions = own[at : at + size] if cause != "padding" else torch.arange(at, at + size)
            if cause == "unturned":
                positions = torch.zeros(size, dtype=torch.int64)
            model(ids[:, first : first + size], position_ids=positions[None], past_key_values=cache)
        layer = model.model.layers[0]
        raw = layer.self_attn.k_proj(layer.input_layernorm(model.model.embed_tokens(ids)))[0, :, :6]
    probes = [2, 8, 10, 12]
    cached, right = (one.layers[0].keys[0, 0] for one in (cache, whole))
    found = diagnose(cached, probes, raw[probes], steps, torch.ones(6))
    assert found["cause"] == cause
    torch.testing.assert_close(found["repaired"], right, atol=1e-5, rtol=1e-4)
    # The control: the cache was not right before, unless nothing was wrong.
    assert torch.allclose(cached, right, atol=1e-3) == (cause == "none")


def test_padding_moves_no_attention_if_the_query_has_the_same_fault() -> None:
    draw = Random(4)
    keys, q, at = normal(draw, 9, 6), normal(draw, 6), torch.arange(9)

    def weights(shift: int, of_query: int) -> torch.Tensor:
        return (turned(keys, at + shift) @ turned(q, torch.tensor(9 + of_query))).softmax(0)

    torch.testing.assert_close(weights(5, 5), weights(0, 0))
    assert not torch.allclose(weights(5, 0), weights(0, 0), atol=1e-2)
