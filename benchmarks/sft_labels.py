"""The runs of part 14a: what becomes of a model by the tokens that its loss is taken on.

Run from the repository: `python -m benchmarks.sft_labels stop` (or template). --record: write the recorded run
sft-NAME. Deterministic on a CPU with one thread.
"""

import time
from collections.abc import Callable
from typing import Any

from benchmarks.recording import one_thread, parser
from fullstack_llm import recorded
from fullstack_llm.experiments import m14_labels as labels

MEASURES: dict[str, Callable[[Callable[[str], None]], dict[str, Any]]] = {
    "stop": labels.stopping,
    "template": labels.mismatches,
}


def main() -> None:
    arguments = parser(__doc__, "sft-NAME")
    arguments.add_argument("name", metavar="NAME", choices=MEASURES, help=f"which runs: {', '.join(MEASURES)}")
    options = arguments.parse_args()
    one_thread()
    began = time.process_time()
    values = MEASURES[options.name](lambda line: print(line, flush=True))
    print(f"{time.process_time() - began:.0f} CPU seconds")
    if options.record:
        command = f"python -m benchmarks.sft_labels {options.name} --record"
        recorded.write(f"sft-{options.name}", command, values, ["torch", "transformers"], seed=0)


if __name__ == "__main__":
    main()
