"""The runs of part 14b: what fine-tuning teaches.

    python -m benchmarks.sft NAME FOLDER              train what FOLDER lacks; NAME: facts, loss, forgetting, quality
    python -m benchmarks.sft NAME FOLDER --share 0/2  every other run, for two processes side by side
    python -m benchmarks.sft NAME FOLDER --record     and write the recorded run sft-NAME

All runs are deterministic on a CPU with one thread.
"""

import json
import time
from pathlib import Path
from typing import Any

from benchmarks.recording import one_thread, parser
from fullstack_llm import recorded
from fullstack_llm.experiments import m14_facts as facts
from fullstack_llm.experiments import m14_forgetting as forgetting
from fullstack_llm.experiments import m14_loss as loss
from fullstack_llm.experiments import m14_quality as quality

EXPERIMENTS: dict[str, Any] = {"facts": facts, "loss": loss, "forgetting": forgetting, "quality": quality}


def main() -> None:
    arguments = parser(__doc__, "sft-NAME")
    arguments.add_argument("name", metavar="NAME", choices=EXPERIMENTS, help=f"one of {', '.join(EXPERIMENTS)}")
    arguments.add_argument("folder", type=Path, help="where the rows of finished runs are kept")
    arguments.add_argument("--share", default="0/1", help="I/N: only every N-th run, from the I-th on")
    options = arguments.parse_args()
    first, _, step = options.share.partition("/")
    one_thread()
    options.folder.mkdir(parents=True, exist_ok=True)
    experiment = EXPERIMENTS[options.name]
    runs = experiment.runs()
    for settings in runs[int(first) :: int(step)]:
        place = options.folder / f"{options.name}-{'-'.join(str(one) for one in settings).replace(' ', '_')}.json"
        if not place.exists():
            began = time.process_time()
            row = experiment.run(*settings)
            place.write_text(json.dumps({**row, "cpu_seconds": round(time.process_time() - began, 1)}))
            print(place.stem, f"{time.process_time() - began:.0f} CPU seconds", flush=True)
    if options.record:
        names = ["-".join(str(one) for one in settings).replace(" ", "_") for settings in runs]
        rows = [json.loads((options.folder / f"{options.name}-{name}.json").read_text()) for name in names]
        command = f"python -m benchmarks.sft {options.name} FOLDER --record"
        values = {"settings": experiment.SETTINGS, "rows": rows}
        recorded.write(f"sft-{options.name}", command, values, ["torch", "transformers"], seed=0)


if __name__ == "__main__":
    main()
