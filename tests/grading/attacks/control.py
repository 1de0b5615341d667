"""One attack with one of its obstacles taken away: `python control.py NAME`, inside a sandbox that bounds the damage.

`python control.py cell CODE` runs a cell without a process of its own. Prints what was seen; nothing is printed if the
attack has ended it.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from random import Random
from types import ModuleType

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from answers import ANSWERS, Answer  # noqa: E402
from scene import scene  # noqa: E402
from submissions import COUNT, RIGHT, TOY, TWICE, save  # noqa: E402
from table import ATTACKS, FIND, FLOOD, FORGERIES, LEAVE, SEARCH, Attack  # noqa: E402
from weaken import FLOOD as FLOODED  # noqa: E402
from weaken import WEAKEN  # noqa: E402

from fullstack_llm.checks import declared  # noqa: E402
from fullstack_llm.checks.notebook import Lab  # noqa: E402
from fullstack_llm.grading.judge import grade, session  # noqa: E402
from fullstack_llm.grading.pool.pool import Pool  # noqa: E402
from fullstack_llm.grading.probing.levels import CANDIDATES  # noqa: E402
from fullstack_llm.worker.cells import Cells  # noqa: E402

Seen = dict[str, object]
WRONG = "\ndef double(xs): return 0"
ASSERTS = "def test(double):\n    assert double([3]) == [6]\n    return 40\n"


def processes() -> int:
    return sum(name.name.isdigit() for name in Path("/proc").iterdir())


def defined(code: str) -> dict[str, object]:
    module = ModuleType("__main__")
    Cells(module).run(code, "cell 1")
    return vars(module)


def same_process(code: str) -> Seen:
    """The judge and the attack in one process, as in a notebook."""
    verdict = Lab(declared.find("00_toy", TOY))(defined(code)["double"])  # type: ignore[arg-type]
    return {"earned": verdict.earned, "said": str(verdict)}


def exit_status(code: str) -> Seen:
    """A grader that runs a script, and pays if it ends well."""
    run = subprocess.run([sys.executable, "-c", f"{code}{WRONG}\nassert double([3]) == [6]"], capture_output=True)
    return {"earned": 0 if run.returncode else 40}


def asserts(code: str) -> Seen:
    """A grader that imports its asserts into the process of the submission."""
    Path("asserts.py").write_text(ASSERTS)
    sys.path.insert(0, "")
    double = defined(code + WRONG)["double"]
    return {"earned": importlib.import_module("asserts").test(double)}


def notebook_cells(code: str) -> Seen:
    """A grader whose asserts are cells of the submission's notebook."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    for source in (code, WRONG, "earned = 0", "assert double([3]) == [6]\nearned = 40"):
        shell.run_cell(source)
    return {"earned": shell.user_ns["earned"]}


def without_copies(code: str) -> Seen:
    """A check that calls the function itself, on values of its own."""
    check = declared.find("00_toy", TOY).of("double")[0]
    for values in check.rules.cases(Random(0)):
        got = defined(code)["double"](*values)  # type: ignore[operator]
        if not check.rules.compare(got, check.declared(*values), values)[0]:
            return {"kind": "wrong"}
    return {"kind": "right"}


PLAIN = {"process": same_process, "status": exit_status, "asserts": asserts, "cells": notebook_cells}


def weakened(attack: Attack) -> Seen:
    """The grader at level B, without what the attack's control takes away."""
    changes = {name: {} if name == "limits" else False for name in attack.without}
    workers = Pool(replace(CANDIDATES["B"][0], **changes))  # type: ignore[arg-type]
    before = processes()
    session.CELL_SECONDS = 20.0
    with scene() as one, tempfile.TemporaryDirectory() as folder:
        path = save(Path(folder) / "a.ipynb", [one.code(attack.code), *RIGHT[:1], TWICE, RIGHT[2], COUNT])
        result = grade.grade(path, declared.find("00_toy", TOY), workers)
        left = processes() - before
        return {"problems": result.problems, "canary": one.unharmed, "left": left}


def answered(one: Answer) -> Seen:
    """The grader at level B with one guarantee less, and an answer that attacks it."""
    if one.without == "copies":
        return without_copies(one.code)
    WEAKEN[one.without]()
    workers = Pool(CANDIDATES["B"][0])
    with scene() as stage, tempfile.TemporaryDirectory() as folder:
        path = save(Path(folder) / "a.ipynb", [stage.code(one.code), TWICE, COUNT])
        try:
            result = grade.grade(path, declared.find("00_toy", TOY), workers)
        except Exception as error:
            return {"kind": "stopped", "error": str(error)}
        double, count = result.verdicts
        kind = double.outcomes[0].kind
        if not stage.unharmed:
            kind = "canary"
        elif not str(double).isprintable() and "\ud800" in str(double):
            kind = "not printable"
        elif kind == "died" and not count.earned:
            kind = "no count"
        return {"kind": kind, "double": str(double)[:500]}


def flooded() -> Seen:
    """Two hundred megabytes of output, for a grader that keeps them."""
    WEAKEN["output"]()
    # A zygote's children share its output: that of a worker of its own is its own.
    workers = Pool(replace(CANDIDATES["B"][0], warm=False, limits={}))
    with tempfile.TemporaryDirectory() as folder:
        grade.grade(save(Path(folder) / "a.ipynb", [FLOOD, *RIGHT]), declared.find("00_toy", TOY), workers)
    return {"kept": sum(FLOODED)}


def left_behind() -> Seen:
    """Two submissions, of which the second looks for what the first has left."""
    workers = Pool(replace(CANDIDATES["B"][0], landlock=False, seccomp=False))
    with tempfile.TemporaryDirectory() as folder:
        paths = [save(Path(folder) / f"{name}.ipynb", [code, *RIGHT]) for name, code in (("a", LEAVE), ("b", FIND))]
        results = [grade.grade(path, declared.find("00_toy", TOY), workers) for path in paths]
    return {"found": results[1].problems}


def seen(name: str) -> Seen:
    """What the attack with this name gets in its control."""
    special = {"16": flooded, "76": left_behind, "48": lambda: same_process(SEARCH)}
    if name in special:
        return special[name]()
    if name in ANSWERS:
        return answered(ANSWERS[name])
    attack = next(one for one in [*ATTACKS, *FORGERIES] if one.name == name)
    if attack.without[0] in PLAIN:
        return PLAIN[attack.without[0]](attack.code)
    return weakened(attack)


if __name__ == "__main__":
    if sys.argv[1] == "cell":
        print("begun", flush=True)
        defined(sys.argv[2])
        print("survived", flush=True)
    else:
        print(json.dumps(seen(sys.argv[1])), flush=True)
    os._exit(0)
