"""Hold lab 15 against counted products, libraries and runs of an optimizer, and its text against the truth."""

from random import Random
from typing import Any

import pytest
import torch
from bitsandbytes.functional import create_normal_map
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM

from fullstack_llm.labs.m15_lora.diagnose import diagnose
from fullstack_llm.labs.m15_lora.fused_forward import fused_forward
from fullstack_llm.labs.m15_lora.inputs import normal
from fullstack_llm.labs.m15_lora.lora_bill import ATTENTION, LLAMA_3_8B, MLP, lora_bill, shape
from fullstack_llm.labs.m15_lora.many_adapters import batch, many_adapters
from fullstack_llm.labs.m15_lora.merge_adapters import merge_adapters
from fullstack_llm.labs.m15_lora.normal_codes import normal_codes
from fullstack_llm.labs.m15_lora.one_adapter import drawn, one_adapter
from fullstack_llm.lora.layer import LoRALinear

SMALL = shape(64, 24, 40, 3, 4, 2, 6)


def counted(sizes: dict[str, Any], rank: int, targets: list[str], first: int) -> tuple[int, int]:
    """Return the trained numbers of a real model, and the FLOP of its linear layers' products for one token."""
    model: Any = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=sizes["vocab_size"],
            hidden_size=sizes["hidden_size"],
            intermediate_size=sizes["intermediate_size"],
            num_hidden_layers=sizes["num_layers"],
            num_attention_heads=sizes["num_heads"],
            num_key_value_heads=sizes["num_kv_heads"],
            head_dim=sizes["head_dim"],
            tie_word_embeddings=False,
        )
    ).requires_grad_(False)
    for name, base in [one for one in model.named_modules() if isinstance(one[1], nn.Linear)]:
        parent, _, last = name.rpartition(".")
        layer = int(name.split(".")[2]) if name.startswith("model.layers") else sizes["num_layers"]
        if last in targets and layer >= first:
            setattr(model.get_submodule(parent), last, LoRALinear(base, rank, 1.0))
    tokens = 8
    with FlopCounterMode(display=False) as counter:
        model(torch.arange(tokens)[None]).logits.sum().backward()
    # Scores are products of batches, and those of linear layers are not.
    products = {str(op).rpartition(".")[2]: flop for op, flop in counter.get_flop_counts()["Global"].items()}
    flop = sum(count for op, count in products.items() if op in ("mm", "addmm"))
    return sum(p.numel() for p in model.parameters() if p.requires_grad), flop // tokens


@pytest.mark.parametrize(
    ("targets", "first"),
    [
        (ATTENTION + MLP, 0),
        (["q_proj", "v_proj"], 1),
        (["o_proj"], 0),
        (["up_proj", "k_proj"], 2),
        (["down_proj"], 1),
        (["lm_head"], 0),
        (["gate_proj", "lm_head"], 2),
    ],
)
def test_the_bill_is_what_a_counter_counts(targets: list[str], first: int) -> None:
    bill = lora_bill(SMALL, 3, targets, first)
    assert (bill["trained"], bill["flop"]) == counted(SMALL, 3, targets, first)
    # The control: a pair further up is another bill.
    if first + 1 < SMALL["num_layers"] and targets != ["lm_head"]:
        assert lora_bill(SMALL, 3, targets, first + 1)["flop"] != bill["flop"]


def test_what_the_text_says_of_shares() -> None:
    base = shape(512, 128, 352, 4, 4, 2, 32, tied=True)
    shares = [lora_bill(LLAMA_3_8B, 16, ATTENTION + MLP, first)["share"] for first in (0, 24)]
    assert [round(one, 2) for one in shares] == [0.67, 0.43]
    assert round(lora_bill(base, 64, ATTENTION + MLP, 0)["share"], 2) == 1.39


def test_the_upper_side_is_that_of_the_library() -> None:
    # The library fills its table up with zeros.
    library = create_normal_map().unique()
    mine = normal_codes(torch.tensor([1.0]), 16, 1)["codebook"]
    torch.testing.assert_close(mine[mine >= 0], library[library >= 0])
    # The control: the lower sides differ, by rule.
    assert not torch.isin(library[library < 0], mine).any()


