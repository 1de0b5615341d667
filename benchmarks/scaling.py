"""Train the runs of module 06 and record their table: about two hours of one core.

    python -m benchmarks.scaling grid FOLDER              train what FOLDER lacks, and print the rows
    python -m benchmarks.scaling grid FOLDER --share 0/2  every other run, for two processes side by side
    python -m benchmarks.scaling grid FOLDER --record     and write the recorded run scaling-grid
    python -m benchmarks.scaling sealed|large|repeats ...

grid: five to twelve sizes at each of five budgets, and more seeds at one size of each, all at two learning rates, of
which the better one counts. sealed: a larger budget, which is predicted before it is read. large: ten million
parameters, far outside the table. repeats: a run whose tokens are read 1 to 64 times.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.recording import one_thread, parser
from fullstack_llm import recorded
from fullstack_llm.scaling.runs import FEWEST, SIZES, Run, Size, fit, planned

BUDGETS = (3e10, 1e11, 3e11, 1e12, 3e12)
MOST = 12_000  # steps: longer runs of tiny models cost more time than they tell
SEEDS = range(1, 5)
SEEDED = ((3e10, Size(1, 32)), (1e11, Size(2, 32)), (3e11, Size(2, 48)), (1e12, Size(2, 64)), (3e12, Size(4, 64)))
EPOCHS = (1, 2, 4, 8, 16, 32, 64)


def within(flop: float) -> list[Run]:
    """Return a run of each size of which that compute makes neither too few steps nor too many."""
    return [run for run in (planned(flop, size) for size in SIZES) if FEWEST <= run.steps <= MOST]


def higher(steps: int) -> float:
    """Return the second rate of a run in units of the first: the same up to 250 steps, then up to twice as high."""
    return round(max(1.0, min(2.0, (steps / 250) ** 0.5)), 4)


def runs(kind: str) -> list[Run]:
    """Return the runs of a kind, the cheapest first."""
    if kind == "grid":
        grid = [run for flop in BUDGETS for run in within(flop)]
        grid += [planned(budget, size, seed) for budget, size in SEEDED for seed in SEEDS]
        return list(dict.fromkeys(replace(run, rate=rate) for run in grid for rate in (1.0, higher(run.steps))))
    if kind == "sealed":
        sizes = [Size(4, 128), Size(4, 96), Size(5, 160), Size(4, 64), Size(7, 192)]
        return [planned(1e13, size) for size in sizes]
    if kind == "large":
        return [Run(9, 320, 1_200)]
    return [planned(3e11, Size(2, 48), seed, epochs) for epochs in EPOCHS for seed in range(3)]


def better(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Split rows into those with the lowest loss of all rates of a run, and the others."""
    lowest: dict[tuple[object, ...], dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: -row["loss"]):
        lowest[tuple(row[name] for name in ("layers", "width", "steps", "seed", "epochs"))] = row
    kept = [row for row in rows if any(row is best for best in lowest.values())]
    return {"rows": kept, "others": [row for row in rows if row not in kept]}


def main() -> None:
    arguments = parser(__doc__, "scaling-KIND")
    arguments.add_argument("kind", choices=("grid", "sealed", "large", "repeats"))
    arguments.add_argument("folder", type=Path, help="where rows, and the states of interrupted runs, are kept")
    arguments.add_argument("--share", default="0/1", help="I/N: only every N-th run, from the I-th on")
    options = arguments.parse_args()
    first, _, step = options.share.partition("/")
    one_thread()
    options.folder.mkdir(parents=True, exist_ok=True)
    planned_runs = runs(options.kind)
    for run in planned_runs[int(first) :: int(step)]:
        place = options.folder / f"{run.name}.json"
        if not place.exists():
            row = fit(run, options.folder)
            place.write_text(json.dumps(row))
            (options.folder / f"{run.name}.pt").unlink()
            print(
                {key: row[key] for key in ("layers", "width", "steps", "seed", "epochs", "rate", "loss", "seconds")},
                flush=True,
            )
    if options.record:
        rows = [json.loads((options.folder / f"{run.name}.json").read_text()) for run in planned_runs]
        command = f"python -m benchmarks.scaling {options.kind} FOLDER --record"
        recorded.write(f"scaling-{options.kind}", command, better(rows), ["torch", "transformers"])


if __name__ == "__main__":
    main()
