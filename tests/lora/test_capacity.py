import math

import pytest
import torch

from fullstack_llm import models
from fullstack_llm.lora import capacity


def losses(model, ids):
    with torch.no_grad():
        logits = model(ids[:, :-1]).logits[:, -1]
    return torch.nn.functional.cross_entropy(logits, ids[:, -1], reduction="none").tolist()


def test_names_are_told_apart_and_their_objects_are_even():
    ids = capacity.invented(2048, 64, seed=0)
    assert len({tuple(row) for row in ids[:, 1:-1].tolist()}) == 2048
    counts = torch.unique(ids[:, -1], return_counts=True)[1]
    assert len(counts) == 64
    # Even objects give a sum of squares like that of chance: 63 give or take 11.
    assert 30 < ((counts - 32.0) ** 2 / 32).sum() < 110
    assert torch.equal(ids, capacity.invented(2048, 64, seed=0))
    assert not torch.equal(ids, capacity.invented(2048, 64, seed=1))


def test_too_many_facts_for_the_vocabulary_are_refused():
    with pytest.raises(ValueError, match="too few"):
        capacity.invented(10**6, 64, seed=0)


def test_bits_are_what_is_needed_less():
    assert capacity.learned([math.log(32)] * 3, 64) == pytest.approx(3)
    assert capacity.learned([math.log(128)], 64) == pytest.approx(-1), "worse than guessing among the objects"


def test_the_last_layer_alone_gives_the_models_own_logits():
    model, _ = models.load("draft")
    ids = capacity.invented(16, 8, seed=0)
    with torch.no_grad():
        top = capacity.Top(model)(capacity.below(model, ids[:, :-1]))
        torch.testing.assert_close(top, model(ids[:, :-1]).logits[:, -1])
        model.model.layers[-1].mlp.down_proj.weight.mul_(2)
        assert not torch.allclose(top, model(ids[:, :-1]).logits[:, -1], atol=0.1), "the control: another last layer"


@pytest.mark.parametrize("rank", [None, 4])
def test_facts_are_learned_in_the_last_layer_and_nowhere_else(rank):
    model, _ = models.load("draft")
    before = {name: p.clone() for name, p in model.named_parameters()}
    ids = capacity.invented(32, 8, seed=0)
    ready = losses(model, ids)
    trained, after = capacity.memorise(model, ids, rank, lr=1e-2, steps=60, batch=32)
    torch.testing.assert_close(torch.tensor(after), torch.tensor(losses(model, ids)), atol=1e-4, rtol=1e-3)
    assert capacity.learned(ready, 8) < 0 < 48 < capacity.learned(after, 8) <= 96
    exchanged = ids.clone()
    exchanged[:, -1] = ids[:, -1].roll(1)
    assert capacity.learned(losses(model, exchanged), 8) < 0, "nothing is known of other facts"
    last = f"layers.{model.config.num_hidden_layers - 1}."
    after_names = {name.replace(".base.", "."): p for name, p in model.named_parameters()}
    moved = {name for name, p in after_names.items() if name not in before or not torch.equal(p, before[name])}
    assert moved and all(last in name for name in moved)
    assert trained == sum(after_names[name].numel() for name in moved)
    assert set(before) <= set(after_names) and (rank is None) is (moved <= set(before))
