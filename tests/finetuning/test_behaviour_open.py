"""The open model's path, on files of the hub's formats: a tiny model with a tokenizer whose template marks nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks import sft_hub
from fullstack_llm.finetuning import open_model
from fullstack_llm.models.chat import encode
from fullstack_llm.tinytown.instructions import message
from fullstack_llm.tokenization import course_tokenizer

TALK = [message("user", "2+2?"), message("assistant", "4"), message("user", "3+3?"), message("assistant", "6")]


def saved(folder: Path, template: str | None = open_model.CHATML) -> Path:
    torch.manual_seed(0)
    tokenizer = course_tokenizer.load()
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), num_key_value_heads=2, **sizes))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "chat_template.jinja").unlink()
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    if template:
        settings["chat_template"] = template
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def dolly(folder: Path, count: int = 40) -> Path:
    rows = [
        {"instruction": f"What is {n} and {n}?", "context": "Add them." * (n % 2), "response": f"It is {2 * n}."}
        for n in range(count)
    ]
    path = folder / "databricks-dolly-15k.jsonl"
    path.write_text("\n".join(json.dumps({**row, "category": "open_qa"}) for row in rows), encoding="utf-8")
    return path


def test_the_marks_are_those_of_the_template_that_has_them_and_the_newline_after():
    tokenizer = course_tokenizer.load()
    found, wanted = open_model.by_prefix(tokenizer, TALK), encode(tokenizer, TALK)
    assert found.ids == wanted.ids
    more = [i for i, (a, b) in enumerate(zip(found.own, wanted.own, strict=True)) if a != b]
    assert all(found.own[i] and tokenizer.decode([found.ids[i]]) == "\n" for i in more)
    assert len(more) <= 2


def test_a_template_that_rewrites_what_was_said_is_refused():
    tokenizer = course_tokenizer.load()
    tokenizer.chat_template = "{{ messages | length }}" + open_model.CHATML
    with pytest.raises(ValueError, match="not the beginning"):
        open_model.by_prefix(tokenizer, TALK)


def test_long_rows_are_left_out_whole():
    tokenizer = course_tokenizer.load()
    short, long = TALK[:2], [message("user", "2+2? " * 60), message("assistant", "4")]
    talks = [open_model.Conversation("x", tuple(one)) for one in (short, long, short)]
    rows, left_out = open_model.rows_of(tokenizer, talks, 5, longest=30)
    assert (len(rows), left_out) == (2, 1)
    assert all(tokenizer.decode(row.ids).rstrip().endswith(open_model.STOP) for row in rows)


@pytest.mark.parametrize("template", [open_model.CHATML, None])
def test_a_command_trains_what_lies_in_a_folder(tmp_path, capsys, template):
    folder, rows = saved(tmp_path / "model", template), dolly(tmp_path)
    options = ["--folder", str(folder), "--data", str(rows), "--steps", "30", "--batch", "4", "--lr", "0.01"]
    assert sft_hub.main([*options, "--count", "20", "--held-out", "8", "--longest", "64"]) == 0
    out = capsys.readouterr().out
    before, after = (float(line.split("loss ")[1].split()[0]) for line in out.splitlines() if "held-out loss" in line)
    assert after < before - 1


def test_what_is_missing_is_a_sentence(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert sft_hub.main(["--data", str(tmp_path / "nothing.jsonl")]) == 2
    assert sft_hub.main(["--data", str(dolly(tmp_path, 3)), "--folder", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert len(error.strip().splitlines()) == 2
    assert "Traceback" not in error
    few = ["--data", str(dolly(tmp_path, 3)), "--folder", str(saved(tmp_path / "model")), "--held-out", "8"]
    assert sft_hub.main(few) == 2
    assert "0 conversations to train on" in capsys.readouterr().err
