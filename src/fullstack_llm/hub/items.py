"""Real data as the items that Tinytown makes: a lesson changes one line.

| Tinytown | the real thing |
| --- | --- |
| `mixture.documents(town())` | `load_documents("tinystories")`, `load_documents("fineweb-edu")` |
| `instructions.instructions(town())` | `load_instructions("dolly")` |
| `preferences.preferences(town())` | `load_preferences("ultrafeedback")` |
| `problems.draw(town(), rng, "addition")` | `next(load_problems("gsm8k"))` |

All take the same arguments. `source` is a file or a folder of the format that the hub serves (a file counts as the
split that was asked for); without it, the rows come from the hub's cache on this machine, and only with `download=True`
from the hub. `limit` is the number of items. A generator of Tinytown never ends; these end with their data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

from fullstack_llm.hub.rows import Row, read
from fullstack_llm.hub.sources import Source, find
from fullstack_llm.tinytown.documents import Document
from fullstack_llm.tinytown.instructions import Conversation, message
from fullstack_llm.tinytown.preferences import Pair
from fullstack_llm.tinytown.problems import Problem

T = TypeVar("T")


@dataclass(frozen=True)
class WorkedProblem(Problem):
    """Hold a problem and the solution that its author wrote out, with the calculations in <<...>>."""

    solution: str = ""


def load_documents(
    name: str,
    source: str | Path | None = None,
    *,
    split: str = "train",
    limit: int | None = None,
    download: bool = False,
) -> Iterator[Document]:
    """Yield documents of "tinystories" or "fineweb-edu"; `kind` is that name, and `meta` has the other columns.

    Raises ValueError for another name or split, `Unavailable` for what is not at hand, `BadData` for a wrong row.
    """
    return _load("documents", _document, name, source, split, limit, download)


def load_instructions(
    name: str,
    source: str | Path | None = None,
    *,
    split: str = "train",
    limit: int | None = None,
    download: bool = False,
) -> Iterator[Conversation]:
    """Yield conversations of "dolly"; `kind` is its category, such as "closed_qa".

    Raises as `load_documents` does.
    """
    return _load("instructions", _conversation, name, source, split, limit, download)


def load_preferences(
    name: str,
    source: str | Path | None = None,
    *,
    split: str = "train",
    limit: int | None = None,
    download: bool = False,
) -> Iterator[Pair]:
    """Yield pairs of "ultrafeedback".

    `gold_chosen` and `gold_rejected` are the scores that GPT-4 gave, from 1 to 10: an opinion, not the truth that
    Tinytown's are, and sometimes equal. `rejected` is one of three other answers, drawn at random.
    Raises as `load_documents` does.
    """
    return _load("preferences", _pair, name, source, split, limit, download)


def load_problems(
    name: str,
    source: str | Path | None = None,
    *,
    split: str = "train",
    limit: int | None = None,
    download: bool = False,
) -> Iterator[WorkedProblem]:
    """Yield problems of "gsm8k" for `verifiers.verify`; `level` is the number of lines of the solution.

    Raises as `load_documents` does.
    """
    return _load("problems", _problem, name, source, split, limit, download)


def _load(
    kind: str,
    make: Callable[[Source, int, Row], T],
    name: str,
    source: str | Path | None,
    split: str,
    limit: int | None,
    download: bool,
) -> Iterator[T]:
    if limit is not None and limit < 0:
        raise ValueError(f"limit is a number of items, and you gave {limit}.")
    chosen = find(name, kind)
    items = (make(chosen, index, row) for index, row in enumerate(read(chosen, split, source, download)))
    wanted = islice(items, limit)
    # The first one now: what is missing or wrong shows at the call, not at a loop further down.
    return chain(list(islice(wanted, 1)), wanted)


def _document(source: Source, index: int, row: Row) -> Document:
    others = {field: value for field, value in row.values.items() if field in source.fields and field != "text"}
    return Document(source.name, row.values["text"], {"index": index, **others})


def _conversation(source: Source, index: int, row: Row) -> Conversation:
    values = row.values
    ask = f"{values['instruction']}\n\n{values['context']}" if values["context"].strip() else values["instruction"]
    messages = (message("user", ask), message("assistant", values["response"]))
    return Conversation(values["category"], messages, {"source": source.name, "index": index})


def _pair(source: Source, index: int, row: Row) -> Pair:
    chosen, rejected = float(row.values["score_chosen"]), float(row.values["score_rejected"])
    return Pair(
        row.values["prompt"],
        _reply(row, "chosen"),
        _reply(row, "rejected"),
        chosen,
        rejected,
        flipped=chosen < rejected,
        traits=("best of four", "one of the others"),
    )


def _reply(row: Row, field: str) -> str:
    last = row.values[field][-1] if row.values[field] else None
    if not isinstance(last, dict) or last.get("role") != "assistant" or not isinstance(last.get("content"), str):
        raise row.wrong(f"has no message of the assistant at the end of the field {field!r}")
    return str(last["content"])


def _problem(source: Source, index: int, row: Row) -> WorkedProblem:
    solution, mark, answer = (text.strip() for text in row.values["answer"].rpartition("####"))
    if not mark or not answer:
        raise row.wrong("has no '####' with an answer behind it in the field 'answer'")
    level = len(solution.splitlines()) or 1
    return WorkedProblem(source.name, level, row.values["question"], answer.replace(",", ""), solution=solution)
