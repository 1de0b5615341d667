"""A large class of lab 03, most of it with mistakes: does the memory of the grading processes stay flat?"""

import json
import random
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil

from .others import FOLDER

LAB = "03_tokenization"
HOME = FOLDER / "class"
SMALLEST = 100
FLAT = 1.10  # times the memory once a tenth of the class is graded
EVERY = 0.5
STUBS, MISTAKEN = 0.05, 0.70


def write(count: int) -> Path:
    """The class: labs as they are handed out, right answers in several styles, and these with some mistakes."""
    sys.path.append("tests/labs")
    import judged

    lab = judged.load(LAB)
    exercises = lab.checks.declarations
    right = {one.name: [judged.complete(one, answer) for answer in one.others] for one in exercises}
    wrong = [(one.name, source) for one in exercises for source, _ in one.mutants()]
    stub = json.loads(nbformat.writes(nbformat.read(f"labs/{LAB}.ipynb", as_version=4)))
    folder, draw = HOME / "submissions", random.Random(0)
    shutil.rmtree(HOME, ignore_errors=True)
    folder.mkdir(parents=True)
    for number in range(count):
        answers: dict[str, str] = {}
        if draw.random() >= STUBS:
            answers = {name: draw.choice([lab.reference[name], *others]) for name, others in right.items()}
            if draw.random() < MISTAKEN:
                answers |= dict(draw.sample(wrong, draw.randint(1, 3)))
        cells = [dict(one, source=answers.get(one["metadata"].get("exercise"), one["source"])) for one in stub["cells"]]
        # No two files are the same, as in a class.
        book = stub | {"cells": cells, "metadata": stub["metadata"] | {"number": number}}
        (folder / f"student{number:05}.ipynb").write_text(json.dumps(book), "utf-8")
    return folder


def sample(top: psutil.Process) -> tuple[int, int]:
    """Bytes of their own of the grading processes, and of the workers with the processes that they are forked from."""
    grading = working = 0
    for one in [top, *top.children(recursive=True)]:
        try:
            own = one.memory_full_info().uss
            name = " ".join(one.cmdline())
        except psutil.Error:
            continue
        if "worker.py" in name:
            working += own
        else:
            grading += own
    return grading, working


def measure(count: int) -> None:
    """Grade the class with two jobs, and print how memory and speed go."""
    print(f"writing {count:,} submissions to {HOME}", flush=True)
    folder, out = write(count), HOME / "grades"
    line = [sys.executable, "-m", "fullstack_llm.grading", "grade", str(folder), "--lab", LAB, "--jobs", "2"]
    begin, rows = time.monotonic(), []
    with (HOME / "said.txt").open("w") as said:
        run = subprocess.Popen([*line, "--out", str(out)], stdout=said, stderr=subprocess.STDOUT)
        top, shown = psutil.Process(run.pid), 0
        while run.poll() is None:
            done = sum(1 for _ in (out / "students").glob("s-*.json")) if out.exists() else 0
            rows.append((time.monotonic() - begin, done, *sample(top)))
            if done >= shown:
                seconds, _, grading, working = rows[-1]
                used = f"grading {grading >> 20:5} MiB   workers {working >> 20:5} MiB"
                print(f"{seconds:6.0f} s {done:6,} graded   {used}", flush=True)
                shown += count // 10
            time.sleep(EVERY)
    if run.returncode:
        sys.exit(f"the run failed; see {HOME / 'said.txt'}")
    report(count, rows, time.monotonic() - begin, out)


def report(count: int, rows: list[tuple[float, int, int, int]], seconds: float, out: Path) -> None:
    """Print the rate, whether memory is flat while it grades, and what the page of the class takes in the end."""
    during = [row for row in rows if count // 10 <= row[1] < count]
    early, late = (
        [row[2] for row in during if low <= row[1] < high] for low, high in ((0, count // 5), (count // 2, count))
    )
    ending = [row for row in rows if row[1] == count]
    rate = (during[-1][1] - during[0][1]) / (during[-1][0] - during[0][0])
    scores = [one["earned"] for one in json.loads((out / "class.json").read_bytes())["students"]]
    sizes = {name: (out / name).stat().st_size >> 10 for name in ("class.json", "class.csv", "index.html")}
    print(f"{count:,} submissions in {seconds:.0f} s; {rate:.1f} a second once begun")
    print(f"scores from {min(scores)} to {max(scores)}, {len(set(scores))} different ones; pages in KiB: {sizes}")
    growth = statistics.median(late) / statistics.median(early)
    print(f"memory of the grading processes: {growth:.2f} times in the second half what it was after a tenth")
    print("flat" if growth <= FLAT else f"NOT flat: {FLAT} is the bound")
    if ending:
        most = max(row[2] for row in ending)
        print(f"the page of the class: {seconds - ending[0][0]:.1f} s, at most {most >> 20} MiB")
