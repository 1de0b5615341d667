import pytest
import torch
from torch import nn

from fullstack_llm import models
from fullstack_llm.lora import layer, spectrum

CHANGE = torch.randn(7, 11, generator=torch.Generator().manual_seed(9)) * torch.logspace(0, 1, 11)


@pytest.mark.parametrize("rank", [1, 3, 6])
def test_a_cut_is_nearer_than_any_other_matrix_of_its_rank_that_we_try(rank):
    found = spectrum.cut(CHANGE, rank)
    assert torch.linalg.matrix_rank(found) == rank
    missed = (CHANGE - found).norm()
    generator = torch.Generator().manual_seed(1)
    for _ in range(20):
        # The best columns for given rows, by least squares.
        A = torch.randn(rank, 11, generator=generator)
        B = torch.linalg.lstsq(A.T, CHANGE.T).solution.T
        assert (CHANGE - B @ A).norm() > missed


def test_a_cut_at_full_rank_is_the_change_and_at_none_is_zero():
    torch.testing.assert_close(spectrum.cut(CHANGE, 7), CHANGE, atol=1e-5, rtol=1e-5)
    assert not spectrum.cut(CHANGE, 0).any()


def test_energy_is_the_share_of_the_squared_norm_that_a_cut_keeps():
    held = spectrum.energy(torch.linalg.svdvals(CHANGE))
    for rank in (1, 4, 7):
        kept = spectrum.cut(CHANGE, rank).square().sum() / CHANGE.square().sum()
        torch.testing.assert_close(held[rank - 1], kept, atol=1e-5, rtol=1e-5)
    assert spectrum.needed(torch.linalg.svdvals(CHANGE), held[3].item() - 1e-4) == 4


def test_noise_has_the_changes_norm_and_a_turned_one_its_singular_values():
    noise, turned = spectrum.noise_like(CHANGE, 0), spectrum.turned(CHANGE, 0)
    torch.testing.assert_close(noise.norm(), CHANGE.norm())
    torch.testing.assert_close(torch.linalg.svdvals(turned), torch.linalg.svdvals(CHANGE), atol=1e-5, rtol=1e-5)
    spread = [torch.linalg.svdvals(found) for found in (noise, CHANGE)]
    assert not torch.allclose(*spread, rtol=1e-2)
    for found in (noise, turned):
        assert nn.functional.cosine_similarity(found.flatten(), CHANGE.flatten(), dim=0).abs() < 0.4
    assert not torch.equal(turned, spectrum.turned(CHANGE, 1))


def test_what_was_added_is_found_again():
    base = models.load("draft")[0]
    change = {"model.layers.0.mlp.up_proj.weight": torch.full_like(base.model.layers[0].mlp.up_proj.weight, 0.01)}
    after = spectrum.added(base, change)
    found = spectrum.difference(base, after)
    torch.testing.assert_close(found["model.layers.0.mlp.up_proj.weight"], change["model.layers.0.mlp.up_proj.weight"])
    assert [name for name, d in found.items() if d.any()] == list(change), "and the base is as it was"


def test_adapters_cut_from_a_change_are_the_model_with_the_cut_added():
    base = models.load("draft")[0]
    weights = dict(base.named_parameters())
    every = {n: spectrum.noise_like(p.detach(), 3) * 0.3 for n, p in weights.items() if p.ndim == 2}
    change = spectrum.targets(every)
    assert len(change) == 7 * base.config.num_hidden_layers and "model.embed_tokens.weight" not in change
    ids = torch.arange(5, 20)[None]
    with torch.no_grad():
        for rank, close in ((2, True), (3, False)):
            want = spectrum.added(base, {n: spectrum.cut(d, 2) for n, d in change.items()})(ids).logits
            got = spectrum.extracted(models.load("draft")[0], change, rank)
            assert torch.allclose(got(ids).logits, want, atol=1e-3) is close
            assert len(list(layer.layers(got))) == len(change)
