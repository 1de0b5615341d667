"""The label painter shows the marks that the package makes, and is light."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import interactive  # noqa: E402
import label_painter  # noqa: E402

from fullstack_llm.finetuning.labels import STOP, by_markers, chosen, spans  # noqa: E402
from fullstack_llm.tokenization import course_tokenizer  # noqa: E402


@pytest.fixture(scope="module")
def talks():
    return label_painter.conversations(ROOT)["talks"]


def ids(tokens):
    """The ids of a conversation's tokens, from the texts that the page shows."""
    text = "".join(token[0] for token in tokens).replace("␣", " ").replace("↵", "\n")
    return course_tokenizer.load()(text).input_ids


def test_the_marks_are_those_of_the_labels(talks):
    for tokens in talks:
        row = by_markers(ids(tokens))
        assert len(row.ids) == len(tokens)
        assert [bool(token[2]) for token in tokens] == list(row.own)
        assert [bool(token[3]) for token in tokens] == list(chosen(row, "last").own)
        assert [bool(token[4]) for token in tokens] == [one == STOP for one in row.ids]
    assert [len(list(spans([bool(token[2]) for token in tokens]))) for tokens in talks] == [2, 1]


def test_the_choices_differ_and_every_role_speaks(talks):
    assert [token[2] for token in talks[0]] != [token[3] for token in talks[0]], "the first has two answers"
    assert {token[1] for token in talks[0]} == {"system", "user", "assistant"}
    for tokens in talks:
        assert all(token[1] == "assistant" for token in tokens if token[2])
        assert not all(token[2] for token in tokens if token[1] == "assistant"), "headers are nobody's answer"


def test_the_painter_is_light_and_rests_on_its_files():
    source = interactive.SOURCES["label-painter"]
    assert len(interactive.data_block(source.data(ROOT)).encode()) < 10_000
    assert all((ROOT / path).is_file() for path in source.files)
