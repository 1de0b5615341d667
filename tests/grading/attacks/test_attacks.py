"""Each attack at levels A and B: the honest score, others unharmed, the cause named; its control, which succeeds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pytest
from outer import control
from scene import Scene, scene
from submissions import COUNT, RIGHT, TWICE
from table import ATTACKS, FORGERIES, Attack

from fullstack_llm.checks import codec
from fullstack_llm.grading.batch import Grader
from fullstack_llm.grading.judge import Result

Graded = Callable[..., Result]


@pytest.fixture(scope="module")
def stage() -> Iterator[Scene]:
    with scene() as one:
        yield one


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda one: one.name)
def test_an_attack_fails_and_costs_nothing(grader: Grader, graded: Graded, stage: Scene, attack: Attack) -> None:
    neighbour = grader.workers.take()
    neighbour.ask(("define", "cell 1", "def f(x):\n    return x + 1", ["f"]), 4)
    result = graded([stage.code(attack.code), *RIGHT])
    assert result.earned == 100, result
    assert re.search(attack.cause, "\n".join(result.problems)), result.problems
    assert stage.unharmed
    assert codec.decode(neighbour.ask(("call", "f", codec.encode((1,))), 4)) == ("value", 2)
    neighbour.close()


@pytest.mark.parametrize("attack", FORGERIES, ids=lambda one: one.name)
def test_a_forgery_earns_nothing(graded: Graded, attack: Attack) -> None:
    result = graded([attack.code, "def double(xs): return 0" if "def double" not in attack.code else "", TWICE, COUNT])
    hints = [outcome.hint for verdict in result.verdicts for outcome in verdict.failures]
    assert result.earned == 60, result
    assert re.search(attack.cause, "\n".join(result.problems + hints))


@pytest.mark.parametrize("attack", ATTACKS + FORGERIES, ids=lambda one: one.name)
def test_its_control_succeeds(attack: Attack) -> None:
    run = control(attack.name)
    if attack.proof == "died":
        assert run.returncode == 137 and not run.stdout, run
        return
    assert run.returncode == 0, run
    seen = json.loads(run.stdout)
    if attack.proof == "paid":
        assert seen["earned"] == 40
    elif attack.proof == "canary":
        assert not seen["canary"], seen
    elif attack.proof == "left":
        assert seen["left"] > 0, seen
    elif attack.proof == "gone":
        assert "cell 1" in "\n".join(seen["problems"]), seen
    else:
        assert not seen["problems"], seen
