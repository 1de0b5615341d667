"""The transformer from its parts, as module 04 builds it; its logits equal those of `transformers`' Llama.

| file | what it holds |
| --- | --- |
| `shape` | sizes and switches |
| `attention` | the formula, in tiles, and the library's kernel |
| `masks` | who may look at whom |
| `positions` | RoPE in two layouts, sinusoids, ALiBi |
| `norms`, `mlp`, `moe` | the other parts of a block |
| `decoder` | blocks, the decoder, weights from a Llama, greedy text |
| `seq2seq` | encoder and decoder |
| `count` | parameters, FLOPs and bytes by formula |
| `fit` | short training runs |
"""

from .decoder import Decoder, from_llama, greedy, initialise
from .seq2seq import EncoderDecoder
from .shape import Shape

__all__ = ["Decoder", "EncoderDecoder", "Shape", "from_llama", "greedy", "initialise"]
