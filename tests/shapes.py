"""Small shapes and models that the tests share; sizes are distinct primes where they may be."""

from __future__ import annotations

from typing import Any

import torch

from fullstack_llm.transformer import Decoder, Shape, initialise

SMALL: dict[str, Any] = {
    "vocab_size": 37,
    "hidden_size": 24,
    "intermediate_size": 29,
    "num_layers": 2,
    "num_heads": 6,
    "num_kv_heads": 3,
    "max_length": 23,
}


def decoder(**switches: Any) -> Decoder:
    """A small decoder whose logits are far from flat, with gains that are not all one."""
    model = Decoder(Shape(**{**SMALL, **switches}))
    initialise(model, std=0.4, seed=3)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return model.eval()


def some_ids(rows: int, length: int, vocab_size: int = 37, seed: int = 0) -> torch.Tensor:
    return torch.randint(vocab_size, (rows, length), generator=torch.Generator().manual_seed(seed))


def other(ids: torch.Tensor, at: int, vocab_size: int = 37) -> torch.Tensor:
    """The same ids with another token at one place."""
    changed = ids.clone()
    changed[:, at] = (changed[:, at] + 1) % vocab_size
    return changed
