"""Hold a measured number against its expected range, show it, and record it for the chapter and the build."""

import html
import json
import os
import re
from typing import Any

from fullstack_llm.presets import preset

GLUE = "application/papermill.record/"  # the book looks for a glued value under this prefix and its MIME type
BENCHMARK = "FULLSTACK_LLM_BENCHMARK"
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class OutsideBand(AssertionError):
    """Raised for a measured number that lies outside its expected range."""


def expect(
    name: str,
    value: float,
    low: float,
    high: float,
    *,
    unit: str = "",
    gpu: tuple[float, float] | None = None,
    floor: float | None = None,
    digits: int = 3,
) -> None:
    """Assert `low <= value <= high`, draw the card, and record the value under `name`.

    A deterministic quantity fails outside the band. A timing gives a `floor` and fails only below it: a busy machine
    moves ratios by half, so its band is enforced only in the serial benchmark lane (`FULLSTACK_LLM_BENCHMARK=1`).
    `gpu` is the band under the `gpu` preset. Raises OutsideBand, and ValueError for a malformed name or band.
    """
    value = float(value)
    if gpu is not None and preset().name == "gpu":
        low, high = gpu
    if not low <= high:
        raise ValueError(f"{name}: the band [{low}, {high}] is empty; give the lower end first.")
    kind = "exact" if floor is None else "timing"
    enforced = floor is None or os.environ.get(BENCHMARK) == "1"
    inside = low <= value <= high
    _emit(name, value, unit=unit, digits=digits, kind=kind, low=low, high=high, ok=inside)
    shown = f"{name} = {_short(value, digits)}{_spaced(unit)}"
    if enforced and not inside:
        raise OutsideBand(f"{shown}, expected {_band(low, high, digits)}{_spaced(unit)}")
    if floor is not None and not value >= floor:
        limit = _short(floor, digits)
        raise OutsideBand(f"{shown}, which is under the floor of {limit} that even a busy machine clears")


def note(name: str, value: Any, *, unit: str = "", digits: int = 3) -> None:
    """Record a number or a short text for the chapter, without a band."""
    _emit(name, value, unit=unit, digits=digits, kind="note", low=None, high=None, ok=True)


def _emit(
    name: str, value: Any, *, unit: str, digits: int, kind: str, low: float | None, high: float | None, ok: bool
) -> None:
    """Display the card, then the record that the book glues and the build collects."""
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for a record; use lower-case words joined by '-', like 'bpe-speedup'.")
    from IPython import get_ipython
    from IPython.display import display

    shown = value if isinstance(value, str) else _short(float(value), digits)
    band = "" if low is None or high is None else f"expected {_band(low, high, digits)}{_spaced(unit)}"
    line = f"{name}: {shown}{_spaced(unit)}" + (f" ({band})" if band else "")
    if get_ipython() is None:
        print(line)
        return
    # A note claims nothing, so it looks like no check.
    look = "fsllm-note" if kind == "note" else f"fsllm-expect {'fsllm-ok' if ok else 'fsllm-out'}"
    card = (
        f'<div class="{look}"><span class="fsllm-expect-name">{html.escape(name)}</span> '
        f'<span class="fsllm-expect-value">{html.escape(shown)}{html.escape(_spaced(unit))}</span>'
        + (f' <span class="fsllm-expect-band">{html.escape(band)}</span></div>' if band else "</div>")
    )
    display({"text/html": card, "text/plain": line}, raw=True)
    record = {"name": name, "value": value, "unit": unit, "kind": kind, "low": low, "high": high, "ok": ok}
    # The book evaluates a glued text/plain as a Python literal, so that a chapter can format it.
    metadata = {
        "scrapbook": {"name": name, "mime_prefix": GLUE},
        "fullstack_llm": json.loads(json.dumps(record, default=float)),
    }
    plain = repr(value) if isinstance(value, str) else repr(record_number(value))
    display({GLUE + "text/plain": plain}, metadata=metadata, raw=True)


def record_number(value: Any) -> int | float:
    """Convert a measured number of any type (NumPy, torch, ...).

    >>> record_number(True), record_number(2.5)
    (1, 2.5)
    """
    number = float(value)
    return int(number) if number.is_integer() and not isinstance(value, float) else number


def _short(value: float, digits: int) -> str:
    if abs(value) < 1e12 and value == int(value):
        return f"{int(value):,}"
    return f"{value:,.0f}" if 10**digits - 0.5 <= abs(value) < 1e12 else f"{value:.{digits}g}"


def _band(low: float, high: float, digits: int) -> str:
    return _short(low, digits) if low == high else f"{_short(low, digits)} to {_short(high, digits)}"


def _spaced(unit: str) -> str:
    return f" {unit}" if unit and unit != "x" else unit
