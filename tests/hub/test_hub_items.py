"""Real data as Tinytown's items: small files of the formats that the hub serves, read back exactly."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from fullstack_llm import hub
from fullstack_llm.hub.sources import part_of
from fullstack_llm.tinytown.documents import Document
from fullstack_llm.tinytown.instructions import Conversation
from fullstack_llm.tinytown.preferences import Pair
from fullstack_llm.tinytown.problems import Problem
from fullstack_llm.tinytown.verifiers import verify

Rows = Sequence[Mapping[str, Any]]

STORIES = [{"text": "One day, Ada met a goat.\nThey played."}, {"text": "Bo had a cake. 🎂"}]
PAGES = [
    {"text": "Bread is old.", "id": "<urn:1>", "url": "https://a.example", "score": 3.5, "dump": "CC", "int_score": 4},
    {
        "text": "Salt is older.",
        "id": "<urn:2>",
        "url": "https://b.example",
        "score": 4.25,
        "dump": "CC",
        "int_score": 4,
    },
]
ASKED = [
    {"instruction": "Who keeps bees?", "context": "", "response": "Bo.", "category": "open_qa"},
    {"instruction": "Sum it up.", "context": "Ada bakes.", "response": "She bakes.", "category": "summarization"},
]
PREFERRED = [
    {
        "prompt": "Hello?",
        "prompt_id": "x",
        "chosen": [{"content": "Hello?", "role": "user"}, {"content": "Hi!", "role": "assistant"}],
        "rejected": [{"content": "Hello?", "role": "user"}, {"content": "No.", "role": "assistant"}],
        "messages": [],
        "score_chosen": 8.5,
        "score_rejected": 3.0,
    },
    {
        "prompt": "Bye?",
        "prompt_id": "y",
        "chosen": [{"content": "Bye?", "role": "user"}, {"content": "Go.", "role": "assistant"}],
        "rejected": [{"content": "Bye?", "role": "user"}, {"content": "Bye!", "role": "assistant"}],
        "messages": [],
        "score_chosen": 5.0,
        "score_rejected": 6.0,
    },
]
SCHOOL = [
    {"question": "Ada has 1,000 eggs and 24 more?", "answer": "She has 1000+24=<<1000+24=1024>>1,024.\n#### 1,024"},
    {"question": "Bo owes 3?", "answer": "He has none.\nSo it is -3.\n####  -3"},
]
BOUGHT = [
    hub.WorkedProblem("gsm8k", 1, SCHOOL[0]["question"], "1024", (), "She has 1000+24=<<1000+24=1024>>1,024."),
    hub.WorkedProblem("gsm8k", 2, SCHOOL[1]["question"], "-3", (), "He has none.\nSo it is -3."),
]

CASES: dict[str, tuple[Callable[..., Any], Rows, list[object]]] = {
    "tinystories": (
        hub.load_documents,
        STORIES,
        [
            Document("tinystories", "One day, Ada met a goat.\nThey played.", {"index": 0}),
            Document("tinystories", "Bo had a cake. 🎂", {"index": 1}),
        ],
    ),
    "fineweb-edu": (
        hub.load_documents,
        PAGES,
        [
            Document(
                "fineweb-edu", "Bread is old.", {"index": 0, "id": "<urn:1>", "url": "https://a.example", "score": 3.5}
            ),
            Document(
                "fineweb-edu",
                "Salt is older.",
                {"index": 1, "id": "<urn:2>", "url": "https://b.example", "score": 4.25},
            ),
        ],
    ),
    "dolly": (
        hub.load_instructions,
        ASKED,
        [
            Conversation(
                "open_qa",
                ({"role": "user", "content": "Who keeps bees?"}, {"role": "assistant", "content": "Bo."}),
                {"source": "dolly", "index": 0},
            ),
            Conversation(
                "summarization",
                (
                    {"role": "user", "content": "Sum it up.\n\nAda bakes."},
                    {"role": "assistant", "content": "She bakes."},
                ),
                {"source": "dolly", "index": 1},
            ),
        ],
    ),
    "ultrafeedback": (
        hub.load_preferences,
        PREFERRED,
        [
            Pair("Hello?", "Hi!", "No.", 8.5, 3.0, False, ("best of four", "one of the others")),
            Pair("Bye?", "Go.", "Bye!", 5.0, 6.0, True, ("best of four", "one of the others")),
        ],
    ),
    "gsm8k": (hub.load_problems, SCHOOL, list(BOUGHT)),
}


def write(path: Path, rows: Rows) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)
    else:
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
@pytest.mark.parametrize("name", CASES)
def test_a_file_gives_the_items(name: str, suffix: str, tmp_path: Path) -> None:
    load, rows, items = CASES[name]
    path = write(tmp_path / f"rows{suffix}", rows)
    assert list(load(name, path)) == items
    assert list(load(name, str(path), limit=1)) == items[:1]
    assert list(load(name, path, limit=0)) == []


def test_every_dataset_of_the_table_has_a_case() -> None:
    assert set(CASES) == {name for name, source in hub.SOURCES.items() if source.kind != "model"}


@pytest.mark.parametrize("name", CASES)
def test_a_folder_is_read_as_the_hub_lays_it_out(name: str, tmp_path: Path) -> None:
    load, rows, items = CASES[name]
    files = part_of(hub.SOURCES[name], "train").files
    for number, file in enumerate(files):
        write(tmp_path / file, rows if number == 0 else [])
    write(tmp_path / "data" / "train_sft-00000-of-00001.jsonl", [{"no": "such"}])
    assert list(load(name, tmp_path)) == items


def test_a_folder_of_splits_never_mixes_them(tmp_path: Path) -> None:
    for split in ("train", "test"):
        rows = [{"question": f"{split} {part}?", "answer": "#### 1"} for part in (1, 2)]
        for part, row in enumerate(rows, 1):
            write(tmp_path / f"{split}-{part}.jsonl", [row])
    for split in ("train", "test"):
        found = [problem.prompt for problem in hub.load_problems("gsm8k", tmp_path, split=split)]
        assert found == [f"{split} 1?", f"{split} 2?"]
    for path in tmp_path.glob("test*"):
        path.unlink()
    with pytest.raises(hub.Unavailable, match="no file of the split 'test'"):
        hub.load_problems("gsm8k", tmp_path, split="test")


def test_a_folder_without_names_of_splits_is_read_whole(tmp_path: Path) -> None:
    for number, row in enumerate(STORIES):
        write(tmp_path / f"part-{number}.parquet", [row])
    assert [document.text for document in hub.load_documents("tinystories", tmp_path)] == [
        row["text"] for row in STORIES
    ]


def test_a_problem_is_one_of_tinytown_s(tmp_path: Path) -> None:
    problem = next(hub.load_problems("gsm8k", write(tmp_path / "a.jsonl", SCHOOL)))
    assert isinstance(problem, Problem)
    assert verify(problem, f"{problem.solution}\nAnswer: 1024")
    assert not verify(problem, "Answer: 1000")


def drop(rows: Rows, field: str) -> Rows:
    return [rows[0], {key: value for key, value in rows[1].items() if key != field}]


@pytest.mark.parametrize(("name", "field"), [(name, field) for name in CASES for field in hub.SOURCES[name].fields])
def test_a_missing_field_is_named_with_file_and_row(name: str, field: str, tmp_path: Path) -> None:
    load, rows, items = CASES[name]
    path = write(tmp_path / "rows.jsonl", drop(rows, field))
    found = load(name, path)
    assert next(found) == items[0]
    with pytest.raises(hub.BadData) as caught:
        next(found)
    assert str(caught.value).startswith(f"{path}, row 2, lacks the field {field!r}; it has ")

    columns = [{key: value for key, value in row.items() if key != field} for row in rows]
    path = write(tmp_path / "rows.parquet", [{**row, "other": 1} for row in columns])
    with pytest.raises(hub.BadData, match=f"row 1, lacks the field {field!r}; it has .*other") as caught:
        load(name, path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "line", "complaint"),
    [
        ("tinystories", "{", "row 1, is not JSON"),
        ("tinystories", '"text"', "row 1, is not an object with fields"),
        ("tinystories", "null", "row 1, is not an object with fields"),
        ("tinystories", "\n\n{}", "row 3, lacks the field 'text'; it has none"),
        ("tinystories", '{"text": 3}', "row 1, has int in the field 'text', where str belongs"),
        ("tinystories", '{"text": null}', "row 1, lacks the field 'text'; it has text"),
        ("gsm8k", '{"question": "?", "answer": "It is 3."}', "row 1, has no '####' with an answer behind it"),
        ("gsm8k", '{"question": "?", "answer": "It is ####"}', "row 1, has no '####' with an answer behind it"),
    ],
)
def test_a_wrong_row_is_named(name: str, line: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(hub.BadData) as caught:
        CASES[name][0](name, path)
    assert str(caught.value).startswith(f"{path}, {complaint}")


@pytest.mark.parametrize("said", [[], [{"role": "user", "content": "Hm."}], ["Hm."]])
def test_an_answer_must_be_the_assistant_s(said: list[object], tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", [{**PREFERRED[0], "rejected": said}])
    with pytest.raises(hub.BadData, match="row 1, has no message of the assistant at the end of the field 'rejected'"):
        hub.load_preferences("ultrafeedback", path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "stories.txt"
    text.write_text("Once.", encoding="utf-8")
    with pytest.raises(hub.BadData, match="neither parquet nor JSON Lines"):
        hub.load_documents("tinystories", text)
    text.rename(tmp_path / "stories.parquet")
    with pytest.raises(hub.BadData, match="not a parquet file, or is damaged after row 0"):
        hub.load_documents("tinystories", tmp_path / "stories.parquet")
    whole = write(tmp_path / "many.parquet", [{"text": "word " * 50 + str(n)} for n in range(2000)])
    damaged = bytearray(whole.read_bytes())
    damaged[len(damaged) // 4 : len(damaged) // 2] = bytes(len(damaged) // 2 - len(damaged) // 4)
    whole.write_bytes(bytes(damaged))
    with pytest.raises(hub.BadData, match="damaged after row"):
        list(hub.load_documents("tinystories", whole))


def test_wrong_names_list_the_right_ones(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", STORIES)
    with pytest.raises(ValueError, match="no 'gsm8k' among the documents of the hub: choose from tinystories, fineweb"):
        hub.load_documents("gsm8k", path)
    with pytest.raises(ValueError, match="choose from dolly"):
        hub.load_instructions("alpaca", path)
    with pytest.raises(ValueError, match="tinystories has no split 'dev': choose from train, test"):
        hub.load_documents("tinystories", path, split="dev")
    with pytest.raises(ValueError, match="limit"):
        hub.load_documents("tinystories", path, limit=-1)


def test_parquet_without_its_package_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.parquet", STORIES)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(hub.Unavailable, match="pip install pyarrow"):
        hub.load_documents("tinystories", path)
    assert list(hub.load_documents("tinystories", write(tmp_path / "a.jsonl", STORIES))) == CASES["tinystories"][2]
