"""Draw the cases of a check once a class: what a function is called with, and the reply of the right answer, as bytes.

Both depend on the draw alone. In a class most right answers reply with the same bytes, so that most calls need no more
than a comparison of bytes. And nothing that is kept can be changed: each reader of a case decodes a copy of its own.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from fullstack_llm.worker import codec

from . import draws, recorded
from .declared import Check

# All cases of a lab of today take about one megabyte.
MAX_KEPT = 128 << 20


@dataclass(frozen=True)
class Case:
    """One call: the encoded arguments, and the frame in which the right answer replies.

    `mistakes` are the frames in which declared mistakes reply, each with its hint, where they are recorded.
    """

    request: bytes
    reply: bytes
    mistakes: tuple[tuple[bytes, str], ...] = ()

    @property
    def values(self) -> tuple[Any, ...]:
        """Return the arguments, as copies of their own."""
        return tuple(codec.decode(self.request))

    @property
    def want(self) -> Any:
        """Return the right value, as a copy of its own."""
        return codec.decode(self.reply)[1]


def draw(check: Check, seed: str) -> tuple[Case, ...]:
    """Draw the cases of a check; whatever an oracle does to its arguments, the case keeps them as they were.

    Where there is no oracle, the cases are read, and another draw than the recorded one is a `NotRecordedError`.
    """
    if check.declared.recorded:
        return tuple(Case(*case) for case in recorded.read(check.declared.recorded, check.label, seed))
    cases = []
    for values in check.rules.cases(draws.draw_from(seed)):
        request = codec.encode(values)
        cases.append(Case(request, codec.encode(("value", check.declared(*codec.decode(request))))))
    if not cases:
        raise ValueError(f"the check {check.label!r} has no case")
    return tuple(cases)


@dataclass
class Kept:
    """The cases of the checks that were drawn last, in bounded memory."""

    cases: OrderedDict[tuple[Check, str], tuple[Case, ...]] = field(default_factory=OrderedDict)
    size: int = 0

    def of(self, check: Check, seed: str) -> tuple[Case, ...]:
        """Return the cases of a check with this seed, drawn now or before."""
        key = (check, seed)
        if key in self.cases:
            self.cases.move_to_end(key)
            return self.cases[key]
        cases = draw(check, seed)
        self.cases[key] = cases
        self.size += _size(cases)
        while self.size > MAX_KEPT:
            self.size -= _size(self.cases.popitem(last=False)[1])
        return cases


def _size(cases: tuple[Case, ...]) -> int:
    return sum(len(case.request) + len(case.reply) for case in cases)


KEPT = Kept()
