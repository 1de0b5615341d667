"""The runs of part 15a: a full fine-tuning cut to few directions, adapters beside it, beginnings, scalings.

Run from the repository: `python -m benchmarks.lora_update cuts` (or merges, trained, inits, scalings).
--record: write the recorded run lora-NAME. All are deterministic on a CPU with one thread.
"""

from benchmarks.recording import Measure, measure
from fullstack_llm.experiments import m15_cuts, m15_update

MEASURES: dict[str, Measure] = {
    one.__name__: one
    for one in (m15_cuts.cuts, m15_cuts.merges, m15_update.trained, m15_update.inits, m15_update.scalings)
}


if __name__ == "__main__":
    measure(__doc__, "lora_update", "lora", MEASURES)
