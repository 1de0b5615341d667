import random

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from fullstack_llm.lora import cost, layer
from fullstack_llm.scaling.flops import FlopCounter
from fullstack_llm.transformer import Shape
from fullstack_llm.transformer.shape import of_llama

CONFIG = LlamaConfig(
    vocab_size=101,
    hidden_size=48,
    intermediate_size=74,
    num_hidden_layers=3,
    num_attention_heads=6,
    num_key_value_heads=2,
    tie_word_embeddings=True,
    attn_implementation="eager",
)
SHAPE = of_llama(CONFIG)
random.seed(0)
TARGETS = [tuple(random.sample(layer.ALL, size)) for size in (1, 1, 1, 2, 2, 3, 3, 4, 5, 6)]
TARGETS += [layer.ALL, layer.ATTENTION, layer.MLP, ("down_proj",), ("o_proj",), ("v_proj",)]


def counted(rank, targets=layer.ALL, length=17):
    with torch.device("meta"):
        model = LlamaForCausalLM(CONFIG)
        ids, mask = torch.zeros(2, length, dtype=torch.long), torch.zeros(2, 1, length, length)
    if rank:
        layer.adapt(model, rank, 16, targets)
    with FlopCounter() as counter:
        model(ids, attention_mask=mask, use_cache=False).logits.float().sum().backward()
    return counter.total / (2 * length), sum(p.numel() for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize("targets", TARGETS, ids="-".join)
def test_the_formula_counts_what_runs_to_the_last_flop(targets):
    flops, trained = counted(5, targets)
    assert flops == cost.step_flops(SHAPE, 17, 5, targets)
    assert trained == cost.trainable(SHAPE, 5, targets)
    assert flops != cost.step_flops(SHAPE, 17, 6, targets) and flops != cost.step_flops(SHAPE, 18, 5, targets)


def test_a_rank_of_zero_is_full_training():
    assert counted(0)[0] == cost.step_flops(SHAPE, 17)
    assert cost.training_bytes(SHAPE) == cost.training_bytes(SHAPE, 0)


def test_one_matrix_costs_two_thirds_and_its_rank():
    assert cost.matrix_ratio(4096, 4096, 1) == pytest.approx(2 / 3 + 2 / 4096)
    assert cost.matrix_ratio(96, 96, 16) == pytest.approx(1.0)
    tall = cost.matrix_ratio(300, 100, 4)
    assert tall == pytest.approx(2 / 3 + 4 * 400 / 30000)


def test_a_frozen_number_costs_two_bytes_and_a_trained_one_sixteen():
    llama = Shape(
        vocab_size=32000,
        hidden_size=4096,
        intermediate_size=11008,
        num_layers=32,
        num_heads=32,
        num_kv_heads=32,
        tied=False,
    )
    N, P = 6_738_415_616, cost.trainable(llama, 16)
    assert sum(cost.training_bytes(llama).values()) == 16 * N
    assert sum(cost.training_bytes(llama, 16).values()) == 2 * N + 16 * P
    assert sum(cost.training_bytes(llama, 16).values()) < 2.2 * N


@pytest.mark.parametrize("targets", [layer.ALL, layer.ATTENTION])
def test_a_rank_adds_as_many_kept_numbers_as_it_says(targets):
    def kept(rank):
        torch.manual_seed(0)
        model = layer.adapt(LlamaForCausalLM(CONFIG), rank, 16, targets)
        own, held = {p.untyped_storage().data_ptr() for p in model.parameters()}, {}

        def hold(t):
            if t.untyped_storage().data_ptr() not in own:
                held[t.untyped_storage().data_ptr()] = t.untyped_storage()
            return t

        with torch.autograd.graph.saved_tensors_hooks(hold, lambda t: t):
            out = model(torch.arange(23)[None], use_cache=False).logits.sum()
        assert out.requires_grad
        return sum(s.nbytes() for s in held.values()) / 4 / 23

    more = [cost.extra_activations(SHAPE, rank, targets) for rank in (2, 7)]
    assert kept(7) - kept(2) == more[1] - more[0] > 0
