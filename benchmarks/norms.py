"""Pre-norm and post-norm, with large and small initial weights, with and without a warm-up: what module 04 compares.

Run from the repository: `python -m benchmarks.norms`: the beginnings of the runs against the record. --record: all 150
runs in full, about 25 minutes of one core. Each run is kept in _build/ as it ends, so that it can be continued.
"""

import json
import math
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.recording import one_thread, parser
from fullstack_llm import recorded
from fullstack_llm.experiments import m04_norms as norms
from fullstack_llm.experiments import m04_trials as trials

RECORD = "transformer-norms"
KEPT = Path("_build") / "benchmarks" / f"{RECORD}.jsonl"
HALVED = "post, large"  # what is also run at half the rate
BEGINNING = 41  # steps that are made again without --record


def main() -> None:
    options = parser(__doc__, RECORD).parse_args()
    one_thread()
    if options.record:
        recorded.write(RECORD, "python -m benchmarks.norms --record", values(in_full()), ["torch", "transformers"])
        KEPT.unlink()
    else:
        compare()


def compare() -> None:
    """Assert that each case begins as the record says, with each of two seeds."""
    record = recorded.load(RECORD)["values"]["runs"]
    for name, case in (norms.CASES | norms.SETTLED).items():
        for seed in (0, 1):
            again, before = norms.run(case, seed, until=BEGINNING).losses[:: norms.EVERY], record[name][seed]["losses"]
            apart = max(abs(x - y) for x, y in zip(again, before, strict=False))
            print(f"{name:22} seed {seed}, {BEGINNING} steps again: {apart:.6f} nats from the record", flush=True)
            assert apart <= trials.TOLERANCE, f"{name} is {apart:.4f} nats from the recorded run"


def planned() -> list[tuple[str, int, float]]:
    """Return case, seed and rate of every run, the most important first."""
    found = [(name, seed, norms.PLAN.lr) for name in norms.CASES | norms.SETTLED for seed in norms.SEEDS]
    found += [(HALVED, seed, norms.HALF) for seed in norms.SEEDS]
    return found + [(name, seed, norms.TWICE) for name in norms.CASES for seed in norms.FEWER_SEEDS]


def in_full() -> dict[tuple[str, int, float], dict[str, Any]]:
    """Make every run that is not kept yet, and return them all."""
    settings = recorded.fingerprint({**vars(norms.DEEP), **vars(norms.PLAN), "torch": torch.__version__})[:8]
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    kept = [json.loads(line) for line in KEPT.read_text().splitlines()] if KEPT.exists() else []
    done = {tuple(each["run"]): each["found"] for each in kept if each["settings"] == settings}
    cases = norms.CASES | norms.SETTLED
    for plan in planned():
        if plan in done:
            continue
        name, seed, rate = plan
        start = time.process_time()
        found = norms.run(cases[name], seed, lr=rate)
        done[plan] = {
            "losses": [number(loss) for loss in found.losses[:: norms.EVERY]],
            "alike": [number(cosine) for cosine in found.alike],
            "gradients": [[number(norm) for norm in pair] for pair in found.gradients],
            "moved": number(found.moved),
            "held_out": number(found.held_out),
            "seconds": round(time.process_time() - start, 1),
        }
        with KEPT.open("a") as file:
            file.write(json.dumps({"settings": settings, "run": plan, "found": done[plan]}) + "\n")
        took = f"{done[plan]['held_out']}  ({done[plan]['seconds']} s)"
        print(f"{name:22} seed {seed} rate {rate}: {took}", flush=True)
    return done


def values(done: dict[tuple[str, int, float], dict[str, Any]]) -> dict[str, Any]:
    """Return what is recorded: all that was seen at the rate of the plan, and held-out losses elsewhere."""
    settings = {**vars(norms.DEEP), **vars(norms.PLAN), "every": norms.EVERY, "threads": 1}
    settings |= {"failed": norms.FAILED, "large": norms.LARGE, "small": norms.SMALL}
    settings |= {"seeds": norms.SEEDS, "seeds_at_twice_the_rate": norms.FEWER_SEEDS}
    settings |= {"twice": norms.TWICE, "half": norms.HALF}
    found: dict[str, Any] = {"settings": settings, "unigram": trials.unigram(), "runs": {}, "twice": {}, "half": []}
    for name, seed, rate in planned():
        each = done[name, seed, rate]
        if rate == norms.TWICE:
            found["twice"].setdefault(name, []).append(each["held_out"])
        elif rate == norms.HALF:
            found["half"].append(each["held_out"])
        else:
            found["runs"].setdefault(name, []).append({key: x for key, x in each.items() if key != "seconds"})
    found["cpu_seconds"] = round(sum(each["seconds"] for each in done.values()))
    return json.loads(json.dumps(found))  # lists for tuples, as they will be read


def number(value: float) -> float | None:
    """Return five digits, and None for what JSON has no number for."""
    return float(f"{value:.5g}") if math.isfinite(value) else None


if __name__ == "__main__":
    main()
