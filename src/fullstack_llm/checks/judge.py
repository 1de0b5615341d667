"""Judge one exercise: call a student's function with each case behind the codec, and say what was wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

from fullstack_llm.worker import codec

from . import cases, draws, generic, kinds, naming
from .cases import Case
from .declared import Check, LabChecks
from .show import plain, show
from .verdict import Outcome, Verdict

STUB = re.compile(r"[A-Za-z_]\w*:")
# A worker's own texts are shorter; one that is not may be of any length.
SENTENCE, TRACE = 1_000, 5_000
# A hint about values would mislead where a type differs.
TYPE = "The type is not the one that the exercise asks for; what it holds was not looked at."


class NoValue(Exception):
    """A call that gave no value: `kind` is one of `verdict.KINDS`, `why` a sentence."""

    def __init__(self, kind: str, why: str, trace: str = "", reply: tuple[Any, ...] = ()) -> None:
        super().__init__(why)
        self.kind, self.why, self.trace, self.reply = kind, why, trace, reply


def too_long(name: str, seconds: float) -> NoValue:
    """Return what is raised when a check's seconds are used up, in a notebook and in the grader alike."""
    return NoValue(
        "timeout",
        f"{name} took more than {seconds:g} s: is there a loop that never ends, or one that tries everything?",
    )


class Transport(Protocol):
    """Where a student's functions live: in this process (notebook) or in a worker (grader)."""

    def start(self, check: Check) -> None:
        """Begin a check; its `seconds` count from here."""

    def call(self, name: str, values: bytes) -> bytes:
        """Return the reply frame to one call of the function `name`; raise `NoValue` if there is none."""


class Bounded:
    """A transport that carries no more than one value may have, in all calls of a check together."""

    def __init__(self, transport: Transport) -> None:
        self.transport, self.left = transport, codec.MAX_BYTES

    def start(self, check: Check) -> None:
        """Begin a check."""
        self.transport.start(check)

    def call(self, name: str, values: bytes) -> bytes:
        """Return the reply frame."""
        frame = self.transport.call(name, values)
        self.left -= len(frame)
        if self.left < 0:
            raise NoValue("refused", f"{name} returned more than {codec.MAX_BYTES >> 20} MB in the calls of one check.")
        return frame


def _value(name: str, frame: bytes) -> Any:
    """Read a reply frame: the value in it, or `NoValue` with what the reply says instead."""
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
            raise NoValue("raised", f"{name} raised {what[:SENTENCE]}", trace[-TRACE:], reply)
        case ("refused", str(why)):
            raise NoValue("refused", f"{name} returned something that cannot be judged: {why[:SENTENCE]}.", "", reply)
    raise NoValue("refused", f"{name} returned something that is no reply.")


def judge_check(check: Check, transport: Transport, seed: str) -> Outcome:
    """Return the outcome of one check; whatever the student's function does ends up in it."""
    transport = Bounded(transport)
    try:
        transport.start(check)
    except NoValue as nothing:
        return _no_points(check, nothing.kind, nothing.why)
    try:
        for case in cases.KEPT.of(check, seed):
            if wrong := _judge_case(check, case, transport):
                return wrong
    except Exception as error:
        # An oracle that stumbles over its own inputs is a fault of the check, and must not stop the others.
        why = f"The check itself failed ({type(error).__name__}: {error}). Please report this with your answer."
        return _no_points(check, "check failed", why)
    return Outcome(check.part, check.points, check.points, "right", "", {})


def _no_points(check: Check, kind: str, why: str, **more: Any) -> Outcome:
    return Outcome(check.part, check.points, 0, kind, plain(why, 1000), **({"inputs": {}} | more))


def _judge_case(check: Check, case: Case, transport: Transport) -> Outcome | None:
    """Return the outcome if this case is wrong."""
    name, arguments = check.exercise, check.declared.arguments
    try:
        frame = transport.call(name, case.request)
        # Most right answers reply as the oracle does, to the byte.
        if frame == case.reply:
            return None
        got = _value(name, frame)
    except NoValue as nothing:
        advice = naming.hint(check, case, nothing.reply) if nothing.reply else ""
        written = nothing.kind != "not written"
        inputs = {"call": f"{name}({', '.join(map(show, case.values))})"} if written else {}
        trace = plain(nothing.trace) if written else ""
        return _no_points(
            check,
            nothing.kind,
            nothing.why,
            inputs=inputs,
            trace=trace,
            advice=advice,
            request=case.request,
            arguments=arguments,
        )
    values, want, rules = case.values, case.want, check.rules
    got = kinds.alike(got, want)
    outcome, mine, right = rules.compare(got, want, values)
    if outcome:
        return None
    inputs = dict(zip(arguments, case.values, strict=True))
    return Outcome(
        check.part,
        check.points,
        0,
        "wrong",
        naming.hint(check, case, ("value", got))
        or _fact(mine, right, inputs, rules.rtol, rules.atol)
        # Where the wanted value is a tuple, the neutral hint says which values it should have held.
        or (TYPE if outcome.by_type and not isinstance(right, tuple) else rules.hint),
        {name: show(value) for name, value in inputs.items()},
        got=show(mine),
        want=show(right),
        reason=plain(outcome.reason, 500),
        request=case.request,
        arguments=arguments,
    )


def _fact(got: Any, want: Any, case: dict[str, Any], rtol: float, atol: float) -> str:
    try:
        return generic.hint(got, want, case, rtol, atol)
    except Exception:
        # A value may be of any kind and size; one that cannot be looked at has no facts.
        return ""


def judge_exercise(
    lab: LabChecks, exercise: str, transport: Transport, seeds: Mapping[str, str] | None = None
) -> Verdict:
    """Return the verdict on one exercise: each check apart from the others; without seeds, those of notebooks."""
    drawn = seeds or draws.seeds(lab)
    outcomes = (judge_check(check, transport, drawn[check.label]) for check in lab.of(exercise))
    return Verdict(lab.slug, exercise, tuple(outcomes))
