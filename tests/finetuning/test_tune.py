import pytest
import torch

from fullstack_llm import models
from fullstack_llm.finetuning.tune import Plan, assistant_loss, begun, tune
from fullstack_llm.lora import layer
from fullstack_llm.models.chat import Row, collate

ROWS = [Row((5, 6, at, 9), (False, False, True, True)) for at in range(20, 29)]
PLAN = Plan(steps=6, batch=3, lr=1e-3, warmup=2)


def test_a_run_that_stopped_ends_in_the_same_weights():
    whole, _ = models.load("draft")
    tune(whole, ROWS, PLAN)
    halves, _ = models.load("draft")
    state = tune(halves, ROWS, PLAN, watch=lambda s: s.step == 4)
    assert state.step == 4
    state.losses.pop(), state.norms.pop(), state.read.pop()
    tune(halves, ROWS, PLAN, state=state)
    for one, other in zip(whole.parameters(), halves.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_loss_is_the_mean_over_the_batch_and_zero_without_labels():
    model, _ = models.load("draft")
    ids, labels = collate([Row((5, 6, 7), (False, True, True)), Row((5, 8), (False, True))], pad=0)
    each = model(ids).logits[:, :-1].log_softmax(-1)
    wanted = -(each[0, 0, 6] + each[0, 1, 7] + each[1, 0, 8]) / 3
    torch.testing.assert_close(assistant_loss(model, ids, labels), wanted)
    assert assistant_loss(model, ids, torch.full_like(labels, -100)) == 0


def test_only_what_is_trainable_moves():
    model = layer.adapt(models.load("draft")[0], rank=2, alpha=4.0)
    before = {name: p.clone() for name, p in model.named_parameters()}
    tune(model, ROWS, PLAN)
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert moved == set(layer.adapter(model))


def test_nothing_to_train_is_said():
    model, _ = models.load("draft")
    with pytest.raises(ValueError, match="no conversation"):
        tune(model, [], PLAN)
    with pytest.raises(ValueError, match="trainable"):
        begun(model.requires_grad_(False), PLAN)
