"""The timings of part 07a: messages between two ranks, from 1 KB to 16 MB.

Run from the repository, on a machine that does nothing else: `python -m benchmarks.collectives messages`.
--record: write the recorded run collectives-messages.
"""

from benchmarks.recording import Measure, measure
from fullstack_llm.experiments import m07_collectives

MEASURES: dict[str, Measure] = {"messages": m07_collectives.messages}


if __name__ == "__main__":
    measure(__doc__, "collectives", "collectives", MEASURES)
