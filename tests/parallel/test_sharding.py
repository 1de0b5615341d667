"""Each cut of a model, on real ranks, against one process: values and gradients in 64 bits, bytes by formula."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from fullstack_llm.experiments import m07_collectives as seed
from fullstack_llm.experiments import m07_sharding as runs
from fullstack_llm.parallel import crossing, experts, launch, ring_attention, tensor
from fullstack_llm.transformer.attention import fused


def leaf(x: Tensor) -> Tensor:
    return x.detach().clone().requires_grad_()


def normal(*shape: int, number: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(number), dtype=torch.float64)


@pytest.fixture(scope="module")
def batch() -> tuple[Tensor, Tensor]:
    ids, labels = seed.batch(2, 8)
    return ids[:, :32], labels[:, :32]


@pytest.mark.parametrize(("ranks", "sequence"), [(2, True), (4, False)])
def test_a_cut_decoder_is_the_whole_one(batch: tuple[Tensor, Tensor], ranks: int, sequence: bool) -> None:
    loss, wanted = seed.alone(*batch)
    steps = [run.value for run in launch(runs.step, ranks, *batch, sequence, timeout=90)]
    assert abs(steps[0].loss - loss) < 1e-12
    assert max(runs.off(steps, wanted).values()) < 1e-12
    assert steps[0].kept < launch(runs.step, 1, *batch, timeout=90)[0].value.kept
    # The control: what several ranks hold, and nobody has added up.
    wrong = [run.value for run in launch(runs.step, ranks, *batch, sequence, False, timeout=90)]
    off = {name for name, value in runs.off(wrong, wanted).items() if value > 1e-6}
    assert off and all("norm" in name if sequence else "k_proj" in name or "v_proj" in name for name in off)


def movements(kind: str) -> tuple[Tensor, Tensor]:
    """Return what a movement makes of this rank's tensor, and the gradient that comes back."""
    rank, ranks = dist.get_rank(), dist.get_world_size()
    x = leaf(normal(2, 4 if kind == "gathered" else 4 * ranks, 3, number=rank))
    out = getattr(crossing, kind)(x)
    (out * normal(*out.shape, number=10 + rank)).sum().backward()
    assert x.grad is not None
    return out.detach(), x.grad


