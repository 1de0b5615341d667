"""Collectives from messages equal the library's, data parallelism one process, and a flipped bit is found."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist

from fullstack_llm.experiments import m07_collectives as runs
from fullstack_llm.parallel import Sent, costs, faults, launch, ring
from fullstack_llm.parallel.data_parallel import loss_sum, share


def collectives(size: int) -> dict[str, bool]:
    """Say of each collective whether it equals the library's; small whole numbers are added without rounding."""
    rank, ranks = dist.get_rank(), dist.get_world_size()
    x = torch.arange(size, dtype=torch.float64) * (rank + 1)
    want = x.clone()
    dist.all_reduce(want)
    found = {way.__name__: torch.equal(way(x), want) for way in (ring.star, ring.whole, ring.all_reduce)}
    parts = ring.pieces(x, ranks)
    piece = torch.empty_like(parts[0])
    dist.reduce_scatter(piece, parts)
    found["reduce_scatter"] = torch.equal(ring.reduce_scatter(parts), piece)
    got = [torch.empty_like(piece) for _ in range(ranks)]
    dist.all_gather(got, piece)
    found["all_gather"] = all(map(torch.equal, ring.all_gather(piece), got))
    dist.all_to_all_single(flat := torch.empty(ranks * len(piece)).double(), torch.cat(parts))
    found["all_to_all"] = torch.equal(torch.cat(ring.all_to_all(parts)), flat)
    return found


@pytest.mark.parametrize(("ranks", "size"), [(1, 5), (2, 7), (3, 2), (4, 13)])
def test_rings_equal_the_library(ranks: int, size: int) -> None:
    for run in launch(collectives, ranks, size):
        assert all(run.value.values()), run.value


def test_a_ring_sends_what_the_formula_says() -> None:
    runs = launch(lambda: ring.all_reduce(torch.ones(12, dtype=torch.float64)), 4)
    assert all(run.sent["send"] == Sent(6, int(costs.sent("ring", 96, 4))) for run in runs)


def test_data_parallel_equals_one_process() -> None:
    ids, labels = runs.batch(6)
    alone = launch(runs.trained, 1, ids, labels)[0].value
    model = runs.seed_model()
    total, count = loss_sum(model, ids, labels)
    assert alone[0][0] == pytest.approx((total / count).item(), rel=1e-12)
    counts = [int((share(labels, rank, 3)[:, 1:] != -100).sum()) for rank in range(3)]
    assert len(set(counts)) == 3, "ranks have unequal token counts, or a mean of means would do"
    for run in launch(runs.trained, 3, ids, labels):
        assert run.value[0] == pytest.approx(alone[0], rel=1e-12)
        torch.testing.assert_close(run.value[1], alone[1], rtol=1e-12, atol=1e-13)


def test_a_flipped_bit_is_found() -> None:
    def check(faulty: int) -> list[int]:
        model = runs.seed_model()
        if dist.get_rank() == faulty:
            faults.flip(model.layers[0].mlp.down_proj.weight, 3, 0)
        return faults.odd(faults.checksums(model))

    assert [run.value for run in launch(check, 3, 1)] == [[1]] * 3
    assert [run.value for run in launch(check, 3, 9)] == [[]] * 3
