"""The runs of part 14a: what becomes of a model by the tokens that its loss is taken on.

Run from the repository: `python -m benchmarks.sft_labels stop` (or template). --record: write the recorded run
sft-NAME. Deterministic on a CPU with one thread.
"""

from benchmarks.recording import Measure, measure
from fullstack_llm.experiments import m14_labels as labels

MEASURES: dict[str, Measure] = {
    "stop": labels.stopping,
    "template": labels.mismatches,
}


if __name__ == "__main__":
    measure(__doc__, "sft_labels", "sft", MEASURES)
