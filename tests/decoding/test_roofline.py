import pytest
import torch

from fullstack_llm.decoding.cache import Buffer, forward
from fullstack_llm.decoding.roofline import MACHINES, Machine, Traffic, critical_batch, measured, work
from fullstack_llm.scaling.flops import FlopCounter
from fullstack_llm.transformer import Decoder, Shape

SIZES = {"vocab_size": 53, "hidden_size": 32, "intermediate_size": 50}
SHAPES = [
    Shape(vocab_size=101, hidden_size=48, intermediate_size=74, num_layers=3, num_heads=6, num_kv_heads=2),
    Shape(**SIZES, num_layers=2, num_heads=4, num_kv_heads=4, tied=False),
    Shape(**SIZES, num_layers=1, num_heads=4, num_kv_heads=1, activation="gelu"),
]
LLAMA_70B = Shape(
    vocab_size=32000, hidden_size=8192, intermediate_size=28672, num_layers=80, num_heads=64, num_kv_heads=8, tied=False
)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("new", "before", "batch"), [(1, 0, 1), (13, 0, 1), (1, 12, 1), (1, 12, 5), (4, 7, 3)])
def test_flop_and_bytes_are_those_that_run(shape, new, before, batch):
    model, kept = Decoder(shape).eval(), Buffer(shape, 32, batch)
    if before:
        forward(model, torch.zeros(batch, before, dtype=torch.long), kept)
    with FlopCounter() as flops, Traffic() as traffic:
        forward(model, torch.zeros(batch, new, dtype=torch.long), kept)
    want = work(shape, new, before, batch, size=4)
    assert (flops.total, traffic.total) == (want.flops, want.moved)
    assert traffic.total != work(shape, new, before + 1, batch, size=4).moved


def test_weights_are_read_once_and_caches_by_each():
    one, many = work(LLAMA_70B, 1, 4095), work(LLAMA_70B, 1, 4095, batch=7)
    assert many.weights == one.weights and many.cache == 7 * one.cache and many.activations == 7 * one.activations
    assert one.cache == 1_342_177_280
    assert one.intensity < many.intensity


@pytest.mark.parametrize("length", [1, 64, 500, 1024, 4096])
@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_the_critical_batch_is_the_first_one_at_the_ridge(length, machine):
    found = critical_batch(LLAMA_70B, length, machine)
    if found is None:
        assert work(LLAMA_70B, 1, length - 1, batch=10**9).intensity < machine.ridge
    else:
        assert work(LLAMA_70B, 1, length - 1, batch=found).intensity >= machine.ridge
        assert work(LLAMA_70B, 1, length - 1, batch=found - 1).intensity < machine.ridge


def test_one_of_the_two_limits_holds():
    fast_memory, fast_arithmetic = Machine(1e12, 1e15), Machine(1e15, 1e12)
    one = work(LLAMA_70B, 1, 100)
    assert one.seconds(fast_memory) == one.flops / 1e12 and one.seconds(fast_arithmetic) == one.moved / 1e12
    assert one.seconds(Machine(1e12, 1e12)) == max(one.flops, one.moved) / 1e12


def test_a_copy_and_a_product_are_measured():
    found = measured(size=64, megabytes=1, tries=2)
    assert found.peak > 1e7 and found.bandwidth > 1e7, "any machine has more"
