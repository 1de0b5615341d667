"""Keep account of the CPU seconds of `make check`: by stage, by area of the tests, and by module of the course.

    python tools/seconds.py begin                      a new account
    python tools/seconds.py stage NAME COMMAND...      run a stage and write its seconds down
    python tools/seconds.py end                        close the account and print the tables

The account of a run that is under way is kept apart; `_build/seconds.json` is the last that came to its end, which the
verification page shows. Standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import datetime
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

DONE, OPEN, RECORD = Path("_build/seconds.json"), Path("_build/seconds_open.json"), Path("_build/record.json")
PR_SET_CHILD_SUBREAPER = 36
BUDGET, LARGE = 180, 240  # CPU seconds of a module
# Distributed training, serving and reinforcement learning run for longer.
LARGE_MODULES = {"07", "08", "09", "11", "16", "17", "20"}
STAGE = "FULLSTACK_LLM_STAGE"  # holds the process that measures a stage
TESTS = "pytest"  # the stage of which there are areas
ORPHANS = "processes that nobody waited for"  # those in sandboxes, and a browser's
KINDS = ("notebooks", "lab", "package tests", "pages")
OF_MODULE = {"labs": "lab", "package tests": "package tests", "browser": "pages"}


def load(path: Path) -> dict[str, Any]:
    """Return an account, an empty one where there is none."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {"stages": [], "areas": []}


def save(path: Path, account: dict[str, Any]) -> None:
    """Write an account."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")  # a full disk leaves the old account, never half of the new one
    new.write_text(json.dumps(account, indent=1) + "\n", encoding="utf-8")
    new.replace(path)


def adopt() -> None:
    """Become the parent of descendants that lose theirs, so that their seconds are counted too. On Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def wait(pid: int) -> int:
    """Wait for a child, and for all that are adopted meanwhile; return its exit status."""
    status = None
    while status is None:
        ended, code = os.waitpid(-1, 0)
        status = os.waitstatus_to_exitcode(code) if ended == pid else None
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    return status


def used() -> float:
    """Return the CPU seconds of all processes that this one has waited for, and of those that they did."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def stage(name: str, command: list[str]) -> int:
    """Run a command, write down in an open account what it used, whether it failed or not, and return its status."""
    print(f"\n== {name}", flush=True)
    begin, before = time.monotonic(), used()
    adopt()
    # Ctrl-C reaches the command as well, which ends by itself; an own handler, unlike SIG_IGN, is not inherited.
    signal.signal(signal.SIGINT, lambda *_: None)
    try:
        process = subprocess.Popen(command, env=os.environ | {STAGE: str(os.getpid())})
    except (OSError, ValueError) as error:
        print(f"{command[0][:200]!r} cannot be started ({getattr(error, 'strerror', None) or error})", file=sys.stderr)
        return 2
    process.returncode = status = wait(process.pid)
    seconds, cpu = time.monotonic() - begin, used() - before
    if OPEN.exists():
        account = load(OPEN)
        account["stages"].append({"name": name, "cpu": round(cpu, 1), "seconds": round(seconds, 1)})
        save(OPEN, account)
    print(f"   {seconds:.0f} s, of CPU {cpu:.0f} s", flush=True)
    return status if status >= 0 else 128 - status  # as a shell says that a signal ended it


def is_stage() -> bool:
    """Return whether this process is what a stage has started, and no further process of that, and is accounted for."""
    return os.environ.get(STAGE) == str(os.getppid()) and OPEN.exists()


def add_areas(rows: list[dict[str, Any]]) -> None:
    """Add to the open account what the tests used: rows of an area, the number of a module or "", and `cpu`."""
    account = load(OPEN)
    found = {(row["area"], row["module"]): row["cpu"] for row in account["areas"]}
    for row in rows:
        key = row["area"], row["module"]
        found[key] = found.get(key, 0.0) + row["cpu"]
    account["areas"] = [
        {"area": area, "module": module, "cpu": round(cpu, 1)} for (area, module), cpu in sorted(found.items())
    ]
    save(OPEN, account)


def budget(number: str) -> int:
    """Return the CPU seconds that a module may cost."""
    return LARGE if number in LARGE_MODULES else BUDGET


def by_area(account: dict[str, Any]) -> dict[str, float]:
    """Return the seconds of each area of the tests, the largest first, and what the stage used besides.

    >>> rows = [{"area": "a", "cpu": 1.0}, {"area": "b", "cpu": 5.0}, {"area": "a", "cpu": 2.0}]
    >>> by_area({"areas": rows, "stages": [{"name": "pytest", "cpu": 10.0}]})
    {'b': 5.0, 'a': 3.0, 'processes that nobody waited for': 2.0}
    """
    found: dict[str, float] = {}
    for row in account["areas"]:
        found[row["area"]] = found.get(row["area"], 0.0) + row["cpu"]
    found = dict(sorted(found.items(), key=lambda item: -item[1]))
    rest = sum(row["cpu"] for row in account["stages"] if row["name"] == TESTS) - sum(found.values())
    return found | ({ORPHANS: rest} if rest > 1 else {})


def by_stage(account: dict[str, Any]) -> list[tuple[str, float, float]]:
    """Return name, CPU seconds and seconds of each stage."""
    return [(row["name"], row["cpu"], row["seconds"]) for row in account["stages"]]


def total(rows: list[tuple[str, float, float]]) -> tuple[str, float, float]:
    """Return the sum of all stages as another row.

    >>> total([("a", 1.0, 2.0), ("b", 3.0, 4.0)])
    ('all', 4.0, 6.0)
    """
    return "all", sum(row[1] for row in rows), sum(row[2] for row in rows)


def by_module(account: dict[str, Any], record: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return the seconds of each module by kind: its notebooks' from the build's record, the rest from the tests."""
    found: dict[str, dict[str, float]] = {}

    def add(number: str, kind: str, cpu: float) -> None:
        found.setdefault(number, dict.fromkeys(KINDS, 0.0))[kind] += cpu

    for name, run in record.get("notebooks", {}).items():
        add(Path(name).name[:2], "notebooks", run["cpu_seconds"])
    for row in account["areas"]:
        if row["module"] and row["area"] in OF_MODULE:
            add(row["module"], OF_MODULE[row["area"]], row["cpu"])
    return dict(sorted(found.items()))


