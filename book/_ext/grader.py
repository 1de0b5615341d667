"""The instructors' page: what the grader guarantees, what it allows a submission, and what has been tried against it.

```{grader-table} guarantees``` (or `limits`, `objects`, `attacks`, `comparison`): read from the code, from the recorded
run of the benchmark, and from two files in `book/_data`, whose rows the tests walk.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from fullstack_llm import recorded
from fullstack_llm.checks.limits import WALL
from fullstack_llm.grading.intake import quotas
from fullstack_llm.grading.isolation import sandbox
from fullstack_llm.grading.judge import session
from fullstack_llm.grading.pool import proxy
from fullstack_llm.grading.probing import levels
from fullstack_llm.worker import reader

ATTACKS = "book/_data/attacks.yml"
OBJECTS = "book/_data/kernel_objects.yml"


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table, line by line.

    >>> table(["a", "b"], [["1", "x | y"]])
    ['| a | b |', '| --- | --- |', '| 1 | x \\\\| y |', '']
    """
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return [*("| " + " | ".join(line) + " |" for line in lines), ""]


def size(count: int) -> str:
    """Bytes for people.

    >>> size(4 << 30), size(64 << 20)
    ('4 GB', '64 MB')
    """
    return f"{count >> 30} GB" if count >= 1 << 30 else f"{count >> 20} MB"


def guarantees(_: Path) -> list[str]:
    """What each level holds, in the words of the probes."""
    held = {name: "yes, ends at its deadline" if name == "time" else "no" for name in levels.GUARANTEES}
    rows = [[f"**{name}**", what, "yes", "yes", held[name]] for name, what in levels.GUARANTEES.items()]
    return table(["guarantee", "a submission", "A", "B", "C"], rows)


def limits(_: Path) -> list[str]:
    """What a submission may use, from the constants that the grader runs by."""
    found = [
        ["a cell", f"{session.CELL_SECONDS:.0f} s of CPU; then only what it defines is kept"],
        ["all cells", f"{session.CELLS_SECONDS:.0f} s of CPU, then definitions only; {WALL} times that by the clock"],
        ["a check, all its calls together", "what the check says, at least ten times what the reference takes"],
        ["a submission", f"{session.SUBMISSION_SECONDS:.0f} s, and {sandbox.LIMITS['CPU']} s of CPU"],
        ["processes that it may lose", f"{session.MAX_LOST}"],
        ["memory", f"{size(4 << 30)}, or six tenths of what the machine or container has, shared among `--jobs`"],
        ["files that it writes", f"{size(sandbox.FILES)} in all, {size(sandbox.LIMITS['FSIZE'])} each"],
        ["files without a name that it holds open, at B", f"{size(proxy.DISK)}; with more it is left ungraded"],
        ["threads", f"{sandbox.THREADS}"],
        ["the file handed in", f"{size(reader.MAX_FILE)}, {reader.MAX_CELLS:,} cells"],
        [
            "a student's archives, unpacked",
            f"{size(quotas.STUDENT_UNPACKED)}, {quotas.STUDENT_FILES:,} files",
        ],
        [
            "all of a class's",
            f"{size(quotas.MAX_UNPACKED)}, {quotas.MAX_FILES:,} files: more is graded in parts",
        ],
    ]
    return table(["what", "at most"], found)


def attacks(root: Path) -> list[str]:
    """What is tried, and what stops it, group by group."""
    found: list[dict[str, Any]] = yaml.safe_load((root / ATTACKS).read_text("utf-8"))
    lines = []
    for group in dict.fromkeys(one["group"] for one in found):
        rows = [[str(one["number"]), one["what"], one["stopped_by"]] for one in found if one["group"] == group]
        lines += [f"**{group}**", "", *table(["no.", "what is tried", "what stops it"], rows)]
    return lines


def objects(root: Path) -> list[str]:
    """What a submission can make the kernel hold, and what bounds it."""
    found: list[dict[str, str]] = yaml.safe_load((root / OBJECTS).read_text("utf-8"))
    return table(["what the kernel holds", "what bounds it"], [[one["object"], one["bound"]] for one in found])


def comparison(_: Path) -> list[str]:
    """The recorded run of `benchmarks/grading.py`: speed as a ratio, and what three frauds were paid."""
    run = recorded.load("grading")
    values, versions = run["values"], run["values"]["graders"]
    named = {name: f"{name} {version}" for name, version in versions.items()}
    named["nbgrader, torch"] = f"{named['nbgrader']}, torch in the notebooks"
    paid = {who: "/".join(f"{points:.0f}" for points in found.values()) for who, found in values["frauds_paid"].items()}
    rows = [
        [named.get(who, f"this course, {who}").replace("--jobs 2", "`--jobs 2`"), f"{ratio:.1f}", paid.get(who, "")]
        for who, ratio in values["times_nbgrader"].items()
    ]
    return table(["grader", "submissions an hour, as a multiple of nbgrader's", "percent paid to the three"], rows)


TABLES: dict[str, Callable[[Path], list[str]]] = {
    "guarantees": guarantees,
    "limits": limits,
    "objects": objects,
    "attacks": attacks,
    "comparison": comparison,
}


class GraderTable(SphinxDirective):
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        if name not in TABLES:
            raise self.error(f"There is no table '{name}'. There are: {', '.join(TABLES)}.")
        root = Path(self.env.srcdir)
        for name_of_file in (ATTACKS, OBJECTS):
            self.env.note_dependency(str(root / name_of_file))
        return self.parse_text_to_nodes("\n".join(TABLES[name](root)))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("grader-table", GraderTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
