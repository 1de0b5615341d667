"""A model of a hundred million parameters for one GPU, and the same code with a tiny one on a CPU.

`python -m benchmarks.large FOLDER` trains it in FOLDER, and resumes there.

>>> f"{large(gpu=True).config(512).hidden_size} wide, {parameters(large(gpu=True)):,} parameters"
'768 wide, 101,081,856 parameters'
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import LlamaForCausalLM

from fullstack_llm.models.loop import Trained, train
from fullstack_llm.models.pretrain import batch, begin, stream
from fullstack_llm.models.recipes import Pretraining
from fullstack_llm.presets import preset
from fullstack_llm.tokenization import course_tokenizer


def large(gpu: bool | None = None) -> Pretraining:
    """Return the recipe: half a billion tokens of Tinytown with a GPU, a few thousand without."""
    gpu = preset().name == "gpu" if gpu is None else gpu
    if gpu:
        return Pretraining(
            name="large", layers=16, width=768, inner=2048, heads=12, kv_heads=4,
            steps=8_000, batch=256, warmup=400, people=2_000,
        )  # fmt: skip
    return Pretraining(
        name="large-tiny", layers=2, width=48, inner=136, heads=2, kv_heads=1, steps=6, batch=4, warmup=2
    )


def parameters(plan: Pretraining) -> int:
    """Return the number of parameters of a recipe's model."""
    with torch.device("meta"):
        return sum(p.numel() for p in LlamaForCausalLM(plan.config(512)).parameters())


def step_of(model: LlamaForCausalLM, plan: Pretraining) -> Callable[[int], tuple[Tensor, float]]:
    """Return the loss of each step; the products are computed in bf16, while weights and sums stay in 32 bits."""
    tokens = stream(plan, course_tokenizer.load())

    def loss_of(step: int) -> tuple[Tensor, float]:
        inputs, targets = (found.to(model.device) for found in batch(tokens, plan.batch, plan.length, step))
        with torch.autocast(model.device.type, torch.bfloat16):
            logits = model(inputs, use_cache=False).logits
        loss = cross_entropy(logits.float().flatten(0, 1), targets.flatten())
        return loss, loss.item()

    return loss_of


def run(folder: Path, plan: Pretraining | None = None) -> tuple[LlamaForCausalLM, Trained]:
    """Train the model of a recipe, on from what an interrupted call left in the folder."""
    plan = plan or large()
    model = begin(plan, course_tokenizer.load())
    return model, train(model, plan, step_of(model, plan), folder / "state.pt", save_every=min(500, plan.steps))
