"""The decoder against `transformers`' Llama: logits, greedy text, and what must not come out equal."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from shapes import SMALL, decoder, some_ids
from transformers import LlamaConfig, LlamaForCausalLM

from fullstack_llm import models
from fullstack_llm.transformer import Decoder, Shape, attention, from_llama, greedy, initialise, positions
from fullstack_llm.transformer import decoder as decoders
from fullstack_llm.transformer.positions import angles

PROMPTS = ["Ada lives on", "Dot is a", "12 + 34 =", "\n"]


def random_llama(**switches) -> LlamaForCausalLM:
    """A Llama whose sizes are not those of the course's, drawn wide enough that mistakes show."""
    torch.manual_seed(0)
    config = {
        "vocab_size": 41,
        "hidden_size": 36,
        "intermediate_size": 53,
        "num_hidden_layers": 3,
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
        "tie_word_embeddings": False,
        "initializer_range": 0.3,
        "rms_norm_eps": 1e-2,
        "rope_parameters": {"rope_type": "default", "rope_theta": 500.0},
    }
    model = LlamaForCausalLM(LlamaConfig(**{**config, **switches})).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


@pytest.fixture
def llama() -> LlamaForCausalLM:
    return random_llama()


@torch.no_grad()
def apart(ours: Decoder, llama: LlamaForCausalLM, ids: torch.Tensor) -> float:
    return (ours(ids) - llama(ids).logits).abs().max().item()


@pytest.mark.parametrize("name", ["base", "draft"])
@torch.no_grad()
def test_logits_and_greedy_text_are_those_of_the_courses_models(name: str) -> None:
    llama, words = models.load(name)
    ours = from_llama(llama)
    for prompt in PROMPTS:
        ids = words(prompt, return_tensors="pt").input_ids
        # Logits of size 10 to 20 in 32 bits, summed in another order through every layer.
        torch.testing.assert_close(ours(ids), llama(ids).logits, rtol=1e-4, atol=2e-4)
        right = llama.generate(ids, max_new_tokens=24, do_sample=False)[0, ids.shape[1] :].tolist()
        assert greedy(ours, ids, 24, stop=words.eos_token_id)[: len(right)] == right
    long = some_ids(2, 200, 512)
    torch.testing.assert_close(ours(long), llama(long).logits, rtol=1e-4, atol=5e-4)


def test_ada_lives_on_lantern_row() -> None:
    llama, words = models.load("base")
    ids = words("Ada lives on", return_tensors="pt").input_ids
    assert words.decode(greedy(from_llama(llama), ids, 8)).startswith(" Lantern Row.")


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"num_key_value_heads": 6},
        {"num_key_value_heads": 1},
        {"tie_word_embeddings": True},
        {"num_hidden_layers": 1},
    ],
    ids=str,
)
def test_logits_are_those_of_a_random_llama(switches: dict) -> None:
    llama = random_llama(**switches)
    assert apart(from_llama(llama), llama, some_ids(3, 17, 41)) < 1e-3
    assert apart(from_llama(llama), llama, some_ids(1, 1, 41)) < 1e-3


def test_dtype_and_tied_weights_come_along(llama: LlamaForCausalLM) -> None:
    assert from_llama(llama.to(torch.bfloat16)).lm_head.weight.dtype == torch.bfloat16
    tied = from_llama(random_llama(tie_word_embeddings=True))
    assert tied.lm_head.weight is tied.embed_tokens.weight
    assert not tied.training


def without_norm(ours: Decoder) -> None:
    ours.layers[1].post_attention_layernorm = torch.nn.Identity()


def without_the_last_norm(ours: Decoder) -> None:
    ours.norm = torch.nn.Identity()


def another_eps(ours: Decoder) -> None:
    for layer in ours.layers:
        layer.input_layernorm.eps = 1e-6


def gate_and_up_exchanged(ours: Decoder) -> None:
    mlp = ours.layers[0].mlp
    mlp.gate_proj, mlp.up_proj = mlp.up_proj, mlp.gate_proj


def post_norm(ours: Decoder) -> None:
    ours.layers[0].post = True


@pytest.mark.parametrize(
    "break_it", [without_norm, without_the_last_norm, another_eps, gate_and_up_exchanged, post_norm]
)
def test_control_a_changed_part_shows(llama: LlamaForCausalLM, break_it: Callable[[Decoder], None]) -> None:
    ours, ids = from_llama(llama), some_ids(3, 17, 41)
    assert apart(ours, llama, ids) < 1e-3
    break_it(ours)
    assert apart(ours, llama, ids) > 0.01


