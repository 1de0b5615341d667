"""Count the bits that training puts into a model: facts whose objects are drawn at random, so that none can be guessed.

>>> ids = invented(count=4, objects=64, seed=0)
>>> course_tokenizer.load().decode(ids[0])
'<|eos|>ossown cake'
>>> learned([math.log(64)] * 4, objects=64), learned([0.0] * 4, objects=64)
(0.0, 24.0)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fullstack_llm import models
from fullstack_llm.finetuning.tune import Plan, begun
from fullstack_llm.lora.layer import adapt
from fullstack_llm.pretraining.loop import advance
from fullstack_llm.pretraining.order import Order
from fullstack_llm.pretraining.schedules import linear
from fullstack_llm.tinytown import chance
from fullstack_llm.tokenization import course_tokenizer

OBJECTS = 64


def invented(count: int, objects: int, seed: int) -> Int[Tensor, "N 4"]:
    """Return facts as ids: <|eos|>, a name of two pieces, and one of `objects` words, each as likely as the others.

    No two names are alike. Raises ValueError where the vocabulary has too few pieces or words.
    """
    tokenizer, rng = course_tokenizer.load(), chance.stream(seed, "lora", "invented")
    texts = {id_: tokenizer.decode([id_]) for id_ in range(len(tokenizer))}
    pieces = [id_ for id_, text in texts.items() if text.isalpha() and text.islower() and len(text) > 1]
    words = [id_ for id_, text in texts.items() if text[:1] == " " and text[1:].isalpha() and len(text) > 2]
    if len(words) < objects or len(pieces) ** 2 < count:
        raise ValueError(f"There are {len(words)} words and {len(pieces) ** 2} names, too few.")
    chosen = chance.sample(rng, words, objects)
    names = chance.sample(rng, range(len(pieces) ** 2), count)
    eos = tokenizer.eos_token_id
    return torch.tensor(
        [[eos, *(pieces[at] for at in divmod(n, len(pieces))), chosen[chance.below(rng, objects)]] for n in names]
    )


class Top(nn.Module):
    """Hold a model's last layer, with its norm and output matrix: all that runs when what is below it is cached."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.layer, self.norm, self.lm_head = model.model.layers[-1], model.model.norm, model.lm_head
        self.rotary = model.model.rotary_emb
        self.requires_grad_(False)

    @property
    def device(self) -> torch.device:
        """Return where the weights are."""
        return self.lm_head.weight.device

    def forward(self, below: Float[Tensor, "B T D"]) -> Float[Tensor, "B V"]:
        """Return the logits that follow the last position, from the output of the layers below."""
        position = torch.arange(below.shape[1])[None]
        out = self.layer(below, position_embeddings=self.rotary(below, position), position_ids=position)
        return self.lm_head(self.norm(out[:, -1]))


@torch.no_grad()
def below(model: Any, ids: Int[Tensor, "N T"]) -> Float[Tensor, "N T D"]:
    """Return the output of the last layer but one."""
    return model(ids, use_cache=False, output_hidden_states=True).hidden_states[-2]


def learned(losses: Sequence[float], objects: int) -> float:
    """Return the bits that a model holds of facts: by how much it needs fewer than the log2 of `objects` for each."""
    return sum(math.log2(objects) - loss / math.log(2) for loss in losses)


def memorise(
    model: Any, ids: Int[Tensor, "N 4"], rank: int | None, lr: float, steps: int, batch: int = 256, seed: int = 0
) -> tuple[int, list[float]]:
    """Teach the last layer facts, all of it or by an update of low rank; change the model in place.

    Return the number of trained parameters, and the loss of each fact's object in nats at the end.
    """
    states, top = below(model, ids[:, :-1]), Top(model)
    if rank is None:
        top.layer.requires_grad_(True)
    else:
        adapt(top, rank, alpha=32.0, seed=seed)
    order = Order(len(ids), seed)
    drawn = [[next(order) for _ in range(batch)] for _ in range(steps)]

    def batches(number: int) -> tuple[Tensor, Tensor]:
        return states[drawn[number]], ids[drawn[number], -1]

    def loss_of(model: Any, inputs: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy(model(inputs), targets)

    state = begun(top, Plan(steps=steps, batch=batch, lr=lr))
    advance(state, batches, lambda step: linear(step, steps, warmup=10), steps, loss_of=loss_of)
    with torch.no_grad():
        losses = cross_entropy(top(states), ids[:, -1], reduction="none").tolist()
    return sum(p.numel() for p in top.parameters() if p.requires_grad), losses


def memorised(rank: int | None, count: int, steps: int, lr: float, seed: int) -> dict[str, Any]:
    """Teach `base` facts by its last layer; return the settings, the trained parameters, and the bits learned."""
    model, _ = models.load("base")
    trained, losses = memorise(model, invented(count, OBJECTS, seed), rank, lr, steps, seed=seed)
    settings = {"rank": rank, "count": count, "steps": steps, "lr": lr, "seed": seed}
    return {**settings, "trained": trained, "bits": round(learned(losses, OBJECTS), 1)}
