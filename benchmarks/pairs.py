"""DPO on a model's own answers and on written ones: what each does to the rest of what the model says.

Run from the repository: `python -m benchmarks.pairs`: how likely `sft` is to give the answers of either kind, against
the record. --record: three training runs a kind and their exams, which takes about ten minutes.
"""

import argparse
import os
from statistics import fmean
from typing import Any

import torch

from fullstack_llm import models, recorded
from fullstack_llm.experiments import model_pairs
from fullstack_llm.models import exams
from fullstack_llm.tinytown.world import town

NAME, SEEDS, SAID = "model-pairs", 3, 400


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--record", action="store_true", help=f"write the recorded run {NAME}")
    options = arguments.parse_args()
    os.environ["FULLSTACK_LLM_PRESET"] = "cpu"
    torch.set_num_threads(1)
    if options.record:
        command = "python -m benchmarks.pairs --record"
        recorded.write(NAME, command, measured(), ["torch", "transformers"], seed=0)
        return
    record = recorded.load(NAME)["values"]["unlikely"]["written"][0]
    again = unlikely("written", 0, steps=4)
    print(f"{again} nats again, on fewer pairs; {record} recorded")
    assert all(abs(again[side] - record[side]) < 0.2 * record[side] for side in record)


def unlikely(kind: model_pairs.Kind, seed: int, steps: int | None = None) -> dict[str, float]:
    """By how many nats `sft` is surprised by the chosen and the rejected answers, on average."""
    parent, _ = models.load("sft")
    sides = zip(*model_pairs.couples(kind, seed, steps), strict=True)
    return {
        side: round(fmean(model_pairs.nats(parent, list(rows))), 4)
        for side, rows in zip(("chosen", "rejected"), sides, strict=True)
    }


def measured() -> dict[str, Any]:
    """For each kind and seed: the surprise at the pairs, the exam afterwards, the loss of what `sft` said."""
    parent, words = models.load("sft")
    rows = model_pairs.said(parent, SAID)
    before = fmean(model_pairs.nats(parent, rows))
    found: dict[str, Any] = {"settings": {"seeds": SEEDS, "said": SAID}, "before": round(before, 4)}
    found |= {key: {"own": [], "written": []} for key in ("unlikely", "lost", "scores")}
    for seed in range(SEEDS):
        for kind in ("own", "written"):
            model = model_pairs.trained(kind, seed, model_pairs.couples(kind, seed))
            scores = exams.chats(model, words, town(), None, parent)
            found["unlikely"][kind].append(unlikely(kind, seed))
            found["lost"][kind].append(round(fmean(model_pairs.nats(model, rows)) - before, 4))
            found["scores"][kind].append({name: vars(score) for name, score in scores.items()})
            print(kind, seed, found["unlikely"][kind][-1], found["lost"][kind][-1], flush=True)
            print({name: score.value for name, score in scores.items()}, flush=True)
    return found


if __name__ == "__main__":
    main()
