"""The runs of part 10b: truth against variety, right answers under a temperature, beams, loops.

Run from the repository: `python -m benchmarks.decoding variety` (or heat, beams, loops).
--record: write the recorded run decoding-NAME. All are deterministic on a CPU with one thread.
"""

from benchmarks.recording import Measure, measure
from fullstack_llm.experiments import m10_loops, m10_sampling

MEASURES: dict[str, Measure] = {
    one.__name__: one for one in (m10_sampling.variety, m10_sampling.heat, m10_sampling.beams, m10_loops.loops)
}


if __name__ == "__main__":
    measure(__doc__, "decoding", "decoding", MEASURES)
