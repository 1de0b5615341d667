"""The runs of part 11b: the same requests served by the naive loop, static batches, two engines and vLLM.

Run from the repository: `make serving-env`, then `python -m benchmarks.serving rates` (or features).
--record: write the recorded run serving-NAME. Times are CPU seconds of one thread, and the systems take turns.
`rates` keeps a file for each part in _build/serving, and goes on from there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.recording import Measure, kept, measure
from fullstack_llm.experiments import m11_features
from fullstack_llm.experiments import m11_serving as runs
from fullstack_llm.presets import pick
from fullstack_llm.serving.outside import outside

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "_build" / "serving"


def rates(say: Callable[[str], None]) -> dict[str, Any]:
    """Serve requests that are all there at once, with three seeds, and then at several rates, with one."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        for part in runs.served():
            part.save_pretrained(place)
        dtype = pick(cpu="float32", gpu="bfloat16")
        python = ROOT / ".venv-serving" / "bin" / "python"
        with outside(python, ROOT / "src", Path(place), dtype, runs.ROOM // 32, 32, runs.BUDGET, runs.ROWS) as process:
            say(str(process.about))
            every = {name: partial(runs.run, name) for name in runs.SYSTEMS} | {"vllm": process.drive}
            runs.compared(every, runs.requests(4, 9))  # what is done once is done now
            return found(every) | {"vllm": process.about}


def found(every: Mapping[str, runs.Drive]) -> dict[str, Any]:
    """Return the systems' throughput and waits: all at once, with lengths alike, and by rate."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for seed in runs.SEEDS:
        rows.setdefault("at once", []).append(part(f"at once {seed}", partial(runs.all_at_once, every, seed)))
    asked = runs.requests(runs.COUNT, 0)
    for factor, later in runs.points(0, runs.naive_rate(rows["at once"][0], asked)).items():
        rows[factor] = [part(f"{factor} 0", partial(runs.compared, every, later))]
    for seed in runs.SEEDS:
        alike = part(f"alike {seed}", partial(runs.all_at_once, every, seed, alike=True))
        rows.setdefault("alike", []).append(alike)
    return {"count": runs.COUNT, "many": runs.MANY, "loads": {name: runs.pooled(each) for name, each in rows.items()}}


def part(name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the part that a file holds, or make it."""
    row = kept(FOLDER / f"{name}.json", make, *runs.SYSTEMS, "vllm")
    print(name, {system: round(each["throughput"]) for system, each in row.items()}, flush=True)
    return row


MEASURES: dict[str, Measure] = {"rates": rates, "features": m11_features.features}

if __name__ == "__main__":
    measure(__doc__, "serving", "serving", MEASURES)
