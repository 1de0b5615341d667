"""Give the laws from which the calculator of module 06 lets a reader choose, and what is known of their uncertainty.

`course()` is the law of the course's own table of runs: fitted to all rows, and again and again to rows drawn anew.
`HOFFMANN` is the law that Besiroglu et al. (2024, arXiv 2404.10102) fitted to runs of Hoffmann et al. (2022).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fullstack_llm import recorded
from fullstack_llm.scaling import repeats
from fullstack_llm.scaling.fits import Rows, parametric
from fullstack_llm.scaling.intervals import bootstrap
from fullstack_llm.scaling.laws import Law

AGAIN = 60  # laws fitted to rows drawn anew
MOST_EPOCHS = 8  # repeats up to here are fitted; beyond, the models learn by heart and the loss rises
HOFFMANN = Law(E=1.8172, A=482.01, B=2085.43, alpha=0.3478, beta=0.3658)
MUENNIGHOFF = 15.387756  # R of Muennighoff et al. (2023), appendix A
THEIR_EPOCHS = 43  # at 44 they report losses that rise where their formula sees none (section 6)
THEIR_FLOP = (1.4e18, 1.3e22)  # of the runs that Besiroglu et al. read off a figure, by their published notebook


@dataclass(frozen=True)
class Family:
    """Hold a law, R for its repeats, the same drawn anew, and the compute and epochs within which it was measured."""

    law: Law
    worth: float
    laws: tuple[Law, ...]
    worths: tuple[float, ...]
    flop: tuple[float, float]
    epochs: int


def few_epochs(rows: Rows) -> list[Mapping[str, Any]]:
    """Return the rows to which R is fitted."""
    return [row for row in rows if row["epochs"] <= MOST_EPOCHS]


def course(count: int = AGAIN) -> Family:
    """Return the law of the recorded table, and R of the recorded runs whose tokens repeat."""
    rows = recorded.load("scaling-grid")["values"]["rows"]
    few = few_epochs(recorded.load("scaling-repeats")["values"]["rows"])
    law, laws = parametric(rows), bootstrap(rows, count)
    flop = min(row["flop"] for row in rows), max(row["flop"] for row in rows)
    return Family(law, repeats.fit(few, law).worth, tuple(laws), tuple(repeats.redrawn(few, laws)), flop, MOST_EPOCHS)


def published() -> Family:
    """Return the law of larger models, with the R of another paper, and without an interval.

    >>> round(published().law.optimum(5.76e23)[1] / published().law.optimum(5.76e23)[0], 1)
    18.4
    """
    return Family(HOFFMANN, MUENNIGHOFF, (), (), THEIR_FLOP, THEIR_EPOCHS)


def as_data(family: Family) -> dict[str, Any]:
    """Return a family as the calculator's script reads it."""

    def short(law: Law) -> dict[str, float]:
        return {name: float(f"{value:.8g}") for name, value in asdict(law).items()}

    drawn = [
        {"law": short(law), "worth": round(worth, 4)} for law, worth in zip(family.laws, family.worths, strict=True)
    ]
    first, last = family.flop
    return {
        "law": short(family.law),
        "worth": family.worth,
        "drawn": drawn,
        "from": first,
        "to": last,
        "epochs": family.epochs,
    }
