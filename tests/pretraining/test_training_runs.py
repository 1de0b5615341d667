"""The runs of part 05b that are larger or go elsewhere: continued pretraining, speed, the recipe for a GPU."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from fullstack_llm.experiments import m05_continued as second
from fullstack_llm.experiments import m05_large as large
from fullstack_llm.experiments import m05_speed as speed
from fullstack_llm.scaling.flops import per_token
from fullstack_llm.tinytown.world import town
from fullstack_llm.transformer.shape import of_llama


def test_a_hundred_million_parameters_and_the_same_path_in_small(tmp_path):
    assert 95e6 < large.parameters(large.large(gpu=True)) < 105e6
    plan = large.large(gpu=False)
    model, trained = large.run(tmp_path, plan)
    again, resumed = large.run(tmp_path, plan)
    assert len(trained.record) == plan.steps and resumed.record == trained.record
    assert trained.record[-1] < trained.record[0]
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def test_products_are_in_bf16():
    plan = large.large(gpu=False)
    torch.manual_seed(0)
    model = speed.LlamaForCausalLM(plan.config(512))
    loss, shown = large.step_of(model, plan)(0)
    inputs, targets = large.batch(large.stream(plan, large.course_tokenizer.load()), plan.batch, plan.length, 0)
    exact = torch.nn.functional.cross_entropy(model(inputs).logits.flatten(0, 1), targets.flatten()).item()
    assert loss.dtype == torch.float32 and shown == loss.item()
    assert 0 < abs(shown - exact) < 0.02


@pytest.mark.parametrize("length", [16, 128])
def test_the_formula_counts_what_the_counter_counts(length):
    model = speed.fresh()
    ids = torch.randint(3, 512, (2, length), generator=torch.Generator().manual_seed(0))
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(ids, use_cache=False).logits.sum().backward()
    shape = of_llama(model.config)
    assert counter.get_total_flops() / ids.numel() == per_token(shape, length)
    assert per_token(shape, length, scores=False) < per_token(shape, length)


def test_three_loops_do_the_same():
    found = {name: loop(3)[1] for name, loop in speed.LOOPS.items()}
    assert all(len(losses) == 3 for losses in found.values())
    for losses in found.values():
        assert losses == pytest.approx(found["ours"], abs=1e-4)


def test_questions_are_of_people_whom_the_other_town_has_not_or_has_otherwise():
    old, new = town(second.OLD), town(second.NEW)
    names = {fact.subject for fact in new.facts}
    only, contradicted = (second.asked(old, new, group) for group in ("only", "contradicted"))
    assert len(only) == len(contradicted) == second.FACTS
    assert not {str(item["subject"]) for item in only} & names
    assert {str(item["subject"]) for item in contradicted} <= names
    for item in contradicted:
        key = (item["subject"], item["relation"])
        assert old.index[key] != new.index[key] and old.index[key] in str(item["target"])
    assert "Ada" not in {item["subject"] for item in [*only, *contradicted]}, "both towns say the same of her"
