"""The data of the pipeline's timeline: every pass once, and the idle share of the formula."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "book" / "_ext"))
import timelines

from fullstack_llm.parallel.schedules import bubble

PLANS = timelines.timelines(Path())["plans"]


def test_each_plan_has_every_pass_once_and_the_bubble_of_the_formula() -> None:
    assert len(PLANS) > 80
    for name, plan in PLANS.items():
        kind, ranks, micros = name.rpartition(" ")[0].rpartition(" ")[0], *map(int, name.split()[-2:])
        chunks = 2 if kind.startswith("inter") else 1
        for row in plan["rows"]:
            passes = row.replace(".", "")
            assert len(set(passes)) == len(passes) == 2 * chunks * micros, name
        idle = sum(row.count(".") for row in plan["rows"]) / (len(plan["rows"][0]) * ranks)
        assert abs(idle - bubble(ranks, micros, chunks)) < 1e-12, name
    # The control: interleaving is another timeline.
    assert PLANS["interleaved 1F1B 4 8"]["rows"] != PLANS["1F1B 4 8"]["rows"]
