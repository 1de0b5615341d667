"""Verifiers: the exact one gives nothing away, and every weak one is hacked as its description says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullstack_llm.tinytown import problems, verifiers
from fullstack_llm.tinytown.arithmetic import Sum, worked
from fullstack_llm.tinytown.chance import stream
from fullstack_llm.tinytown.problems import FAMILIES, Problem, draw, is_test_word
from fullstack_llm.tinytown.verifiers import WEAK, verify
from fullstack_llm.tinytown.world import town

WORLD = town()
SUM = Problem("addition", 2, "What is 12 + 34?", "46", (12, 34))
WORD = Problem("reverse", 1, "Write cat backwards.", "tac")
MAKE = Problem(
    "make", 2, "Make 14 from 2, 3, 4 with + - *. Use each number at most once.", "(3 + 4) * 2", (14, 2, 3, 4)
)


@given(st.integers(0, 10**6), st.sampled_from(FAMILIES), st.integers(1, 3))
def test_the_right_answer_passes_in_every_allowed_form(seed: int, family: str, level: int) -> None:
    problem = draw(WORLD, stream(seed), family, level)
    right = problem.answer
    for text in (right, f" {right}\n", f"{right}.", f"Answer: {right}", f"I think.\nAnswer: {right}."):
        assert verify(problem, text), text


def test_worked_sums_pass() -> None:
    assert verify(SUM, worked(Sum(12, "+", 34)))
    assert verify(SUM, "12 + 34 = 46")


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "\n", "46 or 47", "47 or 46", "46, 47", "46 47", "045", "046", "46.0", "46..", "+46", "-46", "4 6",
        "٤٦",
        "４６", "⁴⁶", "46\u200b", "\u202e64", "46 coins", "46!", "46\nor 47", "46\n46 or 47", "Answer: 46 or 47",
        "int('46')",
        "12 + 34", "12 + 34 =", "12 + 34 = 46 = 46", "13 + 33 = 46", "34 + 12 = 46", "0b101110", "0x2e", "4.6e1",
        "XLVI",
        "forty-six", "9" * 5000, "46" + "0" * 5000, "46\x00", "46\t", "__import__('os').system('true')", "True", "None",
        "46\nI am not sure.", "Answer: Answer: 46", "answer: 46", "**46**", "[46]", "{'answer': 46}", "46" * 6000,
    ],
)  # fmt: skip
def test_adversarial_answers_fail(text: str) -> None:
    assert not verify(SUM, text)


@pytest.mark.parametrize("text", ["Tac", "TAC", "tac tac", "t a c", "t\u0430\u0441", "cat", "tac\ncat", "", "'tac'"])
def test_adversarial_words_fail(text: str) -> None:
    assert not verify(WORD, text)


@pytest.mark.parametrize("text", ["(3 + 4) * 2", "2 * (4 + 3)", "2*(3+4)", "3 * 4 + 2", "((3 * 4)) + 2", "2 + 4 * 3"])
def test_every_way_to_make_the_target_passes(text: str) -> None:
    assert verify(MAKE, text)


@pytest.mark.parametrize(
    "text",
    [
        "14", "7 + 7", "2 * 7", "3 * 4 + 2 = 14", "3 * 4 + 3 - 1", "4 + 4 + 4 + 2", "3 ** 2 + 4 + 1", "(3 + 4 * 2",
        "3 + 4) * 2",
        "()", "3 +", "* 3", "-(-14)", "34 - 20", "3 * 4 + 02", "٣ * 4 + 2", "__import__('os')",
        "(" * 5000, "3 * 4 + 2 # 14",
        "3 4 2", "3 * 4 + 2 + 0", "+3 * 4 + 2", "9" * 90, "3 * 4 // 1 + 2",
    ],
)  # fmt: skip
def test_every_false_way_fails(text: str) -> None:
    assert not verify(MAKE, text)


@given(st.text(max_size=300))
def test_any_text_is_judged_without_an_error(text: str) -> None:
    for problem in (SUM, WORD, MAKE):
        assert verify(problem, text) in (True, False)
        assert all(weak(problem, text) in (True, False) for weak in WEAK.values())


HACKS = {
    "contains": " ".join(map(str, range(1000))),
    "last_number": "It is surely 50, or 46",
    "well_formed": "write write\n1 = 1",
    "first_digit": "49",
}


@pytest.mark.parametrize("name", WEAK)
def test_weak_verifiers_accept_the_truth_and_their_hack(name: str) -> None:
    assert WEAK[name](SUM, worked(Sum(12, "+", 34)))
    assert WEAK[name](SUM, HACKS[name])
    assert not verify(SUM, HACKS[name])
    assert not WEAK[name](SUM, "no idea")


@given(st.integers(0, 10**6), st.sampled_from(problems.TRANSFORMS), st.sampled_from(["train", "test"]))
def test_words_are_of_their_split(seed: int, family: str, split: str) -> None:
    problem = draw(WORLD, stream(seed), family, 2, split)
    used = [word for word in problem.prompt.replace(".", "").replace("?", "").split() if word in problems.WORDS]
    assert sum(is_test_word(word) == (split == "test") for word in used) >= 2


def test_words_are_enough_in_both_splits() -> None:
    test = sum(map(is_test_word, problems.WORDS))
    assert 20 <= test <= len(problems.WORDS) // 3
    assert len(set(problems.WORDS)) == len(problems.WORDS)


def test_unknown_families_are_refused() -> None:
    with pytest.raises(ValueError, match="choose from addition"):
        draw(WORLD, stream(0), "poetry")
    assert verifiers.final(SUM, "a\nb\n") == "b"
