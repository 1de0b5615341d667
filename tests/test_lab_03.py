"""The oracles of lab 03 are right: against libraries, against brute force, and for every draw."""

from __future__ import annotations

import inspect
import itertools
import os
import subprocess
import sys
from collections.abc import Iterable
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers

from fullstack_llm.checks import registry, same
from fullstack_llm.checks import tokenization_cases as cases
from fullstack_llm.checks import tokenization_chat as chat
from fullstack_llm.checks import tokenization_errors as errors
from fullstack_llm.checks import tokenization_mistakes as mistakes
from fullstack_llm.checks import tokenization_oracles as oracle
from fullstack_llm.checks import tokenization_vocabulary as vocabulary
from fullstack_llm.tokenization import course_tokenizer

SEEDS = range(3)
JUDGED = [
    *("get_pairs", "merge", "merge_overlaps", "train", "train_ties", "encode", "encode_order", "decode"),
    *("decode_invalid", "viterbi", "viterbi_ties", "viterbi_unknown"),
]


def oracle_of(case: str) -> str:
    return case if hasattr(oracle, case) else case.rsplit("_", 1)[0]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_oracle_renders_as_the_course_tokenizer_does(seed: int) -> None:
    course = course_tokenizer.load()
    for messages, add, _ in chat.conversations(Random(seed)):
        # The library refuses a conversation without messages; its template would render one.
        if messages:
            wanted = course.apply_chat_template(messages, tokenize=False, add_generation_prompt=add)
            assert chat.render(messages, add) == wanted


@pytest.mark.parametrize("seed", SEEDS)
def test_the_oracle_encodes_as_the_library_does(seed: int) -> None:
    # The library names tokens by their text, so merges that spell the same bytes twice cannot be told apart there.
    letters = {byte: chr(0x100 + byte) for byte in range(256)}
    compared = 0
    for text, merges in cases.encode(Random(seed)) + cases.encode_order(Random(seed)):
        names = ["".join(letters[b] for b in oracle.token_bytes(i, merges)) for i in range(256 + len(merges))]
        if len(set(names)) < len(names):
            continue
        library = Tokenizer(
            models.BPE({name: i for i, name in enumerate(names)}, [(names[a], names[b]) for a, b in merges])
        )
        library.pre_tokenizer = pre_tokenizers.Split("\n\n\n", "isolated")
        spelled = "".join(letters[byte] for byte in text.encode())
        assert library.encode(spelled).ids == oracle.encode(text, merges)
        compared += 1
    assert compared >= 10


@pytest.mark.parametrize("seed", SEEDS)
def test_encode_and_decode_are_inverse_and_counts_add_up(seed: int) -> None:
    for text, merges in cases.encode(Random(seed)) + cases.encode_order(Random(seed)):
        assert oracle.decode(oracle.encode(text, merges), merges) == text
    for (ids,) in cases.get_pairs(Random(seed)):
        assert sum(oracle.get_pairs(ids).values()) == max(0, len(ids) - 1)


def segmentations(text: str, log_probs: dict[str, float]) -> Iterable[list[str]]:
    for number in range(len(text)):
        for cuts in itertools.combinations(range(1, len(text)), number):
            pieces = [text[a:b] for a, b in itertools.pairwise([0, *cuts, len(text)])]
            if all(len(piece) == 1 or piece in log_probs for piece in pieces):
                yield pieces


@pytest.mark.parametrize("seed", SEEDS)
def test_the_oracle_finds_the_best_of_all_segmentations(seed: int) -> None:
    drawn = Random(seed)
    for text, log_probs in [*cases.viterbi(drawn), *cases.viterbi_ties(drawn), *cases.viterbi_unknown(drawn)]:
        text, unknown = text[:11], min(log_probs.values()) - 10

        def key(pieces: list[str], log_probs: dict[str, float] = log_probs, unknown: float = unknown) -> Any:
            score = sum(log_probs.get(piece, unknown) for piece in pieces)
            return score, -len(pieces), [len(piece) for piece in reversed(pieces)]

        assert oracle.viterbi(text, log_probs) == max(segmentations(text, log_probs), key=key, default=[])


