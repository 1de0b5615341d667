"""The shapes that the KV calculator begins with: the course's own, and published ones, as the package has them."""

from pathlib import Path
from typing import Any

FILES = ("src/fullstack_llm/data/models/base/card.json", "src/fullstack_llm/decoding/kv_bytes.py")


def caches(_: Path) -> dict[str, Any]:
    """Return what the layers of each model keep, those with a window and those without counted apart."""
    from fullstack_llm import models
    from fullstack_llm.decoding.kv_bytes import MODELS, Layers

    recipe = models.card("base").recipe
    dim = recipe["width"] // recipe["heads"]
    own = [Layers(recipe["layers"], recipe["heads"], recipe["kv_heads"], dim)]
    return {"models": {name: fields(layers) for name, layers in {**MODELS, "the course's base": own}.items()}}


def fields(layers: Any) -> dict[str, int]:
    """Return the fields of the calculator; all layers have the same heads."""
    first, windows = layers[0], [one for one in layers if one.window]
    assert len({(one.heads, one.kv_heads, one.dim, one.latent, one.rotated) for one in layers}) == 1
    return {
        "full": sum(one.count for one in layers if not one.window),
        "windowed": sum(one.count for one in windows),
        "window": windows[0].window if windows else 4096,
        "heads": first.heads,
        "kv_heads": first.kv_heads,
        "dim": first.dim,
        "latent": first.latent,
        "rotated": first.rotated,
    }
