"""Count the FLOP and the bytes of reading a prompt and of writing a token, and hold them against a machine.

>>> llama_7b = Shape(vocab_size=32000, hidden_size=4096, intermediate_size=11008, num_layers=32,
...                  num_heads=32, num_kv_heads=32, tied=False)
>>> read, write = work(llama_7b, new=1000), work(llama_7b, new=1, before=1000)
>>> f"{read.intensity:.0f} and {write.intensity:.1f} FLOP a byte; the ridge is at {MACHINES['H100'].ridge:.0f}"
'711 and 1.0 FLOP a byte; the ridge is at 295'

Counted are matrix products: their FLOP, and the bytes of what they read and write if each number is moved once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from fullstack_llm.transformer import Shape, count


class Machine(NamedTuple):
    """Hold what a machine can do at most: FLOP and bytes a second."""

    peak: float
    bandwidth: float

    @property
    def ridge(self) -> float:
        """Return the FLOP a byte above which arithmetic limits, and below which memory does."""
        return self.peak / self.bandwidth


# In bf16 without sparsity, from the makers' data sheets; A100 and H100 as SXM with 80 GB.
MACHINES = {
    "A100": Machine(312e12, 2.039e12),
    "H100": Machine(989e12, 3.35e12),
    "H200": Machine(989e12, 4.8e12),
}


class Work(NamedTuple):
    """Hold the FLOP of a forward pass and the bytes that it moves, of weights, of the cache and of activations."""

    flops: int
    weights: int
    cache: int
    activations: int

    @property
    def moved(self) -> int:
        """Return all bytes."""
        return self.weights + self.cache + self.activations

    @property
    def intensity(self) -> float:
        """Return the FLOP for each byte."""
        return self.flops / self.moved

    def seconds(self, machine: Machine) -> float:
        """Return the least time that a machine allows: of its two limits the one that takes longer."""
        return max(self.flops / machine.peak, self.moved / machine.bandwidth)


def work(shape: Shape, new: int, before: int = 0, batch: int = 1, size: int = 2) -> Work:
    """Return the work of `new` tokens in each of `batch` sequences that have `before` tokens in their caches.

    `size` is the bytes of a number. All T × S scores are counted, those that the mask hides among them.
    """
    D, inner, L = shape.hidden_size, shape.intermediate_size, shape.num_layers
    narrow = shape.num_kv_heads * shape.head_dim
    # Outputs and inputs of each linear layer of a block.
    linear = [(D, D), (narrow, D), (narrow, D), (D, D), *[(inner, D)] * (2 if shape.gated else 1), (D, inner)]
    weights = L * sum(m * n for m, n in linear) + shape.vocab_size * D
    # Queries in and mixed values out of attention, and the two sides of each product.
    by_token = L * (2 * D + sum(m + n for m, n in linear)) + D + shape.vocab_size
    flops = batch * new * sum(count.flops(shape, before + new).values())
    kept = 2 * L * narrow * (before + new)
    return Work(flops, size * weights, size * batch * kept, size * batch * new * by_token)


def critical_batch(shape: Shape, length: int, machine: Machine, size: int = 2) -> int | None:
    """Return the least batch at which writing a token reaches the ridge, or None if no batch does.

    A batch shares the weights, and each sequence brings its own cache: the intensity has a limit.

    >>> llama_70b = Shape(vocab_size=32000, hidden_size=8192, intermediate_size=28672, num_layers=80,
    ...                   num_heads=64, num_kv_heads=8, tied=False)
    >>> critical_batch(llama_70b, 64, MACHINES["H100"]), critical_batch(llama_70b, 4096, MACHINES["H100"])
    (330, None)
    """
    one = work(shape, 1, length - 1, size=size)
    # batch · (flops / ridge - cache - activations) = weights
    spare = one.flops / machine.ridge - one.cache - one.activations
    return None if spare <= 0 else max(1, -int(-one.weights // spare))


class Traffic(TorchDispatchMode):
    """Count the bytes of the operands and the result of every matrix product that runs while it is active.

    >>> with Traffic() as counter:
    ...     _ = torch.ones(3, 5) @ torch.ones(5, 7)
    >>> counter.total == 4 * (3 * 5 + 5 * 7 + 3 * 7)
    True
    """

    PRODUCTS = ("aten.mm", "aten.bmm", "aten._scaled_dot_product_flash_attention_for_cpu")

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Let an operation run, and count it if it is a product; a mask and the sums of a softmax are left out."""
        out = func(*args, **(kwargs or {}))
        if str(func.overloadpacket) in self.PRODUCTS:
            result = out[0] if isinstance(out, tuple) else out
            self.total += sum(t.nbytes for t in (*args[:3], result) if isinstance(t, Tensor))
        return out


def measured(
    size: int = 1024,
    megabytes: int = 128,
    tries: int = 5,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Machine:
    """Return the best of some tries of this machine: FLOP/s of a product of squares, bytes/s of a copy."""
    a = torch.randn(size, size, device=device).to(dtype)
    source = torch.zeros(megabytes * 2**20, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    peak = bandwidth = 0.0
    for _ in range(tries):
        peak = max(peak, 2 * size**3 / seconds(lambda: a @ a))
        bandwidth = max(bandwidth, 2 * source.nbytes / seconds(lambda: target.copy_(source)))
    return Machine(peak, bandwidth)


def seconds(job: Callable[[], object]) -> float:
    """Return the seconds of one call: of the CPU's own time, or of the clock where a GPU works meanwhile.

    CPU seconds leave out what other processes take, but not what they take of the memory's bandwidth.
    """
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    _wait()
    begin = clock()
    job()
    _wait()
    return clock() - begin


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
