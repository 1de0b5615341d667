"""Train low-rank updates on a base that is stored in four bits (QLoRA, Dettmers et al. 2023, arXiv 2305.14314).

>>> layer = NF4Linear(nn.Linear(64, 8, bias=False))
>>> stored_bytes(layer), 4 * 64 * 8
(272, 2048)
>>> x = torch.randn(2, 64)
>>> torch.equal(layer(x), linear(x, layer.restored()))
True
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import linear

from fullstack_llm.lora import nf4
from fullstack_llm.lora.layer import ALL, layers


class _Product(torch.autograd.Function):
    """Multiply by a stored weight, and restore it again on the way back instead of keeping it in between."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: NF4Linear) -> Tensor:
        """Return the layer's output."""
        ctx.layer = layer
        return linear(x, layer.restored().to(x.dtype))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Return the gradient of the input; the weight has none."""
        (gradient,) = gradients
        return gradient @ ctx.layer.restored().to(gradient.dtype), None


class NF4Linear(nn.Linear):
    """Keep a linear layer's weight in NF4 with doubly quantized constants; `weight` holds two codes a byte.

    The layer has no gradient of its own. Raises ValueError for a layer with a bias.
    """

    constants: Tensor
    scales: Tensor
    mean: Tensor
    block: int

    def __init__(self, base: nn.Linear, block: int = nf4.BLOCK) -> None:
        nn.Module.__init__(self)
        if base.bias is not None:
            raise ValueError("A layer with a bias is not supported: the models of the course have none.")
        self.in_features, self.out_features, self.bias, self.block = base.in_features, base.out_features, None, block
        stored = nf4.quantize_twice(base.weight, block)
        self.weight = nn.Parameter(nf4.pack(stored.codes), requires_grad=False)
        self.register_buffer("constants", stored.constants.codes)
        self.register_buffer("scales", stored.constants.absmax)
        self.register_buffer("mean", stored.mean)

    def restored(self) -> Float[Tensor, "out in"]:
        """Return the weight that the codes stand for."""
        codes = nf4.unpack(self.weight, (self.out_features, self.in_features))
        constants = nf4.Blocks(self.constants, self.scales, _DYNAMIC.to(self.mean.device), nf4.CONSTANTS)
        return nf4.restore(nf4.Doubled(codes, constants, self.mean, self.block))

    def forward(self, x: Float[Tensor, "... in"]) -> Float[Tensor, "... out"]:
        """Return the product with the restored weight."""
        out: Tensor = _Product.apply(x, self)
        return out


_DYNAMIC = nf4.dynamic()


def quantized(model: Any, targets: Sequence[str] = ALL, block: int = nf4.BLOCK) -> Any:
    """Store the linear layers whose last name is in `targets` in NF4, in place, and return the model."""
    return _replaced(model, targets, lambda base: NF4Linear(base, block))


def restored(model: Any) -> Any:
    """Turn layers in NF4 into plain ones that hold what the codes stand for, in place, below updates as well."""

    def plain(layer: nn.Linear) -> nn.Linear:
        if not isinstance(layer, NF4Linear):
            return layer
        out = nn.Linear(layer.in_features, layer.out_features, bias=False, device="meta")
        out.weight = nn.Parameter(layer.restored(), requires_grad=False)
        return out

    return _replaced(model, (*ALL, "base"), plain)


def _replaced(model: Any, targets: Iterable[str], new: Callable[[nn.Linear], nn.Linear]) -> Any:
    found = [(name, m) for name, m in model.named_modules() if isinstance(m, nn.Linear)]
    for name, layer in found:
        parent, _, last = name.rpartition(".")
        if last in targets:
            setattr(model.get_submodule(parent), last, new(layer))
    return model


@torch.no_grad()
def rounded(model: Any, rounding: Callable[[Tensor], Tensor], targets: Sequence[str] = ALL) -> Any:
    """Replace the weights of linear layers by what `rounding` makes of them, in place, and return the model.

    What a kind of quantization costs can be measured so without storing anything in it.
    """
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear) and name.rpartition(".")[2] in targets:
            layer.weight.copy_(rounding(layer.weight))
    return model


def stored_bytes(model: nn.Module) -> int:
    """Return the bytes of a model's parameters and buffers, each shared one once."""
    return sum(t.nbytes for t in {t.data_ptr(): t for t in (*model.parameters(), *model.buffers())}.values())


def update_bytes(model: nn.Module) -> int:
    """Return the bytes of the low-rank matrices of an adapted model."""
    return sum(layer.A.nbytes + layer.B.nbytes for _, layer in layers(model))
