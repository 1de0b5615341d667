"""LoRA's relatives: what is trained, what they compute, and how updates are merged."""

import pytest
import torch
from peft.utils.merge_utils import ties as peft_ties
from torch import nn

from fullstack_llm import models
from fullstack_llm.experiments import m15_relatives as runs
from fullstack_llm.lora import layer, relatives

TRAINED = {"lora": 37_376, "dora": 42_240, "prefix": 32_768, "prompt": 8_192, "ia3": 1_920, "bottleneck": 38_032}
IDS = torch.tensor([[1, 5, 9, 33], [7, 2, 0, 0]])


@pytest.mark.parametrize("name", relatives.NAMES)
def test_a_relative_trains_its_own_and_fits_the_ids(name: str) -> None:
    model = relatives.relative(name, models.load("base")[0], seed=3)
    assert runs.trained(model) == TRAINED[name]
    assert model(IDS, use_cache=False).logits.shape == (2, 4, 512)
    embedding = next(p for key, p in model.named_parameters() if key.endswith("embed_tokens.weight"))
    assert not embedding.requires_grad


@pytest.mark.parametrize("name", ["lora", "dora", "ia3", "bottleneck"])
def test_those_without_virtual_tokens_begin_as_the_base(name: str) -> None:
    with torch.no_grad():
        found = relatives.relative(name, models.load("base")[0]).eval()(IDS).logits
        torch.testing.assert_close(found, models.load("base")[0](IDS).logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["prefix", "prompt"])
def test_the_seed_decides_virtual_tokens(name: str) -> None:
    one, two, other = (relatives.relative(name, models.load("base")[0], seed).eval() for seed in (0, 0, 1))
    with torch.no_grad():
        assert torch.equal(one(IDS).logits, two(IDS).logits)
        assert not torch.allclose(one(IDS).logits, other(IDS).logits, atol=1e-2)


def test_dora_is_peft_s() -> None:
    torch.manual_seed(0)
    model = relatives.relative("dora", models.load("base")[0])
    part = model.model.base_model.model.model.layers[0].mlp.up_proj
    ours = layer.LoRALinear(nn.Linear(128, 352, bias=False), relatives.RANK, 32.0)
    with torch.no_grad():
        part.lora_B["default"].weight.normal_(std=0.1)
        magnitude = part.lora_magnitude_vector["default"].weight.mul_(1.5)
        ours.base.weight.copy_(part.base_layer.weight)
        ours.A.copy_(part.lora_A["default"].weight)
        ours.B.copy_(part.lora_B["default"].weight)
    x = torch.randn(3, 128)
    torch.testing.assert_close(relatives.dora(ours, magnitude, x), part(x), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(ours(x), part(x), atol=1e-2)


@pytest.mark.parametrize("density", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("count", [2, 3])
def test_ties_is_peft_s(density: float, count: int) -> None:
    generator = torch.Generator().manual_seed(count)
    updates = [torch.randn(7, 13, generator=generator) for _ in range(count)]
    found = relatives.ties(updates, density)
    torch.testing.assert_close(found, peft_ties(updates, torch.ones(count), density))
    assert not torch.allclose(found, torch.stack(updates).mean(0), atol=1e-2)


def test_added_factors_have_mixed_terms() -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = {"x.A": (2, 5), "x.B": (3, 2)}
    pair = [{name: torch.randn(*shape, generator=generator) for name, shape in shapes.items()} for _ in range(2)]
    found = runs.factors(pair, 1.5)["x"]
    own = sum(1.5 * one["x.B"] @ one["x.A"] for one in pair)
    mixed = 1.5 * (pair[0]["x.B"] @ pair[1]["x.A"] + pair[1]["x.B"] @ pair[0]["x.A"])
    torch.testing.assert_close(found, own + mixed)
    assert mixed.abs().max() > 0.1


def test_a_run_begins_again_as_it_was_recorded() -> None:
    from fullstack_llm import recorded
    from fullstack_llm.experiments import m15_regret as regret

    row = recorded.load("lora-relatives")["values"]["rows"][0]
    begun = runs.learned(relatives.relative(row["name"], regret.start(), row["seed"]), row["lr"], row["seed"], until=2)
    assert max(abs(a - b) for a, b in zip(begun, row["first"], strict=False)) < 0.005
