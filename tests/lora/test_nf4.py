"""NF4: levels, codes, constants and values are the library's; sizes are counted, and controls fail."""

import logging

import pytest
import torch

from fullstack_llm.lora import nf4

logging.disable(logging.WARNING)
functional = pytest.importorskip("bitsandbytes.functional")
logging.disable(logging.NOTSET)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_the_levels_are_the_library_s() -> None:
    assert torch.equal(nf4.codebook(), functional.get_4bit_type("nf4", device="cpu"))
    assert torch.equal(nf4.dynamic(), functional.create_dynamic_map())
    assert not torch.equal(nf4.codebook(0.97), nf4.codebook())


@pytest.mark.parametrize("shape", [(7, 64), (3, 128), (128, 192), (1, 64)])
@pytest.mark.parametrize("block", [32, 64])
def test_codes_constants_and_values_are_the_library_s(shape: tuple[int, int], block: int) -> None:
    weight = drawn(*shape)
    packed, state = functional.quantize_4bit(weight, quant_type="nf4", blocksize=block)
    ours = nf4.quantize(weight, block)
    assert torch.equal(nf4.pack(ours.codes), packed.flatten())
    assert torch.equal(ours.absmax, state.absmax)
    assert torch.equal(nf4.dequantize(ours), functional.dequantize_4bit(packed, state))


@pytest.mark.parametrize("shape", [(11, 32), (13, 96)])
def test_codes_of_rows_that_end_within_a_block_are_the_library_s(shape: tuple[int, int]) -> None:
    weight = drawn(*shape)
    packed, state = functional.quantize_4bit(weight, quant_type="nf4")
    ours = nf4.quantize(weight)
    assert torch.equal(nf4.pack(ours.codes), packed.flatten())
    assert torch.equal(ours.absmax, state.absmax)


def test_constants_are_quantized_as_in_the_library_to_a_neighbour() -> None:
    weight = drawn(64, 1024) * (1 + drawn(64, 1).abs())
    _, state = functional.quantize_4bit(weight, quant_type="nf4", compress_statistics=True)
    ours = nf4.quantize_twice(weight)
    assert torch.equal(ours.mean, state.offset)
    assert torch.equal(ours.constants.absmax, state.state2.absmax)
    apart = (ours.constants.codes.int() - state.absmax.int()).abs()
    assert apart.max() <= 1
    assert apart.float().mean() < 0.01


@pytest.mark.parametrize("shape", [(5,), (3, 7), (1, 1), (129,), (64, 64)])
def test_every_number_goes_to_its_nearest_level(shape: tuple[int, ...]) -> None:
    weight, levels = drawn(*shape, seed=1), nf4.codebook()
    flat = weight.flatten()
    for start in range(0, len(flat), 64):
        part = flat[start : start + 64]
        nearest = levels[((part / part.abs().max())[:, None] - levels).abs().argmin(1)] * part.abs().max()
        found = nf4.dequantize(nf4.quantize(weight)).flatten()[start : start + 64]
        torch.testing.assert_close(found, nearest)


def test_zero_and_the_largest_stay_as_they_are() -> None:
    weight = torch.zeros(3, 64)
    weight[1, 5], weight[2, 7] = -2.5, 0.125
    assert torch.equal(nf4.dequantize(nf4.quantize(weight))[:2], weight[:2])
    assert nf4.dequantize(nf4.quantize(weight))[2, 7] == 0.125
    assert not nf4.dequantize(nf4.quantize(torch.zeros(70))).any()


def test_what_was_restored_is_stored_without_loss() -> None:
    once = nf4.dequantize(nf4.quantize(drawn(9, 64)))
    assert torch.equal(nf4.dequantize(nf4.quantize(once)), once)
    assert not torch.equal(once, drawn(9, 64))


@pytest.mark.parametrize("shape", [(1,), (2,), (3, 5), (4, 4)])
def test_packed_codes_come_back(shape: tuple[int, ...]) -> None:
    codes = torch.randint(0, 16, shape, generator=torch.Generator().manual_seed(2)).to(torch.uint8)
    packed = nf4.pack(codes)
    assert packed.nbytes == (codes.numel() + 1) // 2
    assert torch.equal(nf4.unpack(packed, shape), codes)


def test_bits_are_what_is_stored() -> None:
    weight = drawn(64, 1024)
    once, twice = nf4.quantize(weight), nf4.quantize_twice(weight)
    assert 8 * (nf4.pack(once.codes).nbytes + once.absmax.nbytes) / weight.numel() == nf4.bits()
    stored = nf4.pack(twice.codes).nbytes + twice.constants.codes.nbytes + twice.constants.absmax.nbytes
    assert 8 * stored / weight.numel() == nf4.bits(64, 256)
