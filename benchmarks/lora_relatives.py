"""Fine-tune `base` with LoRA's relatives, with LoRA on bases in four bits, and merge adapters of two tasks (part 15c).

    python -m benchmarks.lora_relatives NAME FOLDER             run what FOLDER lacks, and print the rows
    python -m benchmarks.lora_relatives NAME FOLDER --record    and write the recorded run lora-NAME

relatives: six methods, each at three rates or more with one seed, and at the best of them with two more. quantized:
the same for updates on a base in 32 bits, in NF4 and in four-bit integers. merging: adapters of two tasks, three seeds.
costs: the seconds of a step, of an answer and of mixed batches. All but these are deterministic on a CPU with one
thread.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.recording import kept, one_thread, parser
from fullstack_llm import recorded
from fullstack_llm.experiments import m15_costs as costs
from fullstack_llm.experiments import m15_regret as regret
from fullstack_llm.experiments import m15_relatives as relatives
from fullstack_llm.lora.relatives import NAMES

LOW = (1e-3, 3e-3, 1e-2)
RATES = {
    "lora": LOW,
    "dora": LOW,
    "bottleneck": LOW,
    "ia3": (3e-2, 1e-1, 3e-1),
    "prefix": (3e-2, 1e-1, 3e-1),
    "prompt": (3e-2, 1e-1, 3e-1),
}
MERGING_RATE = 3e-3


def sweep(folder: Path, line: str, rates: tuple[float, ...], run: Callable[..., dict[str, Any]]) -> list[Any]:
    """Return the rows of one line of a table: every rate with the first seed, the best one with the others as well.

    Where the best rate is the lowest or the highest, the sweep goes on in that direction.
    """

    def look(rate: float, seed: int) -> dict[str, Any]:
        return kept(folder / f"{line}-lr{rate:g}-s{seed}.json", lambda: run(line, rate, seed), "first")

    first, *others = regret.SEEDS
    found = {rate: look(rate, first) for rate in rates}
    while (best := min(found, key=lambda rate: found[rate]["loss"])) in (min(found), max(found)):
        more = regret.beyond(best, 1 if best == max(found) else -1)
        found[more] = look(more, first)
    return [*found.values(), *(look(best, seed) for seed in others)]


def measured(name: str, folder: Path) -> dict[str, Any]:
    """Return the values of a recorded run."""
    if name == "relatives":
        return {"rows": [row for one in NAMES for row in sweep(folder, one, RATES[one], relatives.compared)]}
    if name == "quantized":
        return {"rows": [row for one in relatives.BASES for row in sweep(folder, one, LOW, relatives.on_base)]}
    if name == "merging":
        looks = [(folder / f"merging-s{s}.json", partial(relatives.merged, s, MERGING_RATE)) for s in regret.SEEDS]
        return {"density": relatives.DENSITY, "rows": [kept(*one, "first") for one in looks]}
    return costs.measured()


def main() -> None:
    arguments = parser(__doc__, "lora-NAME")
    arguments.add_argument("name", choices=("relatives", "quantized", "merging", "costs"))
    arguments.add_argument("folder", type=Path, help="where rows are kept")
    options = arguments.parse_args()
    one_thread()
    options.folder.mkdir(parents=True, exist_ok=True)
    values = measured(options.name, options.folder)
    if options.record:
        command = f"python -m benchmarks.lora_relatives {options.name} FOLDER --record"
        packages = ["torch", "transformers", "peft"]
        recorded.write(f"lora-{options.name}", command, values, packages, seed=0)


if __name__ == "__main__":
    main()
