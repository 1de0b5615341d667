"""Name the mistake behind a wrong answer: the first declared one that replies to the same call in the same way.

A mistake is called as a student's function is, on a copy of the same arguments, through the same frames.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from typing import Any

from fullstack_llm.worker import calling, codec

from . import kinds
from .cases import Case
from .compare import same
from .declared import Check
from .limits import WALL, limit

# CPU seconds for one mistake, which may loop for ever on some inputs, and for all of them.
ONE, ALL = 1.0, 5.0


def hint(check: Check, case: Case, reply: tuple[Any, ...]) -> str:
    """Return the hint of the first mistake that gives the same reply to a case, or nothing.

    `reply` is the decoded one of the student's function: ("value", what it returned), ("raised", what it raised, …) or
    ("refused", why). Mistakes are looked for until the seconds for them are used up, by this thread's CPU time.
    """
    if not check.rules.named:
        return ""
    for frame, text in case.mistakes or replies(check, case):
        if _same(check, case, reply, codec.decode(frame)):
            return text
    return ""


def replies(check: Check, case: Case) -> Iterator[tuple[bytes, str]]:
    """Yield the frame in which each mistake replies to a case, and its hint, until the seconds are used up."""
    end = time.thread_time() + ALL
    for function, text in check.declared.mistaken:
        left = min(ONE, end - time.thread_time())
        if left <= 0:
            return
        frame = b""
        with limit(left, left * WALL) as late, warnings.catch_warnings():
            # What a mistake divides by zero is no line in a student's notebook.
            warnings.simplefilter("ignore")
            frame = calling.call(function, case.request)
        if frame and not late:
            yield frame, text


def _same(check: Check, case: Case, reply: tuple[Any, ...], theirs: tuple[Any, ...]) -> bool:
    if theirs[0] != reply[0]:
        return False
    if reply[0] != "value":
        return bool(theirs[1] == reply[1])
    want, rules = case.want, check.rules
    mine, other = kinds.alike(reply[1], want), kinds.alike(theirs[1], want)
    # A mistake that does not show in this case is not the student's.
    if rules.compare(other, want, case.values)[0]:
        return False
    return bool(_counts(check, case, mine, other))


def _counts(check: Check, case: Case, mine: Any, other: Any) -> bool:
    """Return whether two wrong values are the same where it counts, or whole where nothing can be picked from them."""
    rules = check.rules
    try:
        if not rules.whole:
            return bool(rules.compare(mine, other, case.values)[0])
    except Exception:
        # Nothing can be picked from the mistake's own value either.
        pass
    return bool(same(mine, other, rules.rtol, rules.atol))
