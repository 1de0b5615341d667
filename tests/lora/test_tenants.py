"""Many adapters in one batch: every way gives each row what it gets alone, and a neighbour's adapter does not."""

import pytest
import torch

from fullstack_llm import models
from fullstack_llm.experiments.m15_costs import WAYS, adapters
from fullstack_llm.lora import layer, tenants


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("rows", [[0], [2, 0, 2, 1, 0], [1, 1, 1], [0, 1, 2]])
def test_each_row_gets_its_own_update(way: tenants.Way, rows: list[int]) -> None:
    torch.manual_seed(0)
    down, up, x = torch.randn(3, 2, 5), torch.randn(3, 7, 2), torch.randn(len(rows), 3, 5)
    found = way(x, torch.tensor(rows), down, up)
    for at, n in enumerate(rows):
        torch.testing.assert_close(found[at], x[at] @ (up[n] @ down[n]).T, rtol=1e-4, atol=1e-5)
    others = way(x, (torch.tensor(rows) + 1) % 3, down, up)
    assert (others - found).abs().amax((1, 2)).min() > 1e-2


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_mixed_batch_is_each_tenant_s_model(way: tenants.Way) -> None:
    many = adapters(3, rank=2)
    shared = tenants.share(layer.adapt(models.load("base")[0], 2, 2.0), many).eval()
    ids, rows = torch.randint(5, 500, (5, 6), generator=torch.Generator().manual_seed(0)), torch.tensor([2, 0, 1, 2, 0])
    with torch.no_grad(), tenants.served(shared, rows, way):
        found = shared(ids).logits
    for n in range(3):
        alone = layer.adapt(models.load("base")[0], 2, 2.0)
        for name, one in layer.layers(alone):
            one.A.data, one.B.data = many[n][f"{name}.A"], many[n][f"{name}.B"]
        with torch.no_grad():
            torch.testing.assert_close(found[rows == n], alone(ids[rows == n]).logits, rtol=1e-3, atol=1e-3)


def test_outside_the_block_the_base_answers() -> None:
    shared = tenants.share(layer.adapt(models.load("base")[0], 2, 2.0), adapters(2, rank=2)).eval()
    ids = torch.tensor([[7, 9, 11]])
    with torch.no_grad():
        bare = models.load("base")[0](ids).logits
        with tenants.served(shared, torch.tensor([1])):
            assert not torch.allclose(shared(ids).logits, bare, atol=1e-2)
        assert torch.equal(shared(ids).logits, bare)


def test_the_scale_is_part_of_what_is_served() -> None:
    many = adapters(1, rank=2)
    logits = []
    for alpha in (2.0, 8.0):
        shared = tenants.share(layer.adapt(models.load("base")[0], 2, alpha), many)
        with torch.no_grad(), tenants.served(shared, torch.tensor([0])):
            logits.append(shared(torch.tensor([[7, 9]])).logits)
    assert not torch.allclose(*logits, atol=1e-2)


def test_an_adapter_of_another_model_is_refused() -> None:
    attention = layer.adapter(layer.adapt(models.load("base")[0], 2, 2.0, layer.ATTENTION))
    with pytest.raises(ValueError, match="Adapter 0"):
        tenants.share(layer.adapt(models.load("base")[0], 2, 2.0), [attention])
