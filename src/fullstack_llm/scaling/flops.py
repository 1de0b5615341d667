"""Count the FLOP of a training step: by what runs, by a formula from the shape, and by the estimate 6 N D.

A FLOP is one multiplication or one addition, so a product of (n, k) and (k, m) has 2 n k m. Norms, softmax,
activations and the optimizer are left out, as is usual.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import LlamaForCausalLM

from fullstack_llm.models.loop import optimizers
from fullstack_llm.scaling.runs import LENGTH, Run, Size
from fullstack_llm.tokenization import course_tokenizer
from fullstack_llm.transformer import Shape, count
from fullstack_llm.transformer.shape import of_llama

Rule = Callable[..., int]


def product(a: Tensor, b: Tensor) -> int:
    """Return the FLOP of a matrix product, or of a batch of them.

    >>> product(torch.ones(3, 5), torch.ones(5, 7))
    210
    """
    return 2 * a.numel() * b.shape[-1]


def fused(q: Tensor, k: Tensor, v: Tensor, *_: Any, **__: Any) -> int:
    """Return the FLOP of a fused kernel of attention: scores for all pairs of tokens, and the mix of values."""
    return 2 * q.numel() * k.shape[-2] + 2 * q.numel() // q.shape[-1] * k.shape[-2] * v.shape[-1]


def fused_backward(_: Tensor, q: Tensor, k: Tensor, v: Tensor, *__: Any, **___: Any) -> int:
    """Return the FLOP of its backward pass: two products for each product forward; scores made again are left out."""
    return 2 * fused(q, k, v)


RULES: dict[Any, Rule] = {
    torch.ops.aten.mm: product,
    torch.ops.aten.bmm: product,
    torch.ops.aten.addmm: lambda _, a, b, **__: product(a, b),
    torch.ops.aten.baddbmm: lambda _, a, b, **__: product(a, b),
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: fused,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: fused_backward,
}


class FlopCounter(TorchDispatchMode):
    """Count the FLOP of every matrix product that runs while it is active, forward and backward.

    PyTorch sends each operation through `__torch_dispatch__` before it computes anything.

    >>> with FlopCounter() as counter:
    ...     _ = torch.ones(3, 5) @ torch.ones(5, 7)
    >>> counter.total, dict(counter.by_operation)
    (210, {'aten.mm': 210})
    """

    def __init__(self) -> None:
        super().__init__()
        self.by_operation: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """Return the FLOP counted so far."""
        return self.by_operation.total()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count one operation, then let it run."""
        rule = RULES.get(func.overloadpacket)
        if rule is not None:
            self.by_operation[str(func.overloadpacket)] += rule(*args)
        return func(*args, **(kwargs or {}))


def shape_of(size: Size) -> Shape:
    """Return the shape of a model of the scaling table.

    >>> sum(count.parameters(shape_of(Size(2, 48))).values()) == sum(Size(2, 48).parameters.values())
    True
    """
    return of_llama(Run(*size, 1).recipe.config(len(course_tokenizer.load())))


def per_token(shape: Shape, length: int = LENGTH, scores: bool = True) -> int:
    """Return the FLOP of training for one token: forward once, and backward twice as many.

    A product Y = X W asks for two on the way back, dX = dY W' and dW = X' dY, each as large as itself. Without `scores`
    the T x T scores and the mixing of values are left out, and six times the parameters remain, the embedding counted
    once, as the output matrix, and the norms' gains not counted.

    >>> base = shape_of(Size(4, 128))
    >>> per_token(base, 256), per_token(base, 256, scores=False)
    (6389760, 4816896)
    """
    parts = count.flops(shape, length)
    return 3 * (sum(parts.values()) - (0 if scores else parts["scores"]))


def over_6n(shape: Shape, length: int = LENGTH) -> float:
    """Return how many times 6 N the FLOP of a token are, where N counts all parameters.

    >>> round(over_6n(shape_of(Size(1, 16))), 2), round(over_6n(shape_of(Size(8, 256))), 2)
    (1.7, 1.17)
    """
    return per_token(shape, length) / (6 * sum(count.parameters(shape).values()))


def run_step(size: Size, rows: int, length: int, device: str = "cpu", attention: str = "sdpa") -> None:
    """Run forward and backward of one batch of zeros, for a counter to watch; on `meta` only shapes are computed.

    The mask is given in four dimensions: the library computes nothing then that depends on its values, and on `meta`
    there are none.
    """
    config = Run(*size, 1).recipe.config(len(course_tokenizer.load()))
    config._attn_implementation = attention
    with torch.device(device):
        model = LlamaForCausalLM(config)
        ids = torch.zeros(rows, length, dtype=torch.long)
        mask = torch.full((rows, 1, length, length), float("-inf")).triu(1)
    model(ids, attention_mask=mask, use_cache=False).logits.float().sum().backward()


def of_update(size: Size) -> int:
    """Return the FLOP of the matrix products of one step of the course's optimizers, however many tokens the step has.

    AdamW has none. Muon multiplies the update of each matrix of the layers with its own transpose, again and again.

    >>> of_update(Size(1, 16)) > 6 * sum(Size(1, 16).parameters.values())
    True
    """
    recipe = Run(*size, 1).recipe
    with torch.device("meta"):
        model = LlamaForCausalLM(recipe.config(len(course_tokenizer.load())))
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    with FlopCounter() as counter:
        for optimizer in optimizers(model, recipe):
            optimizer.step()
    return counter.total
