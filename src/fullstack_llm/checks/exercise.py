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
from random import Random
from typing import Any

from . import generic
from .compare import same
from .judging import NoValue, Wrong
from .registry import Check

Answer = Callable[..., Any]
Cases = Callable[[Random], Iterable[tuple[Any, ...]]]
# What an oracle may not need: a worker has neither.
JUDGES = ("fullstack_llm.checks", "fullstack_llm.labs")


@dataclass(frozen=True)
class Part:
    """Points for some cases; of the value, only its `items` (of a tuple or dict) or its `view` counts here."""

    name: str
    points: int
    hint: str
    cases: Cases
    items: tuple[int | str, ...]
    view: Callable[..., Any] | None
    rtol: float
    atol: float
    named: bool

    def pick(self, value: Any, inputs: tuple[Any, ...]) -> Any:
        """Take what counts here from a value; `view(value, *inputs)` may raise on one of another kind."""
        if self.view:
            return self.view(value, *inputs)
        picked = tuple(value[item] for item in self.items) if self.items else (value,)
        return picked if len(picked) > 1 else picked[0]

    def same(self, got: Any, want: Any, inputs: tuple[Any, ...]) -> Any:
        """Compare what counts here."""
        return same(self.pick(got, inputs), self.pick(want, inputs), self.rtol, self.atol)


@dataclass
class Exercise:
    """One function of a lab, from its oracle; other right answers, a library's among them, prove the oracle."""

    oracle: Answer
    minutes: int
    difficulty: int
    seconds: float = 10.0
    review: tuple[str, ...] = ()
    uses: tuple[Answer, ...] = ()
    parts: list[Part] = field(default_factory=list)
    others: list[Answer] = field(default_factory=list)
    table: list[tuple[str, str | Answer]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Return the function's name."""
        return self.oracle.__name__

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
    ) -> Callable[[Cases], Cases]:
        """Declare a function from a draw to inputs as a part of the exercise."""

        def declare(cases: Cases) -> Cases:
            self.parts.append(Part(name, points, hint, cases, items, view, rtol, atol, named))
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
        """The oracle as a complete answer: imports, what it uses, itself."""
        module = inspect.getsource(sys.modules[self.oracle.__module__])
        imports = [
            ast.unparse(node)
            for node in ast.parse(module).body
            if isinstance(node, ast.Import)
            or (isinstance(node, ast.ImportFrom) and not str(node.module).startswith(JUDGES))
        ]
        return "\n".join(imports) + "\n\n\n" + "\n\n".join(map(source_of, (*self.uses, self.oracle)))

    def mutants(self) -> Iterator[tuple[str, str]]:
        """Yield the source of each mistaken answer, and its hint."""
        for hint, edits in self.table:
            if callable(edits):
                inner = textwrap.indent(f"{self.source}\n{source_of(edits)}", "    ")
                made = f"def _made():\n{inner}\n    return {edits.__name__}"
                yield f"{made}\n\n\n{self.name} = _made()\n{self.name}.__name__ = {self.name!r}\n", hint
                continue
            edited = self.source
            for edit in edits.split(" && "):
                old, _, new = (one.strip().replace("\\n", "\n") for one in edit.partition("=>"))
                if edited.count(old) != 1:
                    raise ValueError(f"{self.name}: {old!r} stands {edited.count(old)} times in the oracle, not once")
                edited = edited.replace(old, new)
            yield edited, hint

    @functools.cached_property
    def mistaken(self) -> list[tuple[Answer, str]]:
        """Each mistaken answer as a function, with its hint."""
        found = []
        for number, (source, hint) in enumerate(self.mutants()):
            names: dict[str, Any] = {"__name__": f"{self.oracle.__module__}, mistake {number}"}
            exec(compile(source, f"<{self.name}, mistake {number}>", "exec"), names)
            found.append((names[self.name], hint))
        return found

    def explained(self, values: tuple[Any, ...], fits: Callable[[Any], bool], error: str = "") -> str:
        """Return the hint of the first mistake that on these inputs gives a value that fits, or raises this error."""
        for function, hint in self.mistaken:
            try:
                value = generic.tensors(function(*values))
                found = not error and fits(value)
            except Exception as caught:
                found = error == f"{type(caught).__name__}: {caught}"
            if found:
                return hint
        return ""

    def checks(self) -> tuple[Check, ...]:
        """Make one check a part."""
        return tuple(
            Check(self.name, one.name, one.points, self.minutes, self.difficulty, self.seconds, self._judge(one))
            for one in self.parts
        )

    def _judge(self, part: Part) -> Callable[[Answer, Random], None]:
        def judge(student: Answer, draw: Random) -> None:
            for values in part.cases(draw):
                self._compare(part, student, values)

        return judge

    def _compare(self, part: Part, student: Answer, values: tuple[Any, ...]) -> None:
        want = generic.tensors(self.oracle(*values))
        case = dict(zip(inspect.signature(self.oracle).parameters, values, strict=True))
        try:
            got = generic.tensors(student(*values))
        except NoValue as nothing:
            if nothing.kind == "raised":
                error = nothing.why.removeprefix(f"{self.name} raised ")
                nothing.hint = self.explained(values, lambda _: False, error)
            raise
        if (part.items or part.view) and (odd := generic.differs_in_kind(got, want)):
            raise Wrong(case, got, want, odd, f"Return {generic.kind(want)}.")
        if not (outcome := part.same(got, want, values)):
            hint = self.explained(values, lambda value: bool(part.same(got, value, values))) if part.named else ""
            mine, right = part.pick(got, values), part.pick(want, values)
            hint = hint or generic.hint(mine, right, case, part.rtol, part.atol) or part.hint
            raise Wrong(case, mine, right, outcome.reason, hint)


def source_of(answer: Answer) -> str:
    """Return the source of a function without its decorators."""
    source = textwrap.dedent(inspect.getsource(answer))
    return source[source.index("def ") :]


def exercise(**how: Any) -> Callable[[Answer], Exercise]:
    """Declare an oracle as an exercise of its name."""
    return lambda oracle: Exercise(oracle, **how)
