import hashlib
import re
import unicodedata
from importlib.resources import files

import pytest

from fullstack_llm import corpus

DATA = files("fullstack_llm.corpus").joinpath("data")
SCRIPTS = {
    "zh": r"[\u4e00-\u9fff]",
    "hi": r"[\u0900-\u097f]",
    "bn": r"[\u0980-\u09ff]",
    "ar": r"[\u0600-\u06ff]",
    "ru": r"[\u0400-\u04ff]",
    "ja": r"[\u3040-\u30ff]",
}


@pytest.mark.parametrize("file", sorted(corpus.SHA256))
def test_data_is_frozen(file):
    raw = DATA.joinpath(file).read_bytes()
    assert hashlib.sha256(raw).hexdigest() == corpus.SHA256[file]
    assert b"\r" not in raw and raw.endswith(b"\n")


def test_every_data_file_has_a_hash_or_is_a_licence_or_the_origin():
    shipped = {file.name for file in DATA.iterdir()}
    assert shipped == {*corpus.SHA256, "ORIGIN.md", "LICENSE-PYTHON.txt"}


def test_sizes():
    assert 60_000 <= len(corpus.text("prose").encode()) <= 80_000
    assert len(corpus.text("code").encode()) >= 1_000_000


def test_all_is_prose_then_code():
    assert corpus.text() == corpus.text("all") == corpus.text("prose") + "\n" + corpus.text("code")


def test_unknown_name_lists_the_right_ones():
    with pytest.raises(ValueError, match=r"'poems'.*all, code, prose"):
        corpus.text("poems")


def test_megabyte_is_an_exact_prefix_cut_between_ascii_characters():
    megabyte, everything = corpus.megabyte(), corpus.text().encode()
    assert len(megabyte.encode()) == 1_000_000
    assert everything.startswith(megabyte.encode())
    assert everything[999_999] < 128 and everything[1_000_000] < 128


def test_files_are_read_once():
    assert corpus.text("code") is corpus.text("code")


def test_parallel_is_aligned_and_complete():
    sentences = corpus.parallel()
    assert list(sentences) == list(corpus.LANGUAGES)
    assert {len(column) for column in sentences.values()} == {40}
    for column in sentences.values():
        assert len(set(column)) == 40
        assert all(sentence.strip() == sentence and sentence for sentence in column)
        assert all(unicodedata.is_normalized("NFC", sentence) for sentence in column)


def test_changing_the_returned_table_changes_nothing():
    corpus.parallel()["en"].clear()
    assert len(corpus.parallel()["en"]) == 40


@pytest.mark.parametrize("code", sorted(SCRIPTS))
def test_each_language_is_in_its_own_script(code):
    assert all(re.search(SCRIPTS[code], sentence) for sentence in corpus.parallel()[code])


def test_parallel_sentences_keep_the_numbers():
    """A shifted row would pair sentences that tell different numbers."""
    sentences = corpus.parallel()
    differ = {
        (code, i)
        for code, column in sentences.items()
        for i, english in enumerate(sentences["en"])
        if set(re.findall(r"\d+", english)) - set(re.findall(r"\d+", column[i]))
    }
    # Swahili counts the hours of the market and of the train from dawn; Arabic writes "two coins" as one word.
    assert differ == {("sw", 6), ("sw", 22), ("ar", 17)}


def test_arithmetic_in_the_prose_is_right():
    prose = corpus.text("prose")
    found = {
        "sum": re.findall(r"adds (\d+) and (\d+)\. The sum is ([\d,]+)", prose),
        "difference": re.findall(r"takes (\d+) from ([\d,]+)\. The difference is (\d+)", prose),
        "product": re.findall(r"multiplies (\d+) by (\d+)\. The product is (\d+)", prose),
        "quotient": re.findall(r"divides (\d+) by (\d+)\. The quotient is (\d+)\.", prose),
    }
    rules = {
        "sum": lambda a, b: a + b,
        "difference": lambda a, b: b - a,
        "product": lambda a, b: a * b,
        "quotient": lambda a, b: a // b,
    }
    for operation, cases in found.items():
        assert len(cases) >= 3, operation
        for case in cases:
            a, b, c = (int(number.replace(",", "")) for number in case)
            assert rules[operation](a, b) == c, (operation, case)


def test_the_code_is_whole_modules():
    """Two Python files joined by blank lines are one Python file, unless one of them was cut."""
    code = corpus.text("code")
    future_imports_first = re.sub(r"^from __future__ .*$", "", code, flags=re.MULTILINE)
    compile(future_imports_first, "code.txt", "exec", dont_inherit=True)


def test_the_code_names_no_home_or_temporary_folder():
    assert not re.search(r"/(root|home|tmp|work|Users)/", corpus.text("code") + corpus.text("prose"))


def test_origin_names_every_file_and_licence():
    origin = DATA.joinpath("ORIGIN.md").read_text(encoding="utf-8")
    for words in (*corpus.SHA256, "Python 3.11.7", "Python Software Foundation License", "No native speaker"):
        assert words in origin
    assert "PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2" in DATA.joinpath("LICENSE-PYTHON.txt").read_text()
