"""Declare an exercise once: oracle, cases, points, likely mistakes. Checks, hints, mutants and documentation follow.

A mistake is an edit of the oracle's source, under the hint that names it. When an answer is wrong, the edited oracles
run on the same inputs: where one gives what the student's function gave, or raises what that raised, its hint is shown.
The tests hand each edited oracle in as an answer: it must lose points, and be named by its own hint.

An oracle and the functions that it `uses` refer to each other and to what their module imports, and to nothing else:
so their source is a complete answer, which can be edited, run in a worker, and shown to a teacher.
"""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from . import kinds
from .compare import Same, same

Answer = Callable[..., Any]
Cases = Callable[[Random], Iterable[tuple[Any, ...]]]
# What an oracle may not need: a worker has neither.
JUDGES = ("fullstack_llm.checks", "fullstack_llm.labs")


@dataclass(frozen=True)
class Part:
    """Points for some cases; of the value, only its `items` (of a tuple or dict) or its `view` counts here.

    `whole`: what counts does not tell mistakes apart, so one is named only where it gives all of the value.
    """

    name: str
    points: int
    hint: str
    cases: Cases
    items: tuple[int | str, ...] = ()
    view: Callable[..., Any] | None = None
    rtol: float = 1e-4
    atol: float = 1e-5
    named: bool = True
    whole: bool = False

    def pick(self, value: Any, inputs: tuple[Any, ...]) -> Any:
        """Take what counts here from a value; `view(value, *inputs)` may raise on one of another kind."""
        if self.view:
            return self.view(value, *inputs)
        picked = tuple(value[item] for item in self.items) if self.items else (value,)
        return picked if len(picked) > 1 else picked[0]

    def compare(self, got: Any, want: Any, inputs: tuple[Any, ...]) -> tuple[Same, Any, Any]:
        """Return whether what counts here is the same, and what was compared: the picks, or both values whole.

        Nothing can be picked from a value of another kind, so such a value is compared, and shown, whole.
        """
        right = self.pick(want, inputs)
        if not self.items and not self.view:
            return same(got, right, self.rtol, self.atol), got, right
        if odd := kinds.differ(got, want, self.items):
            return Same(False, odd), got, want
        try:
            mine = self.pick(got, inputs)
        except Exception as error:
            # A view is written for values of the right kind, and a student's value may be of any.
            odd = kinds.differ_within(got, want) or f"it is not made as it should be ({type(error).__name__}: {error})"
            return Same(False, odd), got, want
        return same(mine, right, self.rtol, self.atol), mine, right


