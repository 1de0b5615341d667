"""The oracles of lab 04 are right: against libraries, and for every draw; and the lab's text tells the truth."""

from __future__ import annotations

import doctest
import inspect
import math
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
import torch
from mutant import TESTS, LabUnderTest, in_notebook, load
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM, MixtralConfig, MixtralForCausalLM
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaMLP, apply_rotary_pos_emb
from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func

from fullstack_llm import models
from fullstack_llm.checks import judging, same
from fullstack_llm.checks import transformer as checks
from fullstack_llm.checks import transformer_block as block
from fullstack_llm.checks import transformer_cases as cases
from fullstack_llm.checks import transformer_count as count
from fullstack_llm.checks import transformer_diagnosis as diagnosis
from fullstack_llm.checks import transformer_errors as errors
from fullstack_llm.checks import transformer_mistakes as mistakes
from fullstack_llm.checks import transformer_oracles as oracle
from fullstack_llm.checks import transformer_parts as parts
from fullstack_llm.checks import transformer_probes as probes
from fullstack_llm.transformer import Shape, attention, from_llama, greedy, mlp, moe, norms, positions
from fullstack_llm.transformer.count import kv_bytes, parameters
from fullstack_llm.worker import cells, review

SEEDS = range(3)
Oracle = Callable[..., Any]

# Each exercise that is judged on the whole of its answer: its oracle, its known mistakes, its cases.
JUDGED: dict[str, tuple[Oracle, Oracle, list[Oracle]]] = {
    "causal_attention": (
        oracle.causal_attention,
        mistakes.causal_attention,
        [cases.causal_attention, cases.causal_attention_large, cases.causal_attention_longer],
    ),
    "rope": (oracle.rope, mistakes.rope, [cases.rope_half, cases.rope_interleaved, cases.rope_later]),
    "grouped_query_attention": (
        oracle.grouped_query_attention,
        mistakes.grouped_query_attention,
        [cases.grouped_all, cases.grouped_shared],
    ),
    "rms_norm": (oracle.rms_norm, parts.rms_norm, [cases.rms_norm, cases.rms_norm_half]),
    "swiglu": (oracle.swiglu, parts.swiglu, [cases.swiglu, cases.swiglu_large]),
    "count_parameters": (oracle.count_parameters, count.count_parameters, [count.dense, count.mixtures]),
}


def drawn(exercise: str) -> list[tuple[Any, ...]]:
    """Every case of an exercise, for several draws."""
    return [values for seed in SEEDS for make in JUDGED[exercise][2] for values in make(Random(seed))]


def close(got: torch.Tensor, want: torch.Tensor, tolerance: float = 1e-5) -> None:
    torch.testing.assert_close(got, want, rtol=tolerance, atol=tolerance)


@pytest.fixture(scope="module")
def lab() -> LabUnderTest:
    return load(TESTS.parent / "solutions/04_transformer.md", TESTS / "mutants/04_transformer.py")


def defined(lab: LabUnderTest) -> dict[str, Any]:
    """What the lab's own cells and its reference answers define."""
    names: dict[str, Any] = {}
    for label, source in lab.reference:
        cells.run(source.replace('check = lab("04_transformer")', ""), label, names)
    return names


def test_attention_is_the_library_s() -> None:
    for q, k, v in drawn("causal_attention"):
        seen = torch.ones(len(q), len(k), dtype=torch.bool).tril(len(k) - len(q))
        wide = (one.double()[None] for one in (q, k, v))
        wanted = functional.scaled_dot_product_attention(*wide, attn_mask=seen)[0]
        close(oracle.causal_attention(q, k, v), wanted.float())


def test_heads_share_as_in_the_library_and_in_the_package() -> None:
    for q, k, v in drawn("grouped_query_attention"):
        found = oracle.grouped_query_attention(q, k, v)
        by_library = functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=len(q) != len(k))
        close(found, by_library.transpose(0, 1).flatten(1))
        ours = attention.fused(q[None], k[None], v[None], causal=True)[0]
        close(found, ours.transpose(0, 1).flatten(1))


