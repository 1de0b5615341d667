"""Measure how the experts of a mixture specialise: by the topic of a text, or by the current token."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from fullstack_llm.tokenization import course_tokenizer
from fullstack_llm.transformer.decoder import Decoder, Record


@torch.no_grad()
def routed(model: Decoder, ids: Int[Tensor, " N"], length: int = 64) -> Int[Tensor, "L N A"]:
    """Return each token's experts in each layer, best first, for the windows of `length` tokens that are complete."""
    rows = ids[: len(ids) // length * length].view(-1, length).to(next(model.parameters()).device)
    found = []
    for some in rows.split(64):
        record: Record = {"routing": []}
        model(some, record=record)
        found.append(torch.stack([layer.topk(model.shape.num_active).indices for layer in record["routing"]]))
    return torch.cat(found, dim=1).cpu()


def shares(experts: Int[Tensor, "L N A"], labels: Sequence[str], count: int = 8) -> dict[str, list[list[float]]]:
    """Return, for each label and each layer, the share of its tokens' choices that each of `count` experts got.

    >>> shares(torch.tensor([[[0, 1], [0, 2]]]), ["digit", "letter"], count=3)
    {'digit': [[0.5, 0.5, 0.0]], 'letter': [[0.5, 0.0, 0.5]]}
    """
    found = {}
    for label in sorted(set(labels)):
        at = torch.tensor([each == label for each in labels])
        chosen = [layer[at].flatten() for layer in experts]
        found[label] = [(torch.bincount(each, minlength=count) / len(each)).tolist() for each in chosen]
    return found


def information(one: Int[Tensor, " N"], *others: Int[Tensor, " N"]) -> float:
    """Return the mutual information, in bits, between a variable and one or more other variables taken together.

    >>> coin = torch.tensor([0, 1, 0, 1])
    >>> information(coin, coin), information(coin, torch.tensor([0, 0, 1, 1]))
    (1.0, 0.0)
    """
    return round(_entropy(one) + _entropy(*others) - _entropy(one, *others), 9)


def told(
    first: Int[Tensor, "L N"], ids: Int[Tensor, " N"], kinds: Int[Tensor, " N"], classes: Int[Tensor, " N"]
) -> dict[str, list[float]]:
    """Return the bits that each label tells about a token's first expert, layer by layer.

    "token_and_chance" has the kinds shuffled among equal tokens: what these seem to tell beyond the token is chance.
    """
    chance = shuffled_within(kinds, ids)
    return {
        "expert": [information(layer, layer) for layer in first],
        "kinds": [information(layer, kinds) for layer in first],
        "classes": [information(layer, classes) for layer in first],
        "token": [information(layer, ids) for layer in first],
        "token_and_kind": [information(layer, ids, kinds) for layer in first],
        "token_and_chance": [information(layer, ids, chance) for layer in first],
    }


def codes(labels: Sequence[str]) -> Int[Tensor, " N"]:
    """Return a number for each label, the same for equal labels.

    >>> codes(["story", "code", "story"])
    tensor([1, 0, 1])
    """
    names = {label: number for number, label in enumerate(sorted(set(labels)))}
    return torch.tensor([names[label] for label in labels])


def alike(one: Int[Tensor, "L N A"], other: Int[Tensor, "L N A"]) -> list[float]:
    """Return how many bits the first expert in one model tells about that in another, layer by layer.

    The numbers that experts bear do not matter: models whose experts divide the tokens in the same way tell all.

    >>> one = torch.tensor([[[0], [0], [1], [1]]])
    >>> alike(one, 1 - one), alike(one, torch.tensor([[[0], [1], [0], [1]]]))
    ([1.0], [0.0])
    """
    return [information(a[:, 0], b[:, 0]) for a, b in zip(one, other, strict=True)]


def _entropy(*labels: Tensor) -> float:
    joint = torch.zeros_like(labels[0])
    for label in labels:
        joint = joint * (label.max() + 1) + label  # one number for all labels of a token: fifty times faster to count
    counts = joint.unique(return_counts=True)[1].double()
    return -(counts / counts.sum() * (counts / counts.sum()).log2()).sum().item()


def shuffled_within(labels: Int[Tensor, " N"], groups: Int[Tensor, " N"], seed: int = 0) -> Int[Tensor, " N"]:
    """Shuffle labels within each group, so that they depend on the group and on nothing else."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    source, target = order[groups[order].argsort(stable=True)], groups.argsort(stable=True)
    found = torch.empty_like(labels)
    found[target] = labels[source]
    return found


def classes(ids: Int[Tensor, " N"]) -> list[str]:
    """Return the class of each token; spaces and line breaks count as punctuation.

    >>> classes(torch.tensor(course_tokenizer.load()("Ada is 52.").input_ids))
    ['inside a word', 'inside a word', 'word begins', 'punctuation', 'digit', 'digit', 'punctuation']
    """
    words = course_tokenizer.load()
    names = [_class(str(words.decode([token]))) for token in range(len(words))]
    return ["special" if token in words.all_special_ids else names[token] for token in ids.tolist()]


def _class(text: str) -> str:
    if text.strip().isdigit():
        return "digit"
    if not text.strip().isalpha():
        return "punctuation"
    return "word begins" if text.startswith(" ") else "inside a word"
