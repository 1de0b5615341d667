"""What a teacher wants to see of a class first: the distribution of scores, the hardest exercises, the oddities."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

Report = Mapping[str, Any]
BINS = 10
UNWRITTEN = ("not written", "missing")


def scores(reports: Sequence[Report], points: int) -> dict[str, Any]:
    """Ten bins of equal width, each as its first and last points and how many students; the median.

    >>> scores([{"earned": 9, "error": ""}, {"earned": 100, "error": ""}], 100)["bins"][-1]
    (90, 100, 1)
    """
    earned = sorted(one["earned"] for one in reports if not one["error"])
    counts = Counter(min(one * BINS // points, BINS - 1) for one in earned) if points else Counter()
    edges = [-(-number * points // BINS) for number in range(BINS + 1)]
    bins = [(edges[i], edges[i + 1] - (i < BINS - 1), counts[i]) for i in range(BINS)]
    return {"bins": bins, "most": max(counts.values(), default=0), "median": median(earned) if earned else 0}


def hardest(reports: Sequence[Report]) -> list[dict[str, Any]]:
    """Exercises, hardest first: how many have full points, how many wrote nothing, and what the others heard most."""
    rows: dict[str, dict[str, Any]] = {}
    hints: dict[str, Counter[str]] = defaultdict(Counter)
    for one in (one for report in reports for one in report["exercises"]):
        row = rows.setdefault(one["exercise"], {"exercise": one["exercise"], "students": 0, "full": 0, "unwritten": 0})
        failed = [check for check in one["checks"] if check["kind"] != "right"]
        row["students"] += 1
        row["full"] += not failed
        row["unwritten"] += any(check["kind"] in UNWRITTEN for check in failed)
        # A student counts once for a hint, in however many checks it came up.
        told = [check for check in failed if check["kind"] not in UNWRITTEN]
        hints[one["exercise"]].update({check.get("advice") or check["hint"] for check in told})
    for name, row in rows.items():
        row["hint"], row["count"] = next(iter(hints[name].most_common(1)), ("", 0))
    return sorted(rows.values(), key=lambda row: row["full"] / row["students"])


def oddities(
    reports: Sequence[Report], roster: list[str], left_out: list[str], lab: str
) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """What a person may want to look at: a heading, and for each case the report's identifier, a name, a sentence."""
    twins: dict[str, list[Report]] = defaultdict(list)
    for one in reports:
        twins[one["digest"]].append(one)

    def lines(key: str) -> list[tuple[str, str, str]]:
        return [(one["id"], one["submission"], text) for one in reports for text in one[key]]

    found = [
        ("For review: uses what the exercise is not meant to use; no points depend on it", lines("review")),
        ("Could not be graded", [(one["id"], one["submission"], one["error"]) for one in reports if one["error"]]),
        (
            "Says that it is another lab",
            [
                (one["id"], one["submission"], f"lab {one['lab_named']}")
                for one in reports
                if one["lab_named"] not in ("", lab)
            ],
        ),
        (
            "Does not say which lab it is: a notebook that has lost its metadata, as Colab saves it",
            [
                (one["id"], one["submission"], "")
                for one in reports
                if not one["lab_named"] and not one["error"] and one["submission"].lower().endswith(".ipynb")
            ],
        ),
        (
            "Several files of one student, of which one is graded",
            [(one["id"], name, f"not graded: {why}") for one in reports for name, why in one["others"]],
        ),
        (
            "The same content, byte for byte (of an untouched lab, too)",
            [
                (first["id"], first["submission"], "and " + ", ".join(one["submission"] for one in rest))
                for first, *rest in twins.values()
                if rest
            ],
        ),
        (
            "No longer among the submissions, graded earlier",
            [(one["id"], one["submission"], "") for one in reports if one["gone"]],
        ),
        ("Class list and submissions differ", [("", "", line) for line in roster]),
        ("Left out", [("", "", line) for line in left_out]),
    ]
    return [(heading, cases) for heading, cases in found if cases]
