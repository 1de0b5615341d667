"""The runs of part 15a: what its records say is what the functions give, and the controls give something else."""

import pytest
import torch

from fullstack_llm import models, recorded
from fullstack_llm.experiments import m15_cuts as cuts
from fullstack_llm.experiments import m15_update as update
from fullstack_llm.lora import layer

IDS = torch.arange(40, 60)[None]


@torch.no_grad()
def logits(model):
    return model(IDS).logits


def test_a_cut_at_full_rank_is_sft_and_at_none_is_not():
    sft = models.load("sft")[0]
    torch.testing.assert_close(logits(cuts.with_cut(128)), logits(sft), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(logits(cuts.with_cut(0, rest=True)), logits(sft), atol=1e-3, rtol=1e-3)
    for other in (cuts.with_cut(0), cuts.with_cut(128, embedding=False), cuts.with_cut(128, "noise")):
        assert not torch.allclose(logits(other), logits(sft), atol=0.1)


def test_the_rows_of_the_embedding_that_are_named_are_the_ones_that_change():
    base, model = models.load("base")[0], cuts.with_rows([4, 9])
    moved = (model.get_input_embeddings().weight != base.get_input_embeddings().weight).any(dim=1)
    assert moved.nonzero().flatten().tolist() == [4, 9]


def test_the_parts_of_a_cut_and_its_rest_add_up():
    name = "model.layers.1.mlp.down_proj.weight"
    base = models.load("base")[0].get_parameter(name)
    strong, weak = (cuts.with_cut(5, rest=rest).get_parameter(name) - base for rest in (False, True))
    torch.testing.assert_close(strong + weak, cuts.change()[name], atol=1e-5, rtol=1e-4)
    assert torch.linalg.matrix_rank(strong, atol=1e-4) == 5


@pytest.mark.parametrize(("init", "zero"), [("A", "B"), ("B", "A")])
def test_a_beginning_keeps_the_function_unless_both_are_random(init, zero):
    base = models.load("base")[0]
    model = update.adapted(3, init=init)
    assert torch.equal(logits(model), logits(base))
    assert not any(getattr(one, zero).any() for _, one in layer.layers(model))
    assert not torch.allclose(logits(update.adapted(3, init="both")), logits(base), atol=0.1)


def test_the_recorded_scalings_hold_what_they_claim():
    rows = recorded.load("lora-scalings")["values"]["rows"]
    first, last = map(str, (update.SCALE_RANKS[0], update.SCALE_RANKS[-1]))
    for key, flat in (("gradient", "alpha/sqrt(r)"), ("promise", "alpha/r")):
        for kind, by in rows.items():
            times = sum(one[key] for one in by[last]) / sum(one[key] for one in by[first])
            assert (0.7 < times < 1.4) is (kind == flat), (key, kind)


def test_a_training_at_a_rank_moves_the_adapters_alone():
    found = update.low_rank(0, 2, until=2)
    before = dict(models.load("base")[0].named_parameters())
    for name, p in found.model.named_parameters():
        if name.endswith((".A", ".B")):
            assert p.any(), name
        else:
            assert torch.equal(p, before[name.replace(".base.", ".")]), name
    assert len(found.losses) == 3, "the last of them is measured, and not stepped on"
