"""What the attention viewer shows: the trained model's own weights on a few lines of Tinytown, computed at the build.

`SENTENCES` are shown in this order; the sum has the form in which the model has learned to add.
"""

import base64
from pathlib import Path
from typing import Any

SENTENCES = (
    "Ada lives on Lantern Row.",
    "Ada is a teacher and Dot is a doctor. Ada lives on Lantern Row.",
    "Ada is a teacher and Dot is a doctor. Dot lives on River Row.",
    "Dot's best friend is Ada. She lives on River Row.",
    "12 + 34\n2 + 4 = 6 write 6\n1 + 3 = 4 write 4\n12 + 34 = 46",
)
BEST = 3


def attention(_: Path) -> dict[str, Any]:
    """For each sentence its tokens, the weights of every head, and the model's three best next tokens at each place.

    `maps` has a byte, 255 times the weight, for each layer, head, query and key up to the query, in base64.
    """
    import torch

    from fullstack_llm import models
    from fullstack_llm.transformer import from_llama

    llama, tokenizer = models.load("base")
    decoder = from_llama(llama)
    sentences = []
    for text in SENTENCES:
        ids = torch.tensor([[tokenizer.eos_token_id, *tokenizer(text).input_ids]])
        record: dict[str, list[Any]] = {"attention": []}
        with torch.no_grad():
            shares, best = decoder(ids, record=record)[0].softmax(-1).topk(BEST)
        seen = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool).tril()
        weights = torch.cat([layer[0][:, seen] for layer in record["attention"]])
        packed = bytes((255 * weights).round().to(torch.uint8).flatten().tolist())
        guesses = [
            [[tokenizer.decode([token]), round(100 * share)] for token, share in zip(*row, strict=True)]
            for row in zip(best.tolist(), shares.tolist(), strict=True)
        ]
        sentences.append(
            {
                "text": text,
                "tokens": [tokenizer.decode([token]) for token in ids[0].tolist()],
                "maps": base64.b64encode(packed).decode("ascii"),
                "next": guesses,
            }
        )
    return {"layers": decoder.shape.num_layers, "heads": decoder.shape.num_heads, "sentences": sentences}
