"""A toy language and its interpreter: assignment, arithmetic, if, repeat, print.

>>> run("x = 3\\nrepeat 2\\n  x = x * 2\\nif x > 10\\n  print x")
'12'

A program is lines; a block is indented by two spaces. An expression is a value, or two values with +, - or * between
them; a value is a whole number or a one-letter variable. A condition has <, > or = between two values.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

MAX_STEPS = 1_000
MAX_LINES = 200
MAX_DEPTH = 8
MAX_VALUE = 10**9

_ASSIGN = re.compile(r"([a-z]) = (.+)", re.ASCII)
_VALUE = re.compile(r"[a-z]|-?[0-9]{1,9}", re.ASCII)
_CONDITION = re.compile(r"if (\S+) ([<>=]) (\S+)", re.ASCII)
_OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
}


class ToyError(ValueError):
    """A program that cannot be run; says what is wrong and in which line."""


@dataclass
class _State:
    variables: dict[str, int] = field(default_factory=dict)
    output: list[str] = field(default_factory=list)
    steps: int = 0


def run(program: str) -> str:
    """Run a program and return what it printed, one value a line.

    Any text is safe to run: at most 1,000 steps, 200 lines, eight blocks deep and values below 10^9.
    Raises ToyError for what is not a program, or goes over one of these.

    >>> run("print x")
    Traceback (most recent call last):
    ...
    fullstack_llm.tinytown.toylang.ToyError: line 1: x has no value yet
    """
    lines = program.split("\n")
    if len(lines) > MAX_LINES:
        raise ToyError(f"the program has {len(lines)} lines; at most {MAX_LINES} are run")
    state = _State()
    _run_block(lines, 0, len(lines), 0, state)
    return "\n".join(state.output)


def _run_block(lines: list[str], start: int, stop: int, depth: int, state: _State) -> None:
    if depth > MAX_DEPTH:
        raise ToyError(f"line {start + 1}: blocks are nested more than {MAX_DEPTH} deep")
    at, indent = start, "  " * depth
    while at < stop:
        line = lines[at]
        if not line.startswith(indent) or line[len(indent) :].startswith(" "):
            raise ToyError(f"line {at + 1}: expected an indent of {len(indent)} spaces")
        end = at + 1
        while end < stop and lines[end].startswith(indent + "  "):
            end += 1
        _run_line(lines, at, end, depth, state)
        at = end


def _run_line(lines: list[str], at: int, end: int, depth: int, state: _State) -> None:
    state.steps += 1
    if state.steps > MAX_STEPS:
        raise ToyError(f"line {at + 1}: stopped after {MAX_STEPS} steps")
    line = lines[at].strip(" ")
    condition = _CONDITION.fullmatch(line)
    opens_block = condition or line.startswith("repeat ")
    if opens_block and end == at + 1:
        raise ToyError(f"line {at + 1}: a block must follow")
    if not opens_block and end > at + 1:
        raise ToyError(f"line {at + 2}: this line is indented, but no block was opened")
    if condition:
        left, right = _value(condition[1], at, state), _value(condition[3], at, state)
        if {"<": left < right, ">": left > right, "=": left == right}[condition[2]]:
            _run_block(lines, at + 1, end, depth + 1, state)
    elif opens_block:
        for _ in range(min(_value(line.removeprefix("repeat "), at, state), MAX_STEPS)):
            _run_block(lines, at + 1, end, depth + 1, state)
    elif line.startswith("print "):
        state.output.append(str(_evaluate(line.removeprefix("print "), at, state)))
    elif match := _ASSIGN.fullmatch(line):
        state.variables[match[1]] = _evaluate(match[2], at, state)
    else:
        raise ToyError(f"line {at + 1}: not a line of the language: {line[:40]!r}")


def _evaluate(text: str, at: int, state: _State) -> int:
    parts = text.split(" ")
    if len(parts) == 1:
        return _value(text, at, state)
    if len(parts) != 3 or parts[1] not in _OPERATIONS:
        raise ToyError(f"line {at + 1}: not an expression: {text[:40]!r}")
    result = _OPERATIONS[parts[1]](_value(parts[0], at, state), _value(parts[2], at, state))
    if abs(result) >= MAX_VALUE:
        raise ToyError(f"line {at + 1}: the value is too large")
    return result


def _value(text: str, at: int, state: _State) -> int:
    if not _VALUE.fullmatch(text):
        raise ToyError(f"line {at + 1}: not a number or a variable: {text[:40]!r}")
    if not text[0].isalpha():
        return int(text)
    if text not in state.variables:
        raise ToyError(f"line {at + 1}: {text} has no value yet")
    return state.variables[text]
