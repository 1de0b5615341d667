"""Fair draws: every submission to a class meets the same inputs, and a notebook always meets the same ones.

>>> draw_for("03_tokenization", "merge").random() == draw_for("03_tokenization", "merge").random()
True
"""

from __future__ import annotations

import hashlib
import hmac
from random import Random

from .declared import LabChecks

PUBLIC_KEY = b"fullstack_llm: the draw of notebooks and of `grading check`"


def seed_for(lab: str, exercise: str, part: str = "", key: bytes = PUBLIC_KEY) -> str:
    """Return the seed of one check: HMAC-SHA256(class key, lab, exercise, part), from which the key cannot be found.

    >>> seed_for("03_tokenization", "merge")[:8]
    '930c162b'
    """
    name = "\0".join((lab, exercise, part)).encode()
    return hmac.new(key, name, hashlib.sha256).hexdigest()


def draw_from(seed: str) -> Random:
    """Return a random generator with this seed."""
    return Random(int(seed, 16))


def draw_for(lab: str, exercise: str, part: str = "", key: bytes = PUBLIC_KEY) -> Random:
    """Return a random generator for one check, with one draw for a whole class.

    >>> draw_for("03_tokenization", "merge").random() == draw_for("03_tokenization", "merge", key=b"spring").random()
    False
    """
    return draw_from(seed_for(lab, exercise, part, key))


def seeds(lab: LabChecks, key: bytes = PUBLIC_KEY) -> dict[str, str]:
    """Return the seed of each check of a lab, by its label."""
    return {one.label: seed_for(lab.slug, one.exercise, one.part, key) for one in lab.checks}
