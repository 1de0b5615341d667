"""The runs of part 05b: schedules and rates, batch sizes, spikes, continued pretraining, speeds.

Run from the repository: `python -m benchmarks.pretraining_training schedules` (or batches, spikes, continued, speed).
--record: write the recorded run pretraining-NAME. All but the speeds are deterministic on a CPU with one thread.
"""

import time
from collections.abc import Callable
from typing import Any

from benchmarks.recording import one_thread, parser
from fullstack_llm import recorded
from fullstack_llm.experiments import m05_continued as continued
from fullstack_llm.experiments import m05_speed as speed
from fullstack_llm.experiments import m05_training as training

MEASURES: dict[str, Callable[[Callable[[str], None]], dict[str, Any]]] = {
    "schedules": training.sweep,
    "batches": training.batches,
    "spikes": training.faults,
    "continued": continued.measured,
    "speed": speed.measured,
}


def main() -> None:
    arguments = parser(__doc__, "pretraining-NAME")
    arguments.add_argument("name", metavar="NAME", choices=MEASURES, help=f"which runs: {', '.join(MEASURES)}")
    options = arguments.parse_args()
    one_thread()
    began = time.process_time()
    values = MEASURES[options.name](lambda line: print(line, flush=True))
    print(f"{time.process_time() - began:.0f} CPU seconds")
    if options.record:
        command = f"python -m benchmarks.pretraining_training {options.name} --record"
        recorded.write(f"pretraining-{options.name}", command, values, ["torch", "transformers"], seed=0)


if __name__ == "__main__":
    main()
