"""Checkpoints on disk: one folder each, with the weights, the configuration and a card.

>>> card("base").parameters
803968
>>> load("bse")
Traceback (most recent call last):
    ...
KeyError: "There is no checkpoint 'bse'; there are base, dpo, draft, hacked, larger, reward, rl, sft."
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from fullstack_llm.models.scores import Score
from fullstack_llm.tokenization import course_tokenizer

FOLDER = Path(__file__).parents[1] / "data" / "models"
WEIGHTS = "model.safetensors"
KINDS: dict[str, type[PreTrainedModel]] = {
    found.__name__: found for found in (LlamaForCausalLM, LlamaForSequenceClassification)
}


@dataclass(frozen=True)
class Card:
    """Hold what made a checkpoint, and how well it does.

    `ended` is the mean over the last 50 steps of the loss, in nats, or of the reward; `seconds` is the time of
    the steps on `device`, without what came before the first; `sha256` is the checksum of the weights, and `tokenizer`
    that of `tokenizer.json`; `scores` are of the weights as they are stored.
    """

    name: str
    recipe: Mapping[str, Any]
    parameters: int
    ended: float
    seconds: int
    device: str
    versions: Mapping[str, str]
    tokenizer: str
    sha256: str = ""
    scores: Mapping[str, Score] = field(default_factory=dict)


def names(folder: Path = FOLDER) -> tuple[str, ...]:
    """Return the names of all checkpoints."""
    return tuple(sorted(path.parent.name for path in folder.glob("*/card.json")))


def card(name: str, folder: Path = FOLDER) -> Card:
    """Read a checkpoint's card; raise KeyError with all names for any other name, RuntimeError for a damaged card."""
    if name not in names(folder):
        raise KeyError(f"There is no checkpoint {name!r}; there are {', '.join(names(folder)) or 'none'}.")
    path = folder / name / "card.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        scores = {test: Score(**found) for test, found in content.pop("scores").items()}
        return Card(**content, scores=scores)
    except (ValueError, LookupError, TypeError, AttributeError):
        raise RuntimeError(
            f"{path} is damaged, or of another version of the course: get it back with `git checkout`, or remove the "
            "folder and build the checkpoint again."
        ) from None


def load(
    name: str, folder: Path = FOLDER, *, dtype: torch.dtype = torch.float32, device: str = "cpu"
) -> tuple[Any, PreTrainedTokenizerFast]:
    """Load a checkpoint and its tokenizer; needs no network, and leaves torch's random numbers as they were.

    >>> model, tokenizer = load("draft")
    >>> model.dtype, model.training
    (torch.float32, False)

    The model is a LlamaForCausalLM, or a LlamaForSequenceClassification with one output where it is a reward model.
    Raises KeyError for an unknown name, and RuntimeError where the weights are not those that the card describes, or
    the tokenizer is not the one that they were trained with.
    """
    described = card(name, folder)
    path = folder / name / WEIGHTS
    if not path.exists() or sha256(path) != described.sha256:
        raise RuntimeError(
            f"{path} is {'damaged' if path.exists() else 'missing'}: its SHA-256 is not the one on its card. "
            f"Get it back with `git checkout` or `pip install --force-reinstall --no-deps fullstack_llm`."
        )
    if sha256(course_tokenizer.FOLDER / "tokenizer.json") != described.tokenizer:
        raise RuntimeError(f"{name} was trained with another tokenizer; rebuild it, or get the two of one version.")
    config = LlamaConfig.from_pretrained(folder / name)
    with torch.random.fork_rng(devices=[]):
        model = KINDS[(config.architectures or ["no architecture"])[0]](config)
    # A file may lack the output matrix, which is the embedding's.
    model.load_state_dict(load_file(path), strict=False)
    model.to(device=device, dtype=dtype)
    return model.eval(), course_tokenizer.load()


def sha256(path: Path) -> str:
    """Return the checksum of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def save(model: PreTrainedModel, described: Card, folder: Path) -> Card:
    """Write the model in bf16 and its card; return the card with the checksum of the weights."""
    place = folder / described.name
    model.to(torch.bfloat16)
    model.save_pretrained(place)
    # Others than the owner must be able to read what a package ships.
    (place / WEIGHTS).chmod(0o644)
    described = replace(described, sha256=sha256(place / WEIGHTS))
    write_card(described, folder)
    return described


def write_card(described: Card, folder: Path) -> None:
    """Write a card as JSON."""
    content = asdict(described)
    (folder / described.name / "card.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
