"""The shapes that the calculator begins with: the course's own, and published ones as their configurations have them.

Each was read from the model's `config.json`; the totals that `transformer.count` finds for them are the published ones.
"""

from pathlib import Path
from typing import Any

SIZES = ("vocab_size", "hidden_size", "intermediate_size", "num_layers", "num_heads", "num_kv_heads")
PUBLISHED: dict[str, tuple[int, ...]] = {
    "Llama 2 7B": (32_000, 4_096, 11_008, 32, 32, 32),
    "Llama 2 70B": (32_000, 8_192, 28_672, 80, 64, 8),
    "Llama 3 8B": (128_256, 4_096, 14_336, 32, 32, 8),
    "Mixtral 8x7B": (32_000, 4_096, 14_336, 32, 32, 8),
}
MORE = {"Mixtral 8x7B": {"num_experts": 8, "num_active": 2}}


def shapes(_: Path) -> dict[str, Any]:
    """Names and sizes, in the words of `transformer.Shape`; the course's own come from their recipes."""
    from fullstack_llm import models
    from fullstack_llm.tokenization import course_tokenizer

    found, vocab_size = {}, len(course_tokenizer.load())
    for name in ("base", "larger"):
        card = models.card(name)
        recipe = card.recipe
        sizes = (vocab_size, recipe["width"], recipe["inner"], recipe["layers"], recipe["heads"], recipe["kv_heads"])
        found[f"the course's {name}"] = {**dict(zip(SIZES, sizes, strict=True)), "tied": True}
    for name, published in PUBLISHED.items():
        found[name] = {**dict(zip(SIZES, published, strict=True)), "tied": False, **MORE.get(name, {})}
    return {"shapes": found}
