"""Turn a lab's package into one that judges the notebook's inputs and holds no answer.

Of each exercise remain its name, arguments, points, hints and limits, under which students see its verdicts. Its
oracle, the other right answers, the mistakes and the functions that draw inputs are left out. What they give on the
inputs of notebooks is recorded as values, in a zip beside the exercises.
"""

from __future__ import annotations

import ast
import inspect
import io
import sys
import zipfile
from collections.abc import Callable
from typing import Any

from fullstack_llm.checks import draws, kinds, naming, recorded
from fullstack_llm.checks.cases import Case, draw
from fullstack_llm.checks.declared import Check, LabChecks
from fullstack_llm.checks.exercise import Exercise, Part, source_of
from fullstack_llm.worker import codec

HEAD = '''"""{title}

This copy of the course was released without answers. What is right on the inputs of notebooks stands in {file}.
"""

from pathlib import Path
{imports}
from fullstack_llm.checks.exercise import exercise

{views}
@exercise({how}, recorded=Path(__file__).with_name({file!r}))
def {name}{arguments}:
    raise NotImplementedError("{name}: this copy was released without answers")
'''
PART = """

@{name}.part({how})
def part_{number}(draw):
    yield from ()
"""


def files(lab: LabChecks) -> dict[str, bytes]:
    """Return the files of the lab's released package by name, without its `__init__.py`."""
    modules = {f"{one.name}.py": module(one).encode() for one in lab.declarations}
    return modules | {recorded.FILE: record(lab)}


def module(one: Exercise) -> str:
    """Return the source of an exercise without answers: what students see in its verdicts, and nothing else."""
    title = (inspect.getdoc(sys.modules[one.oracle.__module__]) or one.name).splitlines()[0]
    views = list(dict.fromkeys(part.view for part in one.parts if part.view))
    how = {"minutes": one.minutes, "difficulty": one.difficulty, "seconds": one.seconds, "review": one.review}
    text = HEAD.format(
        title=title,
        file=recorded.FILE,
        imports=_imports(one, views),
        views="".join(f"\n{source_of(view).rstrip()}\n\n" for view in views),
        how=_arguments(how),
        name=one.name,
        arguments=f"({', '.join(one.arguments)})",
    )
    return text + "".join(
        PART.format(name=one.name, how=_part(part), number=number) for number, part in enumerate(one.parts)
    )


def _imports(one: Exercise, views: list[Callable[..., Any]]) -> str:
    """Return the imports that the views need, of those that a worker could make."""
    used = {node.id for view in views for node in ast.walk(ast.parse(source_of(view))) if isinstance(node, ast.Name)}
    lines = []
    for node in ast.parse(one.complete()).body:
        assert isinstance(node, (ast.Import, ast.ImportFrom))
        if used & {(alias.asname or alias.name).partition(".")[0] for alias in node.names}:
            lines.append(f"\n{ast.unparse(node)}")
    return "".join(lines) + ("\n" if lines else "")


def _part(part: Part) -> str:
    default = Part("", 0, "", part.cases)
    more = {
        name: getattr(part, name)
        for name in ("items", "rtol", "atol", "named", "whole")
        if getattr(part, name) != getattr(default, name)
    }
    given = [repr(part.points), repr(part.hint), repr(part.name)]
    view = [f"view={part.view.__name__}"] if part.view else []
    return ", ".join([*given, *view, *filter(None, [_arguments(more)])])


def _arguments(how: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in how.items())


def record(lab: LabChecks) -> bytes:
    """Return the zip of a lab's cases, with the draw of notebooks."""
    out, seeds = io.BytesIO(), draws.seeds(lab)
    with zipfile.ZipFile(out, "w") as archive:
        for check in lab.checks:
            member = zipfile.ZipInfo(check.label)  # of one date: the same content, the same bytes
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, codec.encode(_record(check, seeds[check.label])), compresslevel=9)
    return out.getvalue()


def _record(check: Check, seed: str) -> dict[str, Any]:
    """Return a check's cases as plain values; a frame that several mistakes reply with is written once."""
    frames: dict[bytes, int] = {}
    hints: dict[str, int] = {}
    cases = []
    for case in draw(check, seed):
        named: dict[bytes, str] = {}
        for frame, hint in naming.replies(check, case) if check.rules.named else ():
            # Of two mistakes that reply in the same way, the first is named. Where an error was raised is left out:
            # the lines of a mistake are those of an answer.
            reply = codec.decode(frame)
            if _shows(check, case, reply):
                named.setdefault(codec.encode(reply[:2]), hint)
        mistakes = [
            (frames.setdefault(frame, len(frames)), hints.setdefault(hint, len(hints))) for frame, hint in named.items()
        ]
        cases.append((case.request, case.reply, mistakes))
    return {"seed": seed, "frames": list(frames), "hints": list(hints), "cases": cases}


def _shows(check: Check, case: Case, reply: tuple[Any, ...]) -> bool:
    """Return whether a mistake's reply to a case is wrong: one that is right names nothing."""
    want = case.want
    return reply[0] != "value" or not check.rules.compare(kinds.alike(reply[1], want), want, case.values)[0]
