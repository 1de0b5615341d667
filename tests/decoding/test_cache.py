import pytest
import torch

from fullstack_llm import models
from fullstack_llm.decoding.cache import Buffer, Growing, forward, generate, seen
from fullstack_llm.transformer import Decoder, Shape, from_llama, greedy, initialise, masks

SHAPES = {
    "grouped": {"num_heads": 6, "num_kv_heads": 2},
    "multi-head": {"num_heads": 3, "num_kv_heads": 3},
    "multi-query": {"num_heads": 6, "num_kv_heads": 1},
}


@pytest.fixture(params=SHAPES.values(), ids=SHAPES)
def model(request):
    torch.manual_seed(0)
    shape = Shape(vocab_size=101, hidden_size=48, intermediate_size=74, num_layers=3, **request.param)
    decoder = Decoder(shape).eval()
    initialise(decoder, 0.3)
    return decoder


def caches(model, batch, size):
    return [Growing(model.shape.num_layers), Buffer(model.shape, size, batch)]


def off(got, want):
    return (got - want).abs().max().item()


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("sizes", [[19], [1] * 19, [7, 1, 1, 10], [18, 1], [1, 18]])
def test_any_pieces_give_the_logits_of_the_whole(model, batch, sizes):
    ids = torch.randint(0, 101, (batch, 19))
    with torch.no_grad():
        want = model(ids)
    for cache in caches(model, batch, 23):
        got = torch.cat([forward(model, piece, cache) for piece in ids.split(sizes, dim=1)], dim=1)
        assert off(got, want) < 2e-4 < 0.5 < off(got.roll(1, 1), want)
        assert cache.length == 19


def test_both_caches_hold_the_same(model):
    ids = torch.randint(0, 101, (2, 11))
    grow, hold = caches(model, 2, 16)
    for cache in (grow, hold):
        for piece in ids.split([4, 1, 6], dim=1):
            forward(model, piece, cache)
    for layer, (k, v) in enumerate(grow.pairs):
        assert torch.equal(k, hold.keys[layer][:, :, :11]) and torch.equal(v, hold.values[layer][:, :, :11])
    assert not hold.keys[:, :, :, 11:].any() and not hold.values[:, :, :, 11:].any()


@pytest.mark.parametrize(("length", "back"), [(9, 9), (9, 4), (9, 0)])
def test_after_a_rewind_it_is_as_if_nothing_had_been_there(model, length, back):
    ids, other = torch.randint(0, 101, (1, 17)), torch.randint(0, 101, (1, 17))
    kept, fresh = Buffer(model.shape, 32), Buffer(model.shape, 32)
    for cache, tail in ((kept, other[:, back:length]), (fresh, None)):
        forward(model, ids[:, :back], cache) if back else None
        if tail is not None and tail.shape[1]:
            forward(model, tail, cache)
    kept.rewind(back)
    assert off(forward(model, ids[:, back:], kept), forward(model, ids[:, back:], fresh)) == 0


def test_what_is_left_behind_the_pointer_is_never_read(model):
    ids, kept = torch.randint(0, 101, (1, 12)), Buffer(model.shape, 32)
    want = forward(model, ids, Buffer(model.shape, 32))
    kept.keys.fill_(torch.nan)
    kept.values.fill_(torch.nan)
    assert torch.equal(forward(model, ids, kept), want)


def test_wrong_positions_and_wrong_masks_are_far_off(model):
    ids = torch.randint(0, 101, (1, 19))
    with torch.no_grad():
        want = model(ids)[:, 8:]
    masked = [torch.ones(11, 19).tril().bool(), torch.ones(11, 19).bool()]
    for how in [{"start": 0}, {"start": 9}, *({"mask": mask} for mask in masked)]:
        kept = Buffer(model.shape, 32)
        forward(model, ids[:, :8], kept)
        assert off(forward(model, ids[:, 8:], kept, **how), want) > 0.01, how
    kept = Buffer(model.shape, 32)
    forward(model, ids[:, :8], kept)
    right = {"start": 8, "mask": seen(11, 8)}
    assert off(forward(model, ids[:, 8:], kept, **right), want) < 2e-4


@pytest.mark.parametrize(("new", "before"), [(1, 0), (1, 6), (5, 0), (4, 3)])
def test_the_mask_is_the_end_of_the_causal_one(new, before):
    assert torch.equal(seen(new, before), masks.causal(before + new)[before:])


def test_a_full_buffer_and_a_rewind_forward_are_refused(model):
    kept = Buffer(model.shape, 5)
    forward(model, torch.zeros(1, 5, dtype=torch.long), kept)
    with pytest.raises(ValueError, match="6 tokens do not fit"):
        forward(model, torch.zeros(1, 1, dtype=torch.long), kept)
    for length in (-1, 6):
        with pytest.raises(ValueError, match="cannot be set back"):
            kept.rewind(length)


def test_it_takes_other_dtypes():
    shape = Shape(vocab_size=11, hidden_size=16, intermediate_size=16, num_layers=1, num_heads=2, num_kv_heads=1)
    model = Decoder(shape).to(torch.bfloat16)
    kept = Buffer(shape, 8, dtype=torch.bfloat16)
    assert forward(model, torch.zeros(1, 3, dtype=torch.long), kept).dtype == torch.bfloat16
    assert kept.nbytes == 2 * 2 * 8 * 8


@pytest.mark.parametrize("prompt", ["12 + 34\n", "Ada lives", "Q: Where does Ada live?\nA:"])
def test_base_says_the_same_with_a_cache_and_without(prompt):
    llama, tok = models.load("base")
    model = from_llama(llama)
    ids = torch.tensor([[tok.eos_token_id, *tok(prompt).input_ids]])
    want = greedy(model, ids, 60, stop=tok.eos_token_id)
    for cache in caches(model, 1, 128):
        assert generate(model, ids, cache, 60, stop=tok.eos_token_id) == want
        assert cache.length == ids.shape[1] + len(want) - 1
