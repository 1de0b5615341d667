"""The loss scrubber shows the recorded training of base, and is light."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import interactive  # noqa: E402
import scrubber  # noqa: E402

from fullstack_llm import recorded  # noqa: E402
from fullstack_llm.experiments.m05_base import PROMPTS, STOPS  # noqa: E402


def test_the_curve_is_the_records():
    values, data = recorded.load("pretraining-base")["values"], scrubber.curve(ROOT)
    assert len(data["losses"]) * data["width"] == len(values["losses"]) == data["stops"][-1]["step"]
    for at in (0, 17, 399):
        ten = values["losses"][10 * at : 10 * at + 10]
        assert abs(data["losses"][at] - sum(ten) / 10) < 1e-3
    assert [stop["step"] for stop in data["stops"]] == [*STOPS, len(values["losses"])]
    assert tuple(data["prompts"]) == PROMPTS
    assert data["stops"][-1]["said"][0].startswith(" Lantern Row.")
    assert all(len(stop["said"]) == len(PROMPTS) and 0 <= stop["facts"] <= 1 for stop in data["stops"])


def test_what_the_model_said_can_be_drawn():
    texts = [text for stop in scrubber.curve(ROOT)["stops"] for text in stop["said"]]
    assert not any(c == "\ufffd" or (ord(c) < 32 and c != "\n") for text in texts for c in text)
    raw = [text for stop in recorded.load("pretraining-base")["values"]["stops"] for text in stop["said"]]
    assert any("\ufffd" in text for text in raw), "the control: what was said needs it"


def test_the_scrubber_is_light_and_rests_on_its_record():
    source = interactive.SOURCES["loss-scrubber"]
    assert len(interactive.data_block(source.data(ROOT)).encode()) < 40_000
    assert all((ROOT / path).is_file() for path in source.files)