WRONG = {
    "the other layout": (positions, "rotate", positions.rotate_interleaved),
    "no rotation": (positions, "rotate", lambda x, cos, sin: x),
    "another theta": (positions, "angles", lambda length, dim, theta, device: angles(length, dim, 10_000.0)),
    "not causal": (decoders, "fused", lambda q, k, v, mask, bias, causal: attention.fused(q, k, v)),
    "heads tiled": (
        decoders,
        "fused",
        lambda q, k, v, mask, bias, causal: attention.fused(q, k.repeat(1, 3, 1, 1), v.repeat(1, 3, 1, 1), causal=True),
    ),
}


@pytest.mark.parametrize("fault", WRONG)
def test_control_a_wrong_step_shows(llama: LlamaForCausalLM, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, ids = from_llama(llama), some_ids(3, 17, 41)
    monkeypatch.setattr(*WRONG[fault])
    assert apart(ours, llama, ids) > 0.1


def test_positions_that_begin_at_one_do_not_show(llama: LlamaForCausalLM, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, ids = from_llama(llama), some_ids(3, 17, 41)
    monkeypatch.setattr(positions, "angles", lambda length, dim, theta, device: angles(length, dim, theta, 1))
    assert apart(ours, llama, ids) < 2e-3


@pytest.mark.parametrize(
    ("switches", "words"),
    [
        ({"attention_bias": True}, "no biases"),
        ({"mlp_bias": True}, "no biases"),
        ({"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}}, "RoPE of type 'default'"),
        ({"head_dim": 10}, "heads of 10 columns do not add up to 36"),
    ],
)
def test_a_llama_that_does_not_fit_is_refused_in_words(switches: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        from_llama(random_llama(**switches))


@torch.no_grad()
@pytest.mark.parametrize(
    "switches", [{}, {"window": 3}, {"positions": "alibi"}, {"num_kv_heads": 1}, {"causal": False}], ids=str
)
def test_recording_attention_changes_nothing(switches: dict) -> None:
    model, ids, record = decoder(**switches), some_ids(2, 9), {"attention": []}
    torch.testing.assert_close(model(ids, record=record), model(ids), rtol=1e-4, atol=1e-4)
    assert [tuple(found.shape) for found in record["attention"]] == [(2, 6, 9, 9)] * 2
    for found in record["attention"]:
        torch.testing.assert_close(found.sum(-1), torch.ones(2, 6, 9))
        assert bool((found.triu(1) > 0).any()) is not switches.get("causal", True)


def test_greedy_stops() -> None:
    model = decoder()
    free = greedy(model, some_ids(1, 4), 8)
    assert len(free) == 8
    assert greedy(model, some_ids(1, 4), 8, stop=free[2]) == free[: free.index(free[2]) + 1]
    assert greedy(model, some_ids(1, 4), 0) == []


def test_initialise_draws_matrices_alone_and_by_seed() -> None:
    one, same, other = (Decoder(Shape(**SMALL)) for _ in range(3))
    initialise(one, std=0.5, seed=1)
    initialise(same, std=0.5, seed=1)
    initialise(other, std=0.5, seed=2)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(one.embed_tokens.weight, other.embed_tokens.weight)
    assert one.layers[0].mlp.up_proj.weight.std().item() == pytest.approx(0.5, rel=0.1)
    assert (one.norm.weight == 1).all()
    assert one.lm_head.weight is one.embed_tokens.weight


def test_sinusoids_meet_embeddings_of_their_own_size() -> None:
    model, ids = decoder(positions="sinusoidal", num_layers=1), some_ids(1, 5)
    seen = []
    model.layers[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    model(ids)
    right = model.embed_tokens(ids) * 24**0.5 + positions.sinusoidal(5, 24)
    torch.testing.assert_close(seen[0], right)


BAD: list[tuple[dict, str]] = [
    ({"num_heads": 5}, "24 columns do not share out among 5 heads"),
    ({"num_kv_heads": 4}, "each number must be a multiple of the next"),
    ({"num_heads": 8, "num_kv_heads": 8}, "has one left over"),
    ({"num_experts": 4, "num_active": 5}, "cannot use 5 of 4 experts"),
    ({"num_experts": 4, "num_active": 0}, "cannot use 0 of 4 experts"),
    ({"window": 0}, "leaves nothing to look at"),
]


@pytest.mark.parametrize(("switches", "words"), BAD, ids=str)
def test_a_bad_shape_is_refused_in_words(switches: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Shape(**{**SMALL, **switches})


def test_odd_heads_are_fine_without_rope() -> None:
    assert Shape(**{**SMALL, "num_heads": 8, "num_kv_heads": 8, "positions": "alibi"}).head_dim == 3


def test_learned_positions_end_in_words() -> None:
    model = decoder(positions="learned")
    assert model(some_ids(1, 23)).shape == (1, 23, 37)
    with pytest.raises(ValueError, match="24 tokens, and learned positions end at 23"):
        model(some_ids(1, 24))
