"""The transformer, built from its parts as in module 04; its logits equal those of Llama in `transformers`.

| file | what it holds |
| --- | --- |
| `shape` | the sizes of a model, and its architectural choices |
| `attention` | attention as the formula, in tiles, and by PyTorch's kernel |
| `masks` | attention masks: causal, sliding window, prefix, packed documents |
| `positions` | RoPE in two layouts, sinusoids, ALiBi |
| `norms`, `mlp`, `moe` | normalisation, MLP and mixture of experts, the other parts of a block |
| `decoder` | block, decoder, loading a Llama's weights, greedy decoding |
| `seq2seq` | encoder-decoder with cross-attention |
| `count` | parameters, FLOPs and bytes by formula |
| `fit` | short training runs |
"""

from .decoder import Decoder, from_llama, greedy, initialise
from .seq2seq import EncoderDecoder
from .shape import Shape

__all__ = ["Decoder", "EncoderDecoder", "Shape", "from_llama", "greedy", "initialise"]
