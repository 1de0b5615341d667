"""LoRA's relatives under one call: DoRA, IA3, prefix and prompt tuning from PEFT, bottleneck adapters by hand.

>>> from fullstack_llm import models
>>> model = relative("ia3", models.load("base")[0])
>>> sum(p.numel() for p in model.parameters() if p.requires_grad)
1920
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from peft import IA3Config, LoraConfig, PeftConfig, PrefixTuningConfig, PromptTuningConfig, get_peft_model
from torch import Tensor, nn
from torch.nn.functional import gelu, linear

from fullstack_llm.lora.layer import ALL, LoRALinear

RANK, VIRTUAL, NECK = 4, 64, 18  # about equal numbers of parameters on `base`, but for prompts and IA3
_KIND = "CAUSAL_LM"
_LOW_RANK: dict[str, Any] = {"r": RANK, "lora_alpha": 32, "target_modules": list(ALL), "task_type": _KIND}
_IA3: dict[str, Any] = {"target_modules": ["k_proj", "v_proj", "down_proj"], "feedforward_modules": ["down_proj"]}

CONFIGS: dict[str, Callable[[], PeftConfig]] = {
    "lora": lambda: LoraConfig(**_LOW_RANK),
    "dora": lambda: LoraConfig(**_LOW_RANK, use_dora=True),
    "prefix": lambda: PrefixTuningConfig(task_type=_KIND, num_virtual_tokens=VIRTUAL),
    "prompt": lambda: PromptTuningConfig(task_type=_KIND, num_virtual_tokens=VIRTUAL),
    "ia3": lambda: IA3Config(task_type=_KIND, **_IA3),
}
NAMES = (*CONFIGS, "bottleneck")


class Answering(nn.Module):
    """Cut what stands for virtual tokens off a model's logits, so that they fit the ids again.

    PEFT's prompt tuning returns logits of its virtual tokens as well; its other methods do not.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    @property
    def device(self) -> torch.device:
        """Return where the weights are."""
        return next(self.parameters()).device

    def forward(self, ids: Int[Tensor, "B T"], **options: Any) -> Any:
        """Return the model's output, with logits of the ids alone."""
        out = self.model(input_ids=ids, **options)
        out.logits = out.logits[:, -ids.shape[1] :]
        return out


class Bottleneck(nn.Module):
    """Send a sublayer's output through a narrow layer and back, and add the result (Houlsby et al. 2019).

    The way back begins with zeros, so that the model begins as it was.
    """

    def __init__(self, base: nn.Linear, neck: int) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down, self.up = nn.Linear(base.out_features, neck), nn.Linear(neck, base.out_features)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Float[Tensor, "... in"]) -> Float[Tensor, "... out"]:
        """Return the sublayer's output, changed by the narrow layer."""
        out: Tensor = self.base(x)
        change: Tensor = self.up(gelu(self.down(out)))
        return out + change


def bottlenecks(model: Any, neck: int = NECK) -> Any:
    """Freeze a model and put a bottleneck behind attention and behind the MLP of each layer, in place."""
    model.requires_grad_(False)
    for layer in model.model.layers:
        layer.self_attn.o_proj = Bottleneck(layer.self_attn.o_proj, neck)
        layer.mlp.down_proj = Bottleneck(layer.mlp.down_proj, neck)
    return model


def relative(name: str, model: Any, seed: int = 0) -> Answering:
    """Put one of `NAMES` on a model, in place; what it adds is drawn from the seed, and nothing else is trained."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = bottlenecks(model) if name == "bottleneck" else get_peft_model(model, CONFIGS[name]())
    return Answering(made)


def dora(layer: LoRALinear, magnitude: Float[Tensor, " out"], x: Float[Tensor, "... in"]) -> Float[Tensor, "... out"]:
    """Return what DoRA makes of an adapted layer: its rows' directions, times trained lengths (Liu et al. 2024)."""
    moved = layer.base.weight + layer.update
    length = moved.detach().norm(dim=1)  # no gradient through it: section 4.3 of the paper
    return linear(x, (magnitude / length)[:, None] * moved)


def ties(updates: Sequence[Float[Tensor, "*shape"]], density: float) -> Float[Tensor, "*shape"]:
    """Merge updates of one weight: keep each one's largest, elect a sign for each number, average those that agree.

    (Yadav et al. 2023, arXiv 2306.01708.) `density` is the share that is kept.

    >>> ties([torch.tensor([4.0, 1.0, -2.0]), torch.tensor([2.0, 0.5, 3.0])], 0.7).tolist()
    [3.0, 0.0, 3.0]
    """
    kept = torch.stack([_largest(one, density) for one in updates])
    sign = torch.where(kept.sum(0) >= 0, 1.0, -1.0)
    agree = kept.sign() == sign
    return (kept * agree).sum(0) / agree.sum(0).clamp(min=1)


def _largest(update: Float[Tensor, "*shape"], density: float) -> Float[Tensor, "*shape"]:
    flat = update.flatten()
    out = torch.zeros_like(flat)
    chosen = flat.abs().topk(int(density * len(flat))).indices
    out[chosen] = flat[chosen]
    return out.view(update.shape)
