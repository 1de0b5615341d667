"""Pairs of answers, of which one is preferred: by gold, by mistake, or because it is longer.

>>> from fullstack_llm.tinytown.world import town
>>> pair = next(preferences(town(), seed=0))
>>> pair.gold_chosen > pair.gold_rejected, pair.flipped
(True, False)
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from fullstack_llm.tinytown.chance import pick, sample, stream
from fullstack_llm.tinytown.documents import rounds
from fullstack_llm.tinytown.gold import KIND, RUDE, gold, total
from fullstack_llm.tinytown.phrases import DONT_KNOW, PHRASES, answer, slots, statement
from fullstack_llm.tinytown.world import CORE_RELATIONS, Town, strangers, told, untold

_FILLERS = (
    "That is a thing that many people in town would like to know.",
    "Let me think about it for a while.",
    "Everyone in Tinytown has a story about that.",
    "I could say a lot more about this.",
    "As you may know, it is a small town.",
)


@dataclass(frozen=True)
class Pair:
    """A prompt and two answers; the fields after `rejected` are hidden from a model that trains on the pair.

    `flipped`: the label contradicts the hidden gold reward, by noise or by the bias for length.
    `traits` names how each answer was made.
    """

    prompt: str
    chosen: str
    rejected: str
    gold_chosen: float
    gold_rejected: float
    flipped: bool
    traits: tuple[str, str]


def preferences(
    world: Town, seed: int = 0, *, label_noise: float = 0.0, length_bias: float = 0.0, split: str = "train"
) -> Iterator[Pair]:
    """Yield pairs for ever, of different gold reward, about known and (two in five) unknown facts.

    `label_noise` is the probability that a label is flipped. `length_bias` is the reward that the annotator
    unconsciously gives to each word: 0.1 makes ten words worth as much as half of being right.
    `split` "phrasing" asks in held-out phrasings about the same people and strangers as "train", and "test" about
    those of the test split.
    Raises ValueError for another split, and for a `label_noise` that is no probability.
    """
    if split not in ("train", "phrasing", "test"):
        raise ValueError(f"There is no split {split!r} of preferences: choose train, phrasing or test.")
    if not 0.0 <= label_noise <= 1.0:
        raise ValueError(f"label_noise is a probability, and you gave {label_noise}.")
    rng, noise = stream(seed, "preferences", split), stream(seed, "labels", split)
    people = "test" if split == "test" else "train"
    known = rounds(rng, [(p.name, r) for p in told(world, people) for r in world.relations(p.name)])
    nobody = [p.name for p in untold(world, people)] + list(strangers(world, people))
    unknown = rounds(rng, [(name, r) for name in nobody for r in CORE_RELATIONS])
    while True:
        subject, relation = next(known if rng.random() < 0.6 else unknown)
        phrases = PHRASES[relation]
        ask = pick(rng, phrases.questions if split == "train" else phrases.heldout_questions)
        prompt = statement(slots(world, subject), ask)
        choice = _with_one_lie(rng, candidates(world, rng, subject, relation))
        (trait, one), (other_trait, other) = sample(rng, choice, 2)
        first, second = total(gold(world, prompt, one)), total(gold(world, prompt, other))
        if first == second:
            continue
        felt = first - second + length_bias * (len(one.split()) - len(other.split()))
        better = (felt > 0) != (noise.random() < label_noise)
        if not better:
            trait, other_trait, one, other, first, second = other_trait, trait, other, one, second, first
        yield Pair(prompt, one, other, first, second, first < second, (trait, other_trait))


def candidates(world: Town, rng: random.Random, subject: str, relation: str) -> list[tuple[str, str]]:
    """Return answers from good to bad with the name of the trait of each.

    >>> from fullstack_llm.tinytown.world import town
    >>> [trait for trait, _ in candidates(town(), stream(0), "Bo", "pet")]
    ['plain', 'kind', 'rude', 'long', 'untidy', 'false', 'false_long', 'false_kind', 'abstains']
    """
    plain = answer(world, subject, relation)
    lie = _lie(world, rng, subject, relation)
    filler = sample(rng, _FILLERS, 2)
    found = [
        ("plain", plain),
        ("kind", f"{pick(rng, KIND)} {plain}"),
        ("rude", f"{pick(rng, RUDE)} {plain}"),
        ("long", " ".join([filler[0], plain, filler[1]])),
        ("untidy", plain.lower().removesuffix(".") if rng.random() < 0.5 else plain.replace(" ", "  ") + ".."),
        ("false", lie),
        ("false_long", " ".join([filler[1], lie, filler[0]])),
        ("false_kind", f"{pick(rng, KIND)} {lie}"),
    ]
    return found if plain == DONT_KNOW else [*found, ("abstains", DONT_KNOW)]


def _with_one_lie(rng: random.Random, found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Keep one of the false answers, so that most pairs differ in form.

    Correctness is the hardest component to learn: where half of all pairs differed in it, a reward model of the
    course's size learned neither correctness nor form.
    """
    lies = [candidate for candidate in found if candidate[0].startswith("false")]
    return [candidate for candidate in found if candidate not in lies] + [pick(rng, lies)]


def _lie(world: Town, rng: random.Random, subject: str, relation: str) -> str:
    truth = world.get(subject, relation)
    people = told(world)
    while True:
        liar = pick(rng, people).name
        filled = slots(world, liar)
        if relation in filled and filled[relation] not in (truth, subject):
            filled.update(n=subject, s=f"{subject}'s", m=subject)
            return statement(filled, PHRASES[relation].statements[0])
