"""The runs of part 15a: a full fine-tuning cut to few directions, adapters beside it, beginnings, scalings.

Run from the repository: `python -m benchmarks.lora_update cuts` (or merges, trained, inits, scalings).
--record: write the recorded run lora-NAME. All are deterministic on a CPU with one thread.
"""

import time

from benchmarks.recording import one_thread, parser
from fullstack_llm import recorded
from fullstack_llm.experiments import m15_cuts, m15_update

MEASURES = {
    one.__name__: one
    for one in (m15_cuts.cuts, m15_cuts.merges, m15_update.trained, m15_update.inits, m15_update.scalings)
}


def main() -> None:
    arguments = parser(__doc__, "lora-NAME")
    arguments.add_argument("name", metavar="NAME", choices=MEASURES, help=f"which runs: {', '.join(MEASURES)}")
    options = arguments.parse_args()
    one_thread()
    began = time.process_time()
    values = MEASURES[options.name](lambda line: print(line, flush=True))
    print(f"{time.process_time() - began:.0f} CPU seconds")
    if options.record:
        command = f"python -m benchmarks.lora_update {options.name} --record"
        recorded.write(f"lora-{options.name}", command, values, ["torch", "transformers"], seed=0)


if __name__ == "__main__":
    main()
