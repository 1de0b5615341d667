"""The time of a training step with adapters over that of full training, by width and rank.

Run from the repository: `python -m benchmarks.lora_cost`. --record: write the recorded run lora-cost.
CPU seconds of one thread; full training and every rank take turns, and the least of each counts.
"""

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.recording import one_thread, parser
from fullstack_llm import recorded
from fullstack_llm.lora import cost, layer
from fullstack_llm.transformer.shape import of_llama

WIDTHS, RANKS, ROUNDS, TOKENS = (128, 512, 1024), (1, 16, 64), 5, 256


def config(width: int) -> LlamaConfig:
    """Return two blocks of that width in base's proportions, with base's vocabulary."""
    return LlamaConfig(
        vocab_size=512,
        hidden_size=width,
        intermediate_size=11 * width // 4,
        num_hidden_layers=2,
        num_attention_heads=width // 32,
        num_key_value_heads=width // 64,
        tie_word_embeddings=True,
    )


def steps(width: int, rank: int) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return forward with backward, and the optimizer's step, as functions; a rank of 0 trains in full."""
    model: Any = LlamaForCausalLM(config(width)).train()
    model = layer.adapt(model, rank, alpha=16) if rank else model
    adam = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-5)
    ids = torch.randint(0, 512, (2, TOKENS // 2), generator=torch.Generator().manual_seed(0))

    def passes() -> None:
        adam.zero_grad()
        model(ids, labels=ids, use_cache=False).loss.backward()

    return passes, adam.step


def measured(width: int) -> dict[str, Any]:
    """Return for full training and for each rank the least seconds of the passes and of the optimizer, and the FLOP."""
    every = {rank: steps(width, rank) for rank in (0, *RANKS)}
    best = {rank: [math.inf, math.inf] for rank in every}
    for turn in range(ROUNDS + 1):
        for rank, parts in every.items():
            for at, part in enumerate(parts):
                begin = time.process_time()
                part()
                if turn:  # the first warms up
                    best[rank][at] = min(best[rank][at], time.process_time() - begin)
    shape = of_llama(config(width))
    flops = {str(rank): cost.step_flops(shape, TOKENS // 2, rank) for rank in every}
    return {"flops": flops, "seconds": {str(rank): [round(s, 5) for s in found] for rank, found in best.items()}}


def main() -> None:
    options = parser(__doc__, "lora-cost").parse_args()
    one_thread()
    rows = {}
    for width in WIDTHS:
        rows[str(width)] = measured(width)
        print(width, rows[str(width)], flush=True)
    if options.record:
        values = {"settings": {"tokens": TOKENS, "rounds": ROUNDS, "ranks": list(RANKS)}, "rows": rows}
        recorded.write("lora-cost", "python -m benchmarks.lora_cost --record", values, ["torch", "transformers"])


if __name__ == "__main__":
    main()
