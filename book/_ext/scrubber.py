"""What the loss scrubber shows: the recorded training of the course's base, its loss and what it said on the way."""

import unicodedata
from pathlib import Path
from typing import Any

RECORD = "src/fullstack_llm/data/recorded/pretraining-base.json"
WIDTH = 10  # steps whose losses make one point of the curve


def curve(_: Path) -> dict[str, Any]:
    """The means of ten losses each, and for each stop its step, its loss, the facts it knows, and its texts."""
    from fullstack_llm import recorded
    from fullstack_llm.experiments.m05_base import FACTS, PROMPTS

    values = recorded.load("pretraining-base")["values"]
    losses = values["losses"]
    means = [round(sum(losses[at : at + WIDTH]) / WIDTH, 3) for at in range(0, len(losses), WIDTH)]
    stops = [
        {"step": stop["step"], "facts": stop["facts"], "said": [readable(text) for text in stop["said"]]}
        for stop in values["stops"]
    ]
    return {"width": WIDTH, "losses": means, "stops": stops, "prompts": list(PROMPTS), "items": FACTS}


def readable(text: str) -> str:
    """The text with a dot for each character that no font draws: halves of characters, and control characters.

    >>> readable("1\\x07\\ufffd\\n2")
    '1··\\n2'
    """
    return "".join("·" if c == "\ufffd" or (unicodedata.category(c) == "Cc" and c != "\n") else c for c in text)
