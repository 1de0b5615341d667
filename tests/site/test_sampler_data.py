"""The sampler has the model's own logits, and is light."""

import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import interactive  # noqa: E402
import sampler  # noqa: E402

from fullstack_llm import models  # noqa: E402


@pytest.fixture(scope="module")
def data():
    return sampler.logits(ROOT)


def test_each_beginning_has_the_models_distribution(data):
    model, tok = models.load("base")
    for one in data["prompts"]:
        ids = torch.tensor([[tok.eos_token_id, *tok(one["text"]).input_ids]])
        with torch.inference_mode():
            want = model(ids).logits[0, -1].softmax(-1)
        torch.testing.assert_close(torch.tensor(one["logits"]).softmax(-1), want, atol=5e-4, rtol=2e-3)
    widths = [torch.tensor(one["logits"]).softmax(-1).max().item() for one in data["prompts"]]
    assert max(widths) > 0.99 and min(widths) < 0.2, "one beginning is sure, another is open"


def test_it_is_light_and_its_tokens_can_be_read(data):
    assert len(interactive.data_block(data).encode()) < 40_000
    assert len(data["tokens"]) == 512 and all(token and token.isprintable() for token in data["tokens"])
