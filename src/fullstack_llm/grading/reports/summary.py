"""Summarize a class: the distribution of its scores, its hardest exercises, and the cases that a person should see."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from fullstack_llm.grading.intake.choose import IN_DOUBT

from .runs import is_late

Report = Mapping[str, Any]
BINS = 10
UNWRITTEN = ("not written", "missing")
LATE = "handed in late"


def distribution(reports: Sequence[Report], points: int) -> dict[str, Any]:
    """Return ten bins of equal width as (first points, last points, students), the largest count, and the median.

    >>> distribution([{"earned": 9, "error": ""}, {"earned": 100, "error": ""}], 100)["bins"][-1]
    (90, 100, 1)
    """
    earned = sorted(report["earned"] for report in reports if not report["error"])
    counts = Counter(min(score * BINS // points, BINS - 1) for score in earned) if points else Counter()
    edges = [-(-number * points // BINS) for number in range(BINS + 1)]
    bins = [(edges[i], edges[i + 1] - (i < BINS - 1), counts[i]) for i in range(BINS)]
    return {"bins": bins, "most": max(counts.values(), default=0), "median": median(earned) if earned else 0}


def hardest_exercises(reports: Sequence[Report]) -> list[dict[str, Any]]:
    """Return a row for each exercise, that with the fewest full points first, with the most frequent hint in it.

    A row holds how many students there are, how many have full points, how many wrote nothing, and how many got the
    hint.
    """
    rows: dict[str, dict[str, Any]] = {}
    hints: dict[str, Counter[str]] = defaultdict(Counter)
    for exercise in (exercise for report in reports for exercise in report["exercises"]):
        name = exercise["exercise"]
        row = rows.setdefault(name, {"exercise": name, "students": 0, "full": 0, "unwritten": 0})
        failed = [check for check in exercise["checks"] if check["kind"] != "right"]
        row["students"] += 1
        row["full"] += not failed
        row["unwritten"] += any(check["kind"] in UNWRITTEN for check in failed)
        # A student counts once for a hint, even if several checks gave it.
        answered = [check for check in failed if check["kind"] not in UNWRITTEN]
        hints[name].update({check.get("advice") or check["hint"] for check in answered})
    for name, row in rows.items():
        row["hint"], row["count"] = next(iter(hints[name].most_common(1)), ("", 0))
    return sorted(rows.values(), key=lambda row: row["full"] / row["students"])


def oddities(
    reports: Sequence[Report], roster: list[str], left_out: list[str], lab: str
) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Return what a person should look at: headings, each with its cases.

    A case is (identifier of the report, name of the file, sentence); identifier and name are empty for a case that has
    no report.
    """
    by_digest: dict[str, list[Report]] = defaultdict(list)
    for report in reports:
        if report["digest"]:
            by_digest[report["digest"]].append(report)

    def lines(key: str) -> list[tuple[str, str, str]]:
        return [(report["id"], report["submission"], text) for report in reports for text in report[key]]

    others = [(report["id"], name, f"not graded: {why}") for report in reports for name, why in report["others"]]
    sections = [
        ("For review: uses what the exercise is not meant to use; no points depend on it", lines("review")),
        (
            "Could not be graded",
            [(report["id"], report["submission"], report["error"]) for report in reports if report["error"]],
        ),
        (
            "Handed in late, as the system that named the files says; no points depend on it",
            [(report["id"], report["submission"], report["student"]) for report in reports if is_late(report)],
        ),
        (
            "Says that it is another lab",
            [
                (report["id"], report["submission"], f"lab {report['lab_named']}")
                for report in reports
                if report["lab_named"] not in ("", lab)
            ],
        ),
        (
            "Does not say which lab it is: a notebook that has lost its metadata, as Colab saves it",
            [
                (report["id"], report["submission"], "")
                for report in reports
                if not report["lab_named"] and not report["error"] and report["submission"].lower().endswith(".ipynb")
            ],
        ),
        (
            "IN DOUBT: another file of the same student has answers too",
            [line for line in others if IN_DOUBT in line[2]],
        ),
        (
            "Several files of one student, of which one is graded",
            [line for line in others if IN_DOUBT not in line[2]],
        ),
        (
            "The same content, byte for byte (of an untouched lab, too)",
            [
                (first["id"], first["submission"], "and " + ", ".join(report["submission"] for report in rest))
                for first, *rest in by_digest.values()
                if rest
            ],
        ),
        (
            "No longer among the submissions, graded earlier",
            [(report["id"], report["submission"], "") for report in reports if report["gone"]],
        ),
        ("Class list and submissions differ", [("", "", line) for line in roster]),
        ("Left out", [("", "", line) for line in left_out]),
    ]
    return [(heading, cases) for heading, cases in sections if cases]
