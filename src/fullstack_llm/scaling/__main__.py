"""Train runs of your own for the scaling table: `python -m fullstack_llm.scaling FILE --budget 3e10 --sizes 1x32`.

Each run appends a row to the file, one JSON object a line, with what the recorded table has. The same command goes on
where it was interrupted: rows that are there are not trained again.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from fullstack_llm.commands import Parser, refused, whole
from fullstack_llm.scaling.runs import FEWEST, Run, Size, fit, planned

LEAST, MOST = 1e9, 1e16  # FLOP; the largest takes a day on one core
HAS = ("layers", "width", "steps", "seed", "epochs", "rate", "parameters", "tokens", "flop", "loss")


def compute(text: str) -> float:
    """Return a budget in FLOP.

    >>> compute("3e10")
    30000000000.0
    """
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not LEAST <= value <= MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of FLOP from {LEAST:.0e} to {MOST:.0e}, such as 3e10")
    return value


def sizes(text: str) -> list[Size]:
    """Return sizes from layers and widths; a width is a multiple of 8 up to 96, and of 32 above (heads).

    >>> sizes("1x24,2x64")
    [Size(layers=1, width=24), Size(layers=2, width=64)]
    """
    found = []
    for one in text.split(","):
        match = re.fullmatch(r"([0-9]{1,2})x([0-9]{1,4})", one)
        if not match:
            raise argparse.ArgumentTypeError(f"{one!r} is no size; write layers, an x and the width, such as 2x48")
        size = Size(int(match[1]), int(match[2]))
        if size.layers < 1 or not 8 <= size.width <= 1024 or size.width % (8 if size.width <= 96 else 32):
            raise argparse.ArgumentTypeError(
                f"{one!r} is no size of this family: a width is a multiple of 8 up to 96, or of 32 up to 1,024"
            )
        found.append(size)
    return found


def read(file: Path) -> list[dict[str, Any]]:
    """Return the rows of a file, none if it is not there yet; a line that is no row is an error that names it."""
    if not file.exists():
        return []
    if not file.is_file():
        raise ValueError(f"{file} is no file; rows are appended to one.")
    rows = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            row = None
        if not isinstance(row, dict) or any(not isinstance(row.get(name), int | float) for name in HAS):
            raise ValueError(f"Line {number} of {file} is no row of a run; take it out, or name another file.")
        rows.append(row)
    return rows


def name_of(row: dict[str, Any]) -> str:
    """Return the name of the run that a row is of."""
    return Run(**{key: row[key] for key in ("layers", "width", "steps", "seed", "epochs", "rate")}).name


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command's arguments."""
    top = Parser(prog="python -m fullstack_llm.scaling", description=__doc__)
    top.add_argument("file", type=Path, help="where rows are appended, as JSON Lines")
    top.add_argument("--budget", type=compute, required=True, help="FLOP of each run, 6 N D: 1e9 to 1e16")
    top.add_argument("--sizes", type=sizes, required=True, help="layers x width, separated by commas: 1x32,2x48")
    top.add_argument("--seeds", type=whole(1, 100), default=1, help="runs of each size (%(default)s)")
    top.add_argument("--epochs", type=whole(1, 1_000), default=1, help="how often each token is read (%(default)s)")
    return top


def main(arguments: list[str] | None = None) -> int:
    """Train the runs that the file lacks; returns the exit code."""
    given = parser().parse_args(arguments)
    torch.set_num_threads(1)  # as the recorded table was made: more threads give other last digits
    try:
        have = {name_of(row) for row in read(given.file)}
        runs = [planned(given.budget, size, seed, given.epochs) for size in given.sizes for seed in range(given.seeds)]
        for run in runs:
            if run.steps < FEWEST:
                steps = f"{given.budget:.1e} FLOP make {run.steps} steps of {run.size}"
                raise ValueError(f"{steps}; a run of fewer than {FEWEST} says little. Take more, or a smaller model.")
        states = given.file.with_name(f"{given.file.name}.states")
        states.mkdir(exist_ok=True)
        for run in runs:
            if run.name in have:
                print(f"{run.name}: is there")
                continue
            row = fit(run, states)
            with given.file.open("a", encoding="utf-8") as rows:
                rows.write(json.dumps(row) + "\n")
            (states / f"{run.name}.pt").unlink(missing_ok=True)
            have.add(run.name)
            print(f"{run.name}: loss {row['loss']:.4f}, {row['flop']:.2e} FLOP, {row['seconds']} s", flush=True)
        with suppress(OSError):  # another process may be training there
            states.rmdir()
        return 0
    except (ValueError, RuntimeError, OSError) as error:
        return refused(error, "error: ")
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from there", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
