"""What the timeline interactive shows: schedules of pipelines, laid out in units of time."""

from pathlib import Path
from typing import Any

FILES = ("src/fullstack_llm/parallel/schedules.py",)
RANKS, MICROS = (2, 3, 4, 6, 8), (1, 2, 3, 4, 6, 8, 12)
# A letter for each micro-batch, in lower case forward and in upper case backward; another half of them for chunk 1.
LETTERS = "abcdefghijkl", "mnopqrstuvwx"


def timelines(_: Path) -> dict[str, Any]:
    """Return for each schedule, number of stages and of micro-batches what runs in each unit, and what ranks keep."""
    from fullstack_llm.parallel import schedules

    kinds = {
        "GPipe": schedules.gpipe,
        "1F1B": schedules.one_forward_one_backward,
        "interleaved 1F1B": schedules.interleaved,
    }
    plans: dict[str, Any] = {}
    for kind, make in kinds.items():
        for ranks in RANKS:
            for micros in MICROS:
                if kind.startswith("inter") and micros % ranks:
                    continue
                plan = make(ranks, micros)
                told = {"rows": laid_out(plan), "kept": [schedules.in_flight(jobs) for jobs in plan]}
                plans[f"{kind} {ranks} {micros}"] = told
    return {"kinds": list(kinds), "ranks": RANKS, "micros": MICROS, "plans": plans}


def laid_out(plan: list[list[Any]]) -> list[str]:
    """Return a row of letters for each rank, a dot where it waits.

    >>> from fullstack_llm.parallel import schedules
    >>> laid_out(schedules.gpipe(2, 2))
    ['ab..AB', '.abAB.']
    """
    from fullstack_llm.parallel import schedules

    done = schedules.timeline(plan)
    last = int(max(end for _, end in done.values()))
    rows = []
    for jobs in plan:
        row = ["."] * last
        for job in jobs:
            letter = LETTERS[job.stage // len(plan)][job.micro]
            row[int(done[job][0])] = letter if job.forward else letter.upper()
        rows.append("".join(row))
    return rows
