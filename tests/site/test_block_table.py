"""The block table interactive shows a real trace of the engine, which is made again here, and is light."""

import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import blocktable  # noqa: E402
import interactive  # noqa: E402

from fullstack_llm import recorded  # noqa: E402
from fullstack_llm.experiments import m11_paging  # noqa: E402


@pytest.fixture(scope="module")
def data():
    return blocktable.trace(ROOT)


def test_the_recorded_trace_is_what_the_engine_does():
    said = []
    assert m11_paging.trace(said.append) == recorded.load("paging-trace")["values"]
    assert "preempted" in said[-1]


def test_no_block_is_in_two_places_and_a_table_has_room_for_what_is_stored(data):
    for step in data["steps"]:
        held = Counter(block for row in step["rows"] for block in row[5])
        assert set(held).isdisjoint(step["idle"]) and max([*held, *step["idle"]], default=0) < data["blocks"]
        for _, _, running, stored, tokens, blocks, _ in step["rows"]:
            assert stored <= tokens and len(blocks) == -(-stored // data["size"])
            assert bool(blocks) == bool(running), "who waits holds nothing"


def test_everything_that_the_page_promises_happens_in_it(data):
    events = " ".join(event for step in data["steps"] for event in step["events"])
    for promised in ("D1 begins", "D2 goes on from the same prompt", "a shared block is copied", "no block is left"):
        assert promised in events
    assert events.count("gives all of its blocks back") == data["steps"][-1]["counts"][2]
    assert "A is done: “Ada lives on Lantern Row.”" in events and "B is done: “12 + 34 = 46”" in events
    shared = [
        {row[0] for row in step["rows"] if block in row[5]} for step in data["steps"] for block in range(data["blocks"])
    ]
    assert {"A", "C"} in shared and {"D1", "D2"} <= max(shared, key=len)


def test_each_sequence_begins_once_and_is_done_once(data):
    events = [event for step in data["steps"] for event in step["events"]]
    for name in ("A", "B", "C", "D1", "E", "F"):
        assert events.count(f"{name} begins") == 1
    assert sum(" is done: " in event for event in events) == 7


def test_it_is_light_and_rests_on_its_record(data):
    source = interactive.SOURCES["block-table"]
    assert len(interactive.data_block(data).encode()) < 20_000
    assert all((ROOT / path).is_file() for path in source.files)
