"""The scene that the animation of part 11a shows: an engine's blocks, step by step.

Run from the repository: `python -m benchmarks.paging trace`.
--record: write the recorded run paging-trace. It is deterministic on a CPU with one thread.
"""

from benchmarks.recording import Measure, measure
from fullstack_llm.experiments import m11_paging

MEASURES: dict[str, Measure] = {"trace": m11_paging.trace}


if __name__ == "__main__":
    measure(__doc__, "paging", "paging", MEASURES)
