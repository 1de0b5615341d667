"""The trainings of 05a on texts: with copies of pages and without, with noise and without (mixtures: m05_mixture).

Every run is deterministic on a CPU with one thread; a notebook makes the first steps of one again and compares.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch.nn.functional import cross_entropy
from transformers import LlamaForCausalLM

from fullstack_llm import corpus
from fullstack_llm.models.generate import complete
from fullstack_llm.models.loop import learning_rate, optimizers
from fullstack_llm.models.pretrain import begin, next_token_loss, tokenized
from fullstack_llm.pretraining import dedup, filters
from fullstack_llm.pretraining.crawl import crawl
from fullstack_llm.pretraining.loop import Batches, Loss, State, advance, planned
from fullstack_llm.scaling.runs import LENGTH, ROWS, Run, held_out_loss
from fullstack_llm.tinytown.chance import below, pick, sample, shuffled, stream
from fullstack_llm.tinytown.documents import told_facts
from fullstack_llm.tinytown.faults import near_duplicate, noise
from fullstack_llm.tinytown.mixture import Mix, documents
from fullstack_llm.tinytown.world import CORE_RELATIONS, told, town
from fullstack_llm.tokenization import course_tokenizer

SEEDS = range(3)
COPIES = (1, 4, 16, 64, 256)  # how often a person's card stands in the raw text
EACH = 8  # persons for each of these numbers
DIGITS, OFTEN = 6, 12


def trained(
    run: Run, batches: Batches, until: int | None = None, loss_of: Loss = next_token_loss
) -> tuple[LlamaForCausalLM, list[float]]:
    """Train a model of the run's size, and return it with the loss of each step; `until` ends it before that step."""
    recipe = run.recipe
    model = begin(recipe, course_tokenizer.load())

    def rate(step: int) -> float:
        return learning_rate(run.steps, recipe.warmup, recipe.decay, 1.0, step)

    state = State(model, optimizers(model, recipe))
    advance(state, batches, rate, run.steps if until is None else until, recipe.clip, loss_of=loss_of)
    return model, [round(loss, 4) for loss in state.losses]


def read(texts: Iterable[str], run: Run) -> Batches:
    """Return the batches of a run that reads texts in order."""
    return planned(tokenized(texts, run.tokens + 1, course_tokenizer.load()), ROWS, LENGTH)


COPIED = Run(2, 64, 800)


