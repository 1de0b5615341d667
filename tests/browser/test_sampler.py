"""The sampler's script computes what the package computes, on the model's own logits, without a site."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from fullstack_llm.decoding import samplers

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import sampler  # noqa: E402


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    return sampler.logits(ROOT)


@pytest.fixture
def tool(without_site: Any, data: dict[str, Any]) -> Any:
    return without_site("sampler", data)


def shares(tool: Any) -> torch.Tensor:
    return torch.tensor(json.loads(tool.locator("#sampler").get_attribute("data-shares")))


@pytest.mark.browser
@pytest.mark.parametrize("order", ["first", "last"])
@pytest.mark.parametrize(
    ("prompt", "asked"),
    [
        (0, {}),
        (0, {"temperature": 2.5}),
        (1, {"temperature": 0.5, "top_k": 3}),
        (2, {"temperature": 1.5, "top_p": 0.9}),
        (3, {"temperature": 1.5, "min_p": 0.1}),
        (4, {"temperature": 1.8, "top_k": 20, "top_p": 0.8, "min_p": 0.2}),
        (5, {"temperature": 3.0, "top_p": 0.05}),
    ],
)
def test_script_and_package_agree(
    tool: Any, data: dict[str, Any], prompt: int, asked: dict[str, float], order: str
) -> None:
    tool.locator("#sampler-prompt").select_option(str(prompt))
    tool.locator("#sampler-order").select_option(order)
    for name, value in asked.items():
        tool.locator(f"#sampler-{name.replace('_', '-')}").fill(str(value))
    scores = torch.tensor([data["prompts"][prompt]["logits"]], dtype=torch.float64)
    last = ["top_k", "top_p", "min_p", "temperature"]
    want = samplers.distribution(scores, None if order == "first" else last, **asked)[0]
    torch.testing.assert_close(shares(tool).double(), want, atol=2e-6, rtol=1e-4)
    assert f"{int((want > 0).sum())} of 512 tokens" in tool.locator(".sp-status").inner_text()


@pytest.mark.browser
def test_the_order_matters_and_drawn_tokens_are_allowed_ones(tool: Any, data: dict[str, Any]) -> None:
    for name, value in {"temperature": 2.5, "min-p": 0.2}.items():
        tool.locator(f"#sampler-{name}").fill(str(value))
    warm = (shares(tool) > 0).sum()
    tool.locator("#sampler-order").select_option("last")
    assert (shares(tool) > 0).sum() < warm
    allowed = {token for token, share in zip(data["tokens"], shares(tool).tolist(), strict=True) if share > 0}
    tool.get_by_role("button").click()
    found = [text.strip() for text in tool.locator(".sp-drawn .fsllm-tool-token").all_inner_texts()]
    assert len(found) == 10 and set(found) <= allowed
