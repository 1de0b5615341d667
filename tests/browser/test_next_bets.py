"""The bets on the page are the models' own, for what is typed, chosen and pressed; without a site."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from fullstack_llm import models
from fullstack_llm.experiments import m02_bets
from fullstack_llm.tokenization import course_tokenizer

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import bets  # noqa: E402

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    return bets.bets(ROOT)


@pytest.fixture
def tool(without_site: Any, data: dict[str, Any]) -> Any:
    return without_site("next-bets", data)


def shown(tool: Any) -> list[list[tuple[str, float]]]:
    """For each model, the tokens on the page and their percentages."""
    found = []
    for column in tool.locator(".nb-bars").all():
        names = column.locator("li > .fsllm-tool-token").all_inner_texts()
        shares = [float(text.removesuffix(" %")) for text in column.locator(".nb-share").all_inner_texts()]
        found.append(list(zip(names, shares, strict=True)))
    return found


def wanted(text: str) -> list[dict[str, float]]:
    """What each model gives every token after a text, in percent: the networks asked once more, in one piece."""
    words = course_tokenizer.load()
    ids = [words.eos_token_id, *words(text).input_ids]
    with torch.no_grad():
        rows = [
            torch.from_numpy(m02_bets.counted()(tuple(ids))),
            m02_bets.networks()[0].read(torch.tensor([ids]))[0][0, -1].softmax(-1),
            models.load("base")[0](torch.tensor([ids])).logits[0, -1].softmax(-1),
        ]
    tokens = [bets.readable(words.decode([at])) for at in range(len(words))]
    return [dict(sorted(zip(tokens, (100 * row).tolist(), strict=True), key=lambda pair: pair[1])) for row in rows]


def agree(tool: Any, text: str) -> None:
    for page, model in zip(shown(tool), wanted(text), strict=True):
        assert len(page) == bets.SHOWN
        best = sorted(model.values(), reverse=True)
        for (name, share), most in zip(page, best, strict=False):
            assert abs(share - model[name]) < 0.06 and abs(share - most) < 0.06, (name, share)


@pytest.mark.parametrize("text", ["", "Ada", "Ada lives on", "Ada is a teacher. She lives on", "Zed lives on"])
def test_typed_texts_get_the_models_bets(tool: Any, text: str) -> None:
    tool.locator("#bets-text").fill(text)
    agree(tool, text)
    assert "Not stored" not in tool.locator(".nb-status").inner_text()


def test_each_text_to_choose_is_stored_to_its_end(tool: Any, data: dict[str, Any]) -> None:
    for number, text in enumerate(data["texts"]):
        tool.locator("#bets-choice").select_option(str(number))
        assert tool.locator("#bets-text").input_value() == text.replace("\n", "↵")
        assert "Not stored" not in tool.locator(".nb-status").inner_text()
        agree(tool, text)


def test_what_is_not_stored_is_said(tool: Any) -> None:
    tool.locator("#bets-text").fill("Ada lives on the moon")
    assert "Not stored from “ the moon”" in tool.locator(".nb-status").inner_text()
    agree(tool, "Ada lives on")


def test_a_bet_that_is_pressed_goes_on_and_can_be_taken_back(tool: Any) -> None:
    tool.locator("#bets-text").fill("Ada lives on")
    before = shown(tool)
    tool.locator(".nb-bars").nth(2).get_by_role("button").first.press("Enter")
    text = tool.locator("#bets-text").input_value()
    assert text.startswith("Ada lives on ") and len(text) > 13
    assert shown(tool) != before
    agree(tool, text)
    tool.get_by_role("button", name="Take the last token back").click()
    assert shown(tool) == before and tool.locator("#bets-text").input_value() == "Ada lives on"
    back = tool.get_by_role("button", name="Take the last token back")
    while back.get_attribute("aria-disabled") == "false":
        back.click()
    assert tool.locator("#bets-text").input_value() == ""


def test_the_data_are_small(data: dict[str, Any]) -> None:
    assert len(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()) < 40_000