def test_an_unknown_character_costs_what_it_costs_in_the_library() -> None:
    log_probs = {"<unk>": -1.0, "ab": -40.0, "cd": -40.0, "bcd": -1.0}
    library = Tokenizer(models.Unigram(list(log_probs.items()), unk_id=0))
    assert library.encode("abcd").tokens == ["a", "bcd"] == oracle.viterbi("abcd", log_probs)
    log_probs["a"] = -50.5
    assert oracle.viterbi("abcd", log_probs) == ["a", "bcd"]


@pytest.mark.parametrize("tied", [False, True])
def test_old_logits_stay_and_new_ones_are_means(tied: bool) -> None:
    draw = Random(tied)
    old = vocabulary.matrix(draw, 13, 7)
    spellings = [[3], [0, 12, 12], []]
    new = vocabulary.grow(old, spellings, 8)
    hidden = torch.from_numpy(vocabulary.matrix(draw, 5, 7))
    before, after = (hidden @ torch.from_numpy(matrix).T for matrix in (old, new))
    # Another shape may be summed in another order: float32 rounding, and nothing more.
    torch.testing.assert_close(after[:, :13], before, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(after[:, 14], (before[:, 0] + 2 * before[:, 12]) / 3, rtol=1e-5, atol=1e-5)
    assert np.array_equal(new[:13], old)
    assert not new[16:].any()
    assert len(new) == 16


@pytest.mark.parametrize("name", JUDGED)
def test_mistakes_can_be_computed_for_every_case(name: str) -> None:
    known = getattr(mistakes, oracle_of(name))
    for seed in SEEDS:
        for values in getattr(cases, name)(Random(seed)):
            assert list(inspect.signature(known).parameters), name
            for value, hint in known(*values):
                # A mistake may give the right answer in a case where it does not matter.
                same(value, getattr(oracle, oracle_of(name))(*values))
                assert hint


PRINT_CASES = """
from random import Random
from fullstack_llm.checks import tokenization_cases as cases
from fullstack_llm.checks import tokenization_chat as chat
from fullstack_llm.checks import tokenization_errors as errors
print([getattr(cases, name)(Random(3)) for name in NAMES], chat.conversations(Random(3)))
"""


def test_cases_are_the_same_in_every_process() -> None:
    code = PRINT_CASES.replace("NAMES", repr(list(JUDGED)))
    found = [
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in "12"
    ]
    assert found[0] == found[1] != b""


def test_patterns_of_errors_belong_to_exercises() -> None:
    assert set(errors.ERRORS) == set(registry.find("03_tokenization").exercises)


def test_cases_that_should_tell_mistakes_apart_do() -> None:
    words, num_merges = cases.train_ties(Random(0))[0]
    chosen = [oracle.train(words, num_merges, choose) for choose in (*oracle.OTHER_TIES.values(), min)]
    assert len({str(one) for one in chosen}) == len(chosen)
    text, merges = cases.encode_order(Random(0))[0]
    last_five = [ids for ids, _ in mistakes.encode(text, merges)[-5:]]
    assert len({str(one) for one in [*last_five, oracle.encode(text, merges)]}) == 6
    text, log_probs = cases.viterbi(Random(0))[2]
    whole = [pieces for pieces, hint in mistakes.viterbi(text, log_probs) if hint.startswith("This is the ")]
    assert len({str(one) for one in [*whole, oracle.viterbi(text, log_probs)]}) == len(whole) + 1 == 4


def test_bugs_of_renderers_show_in_some_conversation() -> None:
    offsets = {
        name: {chat.first_difference(chat.render(m, add), send(m, add)) for m, add, _ in chat.conversations(Random(0))}
        for name, send in chat.RENDERERS.items()
    }
    assert offsets.pop("nothing") == {-1}
    assert all(max(found) >= 0 for found in offsets.values())
