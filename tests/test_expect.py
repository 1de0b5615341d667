"""A number outside its band stops the notebook; a slow machine does not."""

import numpy as np
import pytest

from fullstack_llm import expect as module
from fullstack_llm.expect import OutsideBand, expect, note


@pytest.fixture
def shown(monkeypatch):
    """What a notebook's front end would have been sent."""
    sent = []
    monkeypatch.setattr("IPython.get_ipython", lambda: object())
    monkeypatch.setattr("IPython.display.display", lambda data, metadata=None, raw=False: sent.append((data, metadata)))
    monkeypatch.delenv(module.BENCHMARK, raising=False)
    return sent


def record(shown):
    return shown[-1][1]["fullstack_llm"]


def test_a_value_in_its_band_is_recorded(shown):
    expect("merges", 240, 240, 240)
    assert record(shown) == {
        "name": "merges",
        "value": 240.0,
        "unit": "",
        "kind": "exact",
        "low": 240,
        "high": 240,
        "ok": True,
    }
    assert "expected 240" in shown[0][0]["text/plain"]


@pytest.mark.parametrize("value", [2.4, 4.1, float("nan"), float("inf")])
def test_a_deterministic_value_outside_fails_after_it_was_recorded(shown, value):
    with pytest.raises(OutsideBand, match="expected 2.5 to 4"):
        expect("ratio", value, 2.5, 4)
    assert record(shown)["ok"] is False


def test_a_timing_fails_only_under_its_floor(shown):
    expect("speedup", 1.9, 2.5, 4, floor=1.2)
    assert record(shown)["ok"] is False
    with pytest.raises(OutsideBand, match="under the floor of 1.2"):
        expect("speedup", 1.1, 2.5, 4, floor=1.2)
    with pytest.raises(OutsideBand, match="under the floor"):
        expect("speedup", float("nan"), 2.5, 4, floor=1.2)


def test_the_benchmark_lane_enforces_the_band_of_a_timing(shown, monkeypatch):
    monkeypatch.setenv(module.BENCHMARK, "1")
    with pytest.raises(OutsideBand, match="expected 2.5 to 4"):
        expect("speedup", 1.9, 2.5, 4, floor=1.2)


def test_the_gpu_preset_has_its_own_band(shown, monkeypatch):
    monkeypatch.setattr(module, "preset", lambda: type("P", (), {"name": "gpu"}))
    expect("speedup", 30, 2.5, 4, gpu=(20, 40))
    assert record(shown)["high"] == 40


@pytest.mark.parametrize("name", ["Ratio", "two words", "", "a_b", "-a", "a--b"])
def test_a_name_that_a_chapter_cannot_quote_is_refused(shown, name):
    with pytest.raises(ValueError, match="is no name for a record"):
        note(name, 1)


def test_an_empty_band_is_refused(shown):
    with pytest.raises(ValueError, match="is empty"):
        expect("ratio", 3, 4, 2)


def test_glued_values_read_back_as_they_were(shown):
    import ast

    for value in (np.float32(0.5), np.int64(7), 3, 2.25, "Ada's <b>"):
        note("value", value)
        assert ast.literal_eval(shown[-1][0][module.GLUE + "text/plain"]) == value


def test_a_note_does_not_look_like_a_passed_check(shown):
    note("merges", 240)
    expect("merges", 240, 240, 240)
    noted, passed = (data["text/html"] for data, _ in shown if "text/html" in data)
    assert "fsllm-note" in noted and "fsllm-ok" not in noted and "fsllm-expect-band" not in noted
    assert "fsllm-ok" in passed and "expected 240" in passed


@pytest.mark.parametrize(
    ("value", "digits", "wanted"),
    [
        (3.4028235e38, 3, "3.4e+38"),
        (-3.4028235e38, 3, "-3.4e+38"),
        (999.9, 3, "1,000"),
        (999.903, 6, "999.903"),
        (1_234_567, 3, "1,234,567"),
        (float("inf"), 3, "inf"),
    ],
)
def test_a_number_is_short_enough_to_be_read(shown, value, digits, wanted):
    note("value", value, digits=digits)
    assert shown[0][0]["text/plain"] == f"value: {wanted}"


@pytest.mark.parametrize(("unit", "wanted"), [("%", "98 %"), ("x", "98x"), ("MiB", "98 MiB"), ("", "98")])
def test_a_unit_stands_apart_and_a_factor_does_not(shown, unit, wanted):
    note("value", 98, unit=unit)
    assert shown[0][0]["text/plain"] == f"value: {wanted}"


def test_a_card_escapes_what_it_shows(shown):
    note("who", "<script>")
    assert "<script>" not in shown[0][0]["text/html"]
