import pytest
import torch
from torch import nn

from fullstack_llm import models
from fullstack_llm.lora import layer

IDS = torch.randint(0, 512, (2, 9), generator=torch.Generator().manual_seed(0))


def adapted(filled=True, **options):
    model, _ = models.load("draft")
    model = layer.adapt(model, **{"rank": 3, "alpha": 6.0} | options)
    for _, found in layer.layers(model) if filled else ():
        nn.init.normal_(found.B, std=0.1)
    return model


@torch.no_grad()
def logits(model):
    return model(IDS).logits


def test_an_untrained_adapter_changes_nothing_and_a_filled_one_does():
    base, _ = models.load("draft")
    assert torch.equal(logits(adapted(filled=False)), logits(base))
    assert (logits(adapted()) - logits(base)).abs().max() > 0.1


def test_only_the_two_matrices_of_each_target_are_trainable():
    model = adapted(targets=layer.ATTENTION)
    trainable = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trainable == set(layer.adapter(model)) and len(trainable) == 2 * 4 * model.config.num_hidden_layers


def test_merging_is_exact_in_fp32_and_undone():
    model = adapted()
    before, weights = logits(model), {n: p.clone() for n, p in model.named_parameters()}
    torch.testing.assert_close(logits(layer.merge(model)), before, atol=1e-4, rtol=1e-4)
    layer.unmerge(model)
    for name, p in model.named_parameters():
        torch.testing.assert_close(p, weights[name], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("twice", [lambda m: layer.merge(layer.merge(m)), layer.unmerge])
def test_an_update_is_neither_added_twice_nor_taken_out_of_where_it_is_not(twice):
    with pytest.raises(ValueError, match="There is no"):
        twice(adapted())


@pytest.mark.parametrize(("rank_stable", "scale"), [(False, 8 / 4), (True, 8 / 2)])
def test_the_scale_falls_with_the_rank_or_with_its_root(rank_stable, scale):
    found = dict(layer.layers(adapted(rank=4, alpha=8.0, rank_stable=rank_stable)))
    assert {one.scale for one in found.values()} == {scale}


@pytest.mark.parametrize(
    ("options", "words"), [({"targets": ("qproj",)}, "no linear layer named qproj"), ({"rank": 0}, "rank of 0")]
)
def test_what_fits_no_layer_is_said(options, words):
    with pytest.raises(ValueError, match=words):
        adapted(**options)
