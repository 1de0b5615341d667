"""Train the runs of module 06 and record their table: about an hour of one core.

    python -m benchmarks.scaling grid FOLDER              train what FOLDER lacks, and print the rows
    python -m benchmarks.scaling grid FOLDER --share 0/2  every other run, for two processes side by side
    python -m benchmarks.scaling grid FOLDER --record     and write the recorded run scaling-grid
    python -m benchmarks.scaling sealed|large|repeats|rates ...

grid: five to twelve sizes at each of five budgets, and more seeds at one size of each. sealed: a larger budget, which
is predicted before it is read. large: one of ten million parameters, far outside the table. repeats: a run whose tokens
are read 1 to 64 times. rates: half and twice the rates.
"""

import json
from pathlib import Path

from benchmarks.recording import one_thread, parser
from fullstack_llm import recorded
from fullstack_llm.scaling.runs import FEWEST, SIZES, Run, Size, fit, planned

BUDGETS = (3e10, 1e11, 3e11, 1e12, 3e12)
MOST = 17_000  # steps: longer runs of tiny models cost more time than they tell
SEEDS = range(1, 5)
SEEDED = ((3e10, Size(1, 32)), (1e11, Size(2, 32)), (3e11, Size(2, 48)), (1e12, Size(2, 64)), (3e12, Size(4, 64)))
EPOCHS = (1, 2, 4, 8, 16, 32, 64)


def within(flop: float) -> list[Run]:
    """Return a run of each size of which that compute makes neither too few steps nor too many."""
    return [run for run in (planned(flop, size) for size in SIZES) if FEWEST <= run.steps <= MOST]


def runs(kind: str) -> list[Run]:
    """Return the runs of a kind, the cheapest first."""
    if kind == "grid":
        rows = [run for flop in BUDGETS for run in within(flop)]
        return rows + [planned(flop, size, seed) for flop, size in SEEDED for seed in SEEDS]
    if kind == "sealed":
        large = [Size(2, 64), Size(4, 64), Size(4, 96), Size(4, 128), Size(5, 160), Size(7, 192), Size(8, 256)]
        return [planned(1e13, size) for size in reversed(large)] + [planned(1e13, Size(4, 96), seed) for seed in (1, 2)]
    if kind == "large":
        return [Run(9, 320, 1_200)]
    if kind == "repeats":
        return [planned(3e11, Size(2, 48), seed, epochs) for epochs in EPOCHS for seed in range(3)]
    points = ((1e11, Size(2, 48)), (1e12, Size(1, 32)), (1e12, Size(3, 64)), (1e12, Size(4, 128)))
    return [planned(flop, size, rate=rate) for flop, size in points for rate in (0.5, 2.0)]


def main() -> None:
    arguments = parser(__doc__, "scaling-KIND")
    arguments.add_argument("kind", choices=("grid", "sealed", "large", "repeats", "rates"))
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
        recorded.write(f"scaling-{options.kind}", command, {"rows": rows}, ["torch", "transformers"])


if __name__ == "__main__":
    main()