def test_what_the_text_says_of_four_levels_and_of_sixteen() -> None:
    # NF4's rule for any even number of levels: half of them above 0, one fewer below, both ends at 1.
    def both_ends(levels: int) -> torch.Tensor:
        d = (1 / (2 * levels) + 1 / (2 * (levels - 1))) / 2
        up, down = (
            torch.special.ndtri(torch.linspace(0.5, 1 - d, steps + 1)) for steps in (levels // 2, levels // 2 - 1)
        )
        return torch.cat([-down[1:].flip(0), up]) / up[-1]

    torch.testing.assert_close(both_ends(16), create_normal_map().unique(), atol=1e-4, rtol=0)
    weights = torch.randn(64 * 9_000, generator=torch.Generator().manual_seed(0))
    ratios = {}
    for levels in (4, 16):
        blocks = weights.view(-1, 64)
        scaled = blocks / blocks.abs().amax(1, keepdim=True)
        book = both_ends(levels)
        theirs = book[(scaled[..., None] - book).abs().argmin(-1)] * blocks.abs().amax(1, keepdim=True)
        mine = normal_codes(weights, levels, 64)["restored"]
        ratios[levels] = ((mine - weights).norm() / (theirs.flatten() - weights).norm()).item()
    assert 0.66 < ratios[4] < 0.675 and 1.03 < ratios[16] < 1.045, ratios


def test_a_fused_layer_is_its_parts() -> None:
    q, v = nn.Linear(5, 7, bias=False), nn.Linear(5, 3, bias=False)
    adapted = LoRALinear(v, 2, 6.0)
    nn.init.normal_(adapted.B)
    x = torch.randn(4, 5)
    pair = adapted.A.detach(), adapted.B.detach()
    W = torch.cat([q.weight, v.weight]).detach()
    got = fused_forward(x, W, [7, 3], [None, pair], 6.0, torch.ones(4, 5, dtype=torch.bool), 0.0)
    torch.testing.assert_close(got, torch.cat([q(x), adapted(x)], 1).detach())


def test_one_adapter_serves_as_many_did() -> None:
    # What one adapter of enough rank adds is what all of them add, in a merged weight too.
    adapters, rank, alpha, stable = drawn(Random(0), 7, 9, 5, 10.0, False, (2, 5.0, False, 1.0), (3, 2.0, False, -1.5))
    A, B, error = one_adapter(adapters, rank, alpha, stable)
    W = normal(Random(1), 7, 9)
    many = merge_adapters(W, [(A, B, own, share) for A, B, own, _, share in adapters])["merged"]
    torch.testing.assert_close(merge_adapters(W, [(A, B, alpha, 1.0)])["merged"], many, atol=1e-4, rtol=1e-4)
    assert error < 1e-5
    # The control: with one rank fewer it is not.
    assert one_adapter(adapters, rank - 1, alpha, stable)[2] > 0.1


def test_a_batch_is_its_requests_one_at_a_time() -> None:
    x, W, which, pool_A, pool_B, rows, alphas = batch(Random(3), 7, 5, [2, 4, 1], [1, -1, 0, 2])
    y, own, padded = many_adapters(x, W, which, pool_A, pool_B, rows, alphas)
    for n in range(len(x)):
        alone, _, _ = many_adapters(x[n : n + 1], W, which[n : n + 1], pool_A, pool_B, rows, alphas)
        torch.testing.assert_close(y[n : n + 1], alone)
    assert (own, padded) == (2 * 12 * 7, 2 * 12 * 4 * 4)


@pytest.mark.parametrize("fault", ("decayed", "zeros", "left out", "trained"))
def test_an_optimizer_does_what_the_text_says_of_it(fault: str) -> None:
    torch.manual_seed(0)
    layer = LoRALinear(nn.Linear(6, 5, bias=False), 2, 4.0)
    if fault == "zeros":
        nn.init.zeros_(layer.A)
    before = {f"q.{name}": p.detach().clone() for name, p in layer.named_parameters()}
    rate, decay, steps = 0.01, 0.5, 7
    groups = {
        "decayed": [layer.A, layer.B, layer.base.weight],
        "zeros": [layer.A, layer.B],
        "left out": [],
        "trained": [layer.A, layer.B, layer.base.weight.requires_grad_(fault == "trained")],
    }
    optimizer = torch.optim.AdamW([*groups[fault], nn.Parameter(torch.zeros(1))], lr=rate, weight_decay=decay)
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=False)
        layer.base.weight.grad = None if fault == "trained" else torch.zeros(5, 6)
        layer(torch.randn(3, 6)).square().sum().backward()
        optimizer.step()
    after = {f"q.{name}": p.detach().clone() for name, p in layer.named_parameters()}
    found = diagnose(before, after, layer.scale, (1 - rate * decay) ** steps)
    assert found["cause"] == ({"q.base.weight": fault} if fault in ("decayed", "trained") else {})
    assert found["still"] == ({"q": fault} if fault in ("zeros", "left out") else {})
