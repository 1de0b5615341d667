"""Judge one exercise: run its checks on a student's function behind the codec, and say what was wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import signature
from random import Random
from types import ModuleType
from typing import Any, Protocol

from fullstack_llm.worker import codec

from . import draws
from .compare import same
from .memory import Memory, Tape
from .registry import Check, LabChecks
from .show import plain, show
from .verdict import Outcome, Verdict

STUB = re.compile(r"[A-Za-z_]\w*:")
# A worker's own texts are shorter; one that is not may be of any length.
SENTENCE, TRACE = 1_000, 5_000
# A hint about values would mislead where a type differs.
TYPE = "The type is not the one that the exercise asks for; what it holds was not looked at."


class Wrong(Exception):
    """An answer that is not the wanted one: the failing input, both values, and a hint."""

    def __init__(self, case: dict[str, Any], got: Any, want: Any, reason: str, hint: str) -> None:
        super().__init__(hint)
        self.case, self.got, self.want, self.reason, self.hint = case, got, want, reason, hint


class NoValue(Exception):
    """A call that gave no value: `kind` is one of `verdict.KINDS`, `why` a sentence."""

    def __init__(self, kind: str, why: str, trace: str = "") -> None:
        super().__init__(why)
        self.kind, self.why, self.trace = kind, why, trace
        self.call = self.hint = ""


def too_long(name: str, seconds: float) -> NoValue:
    """What is raised when a check's seconds are used up, in a notebook and in the grader alike."""
    return NoValue(
        "timeout",
        f"{name} took more than {seconds:g} s: is there a loop that never ends, or one that tries everything?",
    )


class Transport(Protocol):
    """Where a student's functions live: in this process (notebook) or in a worker (grader)."""

    def start(self, check: Check) -> None:
        """Begin a check; its `seconds` count from here."""

    def call(self, name: str, values: bytes) -> bytes:
        """The reply frame to one call of the function `name`; raises `NoValue` if there is none."""


class Bounded:
    """A transport that carries no more than one value may have, in all calls of a check together."""

    def __init__(self, transport: Transport) -> None:
        self.transport, self.left = transport, codec.MAX_BYTES

    def start(self, check: Check) -> None:
        """Begin a check."""
        self.transport.start(check)

    def call(self, name: str, values: bytes) -> bytes:
        """The reply frame."""
        frame = self.transport.call(name, values)
        self.left -= len(frame)
        if self.left < 0:
            raise NoValue("refused", f"{name} returned more than {codec.MAX_BYTES >> 20} MB in the calls of one check.")
        return frame


def require(
    got: Any,
    want: Any,
    *,
    case: dict[str, Any],
    hint: str,
    wrong: Sequence[tuple[Any, str]] = (),
    rtol: float = 0.0,
    atol: float = 0.0,
) -> None:
    """Raise `Wrong` unless `same(got, want, rtol, atol)`; a known wrong value brings the hint that belongs to it.

    Where a type differs the hint is about that, except that `hint` says which values a tuple should have held.

    >>> require(3, 2, case={"text": "aab"}, hint="Count again.", wrong=[(3, "Count pairs, not characters.")])
    Traceback (most recent call last):
    fullstack_llm.checks.judging.Wrong: Count pairs, not characters.
    """
    outcome = same(got, want, rtol, atol)
    if not outcome:
        alone = isinstance(want, tuple) and not isinstance(got, tuple)
        default = TYPE if outcome.by_type and not alone else hint
        named = next((its for value, its in wrong if same(got, value, rtol, atol)), default)
        raise Wrong(case, got, want, outcome.reason, named)


def compare(
    student: Callable[..., Any],
    exercise: str,
    inputs: Iterable[tuple[Any, ...]],
    hint: str,
    *,
    oracles: ModuleType,
    mistakes: ModuleType,
    rtol: float = 0.0,
    atol: float = 0.0,
) -> None:
    """Compare with the oracle of that name; the mistakes of that name take the same arguments and name them."""
    right, mistaken = getattr(oracles, exercise), getattr(mistakes, exercise)
    for values in inputs:
        case = dict(zip(signature(mistaken).parameters, values, strict=True))
        got, want = student(*values), right(*values)
        # Mistakes cost more than the check itself, so they are computed only when there is one to name.
        nothing = (None, f"{exercise} returned nothing: what is printed, or changed in place, is not returned.")
        wrong = () if same(got, want, rtol, atol) else [nothing, *mistaken(*values)]
        require(got, want, case=case, hint=hint, wrong=wrong, rtol=rtol, atol=atol)