@dataclass(eq=False)
class Exercise:
    """One function of a lab, from its oracle; other right answers, a library's among them, prove the oracle.

    `seconds` is the CPU time that a student's function may take in all calls of one part together: at least ten times
    what the oracle takes. `review` names what an answer is not meant to use: for a person, without effect
    on points. `recorded` holds the cases in a copy of the course without answers, where the oracle computes nothing.
    """

    oracle: Answer
    minutes: int
    difficulty: int
    seconds: float = 10.0
    recorded: Path | None = None
    review: tuple[str, ...] = ()
    uses: tuple[Answer, ...] = ()
    parts: list[Part] = field(default_factory=list)
    others: list[Answer] = field(default_factory=list)
    table: list[tuple[str, str | Answer]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not 1 <= self.difficulty <= 5:
            raise ValueError(f"{self.name}: difficulty is 1 to 5, and not {self.difficulty}")

    @property
    def name(self) -> str:
        """Return the function's name."""
        return self.oracle.__name__

    @functools.cached_property
    def arguments(self) -> tuple[str, ...]:
        """Return the names of the function's arguments."""
        return tuple(inspect.signature(self.oracle).parameters)

    @property
    def points(self) -> int:
        """Return the points of all parts together."""
        return sum(part.points for part in self.parts)

    def __call__(self, *values: Any) -> Any:
        """Compute the right value."""
        return self.oracle(*values)

    def part(
        self,
        points: int,
        hint: str,
        name: str = "",
        *,
        items: tuple[int | str, ...] = (),
        view: Callable[..., Any] | None = None,
        rtol: float = 1e-4,
        atol: float = 1e-5,
        named: bool = True,
        whole: bool = False,
    ) -> Callable[[Cases], Cases]:
        """Declare a function from a draw to inputs as a part of the exercise.

        `hint` is shown where no mistake is recognised. `named=False` looks for none: on inputs so heavy that running
        every mistake on them would take seconds.
        """
        if any(part.name == name for part in self.parts):
            raise ValueError(f"{self.name}: two parts are called {name!r}: name each")

        def declare(cases: Cases) -> Cases:
            self.parts.append(Part(name, points, hint, cases, items, view, rtol, atol, named, whole))
            return cases

        return declare

    def right(self, answer: Answer) -> Answer:
        """Declare another right answer."""
        self.others.append(answer)
        return answer

    def mistakes(self, text: str) -> None:
        """Declare likely mistakes: a hint on a line, and under it, indented, `old => new`, one line for each variant.

        Where one edit is not enough, `&&` stands between several. `old` stands once in the oracle or what it uses.
        """
        hint = ""
        for line in filter(str.strip, text.splitlines()):
            if not line.startswith(" "):
                hint = line.strip()
            else:
                self.table.append((hint, line.strip()))

    def mistake(self, hint: str) -> Callable[[Answer], Answer]:
        """Declare a function as a likely mistake that is no edit of the oracle; it may call the exercise itself."""

        def declare(answer: Answer) -> Answer:
            self.table.append((hint, answer))
            return answer

        return declare

    @functools.cached_property
    def source(self) -> str:
        """Return the oracle as a complete answer: imports, what it uses, itself."""
        return self.complete(*self.uses, self.oracle)

    def complete(self, *functions: Answer) -> str:
        """Return the source of functions of this exercise's module below the imports of that module."""
        module = ast.parse(inspect.getsource(sys.modules[self.oracle.__module__]))
        imports = [ast.unparse(node) for node in module.body if _is_for_workers(node)]
        return "\n".join(imports) + "\n\n\n" + "\n\n".join(map(source_of, functions))

    def mutants(self) -> Iterator[tuple[str, str]]:
        """Yield the source of each mistaken answer, and its hint."""
        for hint, edits in self.table:
            if callable(edits):
                inner = textwrap.indent(f"{self.source}\n{source_of(edits)}", "    ")
                made = f"def _made():\n{inner}\n    return {edits.__name__}"
                yield f"{made}\n\n\n{self.name} = _made()\n{self.name}.__name__ = {self.name!r}\n", hint
            else:
                yield self.edited(edits), hint

    @functools.cached_property
    def mistaken(self) -> list[tuple[Answer, str]]:
        """Return each mistaken answer as a function, with its hint."""
        functions = []
        for number, (source, hint) in enumerate(self.mutants()):
            names: dict[str, Any] = {"__name__": f"{self.oracle.__module__}, mistake {number}"}
            exec(compile(source, f"<{self.name}, mistake {number}>", "exec"), names)
            functions.append((names[self.name], hint))
        return functions

    def edited(self, edits: str) -> str:
        """Return the source with each `old => new` of the edits made; `old` must stand in it once."""
        source = self.source
        for edit in edits.split(" && "):
            old, arrow, new = (side.strip().replace("\\n", "\n") for side in edit.partition("=>"))
            if not arrow:
                raise ValueError(f"{self.name}: an edit reads `old => new`, and not {edit!r}")
            if source.count(old) != 1:
                raise ValueError(f"{self.name}: {old!r} stands {source.count(old)} times in the oracle, not once")
            source = source.replace(old, new)
        return source


def _is_for_workers(node: ast.stmt) -> bool:
    if isinstance(node, ast.ImportFrom):
        return not node.level and node.module != "__future__" and not str(node.module).startswith(JUDGES)
    return isinstance(node, ast.Import) and not any(name.name.startswith(JUDGES) for name in node.names)


def source_of(answer: Answer) -> str:
    """Return the source of a function without its decorators."""
    source = textwrap.dedent(inspect.getsource(answer))
    (node,) = ast.parse(source).body
    return "".join(source.splitlines(keepends=True)[node.lineno - 1 :])


def exercise(**how: Any) -> Callable[[Answer], Exercise]:
    """Declare an oracle as an exercise of its name."""
    return lambda oracle: Exercise(oracle, **how)
