"""The frequencies for longer texts are those of `transformers`, and a stretched model is the library's."""

import math

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from fullstack_llm import models
from fullstack_llm.decoding import rope_scaling


def library(kind, dim, factor, trained, theta=10_000.0, length=None):
    config = LlamaConfig(hidden_size=4 * dim, num_attention_heads=4, head_dim=dim, max_position_embeddings=trained)
    config.rope_parameters = {"rope_type": kind, "rope_theta": theta, "factor": factor}
    if kind == "yarn":
        config.rope_parameters["original_max_position_embeddings"] = trained
    return ROPE_INIT_FUNCTIONS[kind](config, torch.device("cpu"), seq_len=length)


@pytest.mark.parametrize("dim", [8, 32, 128])
@pytest.mark.parametrize("factor", [1.0, 2.5, 16.0])
@pytest.mark.parametrize("theta", [10_000.0, 500_000.0])
def test_each_method_has_the_frequencies_of_the_library(dim, factor, theta):
    trained = 300
    linear, one = library("linear", dim, factor, trained, theta)
    torch.testing.assert_close(rope_scaling.interpolated(dim, factor, theta), linear, rtol=1e-5, atol=0)
    parts, scale = library("yarn", dim, factor, trained, theta)
    torch.testing.assert_close(rope_scaling.by_parts(dim, factor, trained, theta), parts, rtol=1e-5, atol=0)
    assert one == 1.0 and math.isclose(scale, rope_scaling.sharpened(factor))
    for length in (7, trained, trained + 1, 4 * trained):
        grown, _ = library("dynamic", dim, factor, trained, theta, length)
        ours = rope_scaling.dynamic_ntk(dim, factor, trained, length, theta)
        torch.testing.assert_close(ours, grown, rtol=1e-5, atol=0)


def test_ntk_leaves_the_fastest_pair_and_divides_the_slowest_by_the_factor():
    by = rope_scaling.plain(32) / rope_scaling.ntk(32, 4.0)
    assert by[0] == 1 and math.isclose(by[-1], 4.0, rel_tol=1e-5) and (by.diff() > 0).all()


def test_a_ramp_whose_ends_meet_is_a_step():
    assert set(rope_scaling.ramp(8, 256, fast=1.0, slow=1.0).tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("method", ["interpolation", "yarn"])
def test_a_stretched_model_is_the_librarys(method):
    base = models.load("draft")[0].float()
    config = models.load("draft")[0].config
    config.max_position_embeddings = 256
    config.rope_parameters = {
        "interpolation": {"rope_type": "linear", "rope_theta": 10_000.0, "factor": 4.0},
        "yarn": {
            "rope_type": "yarn", "rope_theta": 10_000.0, "factor": 4.0, "original_max_position_embeddings": 256,
        },
    }[method]  # fmt: skip
    theirs = LlamaForCausalLM(config).eval()
    theirs.load_state_dict(base.state_dict())
    ids = torch.randint(3, 500, (1, 300), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        plain = base(ids).logits
        ours = rope_scaling.stretch(base, method, 4.0, 256)(ids).logits
        torch.testing.assert_close(ours, theirs(ids).logits, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(ours, plain, atol=0.1)
