"""Real models in place of the course's own: `(model, tokenizer)`, as `fullstack_llm.models.load` returns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from fullstack_llm.hub.rows import fetch
from fullstack_llm.hub.sources import BadData, find, needs, part_of


def load_model(
    name: str,
    source: str | Path | None = None,
    *,
    download: bool = False,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a model and its tokenizer from the folder `source`, from the hub's cache, or with `download` from the hub.

    Names: "smollm2-135m", "smollm2-135m-instruct" (Llama architecture), "qwen3-0.6b-base", "qwen3-0.6b". Code that
    comes with a model is never run, and weights are read from safetensors only. Raises ValueError for another name,
    `Unavailable` for what is not at hand, `BadData` for a folder that cannot be loaded.
    """
    chosen = find(name, "model")
    if source is None:
        paths = [fetch(chosen, "model", file, download) for file in part_of(chosen, "model").files]
        folder = paths[0].parent
    else:
        folder = Path(source)
        if not (folder / "config.json").is_file():
            raise needs(chosen, "model", f"is not in {folder}, where there is no config.json")
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, use_safetensors=True, **options)
        tokenizer = AutoTokenizer.from_pretrained(folder, **options)
    # Whatever is wrong with the files of a folder, each of three libraries says it in its own way, over many lines.
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0].rstrip(".")
        raise BadData(f"The folder {folder} does not load as a model ({type(error).__name__}: {first}).") from None
    return model.to(device).eval(), tokenizer
