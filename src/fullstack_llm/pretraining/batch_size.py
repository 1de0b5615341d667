"""How large a batch should be: the noise of the gradient, and what branches of a run say.

>>> round(noise_scale(small=5.0, large=2.0, rows_small=1, rows_large=4), 6)
4.0
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from transformers import LlamaForCausalLM

from fullstack_llm.pretraining.loop import Batches
from fullstack_llm.pretraining.objectives import mean_loss


def squares(model: LlamaForCausalLM, batches: Batches, numbers: range) -> tuple[float, float, int]:
    """Return the mean squared norm of a row's gradient, that of the mean gradient of all rows, and the number of rows.

    The weights stay as they are.
    """
    parameters = list(model.parameters())
    total = [torch.zeros_like(p) for p in parameters]
    each, rows = 0.0, 0
    for number in numbers:
        for ids, targets in zip(*batches(number), strict=True):
            loss = mean_loss(model(ids[None].to(model.device), use_cache=False).logits, targets[None].to(model.device))
            gradients = torch.autograd.grad(loss, parameters)
            each += sum(g.square().sum().item() for g in gradients)
            rows += 1
            for sums, g in zip(total, gradients, strict=True):
                sums += g
    return each / rows, sum((sums / rows).square().sum().item() for sums in total), rows


def noise_scale(small: float, large: float, rows_small: float, rows_large: float) -> float:
    """Return tr(Σ)/|G|² in rows, from the expected squared norms of the gradient at two batch sizes.

    The gradient of a batch of B rows has the expected squared norm |G|² + tr(Σ)/B: two of them give both numbers
    (McCandlish et al. 2018, arXiv 1812.06162, appendix A.1). Not positive, or infinite, if the noise drowns the signal.
    """
    signal = (rows_large * large - rows_small * small) / (rows_large - rows_small)
    noise = (small - large) / (1 / rows_small - 1 / rows_large)
    return noise / signal if signal else float("inf")


def critical(losses: Mapping[int, float], tolerance: float) -> int:
    """Return the largest batch before the first that loses more than `tolerance` against the best of the smaller ones.

    The losses are those after equally many tokens.

    >>> critical({4: 2.000, 8: 1.995, 16: 2.004, 32: 2.02, 64: 2.30}, tolerance=0.01)
    16
    """
    best, found = float("inf"), min(losses)
    for size in sorted(losses):
        best = min(best, losses[size])
        if losses[size] > best + tolerance:
            break
        found = size
    return found