@pytest.mark.parametrize("kind", ["copied", "summed", "gathered", "scattered", "passed"])
def test_each_movement_and_its_gradient(kind: str) -> None:
    ranks = 3
    found = [run.value for run in launch(movements, ranks, kind)]
    inputs = [normal(2, 4 if kind == "gathered" else 4 * ranks, 3, number=rank) for rank in range(ranks)]
    weights = [normal(*out.shape, number=10 + rank) for rank, (out, _) in enumerate(found)]
    total, all_weights = sum(inputs), sum(weights)
    assert isinstance(total, Tensor) and isinstance(all_weights, Tensor)
    for rank, (out, gradient) in enumerate(found):
        want: tuple[Tensor, Tensor] = {
            "copied": lambda: (inputs[rank], all_weights),  # noqa: B023
            "summed": lambda: (total, weights[rank]),  # noqa: B023
            "gathered": lambda: (torch.cat(inputs, 1), all_weights.chunk(ranks, 1)[rank]),  # noqa: B023
            "scattered": lambda: (total.chunk(ranks, 1)[rank], torch.cat(weights, 1)),  # noqa: B023
            "passed": lambda: (inputs[rank - 1], weights[(rank + 1) % ranks]),  # noqa: B023
        }[kind]()
        torch.testing.assert_close(out, want[0], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(gradient, want[1], rtol=1e-12, atol=1e-12)


def test_a_model_that_does_not_share_out_says_so() -> None:
    with pytest.raises(ValueError, match="4 heads do not share out among 3 ranks"):
        tensor.cut(seed.seed_model(), 0, 3)

    def odd() -> str:
        try:
            tensor.hidden(seed.seed_model(), torch.zeros(1, 5, dtype=torch.long), sequence=True)
        except ValueError as error:
            return str(error)
        return ""

    assert launch(odd, 2)[0].value == "5 tokens do not share out among 2 ranks"


def entropies(x: Tensor, table: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    rows = leaf(table.chunk(dist.get_world_size())[dist.get_rank()])
    losses = tensor.cross_entropies(x @ rows.T, labels)
    losses.sum().backward()
    assert rows.grad is not None
    return losses.detach(), rows.grad


def test_a_loss_from_three_numbers() -> None:
    # Logits whose exponentials are not numbers.
    x, table = 300 * normal(2, 5, 4), leaf(normal(8, 4, number=1))
    labels = torch.tensor([[0, 7, 3, -100, 4], [1, 2, -100, 5, 6]])
    want = F.cross_entropy((x @ table.T).flatten(0, 1), labels.flatten(), reduction="none").view(2, 5)
    want.sum().backward()
    found = [run.value for run in launch(entropies, 4, x, table.detach(), labels)]
    torch.testing.assert_close(found[0][0], want.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(torch.cat([one[1] for one in found]), table.grad, rtol=1e-12, atol=1e-12)


def attend(layout: Any, q: Tensor, k: Tensor, v: Tensor) -> tuple[list[Tensor], list[int]]:
    rank, ranks = dist.get_rank(), dist.get_world_size()
    places = [layout(q.shape[2], one, ranks) for one in range(ranks)]
    leaves = [leaf(x[:, :, places[rank]]) for x in (q, k, v)]
    out, work = ring_attention.ring_attention(*leaves, places)
    (out**3).sum().backward()
    return [out.detach(), *(one.grad for one in leaves if one.grad is not None)], work


@pytest.mark.parametrize("layout", [ring_attention.contiguous, ring_attention.zigzag])
def test_attention_in_a_ring(layout: Any) -> None:
    tokens, ranks = 24, 3
    leaves = [leaf(normal(2, heads, tokens, 4, number=heads)) for heads in (4, 2, 1)]
    leaves[2] = leaf(normal(2, 2, tokens, 4, number=9))
    want = fused(*leaves, causal=True)
    (want**3).sum().backward()
    found = [run.value for run in launch(attend, ranks, layout, *(one.detach() for one in leaves))]
    order = torch.cat([layout(tokens, rank, ranks) for rank in range(ranks)]).argsort()
    for place, theirs in enumerate([want.detach(), *(one.grad for one in leaves)]):
        mine = torch.cat([one[0][place] for one in found], 2)[:, :, order]
        torch.testing.assert_close(mine, theirs, rtol=1e-11, atol=1e-12)
    assert sum(sum(one[1]) for one in found) == tokens * (tokens + 1) // 2


def mixture(x: Tensor, router: Tensor, *matrices: Tensor) -> tuple[Tensor, Tensor, int]:
    rank, ranks = dist.get_rank(), dist.get_world_size()
    rows = leaf(x.chunk(ranks)[rank])
    mine = tuple(one.chunk(ranks)[rank] for one in matrices)
    out, got = experts.spread(rows, router, mine, 2)
    (out**2).sum().backward()
    assert rows.grad is not None
    return out.detach(), rows.grad, got


@pytest.mark.parametrize("skewed", [False, True])
def test_experts_on_different_ranks(skewed: bool) -> None:
    x, router = leaf(normal(12, 4)), normal(6, 4, number=1)
    if skewed:
        # All tokens choose the experts of rank 1: the others get no row, and give none back.
        x = leaf(x.detach().abs())
        router = (
            torch.tensor([[-9.0], [-9.0], [9.0], [8.0], [-9.0], [-9.0]], dtype=torch.float64).expand(6, 4).contiguous()
        )
    matrices = normal(6, 8, 4, number=2), normal(6, 8, 4, number=3), normal(6, 4, 8, number=4)
    want = experts.alone(x, router, matrices, 2)
    (want**2).sum().backward()
    found = [run.value for run in launch(mixture, 3, x.detach(), router, *matrices)]
    torch.testing.assert_close(torch.cat([one[0] for one in found]), want.detach(), rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(torch.cat([one[1] for one in found]), x.grad, rtol=1e-11, atol=1e-12)
    got = [one[2] for one in found]
    assert sum(got) == 24 and (got == [0, 24, 0]) == skewed
