"""When the hub is asked, and what is said where it cannot be: never without `download=True`, and in one sentence."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from fake_hub import run, serving
from pyarrow import parquet

from fullstack_llm import hub
from fullstack_llm.hub import rows
from fullstack_llm.hub.sources import size

LOADERS: dict[str, Callable[..., Any]] = {
    "documents": hub.load_documents,
    "instructions": hub.load_instructions,
    "preferences": hub.load_preferences,
    "problems": hub.load_problems,
    "model": hub.load_model,
}


@pytest.fixture
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine that has fetched nothing yet, and on which no socket can be opened."""

    def refuse(*_: object) -> None:
        raise AssertionError("a connection was attempted")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def assert_one_sentence(error: BaseException, name: str, *parts: str) -> None:
    text = str(error)
    assert text.startswith(name)
    assert text.endswith(".")
    assert ". " not in text
    assert "\n" not in text
    assert error.__suppress_context__ or error.__context__ is None
    source = hub.SOURCES[name]
    for part in (*parts, size(name), "huggingface.co", source.hub_id, source.licence, "source=PATH", *source.fields):
        assert part in text


@pytest.mark.parametrize("name", hub.SOURCES)
def test_nothing_is_downloaded_unless_asked(
    name: str, empty_cache: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # As on a machine with a network: the library itself would try.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(rows, "HfApi", lambda: pytest.fail("the hub was asked"))
    monkeypatch.setattr(rows, "HfFileSystem", lambda: pytest.fail("the hub was asked"))
    with pytest.raises(hub.Unavailable) as caught:
        LOADERS[hub.SOURCES[name].kind](name)
    assert_one_sentence(caught.value, name, "is not on this machine", "download=True")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", hub.SOURCES)
def test_offline_is_one_sentence(name: str, empty_cache: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(hub.Unavailable) as caught:
        LOADERS[hub.SOURCES[name].kind](name, download=True)
    assert_one_sentence(caught.value, name, "could not be fetched (HF_HUB_OFFLINE is set)")


@pytest.mark.parametrize("name", hub.SOURCES)
def test_a_path_that_is_not_there_is_one_sentence(name: str, empty_cache: None, tmp_path: Path) -> None:
    with pytest.raises(hub.Unavailable) as caught:
        LOADERS[hub.SOURCES[name].kind](name, tmp_path / "nowhere")
    assert_one_sentence(caught.value, name, str(tmp_path / "nowhere"))


def test_no_network_is_one_sentence_at_once(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
    code = """
import time
from fullstack_llm import hub
waits = []
time.sleep = waits.append
for load, name in [(hub.load_problems, "gsm8k"), (hub.load_documents, "fineweb-edu"), (hub.load_model, "qwen3-0.6b")]:
    waits.clear()
    try:
        load(name, download=True)
    except hub.Unavailable as error:
        print(error)
        assert sum(waits) < 15
"""
    lines = run(code, endpoint, tmp_path).splitlines()
    assert [line.split()[0] for line in lines] == ["gsm8k", "fineweb-edu", "qwen3-0.6b"]
    assert all("could not be fetched (ConnectError)" in line for line in lines)


def test_a_hub_is_read_when_asked_and_its_cache_afterwards(tmp_path: Path) -> None:
    root, home = tmp_path / "hub", tmp_path / "home"
    question = [{"question": "Two and two?", "answer": "2+2=4\n#### 4"}]
    pages = [
        {"text": f"Page {n}. " + "word " * 1200, "id": str(n), "url": "https://x.example", "score": 3.0}
        for n in range(2000)
    ]
    for repo, file, content in [
        ("openai/gsm8k", "main/test-00000-of-00001.parquet", question),
        ("HuggingFaceFW/fineweb-edu", "sample/10BT/000_00000.parquet", pages),
    ]:
        path = root / repo / file
        path.parent.mkdir(parents=True)
        # Not squeezed: a file that takes many requests if it is read whole.
        parquet.write_table(
            pyarrow.Table.from_pylist(content), path, row_group_size=100, compression="none", use_dictionary=False
        )
    story = root / "databricks" / "databricks-dolly-15k" / "databricks-dolly-15k.jsonl"
    story.parent.mkdir(parents=True)
    rows_ = {"instruction": "Who?", "context": "", "response": "Bo.", "category": "open_qa"}
    story.write_text(json.dumps(rows_) + "\n", encoding="utf-8")
    code = """
from fullstack_llm import hub
print([problem.answer for problem in hub.load_problems("gsm8k", split="test", download=True)])
print([talk.messages[1]["content"] for talk in hub.load_instructions("dolly", download=True)])
print([page.text[:7] for page in hub.load_documents("fineweb-edu", limit=2, download=True)])
"""
    with serving(root) as (endpoint, log, sent):
        assert run(code, endpoint, home).splitlines() == ["['4']", "['Bo.']", "['Page 0.', 'Page 1.']"]
        revisions = {name: hub.SOURCES[name].revision for name in ("gsm8k", "dolly", "fineweb-edu")}
        assert all(any(str(revision) in line for line in log) for revision in revisions.values())
        asked = len(log)
        path = root / "HuggingFaceFW/fineweb-edu/sample/10BT/000_00000.parquet"
        streamed = sum(count for name, count in sent.items() if name.endswith(path.name))
        assert 0 < streamed < path.stat().st_size / 2
        again = 'from fullstack_llm import hub; print(len(list(hub.load_problems("gsm8k", split="test"))))'
        assert run(again, endpoint, home) == "1\n"
        assert len(log) == asked
    # What was streamed was not kept.
    assert not any(re.search("fineweb", str(path)) for path in home.rglob("*.parquet"))
