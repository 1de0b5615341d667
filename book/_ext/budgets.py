"""The laws that the budget calculator knows: the course's own, fitted while the site is built, and a published one.

The machine, the shares of its peak and the price are assumptions that a reader replaces.
"""

from pathlib import Path
from typing import Any

# An H100's peak in dense bf16, in TFLOP a second; shares in per cent; the price of an hour in dollars, as assumed.
MACHINE = {"peak": 989, "training": 40, "serving": 10, "hourly": 2.5, "date": "November 2026"}


def laws(_: Path) -> dict[str, Any]:
    """Both families of laws, in the words of `scaling.choices`, and the machine."""
    from fullstack_llm.scaling import choices

    families = {
        "the course's table of runs": choices.course(),
        "DeepMind's runs, fitted by Besiroglu et al.": choices.published(),
    }
    return {"laws": {name: choices.as_data(family) for name, family in families.items()}, "machine": MACHINE}
