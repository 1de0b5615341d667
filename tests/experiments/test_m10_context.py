"""The runs of part 10c: what its records say is what the functions give, and the controls give something else."""

import pytest
import torch

from fullstack_llm import models, recorded
from fullstack_llm.decoding.rope_scaling import METHODS
from fullstack_llm.experiments import m10_context as runs


@torch.no_grad()
def logits(model):
    return model(torch.arange(40, 360)[None]).logits


def test_stretching_changes_logits_and_no_weight():
    base = models.load("base")[0].float()
    torch.testing.assert_close(logits(runs.stretched("none")), logits(base), rtol=0, atol=0)
    for method in ("interpolation", "ntk", "yarn"):
        model = runs.stretched(method)
        assert all(torch.equal(value, base.state_dict()[name]) for name, value in model.state_dict().items())
        assert not torch.allclose(logits(model), logits(base), atol=0.1)


def test_a_tuning_begins_as_it_is_recorded():
    kept = recorded.load("context-tuned")["values"]
    for method, row in (("ntk", kept["after"]["ntk"][1]), ("yarn", kept["after"]["yarn"][2])):
        seed = 1 if method == "ntk" else 2
        assert runs.tuned(method, seed, until=1).losses == pytest.approx(row["losses"][:1], abs=2e-3)
    assert runs.tuned("yarn", 0, length=runs.TRAINED, until=1).losses == pytest.approx(
        kept["short"][0]["losses"][:1], abs=2e-3
    )


def test_the_record_has_every_method_and_seed_and_all_seeds_differ():
    kept = recorded.load("context-tuned")["values"]
    assert kept["settings"] == runs.settings() and set(kept["before"]) == set(kept["after"]) == set(METHODS)
    for rows in (*kept["after"].values(), kept["short"]):
        assert len(rows) == len({row["losses"][0] for row in rows}) == len(runs.SEEDS)
        assert all(len(row["curve"]) == 2048 // runs.BIN for row in rows)


def test_a_story_is_cut_before_the_name_of_who_has_the_thing():
    items, people = runs.endings(12)
    assert len(items) == 12 and min(people) >= 1
    for one in items:
        assert one.target.strip() in runs.world().persons and one.target[0] == " " and one.target in one.prompt
