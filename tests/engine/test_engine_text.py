"""Pieces of text add up to the text, and stop strings cut it where they would cut the whole."""

from __future__ import annotations

import engines
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullstack_llm.engine import Settings
from fullstack_llm.engine.text import Detokenizer, StopStrings

TOKENIZER = engines.tokenizer()


def pieces(ids: list[int]) -> list[str]:
    detokenizer = Detokenizer(TOKENIZER)
    return [*(detokenizer.push(each) for each in ids), detokenizer.flush()]


@given(
    st.one_of(
        st.lists(st.integers(0, 511), max_size=30), st.text(max_size=12).map(lambda text: TOKENIZER(text).input_ids)
    )
)
def test_pieces_add_up_to_the_text(ids: list[int]) -> None:
    assert "".join(pieces(ids)) == TOKENIZER.decode(ids, skip_special_tokens=True)


def test_a_character_comes_when_it_is_whole() -> None:
    ids = TOKENIZER("a € 👍").input_ids
    found = pieces(ids)
    assert "".join(found) == "a € 👍"
    assert len(ids) > 6 and not any("\ufffd" in piece for piece in found)
    # Control: each id decoded by itself is half a character.
    assert any("\ufffd" in str(TOKENIZER.decode([each])) for each in ids)


def test_half_a_character_at_the_end_is_said_at_the_end() -> None:
    ids = TOKENIZER("€").input_ids[:-1]
    assert pieces(ids)[:-1] == [""] * len(ids)
    assert pieces(ids)[-1] == TOKENIZER.decode(ids)


def cut(text: str, stops: tuple[str, ...]) -> str:
    """The oracle: character by character, until the text ends in a stop string; the longest of those is left out."""
    for end in range(1, len(text) + 1):
        found = [len(stop) for stop in stops if text[:end].endswith(stop)]
        if found:
            return text[: end - max(found)]
    return text


LETTERS = st.text("ab\n", max_size=4)


@given(st.lists(LETTERS, max_size=8), st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=3).map(tuple))
def test_stop_strings_cut_pieces_as_they_cut_the_whole(parts: list[str], stops: tuple[str, ...]) -> None:
    seen, said = StopStrings(stops), ""
    for part in parts:
        text, found = seen.push(part)
        said += text
        assert cut("".join(parts), stops).startswith(said), "something was said too early"
        if found:
            break
    else:
        said += seen.flush()
    assert said == cut("".join(parts), stops)


def test_nothing_is_held_back_without_need() -> None:
    seen = StopStrings(("\n\n",))
    assert [seen.push(part)[0] for part in ("one", " two\n", "three", "\n")] == ["one", " two", "\nthree", ""]


@pytest.mark.parametrize("drafts", [0, 4])
def test_an_answer_ends_before_a_stop_string(drafts: int) -> None:
    """With guesses, several tokens come at once: the answer ends at the first that completes the stop string."""
    of = engines.served("base")
    prompt = next(prompt for prompt in of.prompts if prompt[0] == 2)
    whole = engines.engine(of).generate([prompt], Settings(max_tokens=40, temperature=0))[0][0]
    made = engines.engine(of, drafts=drafts)
    stop = whole.text[7:10]
    got = list(made.stream([prompt], Settings(max_tokens=40, temperature=0, stop=(stop,))))
    assert "".join(piece.text for piece in got) == cut(whole.text, (stop,))
    assert [piece.finish for piece in got][-1] == "stop"
    tokens = [token for piece in got for token in piece.tokens]
    assert tokens == whole.tokens[: len(tokens)] and stop in TOKENIZER.decode(tokens)
    assert stop not in TOKENIZER.decode(tokens[:-1])
    made.manager.check([])


def test_ends() -> None:
    of = engines.served("base")
    prompt = next(prompt for prompt in of.prompts if prompt[0] == 2)

    def ask(**settings: object) -> tuple[str, str | None, int]:
        [[answer]] = engines.engine(of).generate([prompt], Settings(temperature=0, **settings))  # type: ignore[arg-type]
        return answer.text, answer.finish, len(answer.tokens)

    text, finish, length = ask(max_tokens=100)
    assert finish == "stop" and length < 100
    assert ask(max_tokens=length) == (text, "stop", length)
    assert ask(max_tokens=length - 1)[1:] == ("length", length - 1)
    assert ask(max_tokens=100, ignore_eos=True)[1:] == ("length", 100)
    third = engines.engine(of).generate([prompt], Settings(max_tokens=9, temperature=0))[0][0].tokens[2]
    assert ask(max_tokens=100, stop_ids=(third,))[1:] == ("stop", 3)
