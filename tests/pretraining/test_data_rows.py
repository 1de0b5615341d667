"""Rows and their order: every token once, no page sees another, and a reader that resumes reads what it would have."""

from __future__ import annotations

from itertools import islice

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM

from fullstack_llm.pretraining import packing
from fullstack_llm.pretraining.order import Order, place
from fullstack_llm.transformer import masks

EOS, PAD = 1, 0
TEXTS = st.lists(st.lists(st.integers(3, 99), min_size=1, max_size=15), min_size=1, max_size=12)


@given(TEXTS, st.integers(2, 9))
def test_concatenated_rows_are_the_stream(texts: list[list[int]], length: int) -> None:
    stream = [token for text in texts for token in (EOS, *text)]
    rows = packing.concatenated(texts, length, EOS)
    whole = len(stream) // length * length
    assert rows.ids.flatten().tolist() == stream[:whole]
    assert packing.filled(rows) == 1 if whole else True


@given(TEXTS)
def test_best_fit_loses_and_cuts_nothing(texts: list[list[int]]) -> None:
    rows = packing.best_fit(texts, 16, EOS, PAD)
    for at, text in enumerate(texts):
        assert rows.ids[rows.documents == at].tolist() == [EOS, *text]
        assert (rows.documents == at).any(1).sum() == 1, "in one row"
    assert (rows.ids[rows.documents < 0] == PAD).all()
    assert len(rows.ids) <= len(packing.padded(texts, 16, EOS, PAD).ids)


def test_a_document_longer_than_a_row_is_cut() -> None:
    rows = packing.best_fit([[5] * 10, [6]], 4, EOS, PAD)
    assert rows.ids.tolist() == [[EOS, 5, 5, 5], [EOS, 6, PAD, PAD]]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_positions_and_masks_follow_the_documents(sizes: list[int]) -> None:
    owners = torch.tensor([[at for at, size in enumerate(sizes) for _ in range(size)]])
    assert packing.positions(owners).tolist() == [[at for size in sizes for at in range(size)]]
    assert (packing.mask(owners)[0, 0] == masks.documents(owners[0])).all()


def test_targets_stay_within_a_document_and_off_the_padding() -> None:
    rows = packing.Rows(torch.tensor([[1, 5, 6, 1, 7, 0]]), torch.tensor([[0, 0, 0, 1, 1, -1]]))
    assert packing.targets(rows).tolist() == [[5, 6, -100, 7, -100, -100]]


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=100, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, initializer_range=0.3,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


@torch.no_grad()
def test_with_mask_and_positions_each_document_is_as_if_alone(model: LlamaForCausalLM) -> None:
    texts = [list(range(10, 15)), list(range(30, 37)), [50, 51]]
    rows = packing.best_fit(texts, 20, EOS, PAD)
    allowed = torch.where(packing.mask(rows.documents), 0.0, torch.finfo(torch.float32).min)
    packed = model(rows.ids, attention_mask=allowed, position_ids=packing.positions(rows.documents)).logits
    for at, text in enumerate(texts):
        alone = model(torch.tensor([[EOS, *text]])).logits[0]
        torch.testing.assert_close(packed[rows.documents == at], alone, rtol=0, atol=1e-4)
    # Control: positions without a mask do not keep them apart.
    ones = torch.ones_like(rows.ids)
    open_ = model(rows.ids, attention_mask=ones, position_ids=packing.positions(rows.documents)).logits
    last = model(torch.tensor([[EOS, *texts[2]]])).logits[0]
    assert (open_[rows.documents == 2] - last).abs().max() > 0.1


@given(st.integers(1, 400), st.integers(0, 10))
def test_places_are_a_permutation(count: int, seed: int) -> None:
    assert sorted(place(at, count, seed) for at in range(count)) == list(range(count))


def test_a_place_beyond_the_last_is_refused() -> None:
    with pytest.raises(ValueError, match="place 5 is not one of 5"):
        place(5, 5, 0)


@given(st.integers(1, 60), st.integers(0, 150), st.integers(0, 150), st.integers(0, 3))
def test_an_order_resumes_anywhere(count: int, stop: int, more: int, seed: int) -> None:
    whole = list(islice(Order(count, seed), stop + more))
    first = Order(count, seed)
    before = list(islice(first, stop))
    assert before + list(islice(Order(count, seed, first.read), more)) == whole


def test_epochs_have_other_orders_and_each_item_once() -> None:
    read = list(islice(Order(101, seed=5), 303))
    epochs = [read[at : at + 101] for at in (0, 101, 202)]
    assert all(sorted(epoch) == list(range(101)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert read != list(islice(Order(101, seed=6), 303))


def test_first_items_of_many_seeds_are_spread() -> None:
    firsts = [place(0, 10, seed) for seed in range(2_000)]
    counts = torch.tensor(firsts).bincount(minlength=10)
    assert counts.min() > 130 and counts.max() < 270, "each item is first about as often"
