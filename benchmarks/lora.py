"""Fine-tune `base` in full and by updates of low rank, and record the tables of part 15b.

    python -m benchmarks.lora NAME FOLDER             run what FOLDER lacks, and print the rows
    python -m benchmarks.lora NAME FOLDER --record    and write the recorded run lora-NAME

rates: five ranks, under two scalings, and full fine-tuning, each at five rates or more. coverage: attention, MLP or all
layers at equal numbers of parameters. batches: other batch sizes at equal numbers of examples. capacity: facts that
cannot be guessed, in the last layer. cells: a small encoder of real blood cells, ten splits. Each is deterministic on a
CPU with one thread. A run takes about five seconds, one of capacity a minute, and a row of cells ten seconds.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.recording import kept, one_thread, parser
from fullstack_llm import recorded
from fullstack_llm.experiments import m15_cells as cells
from fullstack_llm.experiments import m15_regret as regret
from fullstack_llm.experiments.m15_regret import Cell
from fullstack_llm.lora.capacity import memorised

FULL_RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
RANKS = (16, 1, 4, 64, 128)
# Rank, facts, steps, rate; with each of the seeds, or with the first alone.
CAPACITY: list[tuple[int | None, int, int, float]] = [
    (rank, count, 4_000, 3e-3) for count in (2048, 512) for rank in (1, 4, 16)
]
CAPACITY += [(None, 2048, 4_000, 1e-3), (1, 2048, 8_000, 3e-3)]
CAPACITY_RATES: list[tuple[int | None, int, int, float]] = [
    (rank, 2048, 4_000, rate) for rank in (1, 16) for rate in (1e-3, 1e-2)
]
CAPACITY_RATES += [(None, 2048, 4_000, rate) for rate in (3e-4, 3e-3)]
CAPACITY_QUICK = (4, 128, 150, 3e-3)  # what the notebook can run again
Look = Callable[[Cell], dict[str, Any]]


def look_up(cell: Cell, folder: Path) -> dict[str, Any]:
    """Return the row of a cell from its file, or run the cell and write the file."""
    return kept(folder / f"{cell.name}.json", partial(regret.run, cell), "first")


def facts(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of capacity, from their files or by training."""
    runs = [(*run, seed) for seed in regret.SEEDS for run in CAPACITY]
    runs += [(*run, 0) for run in (*CAPACITY_RATES, CAPACITY_QUICK)]
    return [kept(folder / f"capacity-{'-'.join(map(str, run))}.json", partial(memorised, *run)) for run in runs]


def splits(folder: Path) -> list[dict[str, Any]]:
    """Return the row of each method on each split of the cells, from their files or by training."""
    runs = [(method, seed) for seed in cells.SEEDS for method in ("logistic", *cells.METHODS)]
    return [kept(folder / f"cells-{method}-{seed}.json", partial(cells.row, method, seed)) for method, seed in runs]


def lines(name: str) -> list[tuple[Callable[[float, int], Cell], tuple[float, ...]]]:
    """Return the sweeps of a table: each makes a cell from a rate and a seed, and has its rates."""

    def low(**settings: Any) -> tuple[Callable[[float, int], Cell], tuple[float, ...]]:
        return lambda rate, seed: Cell(lr=rate, seed=seed, **settings), RATES

    def full(**settings: Any) -> tuple[Callable[[float, int], Cell], tuple[float, ...]]:
        return lambda rate, seed: Cell(rank=None, lr=rate, seed=seed, **settings), FULL_RATES

    if name == "rates":
        return [full(), *(low(rank=r) for r in RANKS), *(low(rank=r, alpha=None) for r in RANKS if r != 16)]
    if name == "coverage":
        return [low(rank=8), low(rank=21, targets="attention"), low(rank=13, targets="mlp")]
    return [
        line for batch in (64, 4) for line in (full(batch=batch), low(rank=4, batch=batch), low(rank=64, batch=batch))
    ]


def measured(name: str, folder: Path) -> dict[str, Any]:
    """Return the rows of a table."""
    if name == "capacity":
        return {"rows": facts(folder)}
    if name == "cells":
        return {"rows": splits(folder)}
    look = partial(look_up, folder=folder)
    rows = [row for make, rates in lines(name) for row in regret.swept(make, rates, look=look)]
    return {"rows": rows}


def main() -> None:
    arguments = parser(__doc__, "lora-NAME")
    arguments.add_argument("name", choices=("rates", "coverage", "batches", "capacity", "cells"))
    arguments.add_argument("folder", type=Path, help="where rows are kept")
    options = arguments.parse_args()
    one_thread()
    options.folder.mkdir(parents=True, exist_ok=True)
    values = measured(options.name, options.folder)
    if options.record:
        command = f"python -m benchmarks.lora {options.name} FOLDER --record"
        recorded.write(f"lora-{options.name}", command, values, ["torch", "transformers"], seed=0)


if __name__ == "__main__":
    main()
