"""The datasets and models on the Hugging Face Hub that can take the place of Tinytown's data and the course's models.

>>> find("gsm8k", "problems").licence, size("gsm8k")
('MIT', '2.3 MB')

Looked up in November 2026: fields, files and licences on the cards; a revision is a commit, so that the same bytes come
each time. Sizes are those of the files, rounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_NUMBER = (int, float)


class Unavailable(RuntimeError):
    """Raised for a source that is not on this machine and cannot be fetched; the message says what is needed."""


class BadData(ValueError):
    """Raised for a file in another format than its source's; the message names the file, the row and the field."""


@dataclass(frozen=True)
class Part:
    """A split of a dataset, or a model: its files on the hub, their bytes, and the hub's name of the split."""

    files: tuple[str, ...]
    size: int
    split: str = ""


@dataclass(frozen=True)
class Source:
    """A dataset or a model on the hub; `fields` are the columns that are read, with the types they must have.

    A `streamed` dataset is too large to keep: only what is read is fetched, each time anew.
    """

    name: str
    kind: str
    hub_id: str
    revision: str | None
    licence: str
    counterpart: str
    parts: Mapping[str, Part]
    config: str | None = None
    fields: Mapping[str, type | tuple[type, ...]] = field(default_factory=dict)
    streamed: bool = False


# Enough for a model with safetensors and a fast tokenizer; a chat template is in tokenizer_config.json.
_MODEL_FILES = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


def _model(name: str, hub_id: str, revision: str, size: int, counterpart: str) -> Source:
    return Source(name, "model", hub_id, revision, "Apache-2.0", counterpart, {"model": Part(_MODEL_FILES, size)})


_TABLE = (
    Source(
        name="tinystories",
        kind="documents",
        hub_id="roneneldan/TinyStories",
        config="default",
        revision="f54c09fd23315a6f9c86f9dc80f725de7d8f9c64",
        licence="CDLA-Sharing-1.0",
        counterpart="tinytown.mixture.documents",
        parts={
            "train": Part(
                (
                    "data/train-00000-of-00004-2d5a1467fff1081b.parquet",
                    "data/train-00001-of-00004-5852b56a2bd28fd9.parquet",
                    "data/train-00002-of-00004-a26307300439e943.parquet",
                    "data/train-00003-of-00004-d243063613e5a057.parquet",
                ),
                990_786_315,
                "train",
            ),
            "test": Part(("data/validation-00000-of-00001-869c898b519ad725.parquet",), 9_989_127, "validation"),
        },
        fields={"text": str},
    ),
    Source(
        name="fineweb-edu",
        kind="documents",
        hub_id="HuggingFaceFW/fineweb-edu",
        config="sample-10BT",
        revision="87f09149ef4734204d70ed1d046ddc9ca3f2b8f9",
        licence="ODC-By-1.0",
        counterpart="tinytown.mixture.documents",
        parts={
            "train": Part(
                tuple(f"sample/10BT/{shard:03}_00000.parquet" for shard in range(14)), 28_518_193_415, "train"
            )
        },
        fields={"text": str, "id": str, "url": str, "score": _NUMBER},
        streamed=True,
    ),
    Source(
        name="dolly",
        kind="instructions",
        hub_id="databricks/databricks-dolly-15k",
        config="default",
        revision="bdd27f4d94b9c1f951818a7da7fd7aeea5dbff1a",
        licence="CC-BY-SA-3.0",
        counterpart="tinytown.instructions.instructions",
        parts={"train": Part(("databricks-dolly-15k.jsonl",), 13_085_339, "train")},
        fields={"instruction": str, "context": str, "response": str, "category": str},
    ),
    Source(
        name="ultrafeedback",
        kind="preferences",
        hub_id="HuggingFaceH4/ultrafeedback_binarized",
        config="default",
        revision="3949bf5f8c17c394422ccfab0c31ea9c20bdeb85",
        licence="MIT",
        counterpart="tinytown.preferences.preferences",
        # The card gives 650 MB for all six splits together; that of "train" is its share of them.
        parts={
            "train": Part(("data/train_prefs-00000-of-00001.parquet",), 227_000_000, "train_prefs"),
            "test": Part(("data/test_prefs-00000-of-00001.parquet",), 7_290_000, "test_prefs"),
        },
        fields={"prompt": str, "chosen": list, "rejected": list, "score_chosen": _NUMBER, "score_rejected": _NUMBER},
    ),
    Source(
        name="gsm8k",
        kind="problems",
        hub_id="openai/gsm8k",
        config="main",
        revision="740312add88f781978c0658806c59bc2815b9866",
        licence="MIT",
        counterpart="tinytown.problems.draw",
        # The card gives 2.7 MB for both splits together; these are their shares of it.
        parts={
            "train": Part(("main/train-00000-of-00001.parquet",), 2_310_000, "train"),
            "test": Part(("main/test-00000-of-00001.parquet",), 416_000, "test"),
        },
        fields={"question": str, "answer": str},
    ),
    _model(
        "smollm2-135m",
        "HuggingFaceTB/SmolLM2-135M",
        "93efa2f097d58c2a74874c7e644dbc9b0cee75a2",
        271_200_000,
        "models.load('base')",
    ),
    _model(
        "smollm2-135m-instruct",
        "HuggingFaceTB/SmolLM2-135M-Instruct",
        "12fd25f77366fa6b3b4b768ec3050bf629380bac",
        271_200_000,
        "models.load('sft')",
    ),
    _model(
        "qwen3-0.6b-base",
        "Qwen/Qwen3-0.6B-Base",
        "da87bfb608c14b7cf20ba1ce41287e8de496c0cd",
        1_199_200_000,
        "models.load('base')",
    ),
    _model(
        "qwen3-0.6b",
        "Qwen/Qwen3-0.6B",
        "c1899de289a04d12100db370d81485cdf75e47ca",
        1_514_700_000,
        "models.load('sft')",
    ),
)
SOURCES: dict[str, Source] = {source.name: source for source in _TABLE}


