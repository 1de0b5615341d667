"""Faults of real corpora, made on purpose: near duplicates and texts of low quality.

>>> from fullstack_llm.tinytown.chance import stream
>>> noise(stream(3), "Bo is a baker.")[0] in NOISES
True
"""

from __future__ import annotations

import random

from fullstack_llm.tinytown.chance import below, between, pick, shuffled

NOISES = ("shuffled", "repeated", "garbled", "cut", "boilerplate")
_BOILERPLATE = (
    "Click here to read more.",
    "Accept all cookies.",
    "Share this page with your friends!",
    "BUY NOW, only 9 coins!!!",
    "All rights reserved.",
    "Page 1 of 2 | Home | Contact | Login",
    "You must be logged in to write a comment.",
)
_HEADINGS = ("From the Town Book.", "Copied by the clerk.", "Read this.", "As told at the market.", "Once more.")


def near_duplicate(rng: random.Random, text: str) -> str:
    """Change a text slightly and keep it true: add a heading or a last line, change the end, or remove a sentence.

    >>> from fullstack_llm.tinytown.chance import stream
    >>> near_duplicate(stream(0), "Bo is a baker.") != "Bo is a baker."
    True
    """
    kind = below(rng, 4)
    sentences = text.split(". ")
    if kind == 0 and len(sentences) > 3:
        return ". ".join(sentences[:-1]) + "."
    if kind == 1:
        return f"{text}\n{pick(rng, _HEADINGS)}"
    if kind == 2 and text.endswith("."):
        return text[:-1] + " !"
    return f"{pick(rng, _HEADINGS)}\n{text}"


def noise(rng: random.Random, text: str) -> tuple[str, str]:
    """Return the name of a fault and a text that has it.

    shuffled: words in random order; repeated: one sentence again and again; garbled: one letter in five is another;
    cut: begins and ends in the middle of a word; boilerplate: the menus and notices around texts on web pages.
    """
    kind = pick(rng, NOISES)
    if kind == "shuffled":
        return kind, " ".join(shuffled(rng, text.split()))
    if kind == "repeated":
        return kind, " ".join([text.split(". ")[0].rstrip(".") + "."] * between(rng, 4, 9))
    if kind == "garbled":
        letters = "abcdefghijklmnopqrstuvwxyz"
        return kind, "".join(pick(rng, letters) if c.isalpha() and rng.random() < 0.2 else c for c in text)
    if kind == "cut":
        return kind, text[len(text) // 5 + 1 : len(text) * 3 // 4]
    return kind, " ".join(shuffled(rng, _BOILERPLATE)[: between(rng, 2, 5)])
