"""DPO on a model's own answers and on written ones: what each does to the rest of what the model says.

Run from the repository: `python -m benchmarks.pairs`: how likely `sft` is to give the written answers, against the
record. --record: three training runs a kind, which takes about six minutes.
"""

from itertools import product
from statistics import fmean
from typing import Any

from benchmarks.recording import one_thread, parser
from fullstack_llm import models, recorded
from fullstack_llm.experiments import model_pairs
from fullstack_llm.models.pairs import Couple, turn

NAME, SEEDS, ASKED = "model-pairs", 3, 900


def main() -> None:
    options = parser(__doc__, NAME).parse_args()
    one_thread()
    if options.record:
        command = "python -m benchmarks.pairs --record"
        recorded.write(NAME, command, measured(), ["torch", "transformers"], seed=0)
        return
    record = recorded.load(NAME)["values"]["unlikely"]["written"][0]
    again = unlikely(model_pairs.couples("written", 0))
    print(f"{again} nats again; {record} recorded")
    assert all(abs(again[side] - record[side]) < 0.01 * record[side] for side in record)


def unlikely(data: list[Couple]) -> dict[str, float]:
    """By how many nats `sft` is surprised by the chosen and by the rejected answers, on average."""
    parent, _ = models.load("sft")
    sides = zip(("chosen", "rejected"), zip(*data, strict=True), strict=True)
    return {side: round(fmean(model_pairs.nats(parent, list(rows))), 4) for side, rows in sides}


def measured() -> dict[str, Any]:
    """For each kind and seed: the surprise at the pairs, gold gained, and surprise added at what `sft` answered."""
    parent, words = models.load("sft")
    prompts = model_pairs.asked(ASKED)
    before = model_pairs.answers(parent, prompts)
    rows = [turn(words, prompt, text) for prompt, text in zip(prompts, before, strict=True)]
    usual, gold = fmean(model_pairs.nats(parent, rows)), model_pairs.worth(prompts, before)
    found: dict[str, Any] = {"settings": {"seeds": SEEDS, "asked": len(prompts)}, "gold": round(gold, 4)}
    found |= {key: {"own": [], "written": []} for key in ("unlikely", "gained", "added")}
    for seed, kind in product(range(SEEDS), ("own", "written")):
        data = model_pairs.couples(kind, seed)
        model = model_pairs.trained(kind, seed, data)
        gained = model_pairs.worth(prompts, model_pairs.answers(model, prompts)) - gold
        found["unlikely"][kind].append(unlikely(data))
        found["gained"][kind].append(round(gained, 4))
        found["added"][kind].append(round(fmean(model_pairs.nats(model, rows)) - usual, 4))
        print(seed, kind, *(found[key][kind][-1] for key in ("unlikely", "gained", "added")), flush=True)
    return found


if __name__ == "__main__":
    main()
