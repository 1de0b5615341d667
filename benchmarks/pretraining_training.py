"""The runs of part 05b: schedules and rates, batch sizes, spikes, continued pretraining, speeds.

Run from the repository: `python -m benchmarks.pretraining_training schedules` (or batches, spikes, continued, speed).
--record: write the recorded run pretraining-NAME. All but the speeds are deterministic on a CPU with one thread.
"""

from benchmarks.recording import Measure, measure
from fullstack_llm.experiments import m05_continued as continued
from fullstack_llm.experiments import m05_speed as speed
from fullstack_llm.experiments import m05_training as training

MEASURES: dict[str, Measure] = {
    "schedules": training.sweep,
    "batches": training.batches,
    "spikes": training.faults,
    "continued": continued.measured,
    "speed": speed.measured,
}


if __name__ == "__main__":
    measure(__doc__, "pretraining_training", "pretraining", MEASURES)
