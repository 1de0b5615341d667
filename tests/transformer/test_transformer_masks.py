"""Masks, each against its definition; and what a change of one token may reach, through whole decoders."""

from __future__ import annotations

import pytest
import torch
from shapes import SMALL, decoder, other, some_ids

from fullstack_llm.transformer import EncoderDecoder, Shape, initialise, masks

SWITCHES = [
    {},
    {"num_kv_heads": 1},
    {"norm": "layer"},
    {"norm_place": "post"},
    {"activation": "geglu"},
    {"activation": "gelu"},
    {"positions": "learned"},
    {"positions": "sinusoidal"},
    {"positions": "alibi"},
    {"positions": "none"},
    {"window": 3},
    {"window": 3, "positions": "alibi"},
    {"num_experts": 5},
    {"tied": False},
]


@torch.no_grad()
def reached(model, ids: torch.Tensor, at: int, mask: torch.Tensor | None = None) -> list[int]:
    """The places whose logits move when the token at one place changes."""
    moved = (model(ids, mask) - model(other(ids, at), mask)).abs().amax(dim=(0, 2))
    return (moved > 1e-4).nonzero().flatten().tolist()


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_the_past_does_not_move_when_the_future_does(switches: dict) -> None:
    model, ids = decoder(**switches), some_ids(3, 11)
    with torch.no_grad():
        before, after = model(ids), model(other(ids, 7))
    torch.testing.assert_close(before[:, :7], after[:, :7], rtol=0, atol=1e-5)
    assert (before[:, 7:10] - after[:, 7:10]).abs().amax(dim=(0, 2)).min() > 1e-3


@pytest.mark.parametrize("switches", [{}, {"positions": "alibi"}, {"positions": "none"}, {"window": 4}], ids=str)
def test_control_without_a_causal_mask_the_past_moves(switches: dict) -> None:
    assert min(reached(decoder(causal=False, **switches), some_ids(3, 11), 7)) < 7


def test_a_window_reaches_one_window_further_with_each_layer() -> None:
    for layers in (1, 2, 3):
        model = decoder(window=3, num_layers=layers)
        assert reached(model, some_ids(3, 15), 4) == list(range(4, 4 + 2 * layers + 1))
    # Control: without the window everything after it is reached.
    assert reached(decoder(num_layers=1), some_ids(3, 15), 4) == list(range(4, 15))


def test_an_encoder_with_a_window_sees_as_far_to_both_sides() -> None:
    model = decoder(window=3, causal=False, num_layers=1)
    assert reached(model, some_ids(3, 15), 7) == list(range(5, 10))


def test_a_prefix_sees_itself_and_the_rest_is_causal() -> None:
    ids, mask = some_ids(3, 9), masks.prefix(9, 4)
    assert reached(decoder(), ids, 3, mask) == list(range(9))
    assert reached(decoder(), ids, 5, mask) == [5, 6, 7, 8]
    assert reached(decoder(), ids, 3) == [3, 4, 5, 6, 7, 8]
    assert masks.prefix(4, 0).equal(masks.causal(4))


def test_packed_documents_do_not_see_each_other() -> None:
    ids, belong = some_ids(3, 9), torch.tensor([0, 0, 0, 1, 1, 1, 1, 2, 2])
    assert reached(decoder(), ids, 1, masks.documents(belong)) == [1, 2]
    assert reached(decoder(), ids, 4, masks.documents(belong)) == [4, 5, 6]
    assert reached(decoder(), ids, 4) == [4, 5, 6, 7, 8]


def test_a_packed_document_gets_the_logits_it_has_alone() -> None:
    ids, belong = some_ids(1, 9), torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 1])
    model = decoder()
    with torch.no_grad():
        packed, alone = model(ids, masks.documents(belong))[:, 4:], model(ids[:, 4:])
    # RoPE cares for distances only, so that the later start changes nothing.
    torch.testing.assert_close(packed, alone, rtol=1e-4, atol=1e-4)
    # Control: learned positions do care.
    model = decoder(positions="learned")
    with torch.no_grad():
        assert (model(ids, masks.documents(belong))[:, 4:] - model(ids[:, 4:])).abs().max() > 0.1


def test_masks_are_what_they_say() -> None:
    for T in (1, 2, 7):
        for window in (1, 3, 9):
            right = [[t - window < s <= t for s in range(T)] for t in range(T)]
            assert masks.sliding(T, window).tolist() == right
        for seen in range(T + 1):
            assert masks.prefix(T, seen).tolist() == [[s <= t or s < seen for s in range(T)] for t in range(T)]


def test_without_positions_attention_sees_a_set() -> None:
    ids = some_ids(2, 9)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(1))
    for positions, causal, equal in (("none", False, True), ("rope", False, False), ("none", True, False)):
        model = decoder(positions=positions, causal=causal)
        with torch.no_grad():
            apart = (model(ids)[:, order] - model(ids[:, order])).abs().max()
        assert bool(apart < 1e-4) is equal, (positions, causal)


@pytest.fixture(scope="module")
def both() -> EncoderDecoder:
    model = EncoderDecoder(Shape(**SMALL)).eval()
    initialise(model, std=0.4, seed=3)
    return model


@torch.no_grad()
def test_every_token_of_a_source_reaches_all_of_the_target(both: EncoderDecoder) -> None:
    source, target = some_ids(2, 7), some_ids(2, 5, seed=1)
    for at in (0, 6):
        moved = (both(source, target) - both(other(source, at), target)).abs().amax(dim=(0, 2))
        assert (moved > 1e-3).all()


@torch.no_grad()
def test_the_encoder_sees_both_ways(both: EncoderDecoder) -> None:
    source = some_ids(2, 7)
    for at in (0, 6):
        assert reached(both.encoder, source, at) == list(range(7))


@torch.no_grad()
def test_the_targets_future_reaches_nothing(both: EncoderDecoder) -> None:
    source, target = some_ids(2, 7), some_ids(2, 5, seed=1)
    moved = (both(source, target) - both(source, other(target, 3))).abs().amax(dim=(0, 2))
    assert (moved[:3] < 1e-5).all()
    assert (moved[3:] > 1e-3).all()


@torch.no_grad()
def test_control_without_cross_attention_the_source_reaches_nothing(both: EncoderDecoder) -> None:
    source, target = some_ids(2, 7), some_ids(2, 5, seed=1)
    cut = EncoderDecoder(Shape(**SMALL)).eval()
    cut.load_state_dict(both.state_dict())
    for layer in cut.layers:
        layer.cross_attn.o_proj.weight.zero_()
    assert torch.equal(cut(source, target), cut(other(source, 0), target))


@torch.no_grad()
def test_attention_is_recorded_encoder_first(both: EncoderDecoder) -> None:
    record = {"attention": []}
    source, target = some_ids(2, 7), some_ids(2, 5, seed=1)
    torch.testing.assert_close(both(source, target, record), both(source, target), rtol=1e-4, atol=1e-4)
    sizes = [tuple(found.shape[-2:]) for found in record["attention"]]
    assert sizes == [(7, 7), (7, 7), (5, 5), (5, 7), (5, 5), (5, 7)]


@pytest.mark.parametrize("switches", [{"positions": "alibi"}, {"norm_place": "post"}])
def test_other_switches_are_refused_in_words(switches: dict) -> None:
    with pytest.raises(ValueError, match="written for positions='rope' and norm_place='pre'"):
        EncoderDecoder(Shape(**{**SMALL, **switches}))
