"""Real data and real models, by explicit choice: the same item types as Tinytown's, from the Hugging Face Hub.

| file | what it holds |
| --- | --- |
| `sources` | the table: hub id, revision, licence, size, fields, and what each is the counterpart of |
| `rows` | rows of parquet and JSON Lines, from files or from the hub |
| `items` | rows as documents, conversations, pairs and problems |
| `models` | SmolLM2 and Qwen3 as `(model, tokenizer)` |

Nothing is downloaded unless a call says `download=True`; your own files are read with `source=PATH`. The package needs
huggingface_hub and, for parquet, pyarrow.

>>> [source.name for source in SOURCES.values() if source.kind == "documents"]
['tinystories', 'fineweb-edu']
>>> next(load_documents("tinystory"))
Traceback (most recent call last):
ValueError: There is no 'tinystory' among the documents of the hub: choose from tinystories, fineweb-edu.
"""

from fullstack_llm.hub.items import (
    WorkedProblem,
    load_documents,
    load_instructions,
    load_preferences,
    load_problems,
)
from fullstack_llm.hub.models import load_model
from fullstack_llm.hub.sources import SOURCES, BadData, Source, Unavailable

__all__ = [
    "SOURCES",
    "BadData",
    "Source",
    "Unavailable",
    "WorkedProblem",
    "load_documents",
    "load_instructions",
    "load_model",
    "load_preferences",
    "load_problems",
]
