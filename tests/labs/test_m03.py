"""The oracles of lab 03 against libraries, the course's own template, and brute force."""

from collections.abc import Iterator
from itertools import combinations, pairwise
from random import Random
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from fullstack_llm.checks.exercise import Exercise
from fullstack_llm.labs.m03_tokenization.encode_prompt import encode_prompt
from fullstack_llm.labs.m03_tokenization.render_chat import render_chat
from fullstack_llm.labs.m03_tokenization.segment import segment
from fullstack_llm.tokenization import course_tokenizer

SEEDS = pytest.mark.parametrize("seed", range(3))


def cases(exercise: Exercise, seed: int) -> Iterator[tuple[Any, ...]]:
    for part in exercise.parts:
        yield from part.cases(Random(seed))


@SEEDS
def test_a_prompt_is_encoded_as_the_library_does(seed: int) -> None:
    compared = 0
    for text, merges, special in cases(encode_prompt, seed):
        tokens = [bytes([byte]) for byte in range(256)]
        for left, right in merges:
            tokens.append(tokens[left] + tokens[right])
        # The library names tokens by their bytes, so that merges which spell the same ones cannot be told apart there.
        if len(set(tokens)) < len(tokens):
            continue
        spell = {data: "".join(chr(0x4E00 + byte) for byte in data) for data in (*tokens, text.encode())}
        vocab = {spell[token]: i for i, token in enumerate(tokens)}
        library = Tokenizer(models.BPE(vocab, [(spell[tokens[a]], spell[tokens[b]]) for a, b in merges]))
        library.pre_tokenizer = pre_tokenizers.Split("\n\n\n", "isolated")
        names = {name: "".join(chr(0x4E00 + byte) for byte in name.encode()) for name in special}
        library.add_special_tokens([AddedToken(name, normalized=False) for name in names.values()])
        ids = {library.token_to_id(names[name]): number for name, number in special.items()}
        assert [ids.get(i, i) for i in library.encode(spell[text.encode()]).ids] == encode_prompt(text, merges, special)
        compared += 1
    assert compared >= 15


@SEEDS
def test_a_conversation_is_rendered_as_the_course_tokenizer_does(seed: int) -> None:
    course = course_tokenizer.load()
    for messages, to_answer, _ in cases(render_chat, seed):
        text = render_chat(messages, to_answer, "")[0]
        # The library refuses a conversation without messages, and looks for the last content in what it has rendered.
        if messages and not (to_answer and messages[-1]["role"] == "assistant"):
            assert text == course.apply_chat_template(messages, tokenize=False, add_generation_prompt=to_answer)
        elif messages and messages[-1]["content"].strip():
            assert text == course.apply_chat_template(messages, tokenize=False, continue_final_message=True)


@SEEDS
def test_the_best_of_all_segmentations(seed: int) -> None:
    for text, log_probs in cases(segment, seed):
        text, unknown = text[:11], min(log_probs.values()) - 10
        ranked = []
        for number in range(len(text)):
            for cuts in combinations(range(1, len(text)), number):
                pieces = [text[a:b] for a, b in pairwise([0, *cuts, len(text)])]
                if all(len(piece) == 1 or piece in log_probs for piece in pieces):
                    score = sum(log_probs.get(piece, unknown) for piece in pieces)
                    ranked.append((score, -len(pieces), [len(piece) for piece in reversed(pieces)], pieces))
        assert segment(text, log_probs) == max(ranked, default=(0, 0, [], []))[-1]


def test_an_unknown_character_costs_what_it_costs_in_the_library() -> None:
    log_probs = {"<unk>": -1.0, "ab": -40.0, "cd": -40.0, "bcd": -1.0}
    library = Tokenizer(models.Unigram(list(log_probs.items()), unk_id=0))
    assert library.encode("abcd").tokens == ["a", "bcd"] == segment("abcd", log_probs)
    log_probs["a"] = -50.5
    assert segment("abcd", log_probs) == ["a", "bcd"]
