"""Grade the same twenty submissions with nbgrader, with otter-grader and with the course's grader.

Five small questions, the same assertions for all three (`benchmarks/graders/questions.py`), and the same scores, or the
run fails. nbgrader is timed as `nbgrader autograde` of the whole class, less one of a single student, otter as an
`otter run` for each submission, as their manuals have it. Times are wall times of many submissions by their number;
only ratios are kept, since the three alternate on one machine and its load falls on all of them. Where our notebooks
load torch, so do those of nbgrader that we are compared with.

Run from the repository: `python -m benchmarks.grading` (--rounds 1: faster; --class 2000: memory over a large class of
lab 03; --record: replace the recorded run). The first run installs the two others under `_build/graders`.
"""

import argparse
import os
import statistics
import sys

from fullstack_llm import recorded
from fullstack_llm.grading.machine.errors import GraderError

from .graders import classes, others, ours
from .graders.questions import FRAUDS, QUESTIONS, SETUP, TORCH, submissions

RECORD = "grading"
ROUNDS, FEW = 3, 5
BESIDE_TORCH = "nbgrader, torch"
GOALS = {"A, warm": 50.0, "A, cold, torch": 5.0}  # times nbgrader's rate


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often all take turns (default: {ROUNDS})")
    arguments.add_argument("--class", dest="students", type=int, help="only grade a class of lab 03 of this size")
    arguments.add_argument("--record", action="store_true", help="write the recorded run")
    options = arguments.parse_args()
    if options.rounds < 1 or (options.students is not None and options.students < classes.SMALLEST):
        arguments.error(f"--rounds is 1 or more, and --class {classes.SMALLEST} or more")
    if options.record and (options.rounds < ROUNDS or options.students is not None):
        arguments.error(f"a record needs {ROUNDS} rounds of the comparison; leave out --rounds and --class")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        if options.students is not None:
            classes.measure(options.students)
            return
        values = measure(options.rounds)
    except GraderError as error:
        sys.exit(f"the course's grader cannot work here: {error}")
    if options.record:
        recorded.write(RECORD, "python -m benchmarks.grading --record", values, ["numpy", "torch"])


def measure(rounds: int) -> dict:
    """Let all take turns, compare the scores, and print the table."""
    class_ = submissions() | FRAUDS
    folder = ours.prepare(class_)
    kinds = ours.sandboxes()
    scores: dict[str, dict[str, float]] = {}
    rows = ("nbgrader", BESIDE_TORCH, "otter", *kinds, "A, warm, --jobs 2")
    seconds: dict[str, list[float]] = {name: [] for name in rows}
    commands: dict[str, list[float]] = {"nbgrader": [], "ours": []}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", flush=True)
        first, few = (dict([*class_.items()][:count]) for count in (1, FEW))
        scores["nbgrader"], all_ = others.nbgrader(class_)
        commands["nbgrader"].append(all_ / len(class_))
        seconds["nbgrader"].append((all_ - others.nbgrader(first, SETUP)[1]) / (len(class_) - 1))
        some = others.nbgrader(few, TORCH)[1] - others.nbgrader(first, TORCH)[1]
        seconds[BESIDE_TORCH].append(some / (FEW - 1))
        # It starts anew for each, so a few tell its time.
        found, each = others.otter(class_ if number == 0 else few)
        scores["otter"] = scores.get("otter", {}) | found
        seconds["otter"].append(statistics.mean(each))
        for name, (sandbox, own) in kinds.items():
            scores[name], each = ours.grade(ours.five(sandbox, own), folder)
            seconds[name].append(statistics.mean(each))
        warm, own = kinds["A, warm"]
        seconds["A, warm, --jobs 2"].append(ours.two_jobs(ours.five(warm, own), folder))
        commands["ours"].append(ours.command(folder) / len(class_))
    honest = {name: {one: row[one] for one in submissions()} for name, row in scores.items()}
    for name, row in honest.items():
        assert row == honest["nbgrader"], f"{name} gives {row}, and nbgrader {honest['nbgrader']}"
    assert len(set(honest["nbgrader"].values())) > 4, "the submissions hardly differ"
    best = {name: min(values) for name, values in seconds.items()}
    times = {
        name: round(best[BESIDE_TORCH if "torch" in name else "nbgrader"] / value, 2) for name, value in best.items()
    }
    whole = round(min(commands["nbgrader"]) / min(commands["ours"]), 2)
    show(best, times, whole, scores)
    stages = where_time_goes()
    return {
        "graders": {name: others.version(name) for name in others.LOCKS},
        "submissions": len(class_),
        "questions": len(QUESTIONS),
        "times_nbgrader": times,
        "times_nbgrader_whole_command": whole,
        "frauds_paid": {name: {one: row[one] for one in FRAUDS} for name, row in scores.items()},
        "stages_percent": stages,
    }


def show(best: dict[str, float], times: dict[str, float], whole: float, scores: dict[str, dict[str, float]]) -> None:
    """The tables: time, and who pays the frauds."""
    print(f"\n{'':20}{'s a submission':>16}{'times nbgrader':>16}")
    for name, value in best.items():
        print(f"{name:20}{value:16.3f}{times[name]:15.1f}x")
    print(f"the whole command, its start included: {whole:.1f} times nbgrader")
    for name, goal in GOALS.items():
        print(f"goal of {goal:g} times nbgrader, {name}: {'reached' if times[name] >= goal else 'missed'}")
    print(f"\npoints of 100 for answers that are all wrong\n{'':20}" + "".join(f"{name:>22}" for name in FRAUDS))
    for name, row in scores.items():
        print(f"{name:20}" + "".join(f"{row[one]:22g}" for one in FRAUDS))


def where_time_goes() -> dict[str, dict[str, float]]:
    """Print milliseconds by stage, for the five questions and for lab 03; the shares in percent."""
    warm = ours.sandboxes()["A, warm"][0]
    five = ours.stages(ours.five(warm), ours.HOME / "class", 2)
    lab_03 = ours.stages(*ours.lab_03(warm), 20)
    print(f"\n{'ms at level A, warm':24}{'five questions':>16}{'lab 03':>16}")
    for name, value in five.items():
        print(f"{name:24}{value:16.1f}{lab_03[name]:16.1f}")
    print(f"{'together':24}{sum(five.values()):16.1f}{sum(lab_03.values()):16.1f}")
    rows = {"five": five, "03_tokenization": lab_03}
    return {
        of: {name: round(100 * one / sum(row.values()), 1) for name, one in row.items()} for of, row in rows.items()
    }


if __name__ == "__main__":
    main()
