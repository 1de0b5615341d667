"""Hold lab 04 against the library's own models, its reports against what they claim, and its text against the truth."""

import math
from pathlib import Path
from random import Random

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, MixtralConfig, MixtralForCausalLM
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, apply_rotary_pos_emb
from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func

from fullstack_llm.labs.m04_transformer import count_parameters as counting
from fullstack_llm.labs.m04_transformer.count_parameters import count_parameters
from fullstack_llm.labs.m04_transformer.diagnose import culprit, diagnose, stages
from fullstack_llm.labs.m04_transformer.reports import ORDER
from fullstack_llm.labs.m04_transformer.rope import later, rope
from fullstack_llm.labs.m04_transformer.route_tokens import route_tokens, without_ties
from fullstack_llm.transformer import positions

DRAWS = [Random(seed) for seed in range(3)]
TEXT = (Path(__file__).parents[2] / "solutions/04_transformer.md").read_text("utf-8")


@pytest.mark.parametrize("draw", DRAWS)
def test_positions_and_routing_are_the_library_s(draw: Random) -> None:
    for x, start, theta, layout in later(draw):
        d = x.shape[1]
        # The library has the half layout: columns of the other are brought into its order, and back.
        order = torch.arange(d) if layout == "half" else torch.arange(d).view(-1, 2).T.flatten()
        cos, sin = (torch.cat([one, one], -1)[None] for one in positions.angles(len(x), d, theta, start))
        theirs, _ = apply_rotary_pos_emb(x[None, None, :, order], x[None, None, :, order], cos, sin)
        torch.testing.assert_close(
            rope(x, start, theta, layout), theirs[0, 0][:, order.argsort()], rtol=1e-3, atol=1e-4
        )
    for logits, k in without_ties(draw):
        shares, experts, loss = route_tokens(logits, k)
        torch.testing.assert_close(shares, logits.topk(k).values.softmax(1))
        torch.testing.assert_close(experts, logits.topk(k).indices)
        torch.testing.assert_close(load_balancing_loss_func((logits,), logits.shape[1], k), torch.tensor(k * loss))


def test_counts_are_those_of_real_models() -> None:
    mine = {
        "num_hidden_layers": "num_layers",
        "num_attention_heads": "num_heads",
        "num_key_value_heads": "num_kv_heads",
    }
    for (sizes,) in [*counting.dense(Random(0)), *counting.mixtures(Random(0))]:
        if not sizes["gated"]:
            continue
        names = {key: sizes[mine.get(key, key)] for key in (*mine, "vocab_size", "hidden_size", "intermediate_size")}
        names["tie_word_embeddings"], E = sizes["tied"], sizes["num_experts"]
        with torch.device("meta"):
            model = MixtralForCausalLM(MixtralConfig(**names, num_local_experts=E)) if E else LlamaForCausalLM(
                LlamaConfig(**names)
            )  # fmt: skip
        found = {name: one.numel() for name, one in model.named_parameters()}
        experts = sum(size for name, size in found.items() if ".experts." in name)
        count = count_parameters(sizes)
        assert count["total"] == sum(found.values())
        assert count["active"] == count["total"] - (experts - experts * sizes["num_active"] // E if E else 0)


@pytest.mark.parametrize("draw", DRAWS)
def test_the_block_is_the_library_s(draw: Random) -> None:
    for x, weights, config, reported in stages(draw):
        (T, D), H, K = x.shape, config["num_heads"], config["num_kv_heads"]
        sizes = {"hidden_size": D, "intermediate_size": len(weights["up_proj"]), "num_attention_heads": H}
        sizes |= {"num_key_value_heads": K, "rms_norm_eps": config["eps"], "attn_implementation": "eager"}
        theirs = LlamaDecoderLayer(LlamaConfig(**sizes), layer_idx=0)
        places = {"input_layernorm": "norm1", "post_attention_layernorm": "norm2"}
        places |= {f"self_attn.{name}_proj": f"{name}_proj" for name in "qkvo"}
        places |= {f"mlp.{name}_proj": f"{name}_proj" for name in ("gate", "up", "down")}
        theirs.load_state_dict({f"{place}.weight": weights[name] for place, name in places.items()})
        cos, sin = (torch.cat([one, one], -1)[None] for one in positions.angles(T, D // H, config["theta"]))
        mask = torch.full((1, 1, T, T), -math.inf).triu(1)
        out = theirs(x[None], attention_mask=mask, position_embeddings=(cos, sin))[0].detach()
        torch.testing.assert_close(diagnose(x, weights, config, reported)[0]["out"], out, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("draw", DRAWS)
def test_reports_blame_every_stage_and_none_and_are_clear(draw: Random) -> None:
    blamed = set()
    for x, weights, config, reported in culprit(draw):
        right, name = diagnose(x, weights, config, reported)
        far = {n: float((reported[n] - right[n]).abs().max() / right[n].abs().max()) for n in ORDER}
        before = ORDER[: ORDER.index(name)] if name else ORDER
        assert all(1e-4 < far[n] < 9e-4 for n in before)
        assert not name or not far[name] < 1.5e-3
        blamed.add(name)
    assert blamed == {"", *ORDER}


def test_the_numbers_in_the_text_are_true() -> None:
    mixtral = count_parameters(counting.MIXTRAL)
    assert (round(mixtral["total"] / 1e9, 1), round(mixtral["active"] / 1e9, 1)) == (46.7, 12.9)
    at, z = torch.arange(256.0, 261.0), torch.linspace(-4, 4, 801)
    assert at[at.bfloat16() == at].tolist() == [256, 258, 260]
    assert torch.tensor([256.0, 0.0001]).half().square().tolist() == [math.inf, 0.0]
    assert 0.19 < (torch.nn.functional.gelu(z) - torch.nn.functional.silu(z)).abs().max() < 0.2


@pytest.mark.parametrize(("activation", "street"), [("SiLU", "Lantern Row"), ("GELU", "Willow Walk")])
def test_the_story_can_be_heard(activation: str, street: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = TEXT.partition("\nNow hear it.")[2].partition("```python\n")[2].partition("```")[0]
    exec(compile(code.replace("GELU", activation), "hear", "exec"), {"torch": torch})
    assert f"Ada lives on {street}." in capsys.readouterr().out
