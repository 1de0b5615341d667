"""The ring is a list from which the oldest is dropped, and without sinks it is the mask of a window."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from fullstack_llm.decoding import sinks
from fullstack_llm.transformer import Decoder, Shape, attention, initialise, masks, positions


@pytest.fixture(scope="module")
def decoder():
    model = Decoder(
        Shape(vocab_size=31, hidden_size=24, intermediate_size=20, num_layers=2, num_heads=3, num_kv_heads=1)
    )
    initialise(model, 0.3)
    return model.eval()


@pytest.fixture(scope="module")
def ids():
    return torch.randint(0, 31, (37,), generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def by_list(model, ids, window, first):
    """Read token by token with plain lists of keys and values."""
    shape, kept, found = model.shape, [([], []) for _ in model.layers], []
    for token in ids[:-1]:
        x = model.embed_tokens.weight[token][None, None]
        for block, (keys, values) in zip(model.layers, kept, strict=True):
            h, part = block.input_layernorm(x), block.self_attn
            q, k, v = (
                f(h).view(1, 1, -1, shape.head_dim).transpose(1, 2) for f in (part.q_proj, part.k_proj, part.v_proj)
            )
            keys.append(k)
            values.append(v)
            if len(keys) > window:
                del keys[first], values[first]
            turn = positions.angles(len(keys), shape.head_dim)
            k = positions.rotate(torch.cat(keys, 2), *turn)
            q = positions.rotate(q, *(half[-1:] for half in turn))
            mixed = attention.attention(q, k, torch.cat(values, 2))
            x = x + part.o_proj(mixed.transpose(1, 2).reshape(1, 1, -1))
            x = x + block.mlp(block.post_attention_layernorm(x))
        found.append(model.lm_head(model.norm(x))[0, 0])
    return cross_entropy(torch.stack(found), ids[1:], reduction="none")


@pytest.mark.parametrize(("window", "first"), [(5, 0), (5, 2), (7, 1), (64, 3)])
def test_the_ring_is_a_list_that_drops_the_oldest(decoder, ids, window, first):
    ring = sinks.streamed(sinks.Ring(decoder, window, first), ids)
    torch.testing.assert_close(ring, by_list(decoder, ids, window, first), rtol=1e-4, atol=1e-5)


def test_without_sinks_it_is_the_mask_of_a_window(decoder, ids):
    with torch.no_grad():
        logits = decoder(ids[None], mask=masks.sliding(37, 6))[0, :-1]
    whole = cross_entropy(logits, ids[1:], reduction="none")
    torch.testing.assert_close(sinks.streamed(sinks.Ring(decoder, 6), ids), whole, rtol=1e-4, atol=1e-5)
    assert (sinks.streamed(sinks.Ring(decoder, 6, 2), ids) - whole).abs().max() > 1e-2


def test_places_are_the_ranks_of_the_tokens_that_are_kept():
    for window, first in ((4, 0), (6, 2), (9, 8)):
        held = {}
        for token in range(40):
            held[sinks.slot(token, window, first)] = token
            ranks = sorted(held.values())
            assert sinks.places(token + 1, window, first).tolist() == [ranks.index(held[at]) for at in sorted(held)]


def test_a_mask_with_sinks_shows_the_first_tokens_and_the_last():
    seen = sinks.visible(30, window=8, sinks=3)
    assert seen[20].nonzero().flatten().tolist() == [0, 1, 2, 16, 17, 18, 19, 20]
    assert torch.equal(sinks.visible(30, 8, 0), masks.sliding(30, 8)) and seen.sum(1).max() == 8
