"""Schedules in unit time against formulas, pipelines on real ranks against one process, and plans against counts."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist
from torch.testing._internal.distributed.fake_pg import FakeStore

from fullstack_llm.experiments import m07_collectives as seed
from fullstack_llm.experiments import m07_pipelines as runs
from fullstack_llm.parallel import counted, launch, pipeline, plan, schedules, tensor
from fullstack_llm.parallel.schedules import Job
from fullstack_llm.transformer import Decoder, Shape, count


@pytest.mark.parametrize("ranks", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_a_schedule_does_everything_once_and_idles_as_the_formula_says(ranks: int, rounds: int) -> None:
    for chunks, made in (
        (1, schedules.gpipe(ranks, rounds)),
        (1, schedules.one_forward_one_backward(ranks, rounds)),
        (2, schedules.interleaved(ranks, ranks * rounds)),
        (3, schedules.interleaved(ranks, ranks * rounds, 3)),
    ):
        micros = rounds if chunks == 1 else ranks * rounds
        jobs = [job for one in made for job in one]
        assert len(set(jobs)) == len(jobs) == 2 * ranks * chunks * micros
        done = schedules.timeline(made)
        assert schedules.idle(made, done) == pytest.approx(schedules.bubble(ranks, micros, chunks))
        for job in jobs:
            assert all(done[one][1] <= done[job][0] for one in schedules.needs(job, ranks * chunks))
        assert all(job.stage % ranks == rank for rank, one in enumerate(made) for job in one)


def test_what_ranks_keep() -> None:
    kept = [schedules.in_flight(jobs) for jobs in schedules.one_forward_one_backward(5, 3)]
    assert kept == [3, 3, 3, 2, 1], "fewer micro-batches than stages"
    assert [schedules.in_flight(jobs) for jobs in schedules.gpipe(5, 3)] == [3] * 5


def test_orders_that_cannot_be() -> None:
    stuck = [[Job(0, 0, False), Job(0, 0, True)]]
    with pytest.raises(ValueError, match="waits for itself: B0 can never begin"):
        schedules.timeline(stuck)
    with pytest.raises(ValueError, match="5 micro-batches do not make whole rounds of 2"):
        schedules.interleaved(2, 5)
    with pytest.raises(ValueError, match="4 layers do not make 3 equal stages"):
        pipeline.Stage(seed.seed_model(runs.LAYERS), 0, 3)


@pytest.mark.parametrize(("kind", "ranks", "micros"), [("GPipe", 2, 3), ("1F1B", 4, 5), ("interleaved", 2, 4)])
def test_a_pipeline_is_one_process(kind: str, ranks: int, micros: int) -> None:
    ids, labels = seed.batch(5)
    ids, labels = ids[:, :24], labels[:, :24]
    loss, wanted = seed.alone(ids, labels, runs.LAYERS)
    found = [run.value for run in launch(runs.step, ranks, ids, labels, kind, micros, timeout=90)]
    assert abs(sum(trace.loss for trace, _ in found) - loss) < 1e-12
    assert set(runs.off(found, wanted)) == set(wanted) and max(runs.off(found, wanted).values()) < 1e-12
    jobs = {job: told for trace, _ in found for job, told in trace.jobs.items()}
    assert len(jobs) == sum(map(len, runs.SCHEDULES[kind](ranks, micros)))
    assert all(end >= begin and seconds >= 0 for begin, end, seconds in jobs.values())
    # The control: the tied embedding's two ends, each with its own part.
    apart = [run.value for run in launch(runs.step, ranks, ids, labels, kind, micros, False, timeout=90)]
    assert [name for name, value in runs.off(apart, wanted).items() if value > 1e-9] == ["embed_tokens.weight"]


def test_the_library_divides_unless_it_is_told_not_to() -> None:
    ids, labels = seed.batch(4)
    ids, labels = ids[:, :24], labels[:, :24]
    _, wanted = seed.alone(ids, labels, runs.LAYERS)
    for how, left in (({"scale_grads": False}, 0.0), ({}, 0.5)):
        parts = launch(lambda how=how: runs.library(ids, labels, 2, **how), 2, timeout=90)
        off = runs.off([(pipeline.Trace(), run.value) for run in parts], wanted)
        assert all(abs(value - left) < 1e-9 for value in off.values()), (how, off)


@pytest.mark.parametrize("layout", [plan.Layout(8, 4, 16), plan.Layout(2, 3, 5, context=2)])
def test_groups_share_out_all_ranks(layout: plan.Layout) -> None:
    for axis in plan.AXES:
        groups = {tuple(plan.group(layout, axis, rank)) for rank in range(layout.ranks)}
        assert sorted(rank for one in groups for rank in one) == list(range(layout.ranks))
        for one in groups:
            places = [plan.coordinates(layout, rank) for rank in one]
            assert [place[axis] for place in places] == list(range(getattr(layout, axis)))
            assert len({tuple(v for k, v in place.items() if k != axis) for place in places}) == 1


def test_published_sizes() -> None:
    llama, megatron = (sum(count.parameters(one).values()) for one in (plan.LLAMA_405B, plan.MEGATRON_1T))
    assert llama == pytest.approx(405e9, rel=0.01) and megatron == pytest.approx(1.008e12, rel=0.001)
    assert plan.training_flop(plan.LLAMA_405B, 0) == pytest.approx(6 * llama, rel=0.01)


@pytest.mark.parametrize("ranks", [2, 8])
def test_planned_bytes_are_those_of_an_imaginary_rank(ranks: int) -> None:
    shape = Shape(vocab_size=64, hidden_size=32, intermediate_size=64, num_layers=3, num_heads=8, num_kv_heads=8)
    ids = torch.randint(64, (2, 10), generator=torch.Generator().manual_seed(0))
    dist.init_process_group("fake", rank=0, world_size=ranks, store=FakeStore())
    try:
        with counted() as counts:
            tensor.loss(tensor.cut(Decoder(shape), 0, ranks), ids, ids).backward()
    finally:
        dist.destroy_process_group()
    vectors = 4 * 2 * 10 * 32
    layers = counts.sent["all_reduce"].bytes - 2 * vectors - 3 * 4 * 2 * 9
    planned = plan.sent(shape, plan.Layout(ranks, 1, 1), 10, 2)["tensor"]
    assert planned == layers / 2 * 2 * (ranks - 1) / ranks
    more = plan.sent(shape, plan.Layout(ranks, 1, 1, recompute=True), 10, 2)["tensor"]
    assert more == 1.5 * planned


def test_memory_shrinks_with_each_axis() -> None:
    def held(*sizes: int, rows: int = 4096, **more: object) -> dict[str, float]:
        return plan.held(plan.LLAMA_405B, plan.Layout(*sizes, **more), 8192, rows)  # type: ignore[arg-type]

    a, b, c = held(8, 16, 8), held(4, 16, 16), held(8, 8, 16)
    assert b["weights"] == 2 * a["weights"] and b["activations"] == 2 * a["activations"]
    # Half the stages: twice the layers a rank, for half as many passes (and the smaller stages round down).
    assert c["activations"] == pytest.approx(a["activations"], rel=0.1)
    shared = held(8, 16, 8, context=16, shard_optimizer=True)
    assert shared["optimizer"] == a["optimizer"] / 128 and shared["activations"] == a["activations"] / 16
    # Fewer micro-batches than stages are fewer passes in flight.
    assert held(8, 16, 8, rows=8 * 4)["activations"] == a["activations"] / 4
    # One stage has both ends of the vocabulary: all parameters, at 4 bytes each over the tensor ranks.
    parts = count.parameters(plan.LLAMA_405B)
    assert held(8, 1, 1)["weights"] == (sum(parts.values()) - parts["norms"]) * 4 / 8
    # Computed again, a layer keeps its input, and one layer is whole for a moment.
    row = 8192 * 16_384 / 8
    assert held(8, 16, 8, recompute=True)["activations"] == row * (2 * 7 * 16 + 34)
