import re
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracles import library_merges, library_tokenizer, naive_merges
from tokenizers import pre_tokenizers

from fullstack_llm import corpus
from fullstack_llm.tokenization import bpe

PENCIL_AND_PAPER = "ada adds, dad adds, ada adds a dad"

# Few symbols and short texts: most pairs tie. The alphabets cross the visible and the hidden part of the byte alphabet.
tie_heavy = st.sampled_from(["ab", "ab ", "a\n b\t", "1a2 ", "zé日 ", "\xa0¡ÿĀ"]).flatmap(
    lambda letters: st.text(letters, max_size=80)
)
words = st.lists(st.text("ab", min_size=1, max_size=12), max_size=12)
any_bytes = st.lists(st.binary(min_size=1, max_size=8), max_size=20)
characters = st.characters(exclude_categories=["Cs"])
some_merges = st.text("ab é\n", max_size=60).map(lambda text: bpe.train(text, 30))
a_pattern = st.sampled_from([bpe.GPT2_PATTERN, bpe.SINGLE_DIGITS_PATTERN])


@pytest.fixture(scope="module")
def megabyte() -> str:
    return corpus.megabyte()


@pytest.fixture(scope="module")
def thousand(megabyte: str) -> bpe.Merges:
    return bpe.train(megabyte, 1000)


@settings(max_examples=300)
@given(tie_heavy)
@example(PENCIL_AND_PAPER)
@example("aaaa aaaaa aaaaaaa")
def test_merges_are_the_librarys_when_many_pairs_tie(text):
    library = library_merges(library_tokenizer([text], 1000))
    assert bpe.train(text, 1000) == library
    assert list(islice(naive_merges(bpe.pretokenize(text)), 1000)) == library


@settings(max_examples=200)
@given(words, st.integers(0, 12))
def test_words_give_the_merges_of_the_naive_trainer(chunks, num_merges):
    assert bpe.train(chunks, num_merges) == list(islice(naive_merges(chunks), num_merges))


@settings(max_examples=200)
@given(any_bytes)
def test_merges_of_any_bytes_are_the_naive_trainers_and_no_two_make_the_same_token(chunks):
    merges = bpe.train(chunks, 100)
    assert merges == list(islice(naive_merges(chunks), 100))
    assert len(set(bpe.vocabulary(merges))) == 256 + len(merges)


WRONG_TIE_BREAKS = {
    "bytes in numerical order": {"byte_order": range(256)},
    "largest ids": {"prefer": lambda pair: pair},
    "the pair seen first": {"prefer": lambda pair: ()},
    "smallest right id first": {"prefer": lambda pair: (-pair[1], -pair[0])},
}


@pytest.mark.parametrize("wrong", WRONG_TIE_BREAKS.values(), ids=WRONG_TIE_BREAKS)
def test_control_the_equality_catches_a_wrong_tie_break(wrong):
    library = library_merges(library_tokenizer([PENCIL_AND_PAPER], 1000))
    assert list(naive_merges(bpe.pretokenize(PENCIL_AND_PAPER))) == library
    assert list(naive_merges(bpe.pretokenize(PENCIL_AND_PAPER), **wrong)) != library


def test_a_thousand_merges_of_a_megabyte_are_the_librarys(megabyte, thousand):
    library = library_tokenizer([megabyte], 1000)
    assert thousand == library_merges(library)
    assert len(thousand) == 1000


def test_fewer_merges_are_a_prefix_of_more(megabyte, thousand):
    assert bpe.train(megabyte, 100) == thousand[:100]


def test_encoding_of_real_text_is_the_librarys(megabyte, thousand):
    library = library_tokenizer([megabyte], 1000)
    pieces = bpe.vocabulary(thousand)
    alphabet = {char: byte for byte, char in bpe.ALPHABET.items()}
    ids = bpe.encode(megabyte, thousand)
    tokens = library.encode(megabyte).tokens
    assert [pieces[i] for i in ids] == [bytes(alphabet[char] for char in token) for token in tokens]
    assert bpe.decode(ids, thousand).decode() == megabyte


@settings(max_examples=200)
@given(tie_heavy, tie_heavy)
def test_encoding_of_text_never_seen_is_the_librarys(text, other):
    library = library_tokenizer([text], 50)
    merges = library_merges(library)
    pieces = bpe.vocabulary(merges)
    tokens = ["".join(bpe.ALPHABET[byte] for byte in pieces[i]) for i in bpe.encode(other, merges)]
    assert tokens == library.encode(other).tokens


@given(st.binary(), some_merges, a_pattern)
@example(b"\xed\xa0\x80 \xc3", [], bpe.GPT2_PATTERN)
def test_any_bytes_round_trip(data, merges, pattern):
    assert bpe.decode(bpe.encode(data, merges, pattern=pattern), merges) == data


@given(st.text(characters), some_merges, a_pattern)
def test_any_text_round_trips_and_encodes_as_its_bytes(text, merges, pattern):
    ids = bpe.encode(text, merges, pattern=pattern)
    assert ids == bpe.encode(text.encode(), merges, pattern=pattern)
    assert bpe.decode(ids, merges).decode() == text


@given(st.text(characters), a_pattern)
def test_chunks_join_to_the_text(text, pattern):
    assert "".join(bpe.pretokenize(text, pattern)) == text