def find(name: str, kind: str) -> Source:
    """Return a source by its name and kind ("documents", "instructions", "preferences", "problems" or "model").

    Raises ValueError, with the names of that kind, for another name.
    """
    names = [source.name for source in _TABLE if source.kind == kind]
    if name not in names:
        raise ValueError(f"There is no {name!r} among the {kind} of the hub: choose from {', '.join(names)}.")
    return SOURCES[name]


def part_of(source: Source, split: str) -> Part:
    """Return a split of a source; raises ValueError, with the names of its splits, for another name.

    >>> part_of(SOURCES["dolly"], "train").files
    ('databricks-dolly-15k.jsonl',)
    """
    if split not in source.parts:
        raise ValueError(f"{source.name} has no split {split!r}: choose from {', '.join(source.parts)}.")
    return source.parts[split]


def size(name: str, split: str = "") -> str:
    """Return the size of a source's download as text; by default that of its first split.

    >>> size("tinystories"), size("tinystories", "test"), size("fineweb-edu")
    ('991 MB', '10.0 MB', '28.5 GB')
    """
    count = SOURCES[name].parts[split or next(iter(SOURCES[name].parts))].size
    unit, scale = ("GB", 1e9) if count >= 1e9 else ("MB", 1e6)
    return f"{count / scale:.1f} {unit}" if count / scale < 100 else f"{count / scale:.0f} {unit}"


def needs(source: Source, split: str, reason: str) -> Unavailable:
    """Build the error for a source that is not on this machine: the reason, the size, and what to do instead."""
    amount = size(source.name, split)
    if source.streamed:
        amount = f"as much of {amount} as is read"
    if source.kind == "model":
        local = "a folder with config.json, model.safetensors and the tokenizer's files"
    else:
        local = f"a file or folder of parquet or JSON Lines with the fields {', '.join(source.fields)}"
    return Unavailable(
        f"{source.name} {reason}: with download=True it takes a network and {amount} from huggingface.co "
        f"({source.hub_id}, licence {source.licence}), and without, source=PATH takes {local}."
    )
