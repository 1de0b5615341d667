"""Make a crawl of Tinytown in which all that is wrong is planted and labelled, so that each filter can be counted.

>>> pages = crawl(seed=0)
>>> len(pages), pages[0].label
(3171, 'noise')

Insults and telephone numbers are invented. Each kind of fault comes with cases that are hard: an order number that
looks like a telephone number, a pet that is called Noodle, a test item in other words.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from fullstack_llm import corpus
from fullstack_llm.tinytown.chance import below, between, pick, sample, shuffled, stream
from fullstack_llm.tinytown.documents import biographies
from fullstack_llm.tinytown.faults import near_duplicate, noise
from fullstack_llm.tinytown.mixture import Mix, documents
from fullstack_llm.tinytown.phrases import PHRASES, slots, statement
from fullstack_llm.tinytown.world import CORE_RELATIONS, Town, told, town

PROSE = Mix(biography=0.5, place=0, story=0.2, dialogue=0.1, quiz=0, letter=0.2, table=0, list=0, chain=0, sum_direct=0,
            sum_steps=0, code=0)  # fmt: skip
# How many pages of each label a crawl has; a chain has LINKS pages, and the directory one for everybody with a job.
PAGES = {"clean": 1800, "exact": 240, "near": 240, "noise": 300, "language": 90, "toxic": 90, "personal": 90,
         "contaminated": 60, "decoy": 60}  # fmt: skip
CHAINS, LINKS, WINDOW = 12, 10, 10
ENTRY = {*CORE_RELATIONS, "workplace"}
INSULTS = ("{name} is a noodle.", "What a turnip {name} is!", "Only a pickle would listen to {name}.",
           "{name} has the wit of a wet sock.")  # fmt: skip
PHONES = ("Call {name} at 555-{a}.", "{name} answers the telephone at 555 {a}.",
          "The number to ring is five five five, then {a}.")  # fmt: skip
MAILS = ("Write to {low}@tinytown.example.", "Write to {low} at tinytown dot example.")
NUMBERS = ("The town number of {name} is TT-{a}-{b}.",)
DECOYS = ("Order 555-{a} came by boat.", "The school owns {a} chairs and {b} pens.", "Meet at the mill @ noon.",
          "Box TT-{a} is empty.")  # fmt: skip


@dataclass(frozen=True)
class Page:
    """A page of the crawl. `label` says what was planted, `detail` how, and `family` which page it was copied from.

    Pages of one family are copies of one another, exact or near; in a chain only neighbours are.
    """

    text: str
    label: str
    family: int
    detail: str = ""


def crawl(seed: int = 0) -> list[Page]:
    """Return the pages of a crawl in a random order; a seed gives the same pages each time."""
    rng, world = stream(seed, "crawl"), town()
    fresh = (document.text for document in documents(world, PROSE, seed))
    clean = [Page(text, "clean", at) for at, text in enumerate(islice(fresh, PAGES["clean"]))]
    pages = clean + [_copy(rng, pick(rng, clean), label) for label in ("exact", "near") for _ in range(PAGES[label])]
    number = len(clean)
    for text, label, detail in _others(rng, world, fresh):
        pages.append(Page(text, label, number, detail))
        number += 1
    for chain in range(CHAINS):
        people = biographies(world, stream(seed, "crawl", "chain", str(chain)))
        sentences = [line.rstrip(".") for _ in range(8) for line in next(people).text.split(". ")]
        texts = [". ".join(sentences[at : at + WINDOW]) + "." for at in range(LINKS)]
        pages += [Page(text, "chain", number + chain, str(at)) for at, text in enumerate(texts)]
    return shuffled(rng, pages)


def _copy(rng: random.Random, page: Page, label: str) -> Page:
    return Page(page.text if label == "exact" else near_duplicate(rng, page.text), label, page.family)


def _others(rng: random.Random, world: Town, fresh: Iterator[str]) -> Iterator[tuple[str, str, str]]:
    """Yield text, label and detail of the pages that are nobody's copy."""
    for _ in range(PAGES["noise"]):
        kind, text = noise(rng, next(fresh))
        yield text, "noise", kind
    sentences = corpus.parallel()
    for _ in range(PAGES["language"]):
        code = pick(rng, [code for code in sentences if code != "en"])
        yield " ".join(sample(rng, sentences[code], between(rng, 4, 8))), "language", code
    people = told(world)
    for label, lines in (("toxic", INSULTS), ("personal", PHONES + MAILS + NUMBERS), ("decoy", DECOYS)):
        for _ in range(PAGES[label]):
            name, line = pick(rng, people).name, pick(rng, lines)
            a, b = 1000 + below(rng, 9000), 10 + below(rng, 90)
            planted = line.format(name=name, low=name.lower(), a=a, b=b)
            yield inserted(rng, next(fresh), planted), label, line
    tested = exam(world)
    for at in range(PAGES["contaminated"]):
        item = pick(rng, tested)
        question = item.question if at % 3 else item.paraphrase
        detail = "verbatim" if at % 3 else "paraphrased"
        yield inserted(rng, next(fresh), f"Q: {question} A: {item.answer}."), "contaminated", detail
    for person in people:
        if set(world.relations(person.name)) >= ENTRY:
            yield directory_entry(world, person.name), "directory", person.name


@dataclass(frozen=True)
class Item:
    """An item of the test, and a question in other words that has the same answer."""

    question: str
    answer: str
    paraphrase: str


def exam(world: Town) -> list[Item]:
    """Return the test: questions in held-out words about the people whom no training text asks about.

    >>> exam(town())[0].question
    'Which job does Sid have?'
    """
    found = []
    for person in told(world, "test"):
        filled = slots(world, person.name)
        for relation in world.relations(person.name):
            phrase = PHRASES[relation]
            question, other = (statement(filled, asked[0]) for asked in (phrase.heldout_questions, phrase.questions))
            found.append(Item(question, world.index[person.name, relation], other))
    return found


def inserted(rng: random.Random, text: str, sentence: str) -> str:
    """Put a sentence between two of a text's, or at its end."""
    parts = text.split(". ")
    place = between(rng, 1, len(parts))
    before, after = ". ".join(parts[:place]), ". ".join(parts[place:])
    return " ".join(part for part in (before.rstrip(".") + ".", sentence, after) if part)


def directory_entry(world: Town, name: str) -> str:
    """Write the page of a directory that has the same sentences for everybody who has all of `ENTRY`.

    >>> directory_entry(town(), "Ada")[:58]
    'Ada lives on Lantern Row and works at the school. Ada is a'
    """
    facts = {relation: world.index[name, relation] for relation in ENTRY}
    return (
        "{name} lives on {home} and works at {workplace}. {name} is a {job} and is {age} years old. "
        "The birthday of {name} is {birthday}. At home {name} has a {pet} whose name is {pet_name}. "
        "{name} likes {food}, {colour} coats and {hobby}. The best friend of {name} is {friend}."
    ).format(name=name, **facts)


def copies(pages: list[Page]) -> set[tuple[int, int]]:
    """Return the pairs of pages that are copies of one another by how they were made, the smaller index first."""
    families: dict[int, list[int]] = {}
    for at, page in enumerate(pages):
        families.setdefault(page.family, []).append(at)
    pairs = {(a, b) for found in families.values() for a in found for b in found if a < b}
    link = [int(page.detail) if page.label == "chain" else -1 for page in pages]
    return {(a, b) for a, b in pairs if link[a] < 0 or abs(link[a] - link[b]) == 1}
