"""Fair draws: every submission to a class meets the same inputs, and a notebook always meets the same ones.

>>> draw_for("03_tokenization", "merge").random() == draw_for("03_tokenization", "merge").random()
True
"""

from __future__ import annotations

import hashlib
import hmac
from random import Random

PUBLIC_KEY = b"fullstack_llm: the draw of notebooks and of `grading check`"


def draw_for(lab: str, exercise: str, part: str = "", key: bytes = PUBLIC_KEY) -> Random:
    """A random generator seeded by HMAC-SHA256(class key, lab, exercise, part), one draw for a whole class.

    >>> draw_for("03_tokenization", "merge").random() == draw_for("03_tokenization", "merge", key=b"spring").random()
    False
    """
    name = "\0".join((lab, exercise, part)).encode()
    return Random(int.from_bytes(hmac.digest(key, name, hashlib.sha256), "big"))