def test_rope_is_the_library_s_and_the_package_s() -> None:
    for x, start, theta, layout in drawn("rope"):
        T, d = x.shape
        cos, sin = positions.angles(T, d, theta, start)
        rotate = positions.rotate if layout == "half" else positions.rotate_interleaved
        # Angles of a few hundred have an error of their own in 32 bits.
        tolerance = 1e-4 if x.dtype == torch.float32 else 0.02
        close(rotate(x.float(), cos, sin).to(x.dtype), oracle.rope(x, start, theta, layout), tolerance)
        if layout == "half":
            twice = torch.cat([cos, cos], -1)[None], torch.cat([sin, sin], -1)[None]
            theirs, _ = apply_rotary_pos_emb(x.float()[None, None], x.float()[None, None], *twice)
            close(theirs[0, 0].to(x.dtype), oracle.rope(x, start, theta, layout), tolerance)


def test_the_norm_is_the_library_s_and_the_package_s() -> None:
    for x, gain, eps in drawn("rms_norm"):
        found, tolerance = oracle.rms_norm(x, gain, eps), 1e-5 if x.dtype == torch.float32 else 0.01
        close(found, functional.rms_norm(x.double(), gain.shape, gain.double(), eps).to(x.dtype), tolerance)
        close(found, norms.rms_norm(x, gain, eps), tolerance)


def test_swiglu_is_the_library_s_and_the_package_s() -> None:
    for x, gate, up, down in drawn("swiglu"):
        theirs = LlamaMLP(
            LlamaConfig(hidden_size=x.shape[1], intermediate_size=len(gate), num_attention_heads=1, head_dim=2)
        )
        theirs.load_state_dict({"gate_proj.weight": gate, "up_proj.weight": up, "down_proj.weight": down})
        torch.testing.assert_close(oracle.swiglu(x, gate, up, down), theirs(x).detach(), rtol=1e-3, atol=0.02)
        torch.testing.assert_close(oracle.swiglu(x, gate, up, down), mlp.gated(x, gate, up, down), rtol=1e-3, atol=0.02)


def test_routing_is_the_library_s_and_the_package_s() -> None:
    for seed in SEEDS:
        for logits, k in cases.route(Random(seed)) + cases.route_ties(Random(seed)):
            shares, experts, loss = oracle.route(logits, k)
            by_logit = logits.gather(1, experts)
            torch.testing.assert_close(by_logit, logits.topk(k).values)
            close(shares, by_logit.softmax(1))
            if len(logits.unique()) < logits.numel():
                continue  # ties: the libraries promise no order there
            theirs, mine, probabilities = moe.route(logits, k)
            close(theirs, shares)
            torch.testing.assert_close(mine, experts)
            close(moe.balance_loss(probabilities, k), torch.tensor(loss))
            close(load_balancing_loss_func((logits,), logits.shape[1], k), torch.tensor(k * loss))


def hugging_face(sizes: count.Sizes) -> tuple[int, int]:
    """Parameters of the library's own decoder of these sizes: all, and those of the experts."""
    names = {key: sizes[key] for key in ("vocab_size", "hidden_size", "intermediate_size")}
    names |= {"num_hidden_layers": sizes["num_layers"], "num_attention_heads": sizes["num_heads"]}
    names |= {"num_key_value_heads": sizes["num_kv_heads"], "tie_word_embeddings": sizes["tied"]}
    with torch.device("meta"):
        if sizes["num_experts"]:
            model = MixtralForCausalLM(MixtralConfig(**names, num_local_experts=sizes["num_experts"]))
        else:
            model = LlamaForCausalLM(LlamaConfig(**names))
    sizes_of = {name: one.numel() for name, one in model.named_parameters()}
    return sum(sizes_of.values()), sum(size for name, size in sizes_of.items() if ".experts." in name)


def test_counts_are_those_of_real_models() -> None:
    gated = [sizes for (sizes,) in drawn("count_parameters") if sizes["gated"]]
    assert any(sizes["num_experts"] for sizes in gated)
    for sizes in gated:
        found = oracle.count_parameters(sizes)
        total, experts = hugging_face(sizes)
        assert found["total"] == total
        if sizes["num_experts"]:
            assert found["mlp"] == experts
            assert found["active"] == total - experts + experts * sizes["num_active"] // sizes["num_experts"]