def test_single_digits_pattern_gives_each_digit_one_id_wherever_it_stands():
    text = "12 and 1,234 and x12 12 34 1212 1212 1212"
    merges = bpe.train(text, 50, pattern=bpe.SINGLE_DIGITS_PATTERN)
    pieces = [bpe.vocabulary(merges)[i] for i in bpe.encode(text, merges, pattern=bpe.SINGLE_DIGITS_PATTERN)]
    assert [piece for piece in pieces if any(48 <= byte < 58 for byte in piece)] == [
        char.encode() for char in text if char.isdigit()
    ]


def test_training_stops_when_every_word_is_one_token():
    assert bpe.train("aaaa", 100) == [(b"a", b"a"), (b"aa", b"aa")]
    assert bpe.train("", 100) == []
    assert bpe.train("ab", 0) == []


def test_a_negative_number_of_merges_is_refused():
    with pytest.raises(ValueError, match=r"num_merges is -1: ask for zero or more"):
        bpe.train("ab", -1)


@pytest.mark.parametrize("bad", [-1, 257])
def test_decode_refuses_an_id_that_does_not_exist(bad):
    with pytest.raises(ValueError, match=rf"no id {bad}: this vocabulary has the ids 0 to 256"):
        bpe.decode([97, bad], [(b"a", b"b")])


def test_one_long_chunk_is_encoded_in_reasonable_time():
    merges = bpe.train("a" * 4096, 12)
    start = time.process_time()
    assert len(bpe.encode("a" * 100_000, merges)) < 100
    assert time.process_time() - start < 5


@given(any_bytes)
def test_save_and_load(tmp_path_factory, chunks):
    merges = bpe.train(chunks, 50)
    path = tmp_path_factory.mktemp("bpe") / "merges.txt"
    bpe.save(path, merges)
    assert bpe.load(path) == merges


def test_the_file_is_legible(tmp_path):
    bpe.save(tmp_path / "merges.txt", bpe.train(PENCIL_AND_PAPER, 3))
    text = (tmp_path / "merges.txt").read_text(encoding="utf-8")
    assert text == "#version: 0.2 merges=3\na d\nĠ ad\nd s\n"


DAMAGED = {
    "empty": (b"", "line 1 should be"),
    "binary": (b"\xff\xfe\x00", "byte 0 is not UTF-8"),
    "cut off": (b"#version: 0.2 merges=3\na d\n", "line 1 should be '#version: 0.2 merges=1'"),
    "line gone": (b"#version: 0.2 merges=2\na d\n", "line 1 should be '#version: 0.2 merges=1'"),
    "cut inside a line": (b"#version: 0.2 merges=2\na d\nad\n", "line 3 is not two tokens"),
    "empty token": (b"#version: 0.2 merges=1\n d\n", "line 2 merges ' d'"),
    "three tokens": (b"#version: 0.2 merges=1\na b c\n", "line 2 is not two tokens"),
    "foreign character": ("#version: 0.2 merges=1\na 日\n".encode(), "line 2 is not two tokens"),
    "out of order": (b"#version: 0.2 merges=2\nad a\na d\n", "line 2 merges 'ad a', but no earlier line"),
    "twice": (b"#version: 0.2 merges=2\na d\na d\n", "line 3 makes a token that an earlier line made"),
}


@pytest.mark.parametrize(("raw", "message"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_refused_with_the_reason(tmp_path, raw, message):
    path = tmp_path / "merges.txt"
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=r"merges\.txt is ") as error:
        bpe.load(path)
    assert message in str(error.value)


@given(st.binary(max_size=30))
def test_printable_is_printable(piece):
    assert bpe.printable(piece).isprintable()


def test_a_lone_surrogate_is_not_text():
    with pytest.raises(UnicodeEncodeError, match="surrogates not allowed"):
        bpe.encode("\ud800", [])


def test_the_alphabet_is_the_librarys_in_the_order_of_its_code_points():
    assert set(bpe.ALPHABET.values()) == set(pre_tokenizers.ByteLevel.alphabet())
    assert list(bpe.ALPHABET.values()) == sorted(bpe.ALPHABET.values())
    assert set(bpe.ALPHABET) == set(range(256))


def test_the_picture_of_ids_and_rows_shows_what_the_notebook_prints() -> None:
    """The rows' numbers are drawn from the seed that notebook 03a names, and the ids are those of the four merges."""
    root = Path(__file__).resolve().parents[2]
    notebook = (root / "notebooks" / "03a_bpe.md").read_text(encoding="utf-8")
    assert "E = np.random.default_rng(0).normal(size=(260, 4)).round(1)" in notebook
    table = np.random.default_rng(0).normal(size=(260, 4)).round(1)
    picture = (root / "book" / "_static" / "figures" / "03a_rows.svg").read_text(encoding="utf-8")
    words = re.findall(r">([^<>\s]+)</text>", picture)
    merges = bpe.train(PENCIL_AND_PAPER, 4)
    ids = bpe.encode("ada adds", merges)
    first = words.index("ad")
    assert words[first : first + 6 : 2] == [bpe.printable(bpe.decode([i], merges)) for i in ids]
    assert words[first + 1 : first + 6 : 2] == [str(i) for i in ids]
    for row in (0, 97, 256, 257, 258, 259):
        at = len(words) - 1 - words[::-1].index(str(row))
        assert words[at + 1 : at + 5] == [f"{x:.1f}".replace("-", "\N{MINUS SIGN}") for x in table[row]]
