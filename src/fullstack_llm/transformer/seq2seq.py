"""An encoder-decoder with cross-attention: the architecture of the first transformer (Vaswani et al. 2017)."""

from __future__ import annotations

from dataclasses import replace

from jaxtyping import Float, Int
from torch import Tensor, nn

from . import positions
from .decoder import Block, Record, Stack
from .norms import norm
from .shape import Shape


class EncoderDecoder(nn.Module):
    """A bidirectional encoder of the source, and a causal decoder of the target that attends to the encoder's output.

    Encoder and decoder use RoPE; cross-attention has no positions, as in T5.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        if shape.positions != "rope" or shape.norm_place != "pre":
            raise ValueError("encoder and decoder are written for positions='rope' and norm_place='pre'")
        self.shape = shape
        self.encoder = Stack(replace(shape, causal=False))
        self.layers = nn.ModuleList(Block(shape, cross=True) for _ in range(shape.num_layers))
        self.norm, self.lm_head = norm(shape), nn.Linear(shape.hidden_size, shape.vocab_size, bias=False)
        self.lm_head.weight = self.encoder.embed_tokens.weight

    def forward(
        self, source: Int[Tensor, "B S"], target: Int[Tensor, "B T"], record: Record | None = None
    ) -> Float[Tensor, "B T V"]:
        """Return the logits of the token after each token of the target.

        `record["attention"]` gets the weights of the encoder's layers, then those of self- and cross-attention of each
        layer of the decoder.
        """
        memory = self.encoder(source, record=record)
        rotation = positions.angles(target.shape[1], self.shape.head_dim, self.shape.rope_theta, device=target.device)
        x = self.encoder.embed_tokens(target)
        for layer in self.layers:
            x = layer(x, record, memory, rotation=rotation, causal=True)
        return self.lm_head(self.norm(x))
