"""The requests and the bugs of part 11a: lengths as in training, and each bug seen by its own requests."""

import pytest

from fullstack_llm import models
from fullstack_llm.experiments import m11_bugs, m11_paging
from fullstack_llm.models.chat import encode
from fullstack_llm.tinytown.instructions import instructions
from fullstack_llm.tinytown.world import town


def test_a_request_and_its_answer_are_the_conversation_up_to_its_last_turn():
    _, tokenizer = models.load("sft")
    several = 0
    for talk, one in zip(instructions(town(), seed=7), m11_paging.asked(60, seed=7), strict=False):
        row, end = encode(tokenizer, talk.messages), len(one.prompt) + one.answer
        assert list(row.ids[: len(one.prompt)]) == one.prompt
        assert all(row.own[len(one.prompt) : end]) and not row.own[len(one.prompt) - 1] and not any(row.own[end:])
        several += len(talk.messages) > 3
    assert several, "conversations of several turns are among them"


def test_a_question_ends_where_the_assistant_begins():
    _, tokenizer = models.load("sft")
    text = tokenizer.decode(m11_paging.chat("Where does Ada live?"))
    assert text.startswith("<|im_start|>system\n" + m11_paging.CLERK) and text.endswith("<|im_start|>assistant\n")
    assert "system" not in tokenizer.decode(m11_paging.chat("Where does Ada live?", ""))


@pytest.mark.parametrize("name", m11_bugs.BUGS)
def test_a_bug_changes_an_answer_or_stops_the_engine(name):
    bug = m11_bugs.BUGS[name]
    right, counts = m11_bugs.run(bug, faulty=False)
    assert counts["hits"] or counts["preempted"], "the requests meet the cache, or run out of blocks"
    try:
        wrong, _ = m11_bugs.run(bug, faulty=True)
    except (AssertionError, IndexError, RuntimeError):
        wrong = {}
    assert wrong != right
    assert m11_bugs.run(bug, faulty=False)[0] == right, "and the engine is as it was afterwards"
