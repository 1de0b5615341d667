"""The runs that compare pre-norm with post-norm: their beginnings against the record, and what is seen of a model."""

from __future__ import annotations

import math

import pytest
import torch

from fullstack_llm import recorded
from fullstack_llm.experiments import m04_norms as norms
from fullstack_llm.experiments import m04_trials as trials

RECORD = "transformer-norms"


@pytest.mark.parametrize("name", ["pre, small, warm-up", "post, large, settled"])
def test_a_recorded_run_begins_as_recorded(name: str) -> None:
    case = (norms.CASES | norms.SETTLED)[name]
    again, record = norms.run(case, seed=1, until=11), recorded.load(RECORD)["values"]["runs"][name]
    assert again.losses[:: norms.EVERY] == pytest.approx(record[1]["losses"][:2], abs=trials.TOLERANCE)
    assert again.alike == pytest.approx(record[1]["alike"][:2], abs=0.01)
    assert again.moved == pytest.approx(record[1]["moved"], rel=0.05)
    assert math.isnan(again.held_out)
    # Control: another seed's losses are further away than the tolerance.
    assert again.losses[:: norms.EVERY] != pytest.approx(record[0]["losses"][:2], abs=trials.TOLERANCE)


def test_the_record_has_the_settings_and_the_seeds_of_today() -> None:
    values = recorded.load(RECORD)["values"]
    assert {**vars(norms.DEEP), **vars(norms.PLAN)}.items() <= values["settings"].items()
    assert values["unigram"] == pytest.approx(trials.unigram(), abs=1e-4)
    assert values["settings"]["seeds"] == list(norms.SEEDS)
    assert values["runs"].keys() == (norms.CASES | norms.SETTLED).keys()
    assert {len(runs) for runs in values["runs"].values()} == {len(norms.SEEDS)}
    assert values["twice"].keys() == norms.CASES.keys()
    assert {len(found) for found in values["twice"].values()} == {len(norms.FEWER_SEEDS)}
    assert len(values["half"]) == len(norms.SEEDS)
    steps = math.ceil(norms.PLAN.steps / norms.EVERY)
    for run in (run for runs in values["runs"].values() for run in runs):
        assert len(run["losses"]) == len(run["alike"]) == len(run["gradients"]) == steps


def test_alike_is_the_mean_cosine_of_two_positions() -> None:
    x = torch.randn(3, 7, 5, generator=torch.Generator().manual_seed(0))
    pairs = [(b, t, u) for b in range(3) for t in range(7) for u in range(7) if t != u]
    cosines = [torch.cosine_similarity(x[b, t], x[b, u], dim=0).item() for b, t, u in pairs]
    assert norms.alike(x) == pytest.approx(sum(cosines) / len(cosines), abs=1e-6)
