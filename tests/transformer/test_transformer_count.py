"""Counts by formula: against models, PyTorch's counter of operations, and published sizes."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
import torch
from shapes import SMALL, some_ids
from torch.utils.flop_counter import FlopCounterMode
from transformers import GPT2Config, GPT2LMHeadModel

from fullstack_llm import models
from fullstack_llm.transformer import Decoder, Shape, count

GRID = [
    dict(
        zip(
            ("num_kv_heads", "norm", "norm_place", "activation", "positions", "num_experts", "tied"),
            choice,
            strict=True,
        )
    )
    for choice in product(
        (6, 3, 1), ("rms", "layer"), ("pre", "post"), ("swiglu", "gelu"), ("rope", "learned"), (0, 5), (True, False)
    )
    if not (choice[5] and choice[3] == "gelu")
]


def total(shape: Shape, **how: Any) -> int:
    return sum(count.parameters(shape, **how).values())


def test_parameters_are_those_of_the_model() -> None:
    with torch.device("meta"):
        for switches in GRID:
            shape = Shape(**{**SMALL, **switches})
            assert total(shape) == sum(p.numel() for p in Decoder(shape).parameters()), switches
    assert len({total(Shape(**{**SMALL, **switches})) for switches in GRID}) > 60


def test_places_are_those_of_the_model() -> None:
    shape = Shape(**{**SMALL, "num_experts": 5, "norm": "layer", "tied": False, "positions": "learned"})
    places = {
        "embedding": "embed_tokens",
        "positions": "embed_positions",
        "attention": "self_attn",
        "mlp": "mlp",
        "router": "router",
        "norms": "norm",
        "output": "lm_head",
    }
    found = dict.fromkeys(places, 0)
    for name, parameter in Decoder(shape).named_parameters():
        # The router lies in the MLP, so the narrowest name counts.
        place = [place for place, part in places.items() if part in name][-1]
        found[place] += parameter.numel()
    assert found == count.parameters(shape)


LLAMA_2_7B = Shape(
    vocab_size=32_000,
    hidden_size=4096,
    intermediate_size=11_008,
    num_layers=32,
    num_heads=32,
    num_kv_heads=32,
    tied=False,
)
LLAMA_3_8B = replace(LLAMA_2_7B, vocab_size=128_256, intermediate_size=14_336, num_kv_heads=8)
MIXTRAL = replace(LLAMA_2_7B, intermediate_size=14_336, num_kv_heads=8, num_experts=8, num_active=2)
GPT_2 = Shape(
    vocab_size=50_257,
    hidden_size=768,
    intermediate_size=3072,
    num_layers=12,
    num_heads=12,
    num_kv_heads=12,
    max_length=1024,
    norm="layer",
    activation="gelu",
    positions="learned",
)


@pytest.mark.parametrize(
    ("shape", "published"), [(LLAMA_2_7B, 6_738_415_616), (LLAMA_3_8B, 8_030_261_248), (MIXTRAL, 46_702_792_704)]
)
def test_published_sizes(shape: Shape, published: int) -> None:
    assert total(shape) == published


def test_mixtral_uses_13_billion_of_47() -> None:
    assert total(MIXTRAL, active=True) == 12_879_925_248
    # Folklore: eight times seven billion. Attention, embeddings and norms are there once.
    assert total(MIXTRAL) < 0.84 * 8 * 7e9


def test_gpt_2_has_biases_that_ours_has_not() -> None:
    with torch.device("meta"):
        published = sum(p.numel() for p in GPT2LMHeadModel(GPT2Config()).parameters())
    biases = 12 * (3 * 768 + 768 + 3072 + 768)
    assert published == 124_439_808 == total(GPT_2) + biases


# The reward model is a classifier: it has a score in the place of the output.
@pytest.mark.parametrize("name", sorted(set(models.names()) - {"reward"}))
def test_the_courses_models_are_as_large_as_their_cards_say(name: str) -> None:
    config = models.load(name)[0].config
    shape = Shape(
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_layers=config.num_hidden_layers,
        num_heads=config.num_attention_heads,
        num_kv_heads=config.num_key_value_heads,
    )
    assert total(shape) == models.card(name).parameters


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"num_kv_heads": 1},
        {"activation": "gelu"},
        {"norm": "layer", "norm_place": "post"},
        {"tied": False},
        {"positions": "learned"},
        {"num_layers": 3, "intermediate_size": 31},
        {"num_experts": 5},
    ],
    ids=str,
)
@pytest.mark.parametrize("length", [1, 7, 19])
@torch.no_grad()
def test_flops_are_those_that_pytorch_counts(switches: dict, length: int) -> None:
    shape = Shape(**{**SMALL, **switches})
    model, ids = Decoder(shape), some_ids(2, length)
    # Recorded attention takes the plain formula, whose two products the counter sees on every machine.
    with FlopCounterMode(display=False) as counter:
        model(ids, record={"attention": []})
    assert counter.get_total_flops() == 2 * length * sum(count.flops(shape, length).values())


def test_training_takes_three_times_the_forward_pass() -> None:
    shape = Shape(**SMALL)
    model, ids = Decoder(shape), some_ids(2, 11)
    with FlopCounterMode(display=False) as counter:
        model(ids, record={"attention": []}).sum().backward()
    forward = 2 * 11 * sum(count.flops(shape, 11).values())
    assert counter.get_total_flops() == 3 * forward


def test_kv_heads_cut_bytes_and_not_the_scores() -> None:
    multi, grouped, one = (Shape(**{**SMALL, "num_kv_heads": heads}) for heads in (6, 3, 1))
    sizes = [count.kv_bytes(shape, 100) for shape in (multi, grouped, one)]
    assert sizes == [2 * 2 * 24 * 100 * 2, 2 * 2 * 12 * 100 * 2, 2 * 2 * 4 * 100 * 2]
    assert count.flops(multi, 100)["scores"] == count.flops(one, 100)["scores"]
    assert count.flops(multi, 100)["attention"] > count.flops(one, 100)["attention"]


def test_kv_bytes_of_published_models() -> None:
    # 80 layers, 64 or 8 key-value heads of 128 columns, 4,096 tokens, 2 bytes.
    large = replace(LLAMA_2_7B, hidden_size=8192, num_layers=80, num_heads=64, num_kv_heads=64)
    assert count.kv_bytes(large, 4096) == 10_737_418_240
    assert count.kv_bytes(replace(large, num_kv_heads=8), 4096, batch=3) == 3 * 1_342_177_280
    assert count.kv_bytes(replace(large, window=1024), 4096) == count.kv_bytes(large, 1024)


def test_training_takes_16_bytes_for_each_parameter() -> None:
    assert sum(count.training_bytes(LLAMA_2_7B).values()) == 16 * 6_738_415_616
