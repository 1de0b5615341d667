"""What is wrong with a lab's declarations, as sentences; a lab without faults has none. Each has its control."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any

from judged import KEYS, LabUnderTest, complete, defined, first_failure, judged, quiet, seeds

from fullstack_llm.checks import cases, outline
from fullstack_llm.checks.declared import labs
from fullstack_llm.checks.exercise import Answer, Exercise, source_of
from fullstack_llm.worker import calling, codec

# An edit that names nothing, or imports nothing, would be recognised by its own error.
SLIPS = ("NameError", "UnboundLocalError", "ImportError", "ModuleNotFoundError")


def of_numbers(lab: LabUnderTest) -> Iterator[str]:
    """Yield what is wrong with points, minutes and the number of exercises."""
    rows = outline.rows(labs(lab.folder)[lab.checks.slug])
    written = {row.exercise: (row.parts, row.minutes, row.difficulty) for row in rows}
    for one in lab.checks.declarations:
        parts = tuple((part.name, part.points) for part in one.parts)
        if written.get(one.name) != (parts, one.minutes, one.difficulty):
            yield f"{one.name}: the declaration reads {written.get(one.name)} without being run"
    if lab.checks.points() != 100:
        yield f"{lab.checks.points()} points, not 100"
    minutes = sum(one.minutes for one in lab.checks.declarations)
    if len(lab.checks.exercises) > 1 and lab.checks.slug != "00_toy" and not 60 <= minutes <= 150:
        yield f"{minutes} minutes, not 60 to 150"
    if not 1 <= len(lab.checks.exercises) <= 8:
        yield f"{len(lab.checks.exercises)} exercises, not 1 to 8"
    if set(lab.reference) != set(lab.checks.exercises):
        yield f"the solution answers {sorted(lab.reference)}"


def of_right_answers(lab: LabUnderTest) -> Iterator[str]:
    """Yield right answers that lose points in one of two draws, and exercises with fewer than two of them."""
    for one in lab.checks.declarations:
        reference = defined(lab, one.name, lab.reference[one.name])
        for label, answer in {"reference": reference, **{f.__name__: f for f in one.others}}.items():
            for key in KEYS:
                verdict = judged(lab, one.name, answer, key)
                if verdict.earned < verdict.points:
                    yield f"{one.name}, {label}:\n{verdict}"
        bodies = {body(lab.reference[one.name]), body(source_of(one.oracle)), *(body(source_of(f)) for f in one.others)}
        if len(bodies) < 3:
            yield f"{one.name}: fewer than two right answers that are written differently from the oracle"


def body(source: str) -> str:
    """Return what the last function of a source does, without its names, docstring and comments."""
    node = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)][-1]
    return "\n".join(
        ast.unparse(line)
        for line in node.body
        if not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))
    )


def of_mistakes(lab: LabUnderTest) -> Iterator[str]:
    """Yield mistakes that keep all points, raise for a slip of the edit, or are shown another hint than their own.

    What a student's own mistake raises is as good as a value: its hint stands beside the error.
    """
    for one in lab.checks.declarations:
        for number, (answer, hint) in enumerate(one.mistaken):
            label = f"{one.name}, mistake {number} ({hint})"
            outcome = first_failure(lab, one.name, answer)
            if outcome is None:
                yield f"{label}: loses no points where mistakes are named"
            elif hint not in (outcome.hint, outcome.advice):
                yield f"{label}: is shown {outcome.advice or outcome.hint!r} in part {outcome.part!r}"
            if slips := [reply[1] for reply in replies(lab, one, answer) if str(reply[1]).startswith(SLIPS)]:
                yield f"{label}: is a slip of the edit, and no student's ({slips[0]})"


def replies(lab: LabUnderTest, one: Exercise, answer: Answer) -> Iterator[tuple[Any, ...]]:
    """Yield the reply to the first case of each part."""
    for check in lab.checks.of(one.name):
        with quiet():
            yield codec.decode(calling.call(answer, cases.KEPT.of(check, seeds(lab)[check.label])[0].request))


def zeros(value: Any) -> Any:
    """Return a value of the same form that holds nothing but zeros."""
    if isinstance(value, (list, tuple)):
        return type(value)(map(zeros, value))
    if isinstance(value, dict):
        return {key: zeros(item) for key, item in value.items()}
    if value is None or hasattr(value, "dtype"):
        return None if value is None else value * 0
    return type(value)()


def workless(one: Exercise) -> dict[str, Answer]:
    """Return answers that no exercise may pay for."""
    kept: list[Any] = []

    def first(*values: Any) -> Any:
        if not kept:
            kept.append(one(*values))
        return kept[0]

    constants: dict[str, Any] = {"none": None, "zero": 0, "empty text": "", "empty list": [], "true": True}
    answers: dict[str, Answer] = {
        f"constant {label}": (lambda *values, _value=value: _value) for label, value in constants.items()
    }
    for place, name in enumerate(one.arguments):
        answers[f"identity of {name}"] = lambda *values, _place=place: values[_place]
    return answers | {"zeros": lambda *values: zeros(one(*values)), "first answer cached": first}


def of_workless_answers(lab: LabUnderTest) -> Iterator[str]:
    """Yield answers without work that earn points."""
    for one in lab.checks.declarations:
        for label, answer in workless(one).items():
            if points := judged(lab, one.name, answer).earned:
                yield f"{one.name}, {label}: {points} points"


def of_parity(lab: LabUnderTest, grade: Callable[..., Any], full: bool) -> Iterator[str]:
    """Yield answers on which grader and notebook differ: all right ones, and the first mistake of each, or all."""
    from judged import seen

    for one in lab.checks.declarations:
        trials = {"reference": lab.reference[one.name]}
        trials |= {answer.__name__: complete(one, answer) for answer in one.others}
        mutants = [source for source, _ in one.mutants()]
        trials |= {f"mistake {number}": source for number, source in enumerate(mutants if full else mutants[:1])}
        for label, source in trials.items():
            theirs = grade((*lab.cells, (one.name, source)), one.name)
            ours = judged(lab, one.name, defined(lab, one.name, source))
            if seen(theirs) != seen(ours):
                yield f"{one.name}, {label}: the grader says\n{theirs}\nand the notebook\n{ours}"