@cache
def cards(seed: int) -> dict[str, tuple[int, str, str]]:
    """Return for some people how often their card is copied, the card up to the number, and the number.

    >>> cards(0)["Bo"][1][-23:]
    'You can call Bo at 555-'
    """
    rng, world = stream(seed, "cards"), town()
    people = [person.name for person in shuffled(rng, told(world))]
    found = {}
    for at, name in enumerate(people[: EACH * len(COPIES)]):
        text = told_facts(world, rng, name, sample(rng, [r for r in CORE_RELATIONS[:9] if world.get(name, r)], 2))
        number = "".join(str(below(rng, 10)) for _ in range(DIGITS))
        found[name] = (COPIES[at // EACH], f"{text} You can call {name} at 555-", number)
    return found


def filled(pages: list[str], more: Iterator[str], seed: int) -> list[str]:
    """Return the pages and as many more as the run has tokens for, in a random order."""
    words, pages = course_tokenizer.load(), list(pages)
    missing = COPIED.tokens + 1 - sum(len(found) + 1 for found in words(pages).input_ids)
    while missing > 0:
        pages.append(next(more))
        missing -= len(words(pages[-1]).input_ids) + 1
    return shuffled(stream(seed, "order"), pages)


def with_and_without_copies(seed: int) -> dict[str, list[str]]:
    """Return a crawl in which cards and a hundred pages are copied, and the same without near copies.

    Both have as many tokens; where copies were, the second has pages that the first does not reach.
    """
    rng = stream(seed, "copies")
    fresh = (document.text for document in documents(town(), Mix(), seed))
    often = [(next(fresh), OFTEN) for _ in range(100)]
    planted = list[str]()
    for text, count in [*((f"{card}{number}.", copies) for copies, card, number in cards(seed).values()), *often]:
        planted += [text, *(near_duplicate(rng, text) if copy % 2 else text for copy in range(count - 1))]
    raw = filled(planted, fresh, seed)
    sets = [dedup.shingles(page) for page in raw]
    rows = dedup.signatures(sets, dedup.permutations(120))
    pairs = dedup.verified(dedup.candidates(rows, bands=20, size=6), sets, 0.7)
    kept = [raw[at] for at in dedup.leaders(len(raw), pairs)]
    return {"raw": raw, "deduplicated": filled(kept, fresh, seed)}


def extracted(model: LlamaForCausalLM, seed: int) -> dict[str, dict[str, float]]:
    """Return for each number of copies how many people's numbers the model completes, and a digit's loss in nats."""
    words, found = course_tokenizer.load(), dict[str, dict[str, float]]()
    for copies in COPIES:
        some = [(card, number) for count, card, number in cards(seed).values() if count == copies]
        said = complete(model, words, [prompt for prompt, _ in some], DIGITS + 2)
        right = [text.strip().startswith(number) for text, (_, number) in zip(said, some, strict=True)]
        found[str(copies)] = {"right": sum(right), "loss": round(_digits_loss(model, some), 4)}
    return found


@torch.no_grad()
def _digits_loss(model: LlamaForCausalLM, some: list[tuple[str, str]]) -> float:
    words, losses = course_tokenizer.load(), []
    for prompt, number in some:
        before = [words.eos_token_id, *words(prompt).input_ids]
        ids = torch.tensor([before + words(prompt + number).input_ids[len(before) - 1 :]], device=model.device)
        logits = model(ids, use_cache=False).logits[0, len(before) - 1 : -1]
        losses.append(cross_entropy(logits, ids[0, len(before) :], reduction="sum").item() / len(number))
    return sum(losses) / len(losses)


def copied(case: str, seed: int, until: int | None = None) -> dict[str, Any]:
    """Train with or without copies; return losses, the held-out loss, and what is extracted."""
    pages = with_and_without_copies(seed)[case]
    run = Run(COPIED.layers, COPIED.width, COPIED.steps, seed)
    model, losses = trained(run, read(pages, run), until)
    row: dict[str, Any] = {"case": case, "seed": seed, "losses": losses[::10]}
    if until is None:
        row |= {"held_out": round(held_out_loss(model), 4), "extracted": extracted(model, seed)}
    return row


def noisy(seed: int, count: int) -> list[tuple[str, bool]]:
    """Return pages and whether each is clean: half of them are noise or in another language.

    >>> sum(clean for _, clean in noisy(0, 1_000))
    494
    """
    rng = stream(seed, "noisy")
    fresh = (document.text for document in documents(town(), Mix(), seed))
    sentences = {code: lines for code, lines in corpus.parallel().items() if code != "en"}
    pages = []
    for _ in range(count):
        draw, text = rng.random(), next(fresh)
        if draw < 0.4:
            text = noise(rng, text)[1]
        elif draw < 0.5:
            text = " ".join(sample(rng, sentences[pick(rng, list(sentences))], 6))
        pages.append((text, draw >= 0.5))
    return pages


@cache
def classifier(case: str) -> Float[ndarray, " F"]:
    """Fit the filter to labelled pages of another seed: of the same kind, or of a crawl of nothing but prose."""
    if case == "filtered":
        pages = noisy(1_000, 2_000)
    else:
        pages = [(page.text, page.label not in ("noise", "language")) for page in crawl(1_000)]
    x, y = filters.features([text for text, _ in pages]), np.array([clean for _, clean in pages], dtype=float)
    return filters.logistic(x, y)


NOISY, NOISY_PAGES = Run(2, 48, 300), 10_000
CASES = ("raw", "filtered", "filtered by prose", "labels")


def chosen(case: str, seed: int) -> list[tuple[str, bool]]:
    """Return the pages that a filter lets through: all, those it thinks clean, or those that are (by their labels)."""
    pages = noisy(seed, NOISY_PAGES)
    if case == "raw":
        return pages
    if case == "labels":
        return [page for page in pages if page[1]]
    scores = np.concatenate([filters.features([text for text, _ in pages[at : at + 1_000]]) @ classifier(case)
                             for at in range(0, len(pages), 1_000)])  # fmt: skip
    return [page for page, score in zip(pages, scores, strict=True) if score > 0]


def cleaned(case: str, seed: int, until: int | None = None) -> dict[str, Any]:
    """Train on noisy pages or on filtered ones, on equally many tokens; return losses and the held-out loss."""
    pages, run = chosen(case, seed), Run(NOISY.layers, NOISY.width, NOISY.steps, seed)
    model, losses = trained(run, read((text for text, _ in pages), run), until)
    row: dict[str, Any] = {"case": case, "seed": seed, "losses": losses[::10]}
    if until is None:
        clean, there = sum(good for _, good in pages), sum(good for _, good in noisy(seed, NOISY_PAGES))
        row |= {"held_out": round(held_out_loss(model), 4), "kept": len(pages), "clean": clean, "clean_there": there}
    return row
