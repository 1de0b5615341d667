"""Hold lab 07 against the package on real ranks, and its text against the truth."""

from random import Random

import pytest
import torch
import torch.distributed as dist

from fullstack_llm.labs.m07_parallelism.ddp_step import ddp_step, unequal
from fullstack_llm.labs.m07_parallelism.diagnose import diagnose, run
from fullstack_llm.labs.m07_parallelism.map_ranks import grouped, map_ranks
from fullstack_llm.labs.m07_parallelism.ring_turn import ring_turn
from fullstack_llm.labs.m07_parallelism.schedule import schedule
from fullstack_llm.labs.m07_parallelism.tp_block import block, tp_block
from fullstack_llm.parallel import counted, launch, plan, schedules


def around(vectors: list[torch.Tensor], ring: list[int]) -> tuple[list[torch.Tensor], list[int], list[int]]:
    """Let all ranks take all their turns; return what they have, what they said to send, and what they did send."""
    ranks, came, sent, said = len(ring), [None] * len(ring), [0] * len(ring), [0] * len(ring)
    for turn in range(2 * ranks - 1):
        done = [ring_turn(vectors[r].clone(), came[r], r, ring, turn) for r in range(ranks)]
        vectors, said = [one[0] for one in done], [one[2] for one in done]
        sent = [count + (0 if one[1] is None else len(one[1])) for count, one in zip(sent, done, strict=True)]
        came = [done[ring[ring.index(r) - 1]][1] for r in range(ranks)]
    return vectors, said, sent


def test_turns_make_the_sum_that_real_ranks_make() -> None:
    vectors = [torch.arange(10.0) * (rank + 1) for rank in range(3)]

    def summed() -> torch.Tensor:
        x = torch.arange(10.0) * (dist.get_rank() + 1)
        dist.all_reduce(x)
        return x

    want = launch(summed, 3)[0].value
    for ring in ([0, 1, 2], [2, 0, 1]):
        found, said, sent = around(vectors, ring)
        assert all(torch.equal(one, want) for one in found) and said == sent
    # The text's example: rank 1 sends five numbers.
    tens = [torch.tensor([1.0, 2.0, 3.0, 4.0]) * 10**rank for rank in range(3)]
    assert around(tens, [0, 2, 1])[1][1] == 5


@pytest.mark.parametrize("kv_heads", [2, 4])
def test_a_cut_layer_is_the_whole_one(kv_heads: int) -> None:
    given = block(Random(0), 5, 6, 2, 8, 4, kv_heads, 4)
    cut, whole = tp_block(*given), tp_block(*given[:-1], 1)
    torch.testing.assert_close(cut["output"], whole["output"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(sum(cut["attention"]), whole["attention"][0], rtol=1e-4, atol=1e-4)
    # What is held besides the whole: biases that every rank has, and heads that two ranks have.
    shared = (4 // kv_heads - 1) * 2 * kv_heads * 2 * (6 + 1)
    assert sum(cut["held"]) == whole["held"][0] + 3 * 2 * 6 + shared
    assert cut["sharing"] == ([[0, 1], [0, 1], [2, 3], [2, 3]] if kv_heads == 2 else [[0], [1], [2], [3]])


def test_the_rule_makes_1f1b() -> None:
    ranks, micros = 4, 7
    told = schedule(list(range(ranks)), micros, [ranks - r for r in range(ranks)], 1, 1)
    package = schedules.one_forward_one_backward(ranks, micros)
    assert told["idle"] == pytest.approx(schedules.bubble(ranks, micros))
    assert told["peak"] == [schedules.in_flight(jobs) for jobs in package]
    orders = [[(job.stage, job.micro, "F" if job.forward else "B") for job in jobs] for jobs in package]
    assert told["orders"] == orders
    # The control: without limits it is another order, with more in flight.
    assert schedule(list(range(ranks)), micros, [99] * ranks, 1, 1)["peak"] != told["peak"]


def test_groups_are_those_of_the_planner() -> None:
    sizes, order = {"tp": 8, "pp": 4, "dp": 16}, ["tp", "pp", "dp"]
    layout = plan.Layout(tensor=8, pipeline=4, data=16)
    for short, axis in (("tp", "tensor"), ("pp", "pipeline"), ("dp", "data")):
        groups = {tuple(one) for one in grouped(sizes, order, [short])}
        assert groups == {tuple(plan.group(layout, axis, rank)) for rank in range(512)}
    traffic = [(["tp"], 100), (["pp"], 1), (["dp"], 1)]
    told = map_ranks(sizes, order, 8, traffic)
    assert told["crossing"][0] == 0 and told["best"][0] == "tp"
    # The control: numbered the other way round, each hop of a tensor group goes from node to node.
    assert map_ranks(sizes, order[::-1], 8, traffic)["crossing"][0] == 512


def test_unequal_shares_have_the_gradient_of_one_process() -> None:
    W, batches, _ = unequal(Random(1), 5, 4, [[[1.0, 0.5], [2.0]], [], [[1.0] * 3]], 99.0)
    told = ddp_step(W, batches, 1e9)
    leaf, total, count = W.clone().requires_grad_(), torch.zeros(()), 0.0
    for x, labels, weights in [one for own in batches for one in own]:
        losses = torch.nn.functional.cross_entropy(x @ leaf.T, labels, reduction="none", ignore_index=-100)
        total, count = total + (losses * weights).sum(), count + weights.sum().item()
    (total / count).backward()
    torch.testing.assert_close(told["gradient"], leaf.grad, rtol=1e-4, atol=1e-5)
    assert told["loss"] == pytest.approx((total / count).item(), rel=1e-5)


def test_a_library_that_divides_is_recognised() -> None:
    every = dict.fromkeys(("embed", "0.up", "0.down", "1.up", "1.gain", "2.up", "head"), ("all", 2))
    found, parts, tokens, stages, tied = run(Random(2), [7, 2, 5], every, True)
    with counted() as counts:
        told = diagnose(found, parts, tokens, stages, tied)
    assert counts.sent == {}, "no collective is called in a lab: ranks are values"
    assert set(told["patterns"].values()) == {"all"} and told["stages"] == [2, 2, 2]
    # The control: the same gradients, repaired, are right.
    right = diagnose(told["repaired"], parts, tokens, stages, tied)
    assert right["stages"] == [1, 1, 1]