def tables(account: dict[str, Any], record: dict[str, Any]) -> list[tuple[str, list[str], list[list[str]]]]:
    """Return the tables of an account: a title, a head, rows. A module above its budget is marked."""
    rows = by_stage(account)
    stages = [[name, f"{cpu:.0f}", f"{seconds:.0f}"] for name, cpu, seconds in [*rows, total(rows)]]
    areas = [[name, f"{cpu:.0f}"] for name, cpu in by_area(account).items()]
    modules = []
    for number, kinds in by_module(account, record).items():
        cost, allowed = sum(kinds.values()), budget(number)
        over = f"{allowed}: over" if cost > allowed else str(allowed)
        modules.append([number, *(f"{kinds[kind]:.0f}" for kind in KINDS), f"{cost:.0f}", over])
    return [
        ("Stages", ["stage", "CPU s", "s"], stages),
        ("Tests", ["area", "CPU s"], areas),
        ("Modules", ["module", *KINDS, "all", "budget"], modules),
    ]


def text(title: str, head: list[str], rows: list[list[str]]) -> str:
    """Return a table for a terminal, its columns aligned."""
    wide = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [
        "  ".join(word.ljust(wide[0]) if i == 0 else word.rjust(wide[i]) for i, word in enumerate(row))
        for row in [head, *rows]
    ]
    return "\n".join([f"== {title}", *lines])


def main(arguments: list[str]) -> int:
    """Do what the first argument says; return a stage's status, and 2 where there is nothing to do."""
    what, *rest = arguments or [""]
    if (what, len(rest)) not in {("begin", 0), ("end", 0)} and (what != "stage" or len(rest) < 2):
        print("usage: python tools/seconds.py begin, end, or stage NAME COMMAND...", file=sys.stderr)
        return 2
    if what == "begin":
        save(OPEN, {"stages": [], "areas": []})
    elif what == "stage":
        return stage(rest[0], rest[1:])
    elif what == "end":
        account = load(OPEN)
        account["ended"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        account["full"] = os.environ.get("FULLSTACK_LLM_FULL") == "1"
        save(DONE, account)
        OPEN.unlink(missing_ok=True)
        for table in tables(account, load(RECORD)):
            print("\n" + text(*table))
        print(f"\n{account.get('summary', '')}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
