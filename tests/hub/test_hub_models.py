"""Real models: tiny ones of the same architectures, saved as the hub serves them, come back with their tokenizers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from fake_hub import run, serving
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, Qwen3Config, Qwen3ForCausalLM

from fullstack_llm import hub
from fullstack_llm.hub.sources import part_of
from fullstack_llm.tokenization import course_tokenizer as course

TOKENIZER = course.load()
SIZES = {
    "vocab_size": len(TOKENIZER),
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "tie_word_embeddings": True,
}


def llama() -> PreTrainedModel:
    return LlamaForCausalLM(LlamaConfig(**SIZES))


def qwen() -> PreTrainedModel:
    return Qwen3ForCausalLM(Qwen3Config(**SIZES, head_dim=8))


def save(model: PreTrainedModel, folder: Path, tokenizer_class: str) -> Path:
    """Save as on the hub: bfloat16 weights, that class of tokenizer, and no file but those that are fetched."""
    model.to(torch.bfloat16).save_pretrained(folder)
    TOKENIZER.save_pretrained(folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings["tokenizer_class"] = tokenizer_class
    settings["chat_template"] = (folder / "chat_template.jinja").read_text(encoding="utf-8")
    settings.pop("backend", None)
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    for path in folder.iterdir():
        if path.name not in part_of(hub.SOURCES["qwen3-0.6b"], "model").files:
            path.unlink()
    return folder


@pytest.mark.parametrize(
    ("name", "make", "tokenizer_class"),
    [
        ("smollm2-135m", llama, "GPT2Tokenizer"),
        ("smollm2-135m-instruct", llama, "GPT2Tokenizer"),
        ("qwen3-0.6b-base", qwen, "Qwen2Tokenizer"),
        ("qwen3-0.6b", qwen, "Qwen2Tokenizer"),
    ],
)
def test_a_folder_gives_model_and_tokenizer(name: str, make: type, tokenizer_class: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    saved = make()
    folder = save(saved, tmp_path / name, tokenizer_class)
    model, tokenizer = hub.load_model(name, folder)
    assert type(model) is type(saved)
    assert model.dtype == torch.float32
    assert not model.training
    assert model.device.type == "cpu"
    ids, again = torch.tensor([[2, 48, 485]]), make()
    again.load_state_dict(saved.state_dict())
    with torch.no_grad():
        assert torch.equal(model(ids).logits, again.eval()(ids).logits)
    assert tokenizer.decode(tokenizer("Ada adds 12.").input_ids) == "Ada adds 12."
    assert "<|im_start|>" in tokenizer.apply_chat_template([{"role": "user", "content": "?"}], tokenize=False)
    assert hub.load_model(name, str(folder), dtype=torch.bfloat16)[0].dtype == torch.bfloat16


def test_a_wrong_name_lists_the_right_ones() -> None:
    with pytest.raises(ValueError, match=r"choose from smollm2-135m, smollm2-135m-instruct, qwen3-0\.6b-base, qwen3-0"):
        hub.load_model("gpt2")


def test_a_folder_that_does_not_load_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(hub.Unavailable, match=r"no config\.json"):
        hub.load_model("qwen3-0.6b", tmp_path)
    folder = save(qwen(), tmp_path / "model", "Qwen2Tokenizer")
    whole = (folder / "model.safetensors").read_bytes()
    for damage in (lambda path: path.unlink(), lambda path: path.write_bytes(whole[: len(whole) // 2])):
        damage(folder / "model.safetensors")
        with pytest.raises(hub.BadData) as caught:
            hub.load_model("qwen3-0.6b", folder)
        assert str(caught.value).startswith(f"The folder {folder} does not load as a model (")
        assert "\n" not in str(caught.value)
        assert caught.value.__suppress_context__


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    model = llama()
    folder = save(model, tmp_path / "model", "GPT2Tokenizer")
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(hub.BadData, match="safetensors"):
        hub.load_model("smollm2-135m", folder)


def test_code_beside_a_model_is_not_run(tmp_path: Path) -> None:
    folder = save(llama(), tmp_path / "model", "GPT2Tokenizer")
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    settings["auto_map"] = {"AutoModelForCausalLM": "evil.Model"}
    (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')", encoding="utf-8")
    model, _ = hub.load_model("smollm2-135m", folder)
    assert isinstance(model, LlamaForCausalLM)
    assert not (tmp_path / "ran").exists()
    shutil.rmtree(folder)


def test_a_model_is_fetched_when_asked_and_found_in_the_cache_afterwards(tmp_path: Path) -> None:
    save(qwen(), tmp_path / "hub" / "Qwen" / "Qwen3-0.6B", "Qwen2Tokenizer")
    code = """
from fullstack_llm import hub
model, tokenizer = hub.load_model("qwen3-0.6b", download=True)
print(type(model).__name__, model.dtype, tokenizer("Ada").input_ids)
again, _ = hub.load_model("qwen3-0.6b")
print(all((one == other).all() for one, other in zip(model.parameters(), again.parameters())))
"""
    with serving(tmp_path / "hub") as (endpoint, log, _):
        assert run(code, endpoint, tmp_path / "home").splitlines() == [
            "Qwen3ForCausalLM torch.float32 [48, 485]",
            "True",
        ]
    fetched = [line.rpartition("/")[2] for line in log if line.startswith("GET") and "/resolve/" in line]
    assert sorted(fetched) == sorted(part_of(hub.SOURCES["qwen3-0.6b"], "model").files)
    assert all(str(hub.SOURCES["qwen3-0.6b"].revision) in line for line in log)
