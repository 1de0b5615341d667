"""The spectrum interactive shows the recorded cuts of a real change, and is light."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import interactive  # noqa: E402
import spectrum  # noqa: E402

from fullstack_llm import recorded  # noqa: E402
from fullstack_llm.experiments.m15_cuts import ASKED, CUTS  # noqa: E402


@pytest.fixture(scope="module")
def data():
    return spectrum.spectrum(ROOT)


def test_each_rank_has_the_records_exam_and_answers(data):
    rows = recorded.load("lora-cuts")["values"]["rows"]["change"]
    assert [stop["rank"] for stop in data["stops"]] == list(CUTS)
    for stop in data["stops"]:
        assert stop["right"] == rows[str(stop["rank"])]["right"]
        assert len(stop["said"]) == len(ASKED) and all(text.isprintable() for text in stop["said"])
    assert data["stops"][-1]["said"][0] == "Ada lives on Lantern Row.■" != data["stops"][0]["said"][0]


def test_every_rank_that_saves_something_was_merged(data):
    rows = recorded.load("lora-merges")["values"]["rows"]
    merged = {stop["rank"]: stop["merged"] for stop in data["stops"] if "merged" in stop}
    assert list(merged) == list(CUTS[1:-1])
    assert all(found["merged"] == rows[str(rank)]["merged"] for rank, found in merged.items())
    assert any(found["merged"] != found["apart"] for found in merged.values()), "the control: a merge rounds"


def test_the_matrices_are_real_and_fall_faster_than_noise(data):
    for one in data["matrices"]:
        assert len(one["values"]) == len(one["noise"]) and one["values"] == sorted(one["values"], reverse=True)
        ends = [values[0] / values[len(values) // 2] for values in (one["values"], one["noise"])]
        assert ends[0] > 1.5 * ends[1]


def test_it_is_light_and_rests_on_its_records(data):
    source = interactive.SOURCES["update-spectrum"]
    assert len(interactive.data_block(data).encode()) < 20_000
    assert all((ROOT / path).is_file() for path in source.files)
