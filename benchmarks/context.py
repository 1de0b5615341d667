"""The runs of part 10c: `base` stretched to rows four times as long, before and after a short tuning.

Run from the repository: `python -m benchmarks.context tuned FOLDER` (or rates, stream, read).
Each run leaves a row in the folder, so that an interrupted measurement goes on where it was.
--record: write the recorded run context-NAME. All are deterministic on a CPU with one thread.
"""

from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.recording import kept, one_thread, parser
from fullstack_llm import recorded
from fullstack_llm.decoding.rope_scaling import METHODS
from fullstack_llm.experiments import m10_context as runs


def rates(folder: Path) -> dict[str, Any]:
    """Return the exams of one seed of interpolation at each rate."""
    rows = [
        kept(
            folder / f"rate-interpolation-{rate:g}.json", partial(runs.run, "interpolation", 0, rate), "losses", "curve"
        )
        for rate in runs.RATES
    ]
    return {"rates": list(runs.RATES), "rows": rows}


def tuned(folder: Path) -> dict[str, Any]:
    """Return the exams before the tuning, after it with each seed, and after as many steps on short rows."""
    found: dict[str, Any] = {"before": {}, "after": {}, "short": []}
    for method in METHODS:
        make = partial(lambda name: runs.examined(runs.stretched(name)), method)
        found["before"][method] = kept(folder / f"before-{method}.json", make, "curve")
    for seed in runs.SEEDS:
        for method in METHODS:
            place = folder / f"after-{method}-{seed}.json"
            row = kept(place, partial(runs.run, method, seed), "losses", "curve")
            found["after"].setdefault(method, []).append(row)
        place = folder / f"short-{seed}.json"
        short = partial(runs.run, "yarn", seed, runs.RATE, runs.TRAINED)
        found["short"].append(kept(place, short, "losses", "curve"))
    return found


def stream(folder: Path) -> dict[str, Any]:
    """Return the mean losses of pieces of 256 tokens of a stream, by what is kept of the tokens before them."""

    def make() -> dict[str, Any]:
        losses = runs.streams()
        return {name: [round(piece.mean().item(), 4) for piece in one.split(256)] for name, one in losses.items()}

    return {"length": runs.STREAM, "window": runs.WINDOW, "losses": kept(folder / "stream.json", make)}


def read(folder: Path) -> dict[str, Any]:
    """Return which of the stories a model ends rightly, a digit for each, before any tuning and by what comes first."""

    def make(method: str, before: int) -> dict[str, Any]:
        return {"right": "".join(str(int(one)) for one in runs.read(runs.stretched(method), before))}

    return {
        method: {
            str(before): kept(folder / f"read-{method}-{before}.json", partial(make, method, before))["right"]
            for before in (0, 512, 1024)
        }
        for method in ("none", "yarn")
    }


MEASURES = {"rates": rates, "tuned": tuned, "stream": stream, "read": read}


def main() -> None:
    """Make the rows that are missing, and with --record write them into the package."""
    arguments = parser(__doc__, "context-NAME")
    arguments.add_argument("name", choices=MEASURES)
    arguments.add_argument("folder", type=Path, help="where rows are kept")
    options = arguments.parse_args()
    one_thread()
    options.folder.mkdir(parents=True, exist_ok=True)
    values = {"settings": runs.settings(), **MEASURES[options.name](options.folder)}
    if options.record:
        command = f"python -m benchmarks.context {options.name} FOLDER --record"
        recorded.write(f"context-{options.name}", command, values, ["torch", "transformers"], seed=0)


if __name__ == "__main__":
    main()
