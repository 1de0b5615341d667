"""Layers in four bits: gradients as with the restored weight, nothing kept for the way back, bytes counted."""

import pytest
import torch
from torch import nn
from torch.nn.functional import linear

from fullstack_llm import models
from fullstack_llm.lora import layer, nf4, qlora
from fullstack_llm.measure import peak_bytes


def made(rows: int = 24, columns: int = 128) -> tuple[nn.Linear, qlora.NF4Linear]:
    torch.manual_seed(0)
    base = nn.Linear(columns, rows, bias=False)
    return base, qlora.NF4Linear(base)


def test_output_and_gradient_are_those_of_the_restored_weight() -> None:
    base, stored = made()
    x = torch.randn(3, 5, 128, requires_grad=True)
    out = stored(x)
    expected = linear(x, stored.restored())
    assert torch.equal(out, expected)
    (found,) = torch.autograd.grad(out.square().sum(), x)
    (wanted,) = torch.autograd.grad(expected.square().sum(), x)
    assert torch.equal(found, wanted)
    assert not torch.allclose(out, base(x), atol=1e-3)
    assert torch.equal(stored.restored(), nf4.restore(nf4.quantize_twice(base.weight)))


def test_no_restored_weight_is_kept_for_the_way_back() -> None:
    _, stored = made(256, 1024)
    x = torch.randn(1, 1024, requires_grad=True)
    outs: list[torch.Tensor] = []
    saved: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t.nbytes) or t, lambda t: t):
        outs.append(stored(x))
    assert sum(saved) == 0
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t.nbytes) or t, lambda t: t):
        outs.append(linear(x, stored.restored()))
    assert sum(saved) >= 4 * 256 * 1024
    assert peak_bytes(lambda: stored(x)) > 0


def test_a_model_in_four_bits_learns_only_its_updates() -> None:
    model, _ = models.load("base")
    whole = qlora.stored_bytes(model)
    low = layer.adapt(qlora.quantized(model), 2, 4.0)
    assert {name.rpartition(".")[2] for name, p in low.named_parameters() if p.requires_grad} == {"A", "B"}
    assert qlora.stored_bytes(low) - qlora.update_bytes(low) < 0.3 * whole
    codes = low.model.layers[0].mlp.down_proj.base.weight.clone()
    low(torch.tensor([[1, 5, 9]])).logits.sum().backward()
    assert low.model.layers[0].mlp.down_proj.B.grad.abs().sum() > 0
    assert torch.equal(low.model.layers[0].mlp.down_proj.base.weight, codes)


def test_restored_layers_can_take_up_an_update_and_stored_ones_cannot() -> None:
    ids = torch.tensor([[1, 5, 9, 33]])
    model = layer.adapt(qlora.quantized(models.load("base")[0]), 2, 4.0)
    for _, one in layer.layers(model):
        nn.init.normal_(one.B, std=0.05)
    with torch.no_grad():
        before = model(ids).logits
        with pytest.raises(RuntimeError):
            layer.merge(model)
        merged = layer.merge(qlora.restored(model))(ids).logits
    torch.testing.assert_close(merged, before, rtol=1e-3, atol=1e-3)


def test_rounding_replaces_the_linear_layers_and_no_others() -> None:
    model, plain = models.load("base")[0], models.load("base")[0]
    qlora.rounded(model, lambda weight: nf4.restore(nf4.quantize_twice(weight)))
    stored = qlora.quantized(plain)
    ids = torch.tensor([[1, 5, 9]])
    torch.testing.assert_close(model(ids).logits, stored(ids).logits, rtol=1e-4, atol=1e-4)
    assert torch.equal(model.model.embed_tokens.weight, models.load("base")[0].model.embed_tokens.weight)


def test_a_bias_is_refused() -> None:
    with pytest.raises(ValueError, match="bias"):
        qlora.NF4Linear(nn.Linear(64, 3))
