"""The module's opening page: what it quotes is what the model writes."""

from __future__ import annotations

from pathlib import Path

from fullstack_llm import models
from fullstack_llm.models import generate

PAGE = Path(__file__).resolve().parents[2] / "book/14_sft.md"


def test_base_goes_on_as_quoted() -> None:
    quoted = [line[2:].rstrip("\\") for line in PAGE.read_text("utf-8").splitlines() if line.startswith("> ")]
    model, tokenizer = models.load("base")
    added = generate.complete(model, tokenizer, quoted[:1], 48)[0]
    assert (quoted[0] + added).splitlines() == quoted


def test_control_an_assistant_stops() -> None:
    model, tokenizer = models.load("sft")
    assert generate.reply(model, tokenizer, ["Where does Ada live?"], 48) == ["Ada lives on Lantern Row.<|im_end|>"]
