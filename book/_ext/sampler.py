"""What the sampler interactive shows: the trained model's logits for the next token after a few beginnings."""

from pathlib import Path
from typing import Any

PROMPTS = (
    "Ada lives on Lantern Row. Ada",
    "Ada lives on",
    "Zed keeps a",
    "At night",
    "The",
    "12 + 34\n2 + 4 =",
)
FILES = ("src/fullstack_llm/data/models/base/card.json",)


def logits(_: Path) -> dict[str, Any]:
    """Return the vocabulary, and for each beginning a logit for each of its tokens, to three decimals."""
    import torch

    from fullstack_llm import models

    model, tokenizer = models.load("base")
    prompts = []
    for text in PROMPTS:
        ids = torch.tensor([[tokenizer.eos_token_id, *tokenizer(text).input_ids]])
        with torch.inference_mode():
            row = model(ids).logits[0, -1]
        # Only gaps between logits count; from the likeliest down they are short to write.
        prompts.append({"text": text, "logits": [round(gap, 3) for gap in (row - row.max()).tolist()]})
    return {"tokens": [readable(tokenizer.decode([at])) for at in range(len(tokenizer))], "prompts": prompts}


def readable(token: str) -> str:
    """Return a token with a sign for what has no width: an open box for a space, an arrow for a line break.

    >>> readable(" Ada"), readable("\\n"), readable("\\ufffd")
    ('␣Ada', '↵', '·')
    """
    shown = token.replace(" ", "␣").replace("\n", "↵").replace("\t", "⇥")
    return "".join(c if c.isprintable() and c != "\ufffd" else "·" for c in shown)
