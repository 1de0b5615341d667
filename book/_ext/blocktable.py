"""What the block table interactive shows: a recorded trace of the engine, and what happens in each of its steps."""

from pathlib import Path
from typing import Any

RECORD = "src/fullstack_llm/data/recorded/paging-trace.json"


def trace(_: Path) -> dict[str, Any]:
    """Return the recorded scene, with a letter for each request and sentences that say what each step does."""
    from fullstack_llm import recorded

    values = recorded.load("paging-trace")["values"]
    several = {row[0] for step in values["steps"] for row in step["rows"] if row[1]}
    said: dict[tuple[int, int], str] = {}
    before: dict[tuple[int, int], list[Any]] = {}
    started: set[tuple[int, int]] = set()
    counts, steps = [0, 0, 0, 0], []
    for number, step in enumerate(values["steps"]):
        rows = {(row[0], row[1]): row for row in step["rows"]}
        events = [
            f"{name(request, 0, set())} asks: “{question}”"
            for request, (at, question, _) in enumerate(values["arrivals"])
            if at == number
        ]
        events += happened(rows, before, started, several, [a - b for a, b in zip(step["counts"], counts, strict=True)])
        for request, index, text, finish in step["said"]:
            said[request, index] = said.get((request, index), "") + text
            if finish:
                events.append(f"{name(request, index, several)} is done: “{said[request, index].splitlines()[-1]}”")
        steps.append(
            {
                "rows": [
                    [name(row[0], row[1], several), row[0], *row[2:], said.get((row[0], row[1]), "")]
                    for row in step["rows"]
                ],
                "idle": step["idle"],
                "events": events,
                "counts": step["counts"],
            }
        )
        before, counts = rows, step["counts"]
    return {"blocks": values["blocks"], "size": values["size"], "steps": steps}


def name(request: int, index: int, several: set[int]) -> str:
    """Return a sequence's name: a letter, and a number where a request has several.

    >>> name(0, 0, {3}), name(3, 1, {3})
    ('A', 'D2')
    """
    return "ABCDEFGH"[request] + (str(index + 1) if request in several else "")


def happened(
    rows: dict[tuple[int, int], list[Any]],
    before: dict[tuple[int, int], list[Any]],
    started: set[tuple[int, int]],
    several: set[int],
    added: list[int],
) -> list[str]:
    """Return what a step does: who begins, forks, loses blocks or waits; `added` are its tokens, hits and so on."""
    events = []
    tokens, hits, _, copied = added
    for key, row in rows.items():
        ran, label = key in before and before[key][2], name(*key, several)
        if ran and not row[2]:
            events.append(f"no block is left: {label} gives all of its blocks back and waits")
        elif key[1] and key not in before:
            events.append(f"{label} goes on from the same prompt, in the same blocks")
        elif row[2] and not ran:
            events.append(f"{label} is read again" if key in started else f"{label} begins")
        started |= {key} if row[2] else set()
    if hits:
        events.append(f"{hits} tokens are found in the cache")
    if copied:
        events.append("a shared block is copied before it is written")
    return [*events, f"{tokens} token{'s' * (tokens != 1)} go{'es' * (tokens == 1)} through the model"]
