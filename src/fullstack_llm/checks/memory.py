"""Right answers remembered: a check decides by its draw and by the replies alone, so equal replies need no new verdict.

In a class most right answers reply with the same bytes. Then the check's inputs need not be drawn again, nor the
oracle's values computed; every call is still made, once and in the same order.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from .registry import Check
from .verdict import Outcome

# The function's name, the request and its reply, or what was raised where there was none.
Turn = tuple[str, bytes, bytes | Exception]
# The same with the reply's digest: a check may pass over most of a reply, and replies can be large.
Known = tuple[str, bytes, bytes]


def digest(reply: bytes | Exception) -> bytes:
    """What stands for a reply; nothing stands for an error, which is like no other."""
    return b"" if isinstance(reply, Exception) else hashlib.sha256(reply).digest()


@dataclass
class Tape:
    """A transport that keeps what goes through it; turns that were made before the check began are played first."""

    check: Check
    call_function: Callable[[str, bytes], bytes]
    turns: deque[Turn] = field(default_factory=deque)
    known: list[Known] = field(default_factory=list)

    def start(self, check: Check) -> None:
        """Nothing: the check has begun."""

    def call(self, name: str, values: bytes) -> bytes:
        """The reply to this request, from before or from now; it is given once, and only its digest is kept."""
        if not self.turns:
            self.make(name, values)
        asked, request, reply = self.turns.popleft()
        if (asked, request) != (name, values):
            raise RuntimeError(f"the check {self.check.label!r} does not depend on its draw and the replies alone")
        if isinstance(reply, Exception):
            raise reply
        return reply

    def make(self, name: str, values: bytes) -> bytes:
        """Make a call now, and keep what came of it; the digest of that."""
        reply: bytes | Exception
        try:
            reply = self.call_function(name, values)
        except Exception as error:
            reply = error
        self.turns.append((name, values, reply))
        self.known.append((name, values, digest(reply)))
        return self.known[-1][2]


@dataclass
class Memory:
    """For each check, the turns of the last submission that had it right. Good for one lab and one set of seeds."""

    right: dict[str, list[Known]] = field(default_factory=dict)

    def recognised(self, tape: Tape) -> bool:
        """Make the calls of the last right answer until a reply differs; whether none did."""
        known = self.right.get(tape.check.label, [])
        return bool(known) and all(reply and tape.make(name, values) == reply for name, values, reply in known)

    def keep(self, tape: Tape, outcome: Outcome) -> None:
        """Remember the turns of a right answer."""
        if outcome.kind == "right":
            self.right[tape.check.label] = tape.known