def student(name: str, transport: Transport) -> Callable[..., Any]:
    """The function that a check calls: values cross as bytes, so nothing is shared with the student's code."""

    def function(*values: Any) -> Any:
        try:
            return _value(name, transport.call(name, codec.encode(values)))
        except NoValue as nothing:
            nothing.call = f"{name}({', '.join(map(show, values))})"
            raise

    return function


def hinted(student: Callable[..., Any], known: Mapping[str, str]) -> Callable[..., Any]:
    """The student's function, whose errors bring the hint of the first pattern that is found in what they say.

    The patterns are looked for in the error's own line: a traceback reads differently in a notebook and in a worker.
    """

    def function(*values: Any) -> Any:
        try:
            return student(*values)
        except NoValue as nothing:
            if nothing.kind == "raised":
                nothing.hint = next((hint for pattern, hint in known.items() if re.search(pattern, nothing.why)), "")
            raise

    return function


def _value(name: str, frame: bytes) -> Any:
    try:
        reply = codec.decode(frame)
    except codec.CodecError as error:
        raise NoValue("refused", f"{name} returned something that is no value: {error}.") from None
    match reply:
        case ("value", value):
            return value
        case ("not written", str(hint), str(trace)):
            # A library may raise NotImplementedError too; a stub names the exercise that it stands for.
            hint, trace = hint[:SENTENCE], trace[-TRACE:]
            if not hint or STUB.match(hint):
                why = hint.removeprefix(f"{name}:").strip() or f"{name} is not written yet."
                raise NoValue("not written", why, trace)
            raise NoValue("raised", f"{name} raised NotImplementedError: {hint}", trace)
        case ("raised", str(what), str(trace)):
            raise NoValue("raised", f"{name} raised {what[:SENTENCE]}", trace[-TRACE:])
        case ("refused", str(why)):
            raise NoValue("refused", f"{name} returned something that cannot be judged: {why[:SENTENCE]}.")
    raise NoValue("refused", f"{name} returned something that is no reply.")


def judge_check(check: Check, transport: Transport, draw: Random, memory: Memory | None = None) -> Outcome:
    """The outcome of one check; whatever the student's function does ends up in it."""
    right = Outcome(check.part, check.points, check.points, "right", "", {})
    transport = Bounded(transport)
    try:
        transport.start(check)
    except NoValue as error:
        return Outcome(check.part, check.points, 0, error.kind, plain(error.why, 1000), {})
    if memory is None:
        return _outcome(check, transport, draw, right)
    tape = Tape(check, transport.call)
    if memory.recognised(tape):
        return right
    outcome = _outcome(check, tape, draw, right)
    memory.keep(tape, outcome)
    return outcome


def _outcome(check: Check, transport: Transport, draw: Random, right: Outcome) -> Outcome:
    try:
        check.judge(student(check.exercise, transport), draw)
    except Wrong as error:
        shown = {str(key): show(value) for key, value in error.case.items()}
        values = {"got": show(error.got), "want": show(error.want), "reason": plain(error.reason, 500)}
        return Outcome(check.part, check.points, 0, "wrong", error.hint, shown, **values)
    except NoValue as error:
        shown = {"call": error.call} if error.call and error.kind != "not written" else {}
        trace = "" if error.kind == "not written" else plain(error.trace)
        why = plain(error.why, 1000)
        return Outcome(check.part, check.points, 0, error.kind, why, shown, trace=trace, advice=error.hint)
    except Exception as error:
        # An oracle that stumbles over a value is a fault of the check, and must not stop the others.
        why = f"The check itself failed ({type(error).__name__}: {error}). Please report this with your answer."
        return Outcome(check.part, check.points, 0, "check failed", plain(why, 1000), {})
    return right


def judge_exercise(
    lab: LabChecks,
    exercise: str,
    transport: Transport,
    seeds: Mapping[str, str] | None = None,
    memory: Memory | None = None,
) -> Verdict:
    """The verdict on one exercise: all its checks, each apart from the others; without seeds, those of notebooks."""
    drawn = seeds or draws.seeds(lab)
    outcomes = (judge_check(one, transport, draws.draw_from(drawn[one.label]), memory) for one in lab.of(exercise))
    return Verdict(lab.slug, exercise, tuple(outcomes))
