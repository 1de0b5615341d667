"""Norms, MLP and mixture of experts, against PyTorch's and the libraries' own."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from shapes import SMALL
from torch import nn
from transformers import LlamaConfig, MixtralConfig
from transformers.models.llama.modeling_llama import LlamaMLP
from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock, load_balancing_loss_func

from fullstack_llm.transformer import Shape, moe
from fullstack_llm.transformer.mlp import MLP, gated
from fullstack_llm.transformer.norms import RMSNorm, norm, rms_norm


def random(*sizes: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(seed))


def shape(**switches: Any) -> Shape:
    return Shape(**{**SMALL, **switches})


@pytest.mark.parametrize("eps", [1e-6, 1e-2])
def test_rms_norm_is_pytorchs(eps: float) -> None:
    ours, theirs = RMSNorm(24, eps), nn.RMSNorm(24, eps)
    gain = random(24, seed=1)
    ours.load_state_dict({"weight": gain})
    theirs.load_state_dict({"weight": gain})
    for scale in (1e-4, 1.0, 1e4):
        x = random(2, 5, 24) * scale
        torch.testing.assert_close(ours(x), theirs(x))
    # Controls: eps outside the root, and the mean taken off.
    x = random(2, 5, 24) * 1e-3
    outside = x / (x.square().mean(-1, keepdim=True).sqrt() + eps) * gain
    assert not torch.allclose(outside, theirs(x), rtol=1e-4)
    assert not torch.allclose(rms_norm(x - x.mean(-1, keepdim=True), gain, eps), theirs(x), rtol=1e-4)


def test_rms_norm_counts_in_32_bits() -> None:
    x = (random(3, 64) * 300).half()
    found = rms_norm(x, torch.ones(64).half())
    assert found.dtype == torch.float16
    torch.testing.assert_close(found.float(), rms_norm(x.float(), torch.ones(64)), rtol=1e-3, atol=1e-3)
    # Control: squares in 16 bits overflow.
    assert x.square().mean(-1).isinf().any()


def test_the_shape_says_which_norm() -> None:
    assert isinstance(norm(shape()), RMSNorm)
    layer = norm(shape(norm="layer", eps=1e-3))
    assert isinstance(layer, nn.LayerNorm)
    x = random(4, 24) + 3.0
    assert layer(x).mean(-1).abs().max() < 1e-5 < norm(shape())(x).mean(-1).abs().max()
    assert layer.eps == 1e-3


@pytest.mark.parametrize(("activation", "theirs"), [("swiglu", "silu"), ("geglu", "gelu")])
def test_a_gated_mlp_is_llamas(activation: Any, theirs: str) -> None:
    config = LlamaConfig(hidden_size=24, intermediate_size=29, num_attention_heads=6, hidden_act=theirs)
    right, ours = LlamaMLP(config), MLP(shape(activation=activation))
    ours.load_state_dict(right.state_dict())
    x = random(2, 5, 24) * 5
    torch.testing.assert_close(ours(x), right(x))
    # Controls: the other activation, and gate and up exchanged.
    other = "geglu" if activation == "swiglu" else "swiglu"
    matrices = (right.gate_proj.weight, right.up_proj.weight, right.down_proj.weight)
    assert (gated(x, *matrices, activation=other) - right(x)).abs().max() > 1e-3
    gate, up, down = matrices
    assert (gated(x, up, gate, down, activation=activation) - right(x)).abs().max() > 1e-3


def test_swiglu_has_silu_and_not_the_sigmoid() -> None:
    one = torch.ones(1, 1)
    z = 1.5
    assert gated(torch.tensor([z]), one, one, one).item() == pytest.approx(z / (1 + math.exp(-z)) * z)


def test_without_a_gate_there_are_two_matrices() -> None:
    mlp = MLP(shape(activation="gelu"))
    assert [tuple(p.shape) for p in mlp.parameters()] == [(29, 24), (24, 29)]
    x = random(3, 24)
    torch.testing.assert_close(mlp(x), nn.functional.gelu(x @ mlp.up_proj.weight.T) @ mlp.down_proj.weight.T)


@pytest.fixture
def pair() -> tuple[moe.Mixture, MixtralSparseMoeBlock]:
    """A mixture and Mixtral's block with the same weights."""
    ours = moe.Mixture(shape(num_experts=5, num_active=2))
    config = MixtralConfig(hidden_size=24, intermediate_size=29, num_local_experts=5, num_experts_per_tok=2)
    config._experts_implementation = "eager"
    theirs = MixtralSparseMoeBlock(config).eval()
    with torch.no_grad():
        theirs.gate.weight.copy_(ours.router.weight)
        theirs.experts.gate_up_proj.copy_(torch.cat([ours.gate_proj, ours.up_proj], dim=1))
        theirs.experts.down_proj.copy_(ours.down_proj)
    return ours, theirs


