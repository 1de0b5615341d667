"""Train the course's `base` once more, and record its loss and what it says on the way: 20 minutes of one core.

python -m benchmarks.base FOLDER             train in FOLDER, resume there, print the end
python -m benchmarks.base FOLDER --record    and write the recorded run pretraining-base
"""

from pathlib import Path

from benchmarks.recording import one_thread, parser
from fullstack_llm import models, recorded
from fullstack_llm.experiments.m05_base import watched

NAME = "pretraining-base"


def main() -> None:
    arguments = parser(__doc__, NAME)
    arguments.add_argument("folder", type=Path, help="where the state of an interrupted run is kept")
    options = arguments.parse_args()
    one_thread()
    options.folder.mkdir(parents=True, exist_ok=True)
    found = watched(options.folder)
    print(f"last losses {found['losses'][-3:]}; {found['stops'][-1]}")
    print("the shipped weights, bit for bit" if found["sha256"] == models.card("base").sha256 else "other weights")
    if options.record:
        command = "python -m benchmarks.base FOLDER --record"
        recorded.write(NAME, command, found, ["torch", "transformers"], seed=0)


if __name__ == "__main__":
    main()
