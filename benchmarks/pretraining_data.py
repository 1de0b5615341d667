"""Train the models of 05a and record them: about eight minutes of one core.

    python -m benchmarks.pretraining_data copies FOLDER             train what FOLDER lacks, and print the rows
    python -m benchmarks.pretraining_data copies FOLDER --record    and write the recorded run pretraining-copies
    python -m benchmarks.pretraining_data noise|mixture ...

copies: a crawl with copies and the same without them. noise: noisy pages and three ways to filter them. mixture: DoReMi
in miniature. Three seeds each.
"""

import json
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.recording import one_thread, parser
from fullstack_llm import recorded
from fullstack_llm.experiments import m05_data as data
from fullstack_llm.experiments import m05_mixture as mixture

RUNS: dict[str, dict[str, partial[dict[str, Any]]]] = {
    "copies": {
        f"{case} {seed}": partial(data.copied, case, seed) for seed in data.SEEDS for case in ("raw", "deduplicated")
    },
    "noise": {f"{case} {seed}": partial(data.cleaned, case, seed) for seed in data.SEEDS for case in data.CASES},
    "mixture": {str(seed): partial(mixture.doremi, seed) for seed in mixture.SEEDS},
}


def main() -> None:
    arguments = parser(__doc__, "pretraining-KIND")
    arguments.add_argument("kind", choices=tuple(RUNS))
    arguments.add_argument("folder", type=Path, help="where the rows of interrupted runs are kept")
    options = arguments.parse_args()
    one_thread()
    options.folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, make in RUNS[options.kind].items():
        place = options.folder / f"{options.kind} {name}.json"
        if not place.exists():
            place.write_text(json.dumps(make()))
        rows.append(json.loads(place.read_text()))
        print({key: value for key, value in rows[-1].items() if key not in ("losses", "path")}, flush=True)
    if options.record:
        command = f"python -m benchmarks.pretraining_data {options.kind} FOLDER --record"
        recorded.write(f"pretraining-{options.kind}", command, {"rows": rows}, ["torch", "transformers"])


if __name__ == "__main__":
    main()
