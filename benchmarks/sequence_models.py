"""Recorded runs of module 02: `python -m benchmarks.sequence_models NAME --record`.

ladder   four networks at equal compute: rates at a quarter of it, then three seeds (about 50 minutes of a core)
seconds  the same at equal CPU seconds
recall   the first symbol of a row, by distance, kind of cell and start, three seeds (about 25 minutes)
far      an LSTM on the whole text of `base`, three seeds (about 30 minutes), and tables of it; ships the first LSTM
"""

from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from benchmarks.recording import kept, measure
from fullstack_llm import models
from fullstack_llm.experiments import m02_distance as far
from fullstack_llm.experiments import m02_ladder as ladder
from fullstack_llm.experiments import m02_recall as task
from fullstack_llm.recurrence import ngrams
from fullstack_llm.tokenization import course_tokenizer

WORK = Path("_build/sequence_models")


def swept(say: Callable[[str], None]) -> dict[str, float]:
    """Return each network's best rate, by the loss after a quarter of the compute, seed 0."""
    best = {}
    for kind in ladder.KINDS:
        steps, found = ladder.steps_of(kind, ladder.FLOP / 4), {}
        for rate in ladder.RATES:
            place = WORK / f"rate-{kind}-{rate}.json"
            row = kept(place, lambda: ladder.report(ladder.trained(kind, 0, steps, rate)[0]))  # noqa: B023
            found[rate] = row["loss"]
        best[kind] = min(found, key=lambda rate: found[rate])
        say(f"{kind}: {found}")
    return best


def one(kind: str, rate: float, seed: int, steps: int) -> dict[str, Any]:
    """Return the row of one run, made now if it has not been made."""

    def make() -> dict[str, Any]:
        model, took = ladder.trained(kind, seed, steps, rate)
        return {"kind": kind, "seed": seed, "steps": steps, "seconds": round(took, 1), **ladder.report(model)}

    return kept(WORK / f"run-{kind}-{rate}-{steps}-{seed}.json", make)


def rates(say: Callable[[str], None]) -> dict[str, float]:
    """Return the better of two rates for each network, seed 0, all the compute: the sweep's best, and half of it.

    A longer run wants a lower rate, so the best of a quarter of the compute is too high for some.
    """
    best = {}
    for kind, rate in swept(say).items():
        steps = ladder.steps_of(kind)
        best[kind] = min((rate, rate / 2), key=lambda rate: one(kind, rate, 0, steps)["loss"])
    return best


def at_equal_compute(say: Callable[[str], None]) -> dict[str, Any]:
    """Train each network on three seeds with the same compute."""
    WORK.mkdir(parents=True, exist_ok=True)
    best = rates(say)
    rows = [one(kind, best[kind], seed, ladder.steps_of(kind)) for kind in ladder.KINDS for seed in ladder.SEEDS]
    begins = {kind: ladder.beginning(kind, best[kind]) for kind in ladder.KINDS}
    return {"rates": best, "flop": ladder.FLOP, "rows": rows, "begins": begins}


def speeds() -> dict[str, float]:
    """Return how many steps each network makes in a CPU second, with nothing else running."""
    found = {}
    for kind in ladder.KINDS:
        _, took = ladder.trained(kind, 0, 100, 1e-3)
        found[kind] = 100 / took
    return found


def at_equal_seconds(say: Callable[[str], None]) -> dict[str, Any]:
    """Train each network for as many CPU seconds as the transformer takes, its steps planned from its own speed."""
    best = at_equal_compute(say)["rates"]
    speed = kept(WORK / "speeds.json", speeds)
    seconds = ladder.steps_of("transformer") / speed["transformer"]
    steps = {kind: round(seconds * speed[kind]) for kind in ladder.KINDS}
    rows = [one(kind, best[kind], seed, steps[kind]) for kind in ladder.KINDS for seed in ladder.SEEDS]
    return {"seconds": round(seconds, 1), "rates": best, "rows": rows}


def recall(say: Callable[[str], None]) -> dict[str, Any]:
    """Train each cell to name a row's first symbol, at each distance."""
    WORK.mkdir(parents=True, exist_ok=True)
    rows = []
    for setting in task.SETTINGS:
        for length in task.DISTANCES:
            place = WORK / f"recall-{setting.name}-{length}.json"

            def make() -> dict[str, Any]:
                shares = [round(task.recalled(setting, length, seed), 3) for seed in task.SEEDS]  # noqa: B023
                return {"setting": setting.name, "length": length, "right": shares}  # noqa: B023

            rows.append(kept(place, make))
    return {"rows": rows}


def by_distance(say: Callable[[str], None]) -> dict[str, Any]:
    """Train the LSTM on the text that `base` has read, and ask it, `base` and tables for facts, near and far."""
    WORK.mkdir(parents=True, exist_ok=True)
    rows = []
    for seed in ladder.SEEDS:

        def make() -> dict[str, Any]:
            model, took = ladder.trained("lstm", seed, far.STEPS, far.RATE)  # noqa: B023
            torch.save(model.state_dict(), WORK / f"far-lstm-{seed}.pt")  # noqa: B023
            return {"seed": seed, "seconds": round(took, 1), **far.report(model)}  # noqa: B023

        rows.append(kept(WORK / f"far-lstm-{seed}.json", make))
    model = ladder.made("lstm", 0)
    model.load_state_dict(torch.load(WORK / "far-lstm-0.pt"))
    far.ship(model)
    words = course_tokenizer.load()
    base = kept(WORK / "far-base.json", lambda: far.report(models.load("base")[0]))
    tables = [kept(WORK / f"far-table-{share}.json", lambda: counted(share, len(words))) for share in SHARES]  # noqa: B023
    return {"steps": far.STEPS, "rate": far.RATE, "lstm": rows, "base": base, "tables": tables}


SHARES = (8, 2, 1)  # of the text: an eighth, a half, all of it


def counted(share: int, size: int) -> dict[str, Any]:
    """Count a share of the text for a table of seven, and ask it."""
    text = ladder.text(0, far.STEPS)[: far.STEPS * 1024 // share]
    table = ngrams.count(text, 7, size)
    held = ladder.text(ladder.OTHER_SEED, ladder.HELD_OUT // ladder.ROWS)[:16_384]
    found = ngrams.perplexity(ngrams.losses(table, ngrams.kneser_ney(table), held))
    right = far.table_answers(table)
    shares = {name: round(part, 4) for name, part in far.by_distance(right).items()}
    contexts = [len(level) for level in table.counts]
    return {
        "tokens": len(text),
        "perplexity": round(found, 3),
        "contexts": contexts,
        "facts_right": round(mean(right), 4),
        "far": shares,
    }


if __name__ == "__main__":
    measure(
        __doc__,
        "sequence_models",
        "sequence",
        {"ladder": at_equal_compute, "seconds": at_equal_seconds, "recall": recall, "far": by_distance},
    )
