import pytest
import torch
import transformers
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

from fullstack_llm.decoding.kv_bytes import MODELS, Layers, as_multi_head, fits, kept, of_shape
from fullstack_llm.transformer import count
from fullstack_llm.transformer.shape import of_llama

# The library's configuration classes have the published sizes as their defaults.
DEFAULTS = {
    "Llama 2 7B": "LlamaConfig",
    "Mistral 7B v0.1": "MistralConfig",
    "Falcon 7B": "FalconConfig",
    "Gemma 2 2B": "Gemma2Config",
    "gpt-oss-120b": "GptOssConfig",
    "DeepSeek-V3": "DeepseekV3Config",
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_shapes_are_those_of_the_configurations(name):
    config = getattr(transformers, DEFAULTS[name])()
    layers = MODELS[name]
    assert sum(one.count for one in layers) == config.num_hidden_layers
    assert {one.heads for one in layers} == {config.num_attention_heads}
    kinds = getattr(config, "layer_types", None) or []
    if kinds:
        assert {one.count for one in layers if one.window} == {kinds.count("sliding_attention")}
    assert {one.window for one in layers} - {None} == {getattr(config, "sliding_window", None)} - {None}
    if name == "DeepSeek-V3":
        assert (layers[0].latent, layers[0].rotated) == (config.kv_lora_rank, config.qk_rope_head_dim)
    elif name == "Falcon 7B":
        assert config.multi_query and layers[0].kv_heads == 1
        assert layers[0].dim == config.hidden_size // config.num_attention_heads
    else:
        assert {(one.kv_heads, one.dim) for one in layers} == {(config.num_key_value_heads, config.head_dim)}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("batch", "length"), [(1, 1), (3, 29)])
def test_a_filled_cache_has_the_bytes_of_the_formula(dtype, batch, length):
    sizes = {"vocab_size": 31, "hidden_size": 48, "intermediate_size": 32, "num_hidden_layers": 3}
    config = LlamaConfig(**sizes, num_attention_heads=6, num_key_value_heads=2)
    cache = DynamicCache()
    with torch.no_grad():
        LlamaForCausalLM(config).to(dtype)(torch.zeros(batch, length, dtype=torch.long), past_key_values=cache)
    held = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    shape, size = of_llama(config), dtype.itemsize
    assert held == kept(of_shape(shape), length, batch, size) == count.kv_bytes(shape, length, batch, size)
    assert held != kept(of_shape(shape), length + 1, batch, size)


def test_a_window_ends_the_growth_of_its_layers_only():
    mixed = [Layers(3, 8, 2, 16, window=10), Layers(2, 8, 2, 16)]
    each = 2 * 2 * 16 * 2
    assert [kept(mixed, n) for n in (9, 10, 11, 1000)] == [each * n for n in (45, 50, 3 * 10 + 2 * 11, 30 + 2000)]
    assert kept(as_multi_head(mixed), 1000) == 5 * 1000 * 2 * 8 * 16 * 2


def test_what_fits_leaves_no_room_for_one_more():
    layers = MODELS["Llama 3 8B"]
    found = fits(80e9, 16e9, layers, 8192)
    assert found * kept(layers, 8192) <= 64e9 < (found + 1) * kept(layers, 8192)
    assert fits(10e9, 16e9, layers, 8192) == 0
