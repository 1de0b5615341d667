"""The comparisons of module 04: key-value heads, mixtures of experts, positions; `benchmarks.norms` has the norms.

Every run is deterministic on a CPU with one thread, so that a notebook re-runs the beginning of one and compares.

Run from the repository: `python -m benchmarks.transformer kv` (or moe, positions; nothing for all three): the
beginnings of the runs against the record. --record: all of them in full.
"""

import math
import time
from collections.abc import Callable
from itertools import combinations
from typing import Any

import torch

from benchmarks.recording import one_thread, parser
from fullstack_llm import recorded
from fullstack_llm.experiments import m04_specialists as specialists
from fullstack_llm.experiments import m04_trials as trials
from fullstack_llm.transformer import count
from fullstack_llm.transformer.shape import Shape

CASES: dict[str, dict[str, Callable[..., trials.Run]]] = {
    "kv": {
        "mha": lambda seed, **how: trials.kv(4, seed, **how),
        "gqa": lambda seed, **how: trials.kv(2, seed, **how),
        "mqa": lambda seed, **how: trials.kv(1, seed, **how),
        "mqa-wide": lambda seed, **how: trials.kv(1, seed, inner=trials.widened(1), **how),
    },
    "moe": {
        kind: lambda seed, kind=kind, **how: trials.moe(kind, seed, **how)
        for kind in ("balanced", "unbalanced", "dense-active", "dense-total")
    },
    "positions": {
        kind: lambda seed, kind=kind, **how: trials.positions(kind, seed, **how)
        for kind in ("rope", "learned", "sinusoidal", "alibi", "none")
    },
}
SEEDS = {"kv": 3, "moe": 8, "positions": 3}
BEGINNING = 41  # steps that are made again without --record


def main() -> None:
    arguments = parser(__doc__, "transformer-NAME")
    arguments.add_argument("names", nargs="*", metavar="NAME", help=f"which runs: {', '.join(CASES)} (default: all)")
    options = arguments.parse_args()
    if unknown := set(options.names) - set(CASES):
        arguments.error(f"there is no run {min(unknown)!r}; there are {', '.join(CASES)}")
    one_thread()
    for name in options.names or CASES:
        if options.record:
            command = f"python -m benchmarks.transformer {name} --record"
            recorded.write(
                f"transformer-{name}", command, MEASURES[name](in_full(name)), ["torch", "transformers"], seed=0
            )
        else:
            compare(name)


def compare(name: str) -> None:
    """Assert that each case begins as the record says."""
    record = recorded.load(f"transformer-{name}")["values"]
    for case, run in CASES[name].items():
        again, before = run(0, until=BEGINNING).losses[:: trials.EVERY], record["losses"][case][0]
        apart = max(abs(x - y) for x, y in zip(again, before, strict=False))
        print(f"{name} {case:13} {BEGINNING} steps again: at most {apart:.6f} nats from the record", flush=True)
        near = trials.MIXTURE_TOLERANCE if record.get("loads", {}).get(case) else trials.TOLERANCE
        assert apart <= near, f"{name} {case} is {apart:.4f} nats from the recorded run"


def in_full(name: str) -> dict[str, list[trials.Run]]:
    """Every case with every seed, the seeds of a case one after the other."""
    found: dict[str, list[trials.Run]] = {}
    for case, run in CASES[name].items():
        for seed in range(SEEDS[name]):
            start = time.process_time()
            found.setdefault(case, []).append(run(seed))
            held_out = found[case][-1].held_out
            print(f"{name} {case:13} seed {seed}: {held_out:.4f}  ({time.process_time() - start:.0f} s)", flush=True)
    return found


def common(runs: dict[str, list[trials.Run]], shape: Shape, plan: trials.Plan, **more: Any) -> dict[str, Any]:
    """What every record of training has."""
    held_out = {case: [number(run.held_out) for run in found] for case, found in runs.items()}
    return {
        "settings": {**vars(shape), **vars(plan), "every": trials.EVERY, **more},
        "unigram": trials.unigram(),
        "losses": {
            case: [[number(x) for x in run.losses[:: trials.EVERY]] for run in found] for case, found in runs.items()
        },
        "held_out": held_out,
        "mean": {case: mean(found) for case, found in held_out.items()},
        "spread": {case: spread(found) for case, found in held_out.items()},
    }


