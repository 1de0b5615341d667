"""Loading: fast, offline, with clear words for a wrong name and a damaged file."""

import json
import shutil
import socket
import time
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, LlamaForCausalLM, LlamaForSequenceClassification

from fullstack_llm import models
from fullstack_llm.models import __main__ as command
from fullstack_llm.models import building, store
from fullstack_llm.models.recipes import recipes
from fullstack_llm.tokenization import course_tokenizer


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    shutil.copytree(store.FOLDER / "draft", tmp_path / "draft")
    return tmp_path


def test_all_that_the_course_uses_is_shipped() -> None:
    assert models.names() == ("base", "dpo", "draft", "hacked", "larger", "reward", "rl", "sft")


@pytest.mark.parametrize("name", models.names())
def test_load_is_fast_offline_and_leaves_chance_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    state = torch.get_rng_state()
    models.load(name)
    began = time.process_time()
    model, words = models.load(name)
    assert time.process_time() - began < 1
    assert torch.equal(torch.get_rng_state(), state)
    assert model.dtype == torch.float32
    assert not model.training
    assert model.config.vocab_size == len(words)
    assert model.num_parameters() == models.card(name).parameters
    kind = LlamaForSequenceClassification if name == "reward" else LlamaForCausalLM
    assert type(model) is kind


@pytest.mark.parametrize("name", models.names())
def test_the_folder_is_one_that_transformers_reads(name: str) -> None:
    ours = models.load(name)[0]
    theirs = type(ours).from_pretrained(store.FOLDER / name, dtype=torch.float32)
    for one, two in zip(theirs.parameters(), ours.parameters(), strict=True):
        assert torch.equal(one, two)


def test_load_as_stored() -> None:
    model, _ = models.load("draft", dtype=torch.bfloat16)
    loaded = models.load("draft")[0]
    assert model.dtype == torch.bfloat16
    for one, two in zip(model.parameters(), loaded.parameters(), strict=True):
        assert torch.equal(one.float(), two)


def test_the_tokenizer_is_the_course_s() -> None:
    assert models.load("draft")[1].get_vocab() == AutoTokenizer.from_pretrained(course_tokenizer.FOLDER).get_vocab()


def test_a_wrong_name_lists_the_right_ones(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="no checkpoint 'bass'; there are base, dpo, draft"):
        models.load("bass")
    with pytest.raises(KeyError, match="there are none"):
        models.load("base", tmp_path)


@pytest.mark.parametrize("place", [0, 100, -1])
def test_a_damaged_file_is_caught(copied: Path, place: int) -> None:
    path = copied / "draft" / store.WEIGHTS
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(RuntimeError, match=r"damaged.*git checkout.*pip install"):
        models.load("draft", copied)


def test_a_cut_or_missing_file_is_caught(copied: Path) -> None:
    path = copied / "draft" / store.WEIGHTS
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(RuntimeError, match="damaged"):
        models.load("draft", copied)
    path.unlink()
    with pytest.raises(RuntimeError, match="missing"):
        models.load("draft", copied)


def test_another_tokenizer_is_caught(copied: Path) -> None:
    path = copied / "draft" / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tokenizer": "0" * 64}))
    with pytest.raises(RuntimeError, match="trained with another tokenizer"):
        models.load("draft", copied)


@pytest.mark.parametrize("name", models.names())
def test_the_shipped_checkpoint_is_the_recipe_s(name: str) -> None:
    card = models.card(name)
    assert card.recipe == building.plain(recipes()[name])
    assert set(card.versions) == {"torch", "transformers"}
    assert card.device == "1 thread(s) on 2 CPU cores"
    assert card.seconds > 0


def test_the_checkpoints_are_small() -> None:
    assert sum(path.stat().st_size for path in store.FOLDER.rglob("*")) < 20e6
    assert not list(store.FOLDER.rglob("state*"))


def test_a_card_survives_writing(copied: Path) -> None:
    card = store.card("draft", copied)
    store.write_card(card, copied)
    assert store.card("draft", copied) == card
    assert (copied / "draft" / "card.json").read_bytes() == (store.FOLDER / "draft" / "card.json").read_bytes()


def test_evaluate_prints_and_writes_only_when_asked(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = store.card("draft", copied)
    assert command.main(["evaluate", "draft", "--folder", str(copied), "--count", "8"]) == 0
    assert "8 items" in capsys.readouterr().out
    assert store.card("draft", copied) == before
    assert command.main(["evaluate", "all", "--folder", str(copied), "--count", "8", "--write"]) == 0
    assert {score.items for score in store.card("draft", copied).scores.values()} == {8}


def test_the_command_answers_mistakes_with_a_sentence(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["build", "bass"])
    message = capsys.readouterr().err
    assert all(name in message for name in (*recipes(), "all"))
    assert command.main(["evaluate", "bass", "--folder", str(copied)]) == 2
    assert capsys.readouterr().err == "error: There is no checkpoint 'bass'; there are draft.\n"
