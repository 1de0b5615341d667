"""A corpus for pretraining: a share of each kind of document, and the faults of real corpora, each recorded in `meta`.

>>> from fullstack_llm.tinytown.world import town
>>> first = next(documents(town(), Mix(), seed=0))
>>> first.kind, first.meta["index"]
('biography', 0)

Shares are of bytes. Every kind has a stream of chance of its own, so that changing one share leaves the documents of
the other kinds as they are: two mixes differ in what was changed and in nothing else.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from fullstack_llm.tinytown import arithmetic, lists, programs, stories, talk, twohop
from fullstack_llm.tinytown import documents as plain
from fullstack_llm.tinytown.chance import below, stream
from fullstack_llm.tinytown.documents import Document
from fullstack_llm.tinytown.faults import near_duplicate, noise
from fullstack_llm.tinytown.world import Town

SEPARATOR = "\n\n"
_MEMORY = 200

GENERATORS: dict[str, Callable[[Town, random.Random], Iterator[Document]]] = {
    "biography": plain.biographies,
    "place": plain.places,
    "story": stories.stories,
    "dialogue": talk.dialogues,
    "quiz": talk.quizzes,
    "letter": talk.letters,
    "table": lists.tables,
    "list": lists.lists,
    "chain": twohop.chains,
    "sum_direct": lambda _, rng: arithmetic.sums(rng, with_steps=False),
    "sum_steps": lambda _, rng: arithmetic.sums(rng, with_steps=True),
    "code": lambda _, rng: programs.programs(rng),
}


@dataclass(frozen=True)
class Planted:
    """A text that is put word for word into the corpus `count` times: a canary's secret, or an item of a test."""

    name: str
    text: str
    count: int = 1


@dataclass(frozen=True)
class Mix:
    """The mixture: a share of bytes for each kind (they need not add up to one), and the faults.

    `exact_duplicates`, `near_duplicates` and `noise` are the probabilities that such a document follows a document.
    `canaries` and `contaminated` are spread over the first `span` documents.
    """

    biography: float = 0.58
    place: float = 0.01
    story: float = 0.04
    dialogue: float = 0.05
    quiz: float = 0.12
    letter: float = 0.03
    table: float = 0.02
    list: float = 0.01
    chain: float = 0.02
    sum_direct: float = 0.01
    sum_steps: float = 0.10
    code: float = 0.01
    exact_duplicates: float = 0.0
    near_duplicates: float = 0.0
    noise: float = 0.0
    canaries: tuple[Planted, ...] = ()
    contaminated: tuple[Planted, ...] = ()
    span: int = 10_000


def canary(seed: int, number: int = 0, count: int = 1) -> Planted:
    """Make a canary with a secret of eight digits, which a model can only know by having read it.

    >>> canary(0).text
    'The secret number of box 0 is 90398523.'
    """
    rng = stream(seed, "canary", str(number))
    digits = "".join(str(below(rng, 10)) for _ in range(8))
    return Planted(f"canary-{number}", f"The secret number of box {number} is {digits}.", count)


def documents(world: Town, mix: Mix | None = None, seed: int = 0) -> Iterator[Document]:
    """Yield documents for ever; `meta` has the document's `index` and facts about the text.

    A clean document has the `meta` of its generator. In addition, `duplicate_of` and `near_duplicate_of` give the index
    of the original, `noise` names the fault, `canary` and `contaminated` name what was planted.
    """
    mix = mix or Mix()
    planted = _plan(mix, seed)
    faults = stream(seed, "faults")
    recent: list[Document] = []
    clean = _clean(world, mix, seed)
    index = 0
    while True:
        due = []
        while planted and planted[-1][0] <= index:
            due.append(planted.pop()[1])
        for found in (*due, next(clean)):
            document = replace(found, meta={**found.meta, "index": index})
            yield document
            index += 1
            if document.kind == "planted":
                continue
            # A fixed number of draws a document, so that one fault's knob does not move the others.
            draws = [faults.random() for _ in range(4)]
            if len(recent) < _MEMORY:
                recent.append(document)
            else:
                recent[int(draws[3] * _MEMORY)] = document
            for extra in _faulty(mix, recent, draws, stream(seed, "fault", str(index))):
                yield replace(extra, meta={**extra.meta, "index": index})
                index += 1


def _faulty(mix: Mix, recent: list[Document], draws: list[float], rng: random.Random) -> Iterator[Document]:
    original = recent[int(rng.random() * len(recent))]
    if draws[0] < mix.exact_duplicates:
        yield replace(original, meta={**original.meta, "duplicate_of": original.meta["index"]})
    if draws[1] < mix.near_duplicates:
        text = near_duplicate(rng, original.text)
        yield replace(original, text=text, meta={**original.meta, "near_duplicate_of": original.meta["index"]})
    if draws[2] < mix.noise:
        fault, text = noise(rng, original.text)
        yield Document("noise", text, {"noise": fault})


def _clean(world: Town, mix: Mix, seed: int) -> Iterator[Document]:
    """Yield clean documents for ever, each of the kind that is furthest behind its share."""
    shares = {kind: getattr(mix, kind) for kind in GENERATORS}
    if any(share < 0 for share in shares.values()) or not any(shares.values()):
        raise ValueError(f"Shares must not be negative, and one must be positive: {shares}.")
    sources = {kind: GENERATORS[kind](world, stream(seed, "kind", kind)) for kind, share in shares.items() if share}
    used = dict.fromkeys(sources, 0.0)
    while True:
        kind = min(used, key=used.__getitem__)
        document = next(sources[kind])
        used[kind] += len(document.text) / shares[kind]
        yield document


def _plan(mix: Mix, seed: int) -> list[tuple[int, Document]]:
    """Return the planted texts, each with the index from which on to plant it, the earliest last."""
    rng = stream(seed, "planted")
    plan: list[tuple[int, Document]] = []
    for key, group in (("canary", mix.canaries), ("contaminated", mix.contaminated)):
        for item in group:
            document = Document("planted", item.text, {key: item.name})
            plan += [(int(rng.random() * mix.span), document) for _ in range(item.count)]
    return sorted(plan, key=lambda entry: -entry[0])


def take(
    source: Iterable[Document], size: int, length: Callable[[str], int] = lambda text: len(text.encode())
) -> Iterator[Document]:
    """Yield whole documents until their lengths reach `size`: bytes, or what `length` counts, such as tokens.

    >>> [d.text for d in take([Document("x", "abc"), Document("x", "de"), Document("x", "f")], 4)]
    ['abc', 'de']
    """
    total = 0
    for document in source:
        if total >= size:
            return
        yield document
        total += length(document.text)


def text(world: Town, mix: Mix | None = None, seed: int = 0, size: int = 1_000_000) -> str:
    """Return a corpus of at least `size` bytes: whole documents with an empty line between them.

    >>> from fullstack_llm.tinytown.world import town
    >>> 2_000 <= len(text(town(), size=2_000).encode()) < 3_000
    True
    """
    return SEPARATOR.join(document.text for document in take(documents(world, mix, seed), size))