def kv(runs: dict[str, list[trials.Run]]) -> dict[str, Any]:
    shapes = {case: found[0].model.shape for case, found in runs.items()}
    return {
        **common(runs, trials.SHAPE, trials.PLAN, widened=trials.widened(1)),
        "parameters": {case: sum(count.parameters(shape).values()) for case, shape in shapes.items()},
        "kv_bytes": {case: count.kv_bytes(shape, 1) for case, shape in shapes.items()},
        "flops": {case: count.flops(shape, trials.PLAN.length) for case, shape in shapes.items()},
    }


def mixtures(runs: dict[str, list[trials.Run]]) -> dict[str, Any]:
    shapes = {case: found[0].model.shape for case, found in runs.items()}
    sparse = {case: found for case, found in runs.items() if shapes[case].num_experts}
    ids, kinds = trials.read(trials.HELD_OUT, trials.OTHER_SEED)
    values = {
        **common(runs, trials.MIXTURE, trials.PLAN, balance=trials.BALANCE, read=len(ids)),
        "parameters": {case: sum(count.parameters(shape).values()) for case, shape in shapes.items()},
        "active": {case: sum(count.parameters(shape, active=True).values()) for case, shape in shapes.items()},
        "loads": {case: rounded(found[0].loads) for case, found in sparse.items()},  # over time, of the first seed
        **{key: {} for key in ("kinds", "classes", "information", "end", "largest", "alike")},
    }
    for case, found in sparse.items():
        experts = [specialists.routed(run.model, ids) for run in found]
        read = experts[0].shape[1]
        sorts = specialists.classes(ids[:read])
        end = [[torch.bincount(layer.flatten(), minlength=8) / layer.numel() for layer in each] for each in experts]
        values["end"][case] = [rounded(torch.stack(each).tolist()) for each in end]
        values["largest"][case] = [[max(layer) for layer in each] for each in values["end"][case]]
        values["kinds"][case] = [rounded(specialists.shares(each, kinds[:read])) for each in experts]
        values["classes"][case] = [rounded(specialists.shares(each, sorts)) for each in experts]
        labels = ids[:read], specialists.codes(kinds[:read]), specialists.codes(sorts)
        values["information"][case] = [rounded(specialists.told(each[..., 0], *labels)) for each in experts]
        values["alike"][case] = rounded([specialists.alike(a, b) for a, b in combinations(experts, 2)])
        print(case, values["information"][case], values["alike"][case])
    return values


def positions(runs: dict[str, list[trials.Run]]) -> dict[str, Any]:
    trained = trials.PLAN.length
    lengths, values = [trained, 2 * trained, 4 * trained], {}
    for case, found in runs.items():
        own = lengths[:1] if case == "learned" else lengths
        values[case] = [{str(length): trials.by_position(run.model, length) for length in own} for run in found]
        print(
            case, [{length: round(bins[-1], 2) for length, bins in each.items()} for each in values[case]], flush=True
        )
    return {**common(runs, trials.SHAPE, trials.PLAN, lengths=lengths, width=16), "by_position": values}


MEASURES = {"kv": kv, "moe": mixtures, "positions": positions}


def rounded(found: Any) -> Any:
    """The same lists and dictionaries with four digits after the point."""
    if isinstance(found, dict):
        return {key: rounded(value) for key, value in found.items()}
    return [rounded(value) for value in found] if isinstance(found, list) else round(found, 4)


def number(loss: float) -> float | None:
    """Rounded, and null for what JSON has no number for."""
    return round(loss, 6) if math.isfinite(loss) else None


def mean(found: list[float | None]) -> float | None:
    known = [x for x in found if x is not None]
    return sum(known) / len(known) if len(known) == len(found) else None


def spread(found: list[float | None]) -> float | None:
    known = [x for x in found if x is not None]
    return max(known) - min(known) if len(known) == len(found) else None


if __name__ == "__main__":
    main()
