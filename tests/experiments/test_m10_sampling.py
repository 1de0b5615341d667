"""What part 10b measures: sentences are judged by the town's books, and a continuation's likelihood is the model's."""

from __future__ import annotations

import math

import pytest
import torch

from fullstack_llm.decoding.batching import rectangle
from fullstack_llm.experiments import m10_loops as loops
from fullstack_llm.experiments import m10_sampling as runs
from fullstack_llm.tinytown.phrases import PHRASES, slots, statement
from fullstack_llm.tinytown.world import CORE_RELATIONS


def test_every_true_statement_is_judged_true_and_another_persons_false() -> None:
    world = runs.world()
    for relation in CORE_RELATIONS:
        for template in PHRASES[relation].statements:
            said = statement(slots(world, "Ada"), template)
            kind, told = runs.judged(said, "Ada")
            assert kind == "true" and relation in told, said
            # The same object, of somebody who has another one.
            other = next(n for n in runs.people() if world.get(n, relation) not in (None, world.get("Ada", relation)))
            taken = statement({**slots(world, "Ada"), "n": other, "s": f"{other}'s", "m": other}, template)
            if other in taken:
                assert runs.judged(taken, other)[0] == "false", taken


def test_greedy_is_the_likeliest_and_a_seed_decides_the_rest() -> None:
    one, other = (runs.sentences(["Ada", "Bo"], {}, seed, draws=2) for seed in (0, 1))
    assert one == other and one[0][0] == one[0][1]
    drawn = [runs.sentences(["Ada"], {"temperature": 1.0}, seed, draws=6) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    cold = runs.sentences(["Ada"], {"temperature": 2.0, "top_k": 1}, 0, draws=2)
    assert cold[0] == one[0]


def test_a_continuation_ends_at_its_stop_token_whatever_follows() -> None:
    model, tok = runs.loaded()
    rows = runs.encoded(["Ada lives on", "Zed"])
    ids, mask = rectangle(rows)
    end = tok.eos_token_id
    out = torch.tensor([[40, 41, end, end, end], [50, 51, 52, end, 0]])
    found = runs.continued(model, ids, mask, out)
    for row, said, logp in zip(rows, ([40, 41, end], [50, 51, 52, end]), found, strict=True):
        with torch.inference_mode():
            z = model(torch.tensor([row + said])).logits[0].log_softmax(-1)
        want = sum(z[len(row) - 1 + at, token].item() for at, token in enumerate(said))
        assert logp == pytest.approx(want, abs=1e-3)


def test_what_is_repeated_is_counted_and_a_penalty_ends_the_loop() -> None:
    assert loops.repeated(list(range(30))) == 0 and loops.repeated([7] * 30) == pytest.approx(22 / 23)
    (greedy,) = loops.written("none", 0.0, 0, count=1)
    (forbidden,) = loops.written("no 6-gram twice", 0.0, 0, count=1)
    assert len(greedy) == len(forbidden) == loops.LONG
    assert loops.repeated(greedy) > 0.5 and loops.repeated(forbidden, 6) == 0


def test_a_beam_of_one_is_greedy() -> None:
    right, logps = runs.beamed("draft", "facts", 1, count=12)
    assert right == runs.beamed("draft", "facts", 1, count=12)[0] and all(math.isfinite(x) and x < 0 for x in logps)
    wider = runs.beamed("draft", "facts", 4, count=12)[1]
    assert sum(wider) > sum(logps)