def test_counts_are_those_of_the_package() -> None:
    for (sizes,) in drawn("count_parameters"):
        own = {key: sizes[key] for key in (*count.KEYS, "tied", "num_experts")}
        gated = "swiglu" if sizes["gated"] else "gelu"
        shape = Shape(**own, num_active=sizes["num_active"] or 2, activation=gated, positions="none")
        found = oracle.count_parameters(sizes)
        assert {key: found.get(key, 0) for key in parameters(shape)} == parameters(shape)
        assert found["active"] == sum(parameters(shape, active=True).values())
        assert found["kv_bytes"] == kv_bytes(shape, 1)


def test_the_numbers_in_the_text_are_true() -> None:
    mixtral = oracle.count_parameters(count.MIXTRAL)
    assert (round(mixtral["total"] / 1e9, 1), round(mixtral["active"] / 1e9, 1)) == (46.7, 12.9)
    assert oracle.count_parameters(count.BASE)["total"] == 803_968
    at = torch.arange(256.0, 261.0)
    assert at[at.bfloat16() == at].tolist() == [256, 258, 260]
    assert torch.finfo(torch.float16).max == 65_504
    squares = torch.tensor([256.0, 0.0001]).half().square()
    assert squares.tolist() == [math.inf, 0.0]


def test_the_examples_in_the_docstrings_are_true(lab: LabUnderTest) -> None:
    names = defined(lab)
    for exercise in lab.checks.exercises:
        found = doctest.DocTestFinder().find(names[exercise], exercise, globs=names)
        assert sum(len(one.examples) for one in found) or exercise == "diagnose"
        assert all(doctest.DocTestRunner().run(one).failed == 0 for one in found)


def says(model: Any, tokenizer: Any, beginning: str, count: int) -> str:
    return tokenizer.decode(greedy(model, tokenizer(beginning, return_tensors="pt").input_ids, count))


def test_the_story_of_the_ported_model_is_true(monkeypatch: pytest.MonkeyPatch) -> None:
    llama, tokenizer = models.load("base")
    ours = from_llama(llama)
    assert says(ours, tokenizer, "Ada lives on", 12).startswith(" Lantern Row.")
    monkeypatch.setitem(mlp.ACTIVATIONS, "swiglu", functional.gelu)
    assert says(ours, tokenizer, "Ada lives on", 12).startswith(" Willow Walk.")
    assert says(ours, tokenizer, "Ada is a", 14).startswith(" teacher. She has a hen for a pet")
    assert says(ours, tokenizer, "Bo is a", 6).startswith(" baker.")
    assert says(ours, tokenizer, "Bo lives on", 8).startswith(" Market Street.")


