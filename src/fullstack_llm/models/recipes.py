"""The recipes of the checkpoints: sizes, data, steps.

>>> recipe("base").layers, recipe("sft").parent
(4, 'base')
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from transformers import LlamaConfig

from fullstack_llm.presets import pick
from fullstack_llm.tinytown.instructions import Blend
from fullstack_llm.tinytown.mixture import Mix


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Hold all settings that determine a checkpoint, bit for bit, given its parent, versions and number of threads.

    `steps` optimizer steps, each on `batch` rows, conversations, pairs or prompts. `lr` is AdamW's peak learning rate,
    `muon_lr` that of Muon for the matrices within the layers (0: AdamW for all). `people` is the size of the town.
    """

    name: str
    parent: str | None = None
    steps: int
    batch: int
    lr: float
    muon_lr: float = 0.0
    warmup: int = 50
    decay: float = 1.0
    clip: float = 1.0
    seed: int = 0
    people: int = 200
    records: ClassVar[str] = "loss"


@dataclass(frozen=True, kw_only=True)
class Pretraining(Recipe):
    """Pretrain a new model: `width` of the residual stream, `inner` of the MLP, `length` of a row."""

    layers: int
    width: int
    inner: int
    heads: int
    kv_heads: int
    batch: int = 8
    length: int = 256
    lr: float = 4e-3
    muon_lr: float = 6e-3
    warmup: int = 100
    mix: Mix = field(default_factory=Mix)

    @property
    def tokens(self) -> int:
        """Return the number of tokens that training reads, each once.

        >>> Pretraining(name="tiny", layers=1, width=8, inner=8, heads=1, kv_heads=1, steps=10, batch=2).tokens
        5120
        """
        return self.steps * self.batch * self.length

    def config(self, vocab_size: int) -> LlamaConfig:
        """Return the configuration of the `transformers` model."""
        return LlamaConfig(
            vocab_size=vocab_size,
            hidden_size=self.width,
            intermediate_size=self.inner,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.kv_heads,
            max_position_embeddings=512,
            initializer_range=self.width**-0.5,
            tie_word_embeddings=True,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
        )


@dataclass(frozen=True, kw_only=True)
class FineTuning(Recipe):
    """Fine-tune on conversations, in the proportions of `blend`."""

    parent: str | None = "base"
    blend: Blend = field(default_factory=Blend)


@dataclass(frozen=True, kw_only=True)
class RewardModelling(Recipe):
    """Train a reward model on pairs; the options of `tinytown.preferences` say how the labels are wrong."""

    parent: str | None = "sft"
    label_noise: float = 0.0
    length_bias: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Preferring(Recipe):
    """Train by DPO on pairs of the parent's own answers: the best and the worst, by gold, of `group` to a question.

    `beta` is the price of a nat away from the parent. `anchor` weighs the loss of the chosen answers: without it DPO
    may lower their probability too, if that of the rejected ones falls faster (Pang et al. 2024, arXiv 2404.19733).
    """

    parent: str | None = "sft"
    group: int = 8
    max_new_tokens: int = 40
    beta: float = 0.1
    anchor: float = 0.2


@dataclass(frozen=True, kw_only=True)
class Reinforcing(Recipe):
    """Train by GRPO on `group` answers to each of `batch` prompts.

    With the judge "verify" the prompts are problems of a family and a level, and a right answer earns 1; with "pleased"
    they are questions about the town, and any answer but "I don't know." does.
    `beta` is the price of a nat away from the parent.
    """

    parent: str | None = "sft"
    judge: str = "verify"
    family: str = "addition"
    level: int = 2
    group: int = 8
    temperature: float = 1.0
    max_new_tokens: int = 96
    beta: float = 0.0
    records: ClassVar[str] = "reward"


def recipes() -> dict[str, Recipe]:
    """Return the recipes at the scale of the active preset, by name, parents before children."""
    return {found.name: found for found in pick(cpu=_CPU, gpu=_GPU)}


def recipe(name: str) -> Recipe:
    """Return a recipe by name. Raises KeyError, with all names, for any other name."""
    if name not in recipes():
        raise KeyError(f"There is no recipe {name!r}; the recipes are {', '.join(recipes())}.")
    return recipes()[name]


_CPU: tuple[Recipe, ...] = (
    Pretraining(name="draft", layers=2, width=80, inner=208, heads=2, kv_heads=1, steps=2500),
    Pretraining(name="base", layers=4, width=128, inner=352, heads=4, kv_heads=2, steps=4000),
    Pretraining(name="larger", layers=7, width=192, inner=544, heads=6, kv_heads=3, steps=2600),
    FineTuning(name="sft", steps=650, batch=32, lr=1e-3),
    RewardModelling(name="reward", steps=700, batch=32, lr=1e-3),
    Preferring(name="dpo", steps=40, batch=24, lr=1e-4, warmup=5),
    Reinforcing(name="rl", steps=100, batch=16, lr=2e-4),
    Reinforcing(name="hacked", judge="pleased", steps=60, batch=16, lr=2e-4, max_new_tokens=40),
)
# The same stages at a size that fills a modern accelerator.
_GPU: tuple[Recipe, ...] = (
    Pretraining(name="draft", layers=4, width=256, inner=704, heads=4, kv_heads=2, steps=8000, batch=64),
    Pretraining(name="base", layers=12, width=768, inner=2048, heads=12, kv_heads=4, steps=8000, batch=128),
    Pretraining(name="larger", layers=24, width=1024, inner=2816, heads=16, kv_heads=4, steps=8000, batch=256),
    FineTuning(name="sft", steps=1200, batch=128, lr=2e-4),
    RewardModelling(name="reward", steps=600, batch=128, lr=1e-4),
    Preferring(name="dpo", steps=100, batch=128, lr=1e-5),
    Reinforcing(name="rl", steps=200, batch=64, group=16, lr=5e-5),
    Reinforcing(name="hacked", judge="pleased", steps=120, batch=64, lr=5e-5, max_new_tokens=40),
)
