"""The comparisons: their text, their beginnings against the recorded runs, and what is measured of a router."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from shapes import SMALL, decoder, some_ids

from fullstack_llm import recorded
from fullstack_llm.experiments import m04_specialists as specialists
from fullstack_llm.experiments import m04_trials as trials
from fullstack_llm.measure import peak_bytes
from fullstack_llm.tokenization import course_tokenizer
from fullstack_llm.transformer import Shape, count
from fullstack_llm.transformer.fit import evaluate

BEGINNINGS: dict[str, tuple[str, Callable[..., trials.Run]]] = {
    "kv": ("mqa-wide", lambda seed, until: trials.kv(1, seed, inner=trials.widened(1), until=until)),
    "moe": ("balanced", lambda seed, until: trials.moe("balanced", seed, until=until)),
    "positions": ("alibi", lambda seed, until: trials.positions("alibi", seed, until=until)),
}


@pytest.mark.parametrize("name", BEGINNINGS)
def test_a_recorded_run_begins_as_recorded(name: str) -> None:
    case, run = BEGINNINGS[name]
    losses = recorded.load(f"transformer-{name}")["values"]["losses"][case]
    again = run(1, 11)
    near = trials.MIXTURE_TOLERANCE if again.loads else trials.TOLERANCE
    assert again.losses[:: trials.EVERY] == pytest.approx(losses[1][:2], abs=near)
    # Control: another seed's losses are further away than the tolerance.
    assert again.losses[:: trials.EVERY] != pytest.approx(losses[0][:2], abs=near)


@pytest.mark.parametrize(
    ("name", "shape", "plan"),
    [
        ("kv", trials.SHAPE, trials.PLAN),
        ("moe", trials.MIXTURE, trials.PLAN),
        ("positions", trials.SHAPE, trials.PLAN),
    ],
)
def test_a_record_has_the_settings_of_today(name: str, shape: Shape, plan: trials.Plan) -> None:
    values = recorded.load(f"transformer-{name}")["values"]
    assert {**vars(shape), **vars(plan)}.items() <= values["settings"].items()
    assert values["unigram"] == pytest.approx(trials.unigram(), abs=1e-4)
    for runs in values["losses"].values():
        assert {len(losses) for losses in runs} == {math.ceil(plan.steps / trials.EVERY)}


def test_the_peaks_of_memory_are_as_recorded() -> None:
    values = recorded.load("transformer-attention")["values"]
    for kind in ("naive", "tiled", "fused"):
        for place, length in enumerate(values["lengths"][:2]):
            assert peak_bytes(trials.attention(kind, length)) == values["peak"][kind][place]
            assert peak_bytes(trials.attention(kind, length, backward=True)) == values["peak_backward"][kind][place]


def test_the_three_attentions_agree() -> None:
    found = {kind: trials.attention(kind, 130, backward=True)() for kind in ("naive", "tiled", "fused")}
    for kind in ("tiled", "fused"):
        for ours, right in zip(found[kind], found["naive"], strict=True):
            torch.testing.assert_close(ours, right, rtol=1e-4, atol=1e-5)


def test_text_and_kinds_belong_together() -> None:
    ids, kinds = trials.read(5_000)
    words = course_tokenizer.load()
    starts = (ids == words.eos_token_id).nonzero().flatten().tolist()
    assert starts[0] == 0
    for start, end in zip(starts, [*starts[1:], len(ids)], strict=True):
        assert len(set(kinds[start:end])) == 1
        text = words.decode(ids[start + 1 : end])
        assert ("sum" not in kinds[start]) or any(sign in text for sign in "+-*"), text
    assert len(set(kinds)) > 8
    train, held_out = trials.tokens(5_000, 4_000)
    assert torch.equal(train, ids)
    assert len(held_out) == 4_000
    assert not torch.equal(train[:4_000], held_out)


TINY = Shape(**{**SMALL, "vocab_size": 512, "max_length": 16})
PLAN = trials.Plan(steps=4, batch=2, length=16, lr=0.01, warmup=1)


def test_a_run_that_was_cut_short_has_no_held_out_loss() -> None:
    whole, part = trials.train(TINY, PLAN, seed=1), trials.train(TINY, PLAN, seed=1, until=2)
    assert part.losses == whole.losses[:2]
    assert math.isnan(part.held_out)
    assert whole.held_out == evaluate(whole.model, trials.tokens(trials.TRAIN)[1], batch=256, length=16)
    assert trials.train(TINY, PLAN, seed=2).losses[0] != whole.losses[0]


def test_loads_are_kept_every_few_steps() -> None:
    run = trials.train(replace(TINY, num_experts=5), replace(PLAN, steps=11))
    assert torch.tensor(run.loads).shape == (2, 2, 5)
    torch.testing.assert_close(torch.tensor(run.loads).sum(-1), torch.ones(2, 2))
    assert trials.train(TINY, PLAN).loads == []


def test_dense_models_are_as_large_as_the_mixtures_parts() -> None:
    def sizes(kind: Any, active: bool) -> int:
        return sum(count.parameters(trials.moe_shape(kind), active=active).values())

    routers = trials.MIXTURE.num_layers * trials.MIXTURE.hidden_size * trials.MIXTURE.num_experts
    assert sizes("dense-active", True) + routers == sizes("balanced", True)
    assert sizes("dense-total", True) + routers == sizes("unbalanced", False)


def test_wider_mlps_make_up_for_fewer_heads() -> None:
    goal = sum(count.parameters(trials.SHAPE).values())
    for heads in (4, 2, 1):
        inner = trials.widened(heads)
        sizes = [
            sum(count.parameters(replace(trials.SHAPE, num_kv_heads=heads, intermediate_size=width)).values())
            for width in (inner - 1, inner)
        ]
        assert sizes[0] < goal <= sizes[1]


def test_loss_by_position_is_the_loss() -> None:
    model = trials.train(TINY, PLAN).model
    bins = trials.by_position(model, length=32, rows=64, width=8)
    assert len(bins) == 4
    whole = evaluate(model, trials.tokens(trials.TRAIN)[1], batch=64, length=32)
    assert sum(bins) / 4 == pytest.approx(whole, rel=1e-5)


def test_routed_says_what_the_router_chose() -> None:
    model, ids = decoder(num_experts=5), some_ids(1, 23)[0]
    found = specialists.routed(model, ids, length=7)
    assert found.shape == (2, 21, 2)
    record = {"routing": []}
    model(ids[7:14][None], record=record)
    for layer, probabilities in enumerate(record["routing"]):
        assert torch.equal(found[layer, 7:14], probabilities.topk(2).indices)


def test_shares_of_a_label_add_up_to_one() -> None:
    experts = some_ids(1, 40, 5).view(1, 20, 2)
    found = specialists.shares(experts, ["a", "b"] * 10, count=5)
    for label, at in (("a", 0), ("b", 1)):
        right = [experts[0, at::2].flatten().tolist().count(e) / 20 for e in range(5)]
        assert found[label][0] == pytest.approx(right)
        assert sum(found[label][0]) == pytest.approx(1.0)


def test_information_is_what_is_told() -> None:
    left, right = some_ids(1, 4000, 4)[0], some_ids(1, 4000, 4, seed=1)[0]
    assert specialists.information(left, left) == pytest.approx(2.0, abs=0.01)
    assert specialists.information(left, right) < 0.01
    both = (left + right) % 4
    # Neither of the two tells the sum, and both together tell all of it.
    assert specialists.information(both, left) < 0.01
    assert specialists.information(both, left, right) == pytest.approx(2.0, abs=0.01)


def test_shuffling_keeps_what_the_group_tells_and_nothing_more() -> None:
    groups, labels = some_ids(1, 3000, 3)[0], some_ids(1, 3000, 4, seed=1)[0]
    labels = torch.where(groups == 0, 0, labels)
    mixed = specialists.shuffled_within(labels, groups)
    assert not torch.equal(mixed, labels)
    for group in range(3):
        assert mixed[groups == group].bincount(minlength=4).equal(labels[groups == group].bincount(minlength=4))
    assert specialists.information(mixed, groups) == specialists.information(labels, groups)


def test_classes_of_tokens() -> None:
    words = course_tokenizer.load()
    text = "Ada has 12 hens.\n<|eos|>"
    found = specialists.classes(torch.tensor(words(text).input_ids))
    by_text = dict(zip(words.tokenize(text), found, strict=True))
    assert by_text["1"] == by_text["2"] == "digit"
    assert by_text["."] == "punctuation"
    assert found[-1] == "special"
    assert found[0] == "inside a word"
    assert by_text["Ġhas"] == "word begins"


def test_models_that_divide_tokens_alike_tell_all_of_each_other() -> None:
    one = some_ids(3, 4000, 4).view(3, 4000, 1)
    renamed = torch.tensor([2, 0, 3, 1])[one]
    assert specialists.alike(one, renamed) == pytest.approx([2.0] * 3, abs=0.01)
    assert specialists.alike(one, some_ids(3, 4000, 4, seed=1).view(3, 4000, 1)) == pytest.approx([0.0] * 3, abs=0.01)
    merged = one // 2  # two experts of one model are one of the other
    assert specialists.alike(one, merged) == pytest.approx([1.0] * 3, abs=0.01)


def test_what_is_told_has_a_control_by_chance() -> None:
    ids, kinds = some_ids(1, 6000, 20)[0], some_ids(1, 6000, 3, seed=1)[0]
    classes = ids % 4
    by_token, by_topic = ids % 5, (ids + kinds) % 5
    bits = specialists.told(torch.stack([by_token, by_topic]), ids, kinds, classes)
    beyond = [have - chance for have, chance in zip(bits["token_and_kind"], bits["token_and_chance"], strict=True)]
    assert bits["token"][0] == pytest.approx(bits["expert"][0])
    assert beyond[0] == pytest.approx(0.0, abs=1e-6)
    assert beyond[1] == pytest.approx(math.log2(3), abs=0.05)
    assert bits["classes"][0] < bits["token"][0]
    assert torch.equal(specialists.codes(["b", "a", "b"]), torch.tensor([1, 0, 1]))