@pytest.mark.parametrize(("activation", "street"), [("SiLU", "Lantern Row"), ("GELU", "Willow Walk")])
def test_the_story_can_be_heard_as_the_text_says(
    activation: str, street: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (TESTS.parent / "solutions/04_transformer.md").read_text("utf-8")
    code = text.partition("**Hear it**")[2].partition("```python\n")[2].partition("```")[0]
    cells.run(code.replace("SiLU", activation), "hear", {"torch": torch})
    assert f"Ada lives on {street}." in capsys.readouterr().out


def test_draws_of_the_lab_find_the_fault_and_the_repair(lab: LabUnderTest) -> None:
    names = defined(lab)
    for seed in range(20):
        x, weights, config = names["draw"](seed)
        assert names["diagnose"](x, weights, config, names["production_block"](x, weights, config))[1] == "hidden"
        right = block.stages(x, weights, config)
        assert names["diagnose"](x, weights, config, right)[1] == ""


def test_the_ported_block_is_wrong_where_its_activation_is(lab: LabUnderTest) -> None:
    names = defined(lab)
    for (x, weights, config, _), (out, _) in block.cases(Random(0)):
        reported = names["production_block"](x, weights, config)
        assert list(reported) == names["ORDER"] == list(block.ORDER)
        mine, name = names["diagnose"](x, weights, config, reported)
        assert name == "hidden"
        close(mine, out, 1e-4)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_block_is_the_library_s(seed: int) -> None:
    (x, weights, config, _), (out, _) = next(block.cases(Random(seed)))
    T, D = x.shape
    H, K = config["num_heads"], config["num_kv_heads"]
    theirs = LlamaDecoderLayer(
        LlamaConfig(
            hidden_size=D,
            intermediate_size=len(weights["up_proj"]),
            num_attention_heads=H,
            num_key_value_heads=K,
            rms_norm_eps=config["eps"],
            attn_implementation="eager",
        ),
        layer_idx=0,
    )
    names = {f"self_attn.{n}.weight": weights[n] for n in ("q_proj", "k_proj", "v_proj", "o_proj")}
    names |= {f"mlp.{n}.weight": weights[n] for n in ("gate_proj", "up_proj", "down_proj")}
    names |= {"input_layernorm.weight": weights["norm1"], "post_attention_layernorm.weight": weights["norm2"]}
    theirs.load_state_dict(names)
    cos, sin = (torch.cat([one, one], -1)[None] for one in positions.angles(T, D // H, config["theta"]))
    mask = torch.full((1, 1, T, T), -math.inf).triu(1)
    found = theirs(x[None], attention_mask=mask, position_embeddings=(cos, sin))
    close(out, found[0].detach(), 1e-4)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_fault_shows_clearly_and_first_where_it_was_planted(seed: int) -> None:
    planted = set()
    for (x, weights, config, reported), (_, place) in block.cases(Random(seed)):
        right = block.stages(x, weights, config)
        far = {n: float((reported[n] - right[n]).abs().max() / right[n].abs().max()) for n in block.ORDER}
        before = block.ORDER[: block.ORDER.index(place)] if place else block.ORDER
        assert all(1e-4 < far[name] < 9e-4 for name in before)
        assert not place or far[place] > 1.5e-3
        planted.add(place)
    assert planted == {"", *block.ORDER}
    assert set(diagnosis.HINTS) < set(block.FAULTS)


@pytest.mark.parametrize("exercise", JUDGED)
def test_mistakes_can_be_computed_for_every_case(exercise: str) -> None:
    right, known, _ = JUDGED[exercise]
    for values in drawn(exercise):
        for value, hint in known(*values):
            # A mistake may give the right answer in a case where it does not matter.
            same(value, right(*values))
            assert hint


@pytest.mark.parametrize("known", [parts.choices, parts.losses])
def test_mistakes_of_routing_can_be_computed_for_every_case(known: Oracle) -> None:
    assert list(inspect.signature(known).parameters) == ["logits", "k"]
    for seed in SEEDS:
        for logits, k in cases.route(Random(seed)) + cases.route_ties(Random(seed)):
            assert all(hint for _, hint in known(logits, k))


def test_probes_find_nothing_in_right_answers() -> None:
    for values in drawn("causal_attention"):
        assert probes.moves(oracle.causal_attention, *values) == ""
    for x, start, theta, layout in drawn("rope"):
        assert probes.stretches(oracle.rope, x, start, theta, layout) == ""


def test_probes_find_what_they_are_for() -> None:
    q, k, v = cases.ADA
    assert "Position 0 sees position 2" in probes.moves(lambda q, k, v: (q @ k.T).softmax(-1) @ v, q, k, v)
    x = cases.normal(Random(0), 3, 4)
    assert "length" in probes.stretches(lambda x, *_: 2 * x, x, 0, 100.0, "half")
    slower = probes.stretches(lambda x, start, theta, how: oracle.rope(x, start, theta + start, how), x, 1, 9.0, "half")
    assert "distances" in slower


@pytest.mark.parametrize("seed", SEEDS)
def test_only_the_group_of_ties_has_choices_at_ties(seed: int) -> None:
    for logits, k in cases.route(Random(seed)):
        torch.testing.assert_close(logits.topk(k).indices, torch.tensor(oracle.ranked(logits, k)))
    tied = [
        len(logits.gather(1, logits.topk(k).indices).unique()) < logits.shape[0] * k
        for logits, k in cases.route_ties(Random(seed))
    ]
    assert all(tied)


def test_a_type_that_differs_brings_no_hint_about_values(lab: LabUnderTest) -> None:
    double = "def causal_attention(q, k, v):\n    return torch.zeros(len(q), v.shape[1]).double()"
    verdict = in_notebook(lab, (*lab.reference, ("mutant", double)), "causal_attention")
    assert {outcome.hint for outcome in verdict.outcomes} == {judging.TYPE}
    single = double.replace(".double()", " - 7")
    verdict = in_notebook(lab, (*lab.reference, ("mutant", single)), "causal_attention")
    assert judging.TYPE not in {outcome.hint for outcome in verdict.outcomes}


@pytest.mark.parametrize("seed", SEEDS)
def test_what_hints_say_of_one_entry_is_true(seed: int) -> None:
    single = [fault for fault in block.FAULTS if fault.startswith("an entry of")]
    assert len(single) == 5
    known = 0
    for (x, weights, config, reported), (_, place) in block.cases(Random(seed)):
        right = block.stages(x, weights, config)
        if place:
            far = (reported[place] - right[place]).abs() > 1e-3 * right[place].abs().max()
            named = dict(diagnosis.name_mistakes(x, weights, config, reported)[::-1])
            assert ("in one entry" in named[""]) == (far.sum() == 1)
            if far.sum() == 1:
                higher = (reported[place] > right[place])[far].item()
                assert ("upwards" if higher else "downwards") in named[""]
            known += int(far.sum()) == 1
    assert known == len(single)


def test_single_entries_are_off_in_either_direction() -> None:
    signed = {fault: name for fault in block.FAULTS for name in ("upwards", "downwards") if fault.endswith(name)}
    assert set(signed.values()) == {"upwards", "downwards"}


def test_no_hint_names_the_culprit_of_the_ported_block(lab: LabUnderTest) -> None:
    names = defined(lab)
    production = next(source for _, source in lab.given if "def production_block" in source)
    code = (
        production
        + """
def diagnose(x, weights, config, reported):
    s = production_block(x, weights, config)
    off = [n for n in s if (reported[n] - s[n]).abs().max() > 1e-3 * s[n].abs().max()]
    return s["out"], off[0] if off else ""
"""
    )
    verdict = in_notebook(lab, (*lab.reference, ("copied", code)), "diagnose")
    assert verdict.earned < verdict.points
    x, weights, config = names["draw"](0)
    culprit = names["diagnose"](x, weights, config, names["production_block"](x, weights, config))[1]
    for outcome in verdict.failures:
        assert not any(word in outcome.hint.lower() for word in (culprit, "gelu", "silu", "gate"))
        assert outcome.want != repr(culprit)
    for seed in SEEDS:
        places = [place for _, (_, place) in block.cases(Random(seed))]
        assert set(places[places.index(culprit) :]) == {culprit} == {block.CULPRIT}


def test_an_error_of_a_probe_does_not_hide_the_answer(lab: LabUnderTest) -> None:
    # The second call with one shape is the probe's: the first answer is wrong in a way that no known mistake explains.
    code = """
def causal_attention(q, k, v, met=set()):
    if q.shape in met:
        raise RuntimeError("met before")
    met.add(q.shape)
    return v[: len(q)] * 3 + 1
"""
    verdict = in_notebook(lab, (*lab.reference, ("mutant", code)), "causal_attention")
    first = verdict.outcomes[0]
    assert (first.kind, bool(first.got)) == ("wrong", True)


def test_patterns_of_errors_belong_to_exercises(lab: LabUnderTest) -> None:
    assert set(errors.ERRORS) <= set(lab.checks.exercises)


def test_the_library_s_kernel_is_shown_to_a_person(lab: LabUnderTest) -> None:
    table = {exercise: list(names) for exercise, names in checks.REVIEW.items()}
    answers = lab.given + tuple(lab.alternatives["libraries"].items())
    found = review.find(list(answers), table)
    assert any(line.startswith("causal_attention uses F.scaled_dot_product_attention") for line in found)
    assert any(line.startswith("rms_norm uses F.rms_norm") for line in found)
    assert review.find(list(lab.reference), table) == []
