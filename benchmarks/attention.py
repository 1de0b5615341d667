"""What attention costs against length: all scores at once, tiles with a running softmax, and the library's kernel.

Times are CPU times of this process, the three interleaved and best of nine; only their ratios are kept. Peaks of memory
are counted at each operation; the allocator's own log says how much a kernel used inside beside that.

Run from the repository: `python -m benchmarks.attention` (a part against the record; --record: replace it).
"""

import math
import time
from collections.abc import Callable
from typing import Any

from benchmarks.recording import one_thread, parser
from fullstack_llm import recorded
from fullstack_llm.experiments import m04_trials as trials
from fullstack_llm.measure import peak_bytes
from tests.transformer.allocator import allocated

NAME = "transformer-attention"
LENGTHS = [256, 512, 1024, 2048, 4096]
KINDS = ("naive", "tiled", "fused")
FLOOR = 2.0  # naive over fused at 1,024 tokens


def main() -> None:
    options = parser(__doc__, NAME).parse_args()
    one_thread()
    values = measure(LENGTHS if options.record else LENGTHS[:3])
    ratio = values["seconds_over_fused"]["naive"][2]
    assert ratio >= FLOOR, f"naive takes {ratio:.1f} times as long as fused, expected at least {FLOOR}"
    if options.record:
        recorded.write(NAME, "python -m benchmarks.attention --record", values, ["torch"])
        return
    record = recorded.load(NAME)["values"]
    for key in ("peak", "peak_backward"):
        for kind in KINDS:
            assert values[key][kind] == record[key][kind][:3], f"{key} of {kind} differs from the recorded run"
    print("peaks of memory are as recorded")


def measure(lengths: list[int]) -> dict[str, Any]:
    """Time and peak memory of three ways to the same result."""
    values: dict[str, Any] = {"lengths": lengths, "settings": {"heads": 4, "head_dim": 32, "tile": 64, "batch": 1}}
    keys = ("seconds_over_fused", "growth", "peak", "peak_backward", "scratch")
    values |= {key: {kind: [] for kind in KINDS} for key in keys}
    first: dict[str, float] = {}
    for length in lengths:
        seconds = interleaved({kind: trials.attention(kind, length) for kind in KINDS})
        for kind in KINDS:
            forward, both = trials.attention(kind, length), trials.attention(kind, length, backward=True)
            values["seconds_over_fused"][kind].append(round(seconds[kind] / seconds["fused"], 3))
            values["growth"][kind].append(round(seconds[kind] / first.setdefault(kind, seconds[kind]), 3))
            values["peak"][kind].append(peak_bytes(forward))
            values["peak_backward"][kind].append(peak_bytes(both))
            values["scratch"][kind].append(allocated(forward) - values["peak"][kind][-1])
        print(length, {kind: (values["growth"][kind][-1], values["peak"][kind][-1]) for kind in KINDS}, flush=True)
    # From the second length on: at the first, what every call costs beside the work still shows.
    times = math.log(lengths[-1] / lengths[1])
    values["exponent"] = {
        kind: round(math.log(found[-1] / found[1]) / times, 3) for kind, found in values["growth"].items()
    }
    print("exponents", values["exponent"], "scratch", values["scratch"])
    return values


def interleaved(work: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """The least CPU seconds of a call, each repeated until its measurement takes a tenth of a second."""
    least = dict.fromkeys(work, math.inf)
    for _ in range(9):
        for kind, call in work.items():
            start, calls = time.process_time(), 0
            while time.process_time() - start < 0.1:
                call()
                calls += 1
            least[kind] = min(least[kind], (time.process_time() - start) / calls)
    return least


if __name__ == "__main__":
    main()
