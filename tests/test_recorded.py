"""Recorded runs: read back as written, and refused when edited."""

import json

import pytest

from fullstack_llm import recorded


@pytest.fixture
def runs(monkeypatch, tmp_path):
    (tmp_path / "data" / "recorded").mkdir(parents=True)
    monkeypatch.setattr(recorded.importlib.resources, "files", lambda _: tmp_path)
    recorded.load.cache_clear()
    yield tmp_path / "data" / "recorded"
    recorded.load.cache_clear()


def test_a_recorded_run_is_read_back_and_an_edited_one_refused(runs):
    run = {"command": "make bench", "values": {"ratio": 20.0}, "sha256": recorded.fingerprint({"ratio": 20.0})}
    (runs / "bpe.json").write_text(json.dumps(run))
    assert recorded.load("bpe")["values"] == {"ratio": 20.0}
    (runs / "edited.json").write_text(json.dumps(run | {"values": {"ratio": 25.0}}))
    with pytest.raises(ValueError, match="was edited.*make bench"):
        recorded.load("edited")
    with pytest.raises(FileNotFoundError, match="there are: bpe, edited"):
        recorded.load("missing")


def test_a_written_run_is_read_back_with_what_made_it(runs):
    recorded.write("sums", "python -m benchmarks.sums --record", {"ratio": 2.5}, ["torch"], seed=3)
    run = recorded.load("sums")
    assert (run["values"], run["seed"], run["command"]) == ({"ratio": 2.5}, 3, "python -m benchmarks.sums --record")
    assert run["versions"]["torch"] == recorded.importlib.metadata.version("torch").partition("+")[0]
