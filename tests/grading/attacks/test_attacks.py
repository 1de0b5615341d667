"""Each attack at levels A and B: the honest score, others unharmed, the cause named; its control, which succeeds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pytest
from answers import ANSWERS, Answer
from numbered import numbered
from outer import control
from scene import Scene, scene
from submissions import COUNT, RIGHT, TWICE
from table import ATTACKS, FORGERIES, Attack

from fullstack_llm.grading.judge.batch import Grader
from fullstack_llm.grading.judge.grade import Result
from fullstack_llm.worker import codec

Graded = Callable[..., Result]


@pytest.fixture(scope="module")
def stage() -> Iterator[Scene]:
    with scene() as one:
        yield one


@pytest.mark.parametrize("attack", numbered({one.name: one for one in ATTACKS}))
def test_an_attack_fails_and_costs_nothing(grader: Grader, graded: Graded, stage: Scene, attack: Attack) -> None:
    neighbour = grader.workers.take()
    neighbour.ask(("define", "cell 1", "def f(x):\n    return x + 1", ["f"]), 60)
    result = graded([stage.code(attack.code), *RIGHT])
    assert result.earned == 100, result
    assert re.search(attack.cause, "\n".join(result.problems)), result.problems
    assert stage.unharmed
    assert codec.decode(neighbour.ask(("call", "f", codec.encode((1,))), 60)) == ("value", 2)
    neighbour.close()


@pytest.mark.parametrize("attack", numbered({one.name: one for one in FORGERIES}))
def test_a_forgery_earns_nothing(graded: Graded, attack: Attack) -> None:
    result = graded([attack.code, "def double(xs): return 0" if "def double" not in attack.code else "", TWICE, COUNT])
    hints = [outcome.hint for verdict in result.verdicts for outcome in verdict.failures]
    assert result.earned == 60, result
    assert re.search(attack.cause, "\n".join(result.problems + hints))


@pytest.mark.parametrize("attack", numbered({one.name: one for one in ATTACKS + FORGERIES}, "control"))
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


@pytest.mark.parametrize("answer", numbered(ANSWERS))
def test_an_answer_that_attacks_the_judge_earns_nothing(graded: Graded, stage: Scene, answer: Answer) -> None:
    result = graded([stage.code(answer.code), TWICE, COUNT])
    double, count = result.verdicts
    assert (double.earned, count.earned) == (0, 60), str(double)
    assert double.outcomes[0].kind == answer.kind, str(double)
    assert stage.unharmed
    assert str(double).encode() and len(str(double)) < 20_000


@pytest.mark.parametrize("name", numbered({name: name for name in ANSWERS}, "control"))
def test_without_the_guarantee_the_answer_gets_further(name: str) -> None:
    run = control(name)
    assert run.returncode == 0, run
    assert json.loads(run.stdout)["kind"] == ANSWERS[name].seen, run.stdout
