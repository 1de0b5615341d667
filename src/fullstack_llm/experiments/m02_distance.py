"""What three models know of the town, by how far the name stands from the answer: a table, an LSTM, the course's model.

All three have read the same text, that of the course's `base`, or a beginning of it. An LSTM that has read it whole
ships with the course, in half precision.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files
from typing import Any

from safetensors.torch import load_file, save_file

from fullstack_llm.experiments import m02_ladder as ladder
from fullstack_llm.recurrence import ngrams
from fullstack_llm.recurrence.network import Recurrent
from fullstack_llm.scaling.exams import FACTS, items, token_scores
from fullstack_llm.tinytown import evaluation, town
from fullstack_llm.tokenization import course_tokenizer

GROUPS = {"0 to 3": (0, 3), "4 to 6": (4, 6), "7 and more": (7, 99)}
STEPS, RATE, WIDTH = 8_000, 1.2e-2, ladder.WIDTHS["lstm"]
SHIPPED = files("fullstack_llm") / "data" / "recurrence" / "lstm.safetensors"


@cache
def distances() -> tuple[int, ...]:
    """Return for each fact of the exam how many tokens stand between the end of the name and the answer.

    >>> distances()[:6], len(distances())
    ((1, 4, 4, 6, 2, 5), 300)
    """
    words = course_tokenizer.load()
    pieces = (str(item["prompt"]).partition(str(item["subject"])) for item in evaluation.facts(town(), FACTS))
    return tuple(len(words(after).input_ids) for _, _, after in pieces)


def by_distance(right: list[bool]) -> dict[str, float]:
    """Return the share of right answers in each group of distances."""
    found = {}
    for name, (low, high) in GROUPS.items():
        chosen = [hit for hit, far in zip(right, distances(), strict=True) if low <= far <= high]
        found[name] = sum(chosen) / len(chosen)
    return found


def table_answers(table: ngrams.Table) -> list[bool]:
    """Return for each fact whether each token of the answer is a table's likeliest, smoothed as Kneser and Ney do."""
    words, way = course_tokenizer.load(), ngrams.kneser_ney(table)
    found = []
    for prompt, target in items("facts"):
        row = [words.eos_token_id, *words(prompt).input_ids]
        answer = words(target).input_ids
        hits = [way(table, (*row, *answer[:k])).argmax() == token for k, token in enumerate(answer)]
        found.append(all(hits))
    return found


def shipped() -> Recurrent:
    """Return the LSTM that ships with the course: seed 0, after the whole text of `base`."""
    model = Recurrent("lstm", len(course_tokenizer.load()), WIDTH)
    with as_file(SHIPPED) as path:
        model.load_state_dict({name: weight.float() for name, weight in load_file(path).items()})
    return model.eval()


def ship(model: Recurrent) -> None:
    """Write a model's weights where `shipped` finds them, in half precision."""
    with as_file(SHIPPED) as path:
        save_file({name: weight.half().contiguous() for name, weight in model.state_dict().items()}, path)


def report(model: Any) -> dict[str, Any]:
    """Return a network's loss by place, its answers, and the share of facts that it knows at each distance."""
    right = token_scores(model, "facts")[1].all(1).tolist()
    return ladder.report(model) | {"far": {name: round(share, 4) for name, share in by_distance(right).items()}}