@torch.no_grad()
def test_a_mixture_is_mixtrals(pair: tuple[moe.Mixture, MixtralSparseMoeBlock]) -> None:
    ours, theirs = pair
    x = random(3, 7, 24)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-5)
    # Control: shares that are not scaled to add up to one.
    _, _, probabilities = moe.route(ours.router(x.flatten(0, 1)), 2)
    scale = probabilities.topk(2).values.sum(-1).view(3, 7, 1)
    assert ((ours(x) * scale) - theirs(x)).abs().max() > 0.01


def test_a_mixture_is_the_sum_over_its_experts_by_a_loop() -> None:
    ours = moe.Mixture(shape(num_experts=5, num_active=3, activation="geglu"))
    x = random(1, 6, 24)
    record: dict[str, list[torch.Tensor]] = {"routing": []}
    found = ours(x, record)
    for t in range(6):
        probabilities = ours.router(x[0, t]).softmax(-1)
        torch.testing.assert_close(record["routing"][0][t], probabilities)
        best = sorted(range(5), key=lambda e: -probabilities[e])[:3]
        right = sum(
            probabilities[e]
            / probabilities[best].sum()
            * gated(x[0, t], ours.gate_proj[e], ours.up_proj[e], ours.down_proj[e], activation="geglu")
            for e in best
        )
        torch.testing.assert_close(found[0, t], right, rtol=1e-4, atol=1e-5)


def test_every_chosen_expert_and_the_router_get_a_gradient() -> None:
    ours = moe.Mixture(shape(num_experts=5, num_active=2))
    record: dict[str, list[torch.Tensor]] = {"routing": []}
    ours(random(1, 4, 24), record).square().sum().backward()
    chosen = set(record["routing"][0].topk(2).indices.flatten().tolist())
    assert {e for e in range(5) if ours.down_proj.grad[e].abs().sum() > 0} == chosen
    assert ours.router.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(("experts", "active"), [(8, 2), (5, 1), (4, 4)])
def test_balance_loss_is_the_librarys_for_one_layer(experts: int, active: int) -> None:
    logits = random(50, experts) * 2
    ours = moe.balance_loss(logits.softmax(-1), active)
    theirs = load_balancing_loss_func((logits,), experts, active)
    torch.testing.assert_close(ours * active, theirs)
    assert ours.item() > 1.0 or active == experts


def test_the_library_pools_layers_where_ours_is_a_mean_of_layers() -> None:
    left, right = torch.tensor([[5.0, 0.0]]).repeat(8, 1), torch.tensor([[0.0, 5.0]]).repeat(8, 1)
    ours = [moe.balance_loss(logits.softmax(-1), 1).item() for logits in (left, right)]
    assert min(ours) > 1.9
    # Two layers that are each one-sided look balanced together.
    assert load_balancing_loss_func((left, right), 2, 1).item() == pytest.approx(1.0)


def test_balance_loss_pushes_towards_balance() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0, 0.0]]).repeat(9, 1).requires_grad_()
    moe.balance_loss(logits.softmax(-1), 1).backward()
    assert logits.grad[0, 0] > 0 > logits.grad[0, 1]
    assert moe.load(logits.detach().softmax(-1), 2).tolist() == [0.5, 0.5, 0.0, 0.0]


def test_a_mixture_without_a_gate_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="use activation='swiglu' or 'geglu'"):
        moe.Mixture(shape(num_experts=4, activation="gelu"))
