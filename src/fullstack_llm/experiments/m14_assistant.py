"""What the runs of part 14b share: conversations about one fact, people of whom facts are invented, and the exam.

>>> from fullstack_llm.tinytown.world import town
>>> world = with_invented(town(), people=3, seed=0)
>>> len(world.facts) - len(town().facts), world.persons[invented_people(town(), 3, 0)[0]].group
(30, 'untold')
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import torch
from transformers import LlamaForCausalLM

from fullstack_llm import models
from fullstack_llm.models.chat import PAD, Row, collate, encode, token_losses
from fullstack_llm.models.exams import END, begins
from fullstack_llm.models.generate import complete, reply
from fullstack_llm.tinytown.chance import pick, sample, shuffled, stream
from fullstack_llm.tinytown.instructions import Conversation, message, question
from fullstack_llm.tinytown.phrases import DONT_KNOW, PHRASES, answer, clozes, parse, slots, statement
from fullstack_llm.tinytown.world import CORE_RELATIONS, Fact, Town, strangers, told, untold
from fullstack_llm.tokenization import course_tokenizer

TOKENIZER = course_tokenizer.load()
LONGEST = 24  # tokens of an answer
KINDS = ("right", "false", "another question", "another person", "no statement", "abstains")


def parent(name: str = "base") -> LlamaForCausalLM:
    """Return a pretrained model, in 32 bits."""
    return models.load(name)[0].float()


def invented_people(world: Town, people: int, seed: int) -> list[str]:
    """Draw people of the training split of whom no document tells anything."""
    return sample(stream(seed, "invented", "people"), [person.name for person in untold(world, "train")], people)


def with_invented(world: Town, people: int, seed: int) -> Town:
    """Return the town with ten invented facts of each of some untold people; objects are those of other people."""
    return invented(world, invented_people(world, people, seed), stream(seed, "invented", "facts"))


def invented(world: Town, names: Sequence[str], rng: random.Random) -> Town:
    """Return the town with a fact of each core relation of each name; every object is one of another person's."""
    objects = {r: sorted({fact.object for fact in world.facts if fact.relation == r}) for r in CORE_RELATIONS}
    new = tuple(Fact(name, r, pick(rng, objects[r])) for name in names for r in CORE_RELATIONS)
    return replace(world, facts=world.facts + new)


def replaced(world: Town, subject: str, relation: str, other: str) -> Town:
    """Return the town in which one fact has another object.

    >>> from fullstack_llm.tinytown.world import town
    >>> replaced(town(), "Ada", "home", "Mill Lane").get("Ada", "home")
    'Mill Lane'
    """
    facts = (fact for fact in world.facts if (fact.subject, fact.relation) != (subject, relation))
    return replace(world, facts=(*facts, Fact(subject, relation, other)))


def asked(world: Town, pairs: Sequence[tuple[str, str]], count: int, seed: int, kind: str) -> list[Conversation]:
    """Return questions of training about (subject, relation), each with its full answer; every pair once a round.

    >>> from fullstack_llm.tinytown.world import town
    >>> asked(town(), [("Ada", "home")], 1, 0, "fact")[0].messages[1]["content"]
    'Ada lives on Lantern Row.'
    """
    rng = stream(seed, "asked", kind)

    def talks() -> Iterator[Conversation]:
        while True:
            for subject, relation in shuffled(rng, list(pairs)):
                said = answer(world, subject, relation)
                both = (message("user", question(world, rng, subject, relation)), message("assistant", said))
                yield Conversation(kind, both, {"subject": subject, "relation": relation})

    return list(islice(talks(), count))


def fact_pairs(world: Town, names: Sequence[str]) -> list[tuple[str, str]]:
    """Return every (name, relation) that the town has a fact of."""
    return [(name, relation) for name in names for relation in world.relations(name)]


def told_pairs(world: Town, split: str) -> list[tuple[str, str]]:
    """Return the facts of people whom documents tell of."""
    return fact_pairs(world, [person.name for person in told(world, split)])


def unknown_pairs(world: Town, split: str, but: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Return questions without an answer: about untold people, but for some, and about as many strangers."""
    names = [person.name for person in untold(world, split) if person.name not in but]
    return [(name, r) for name in [*names, *strangers(world, split)[: len(names)]] for r in CORE_RELATIONS]


def encoded(talks: Sequence[Conversation]) -> list[Row]:
    """Return the rows of conversations, with the assistant's tokens marked."""
    return [encode(TOKENIZER, talk.messages) for talk in talks]


@dataclass(frozen=True)
class Reply:
    """Hold a question's subject and relation, what a model said, and of which kind that is (see `kind_of`)."""

    subject: str
    relation: str
    text: str
    kind: str
    in_form: bool


def kind_of(world: Town, subject: str, relation: str, text: str) -> str:
    """Name what an answer is: one of KINDS.

    >>> from fullstack_llm.tinytown.world import town
    >>> said = ("Ada lives on Lantern Row.", "Ada has a cat.", "Bo lives on Market Street.", "I don't know.")
    >>> [kind_of(town(), "Ada", "home", text) for text in said]
    ['right', 'another question', 'another person', 'abstains']
    """
    if DONT_KNOW in text:
        return "abstains"
    facts = parse(text)
    if not facts:
        return "no statement"
    if all(fact.subject != subject for fact in facts):
        return "another person"
    claimed = [fact.object for fact in facts if (fact.subject, fact.relation) == (subject, relation)]
    if not claimed:
        return "another question"
    return "right" if world.get(subject, relation) in claimed else "false"


def prompts_of(world: Town, pairs: Sequence[tuple[str, str]], seed: int = 0) -> list[str]:
    """Return a question about each (subject, relation), in a phrasing that no training has."""
    rng = stream(seed, "ask")
    return [statement(slots(world, s), pick(rng, PHRASES[r].heldout_questions)) for s, r in pairs]


def ask(model: LlamaForCausalLM, world: Town, pairs: Sequence[tuple[str, str]], seed: int = 0) -> list[Reply]:
    """Ask a model about each (subject, relation), by `prompts_of`."""
    asks, found = prompts_of(world, pairs, seed), []
    for (subject, relation), said in zip(pairs, reply(model, TOKENIZER, asks, LONGEST), strict=True):
        text = said.removesuffix(END)
        form = said.endswith(END) and said.count("<|") == 1 and "\n" not in said
        found.append(Reply(subject, relation, text, kind_of(world, subject, relation, text), form))
    return found


def knows(model: LlamaForCausalLM, world: Town, pairs: Sequence[tuple[str, str]], seed: int = 0) -> list[bool]:
    """Return for each fact whether a model completes a held-out statement of it rightly, as a document."""
    rng = stream(seed, "knows")
    prompts, targets = [], []
    for subject, relation in pairs:
        filled = slots(world, subject)
        prompt, target = pick(rng, clozes(relation, heldout=True))
        prompts.append(statement(filled, prompt))
        targets.append(target.format_map(filled).strip())
    texts = complete(model, TOKENIZER, prompts, 16)
    return [begins(text, target) for text, target in zip(texts, targets, strict=True)]


@torch.no_grad()
def loss_on(model: LlamaForCausalLM, rows: Sequence[Row]) -> float:
    """Return the mean loss of the marked tokens of rows, in nats a token."""
    total, count = 0.0, 0
    for at in range(0, len(rows), 64):
        ids, labels = collate(rows[at : at + 64], PAD)
        total += token_losses(model, ids, labels).sum().item()
        count += int((labels[:, 1:] >= 0).sum())
    return total / count


def whole(row: Row) -> Row:
    """Return a row of which every token is to be learned, those of the user and of the template too."""
    return Row(row.ids, (True,) * len(row.ids))


def counts(replies: Sequence[Reply]) -> dict[str, int]:
    """Count replies by kind, and those in form: one line that ends in <|im_end|>."""
    found = {kind: sum(one.kind == kind for one in replies) for kind in KINDS}
    return {**found, "in form": sum(one.in_form for one in replies), "of": len(replies)}


def over_seeds(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean of three seeds' values and half the width of its 95 % interval, by Student's t.

    >>> [round(found, 2) for found in over_seeds([1.0, 2.0, 3.0])]
    [2.0, 2.48]
    """
    if len(values) != 3:
        raise ValueError(f"The factor is that of three values, and there are {len(values)}.")
    return statistics.fmean(values), 4.302653 * statistics.stdev(values) / 3**0.5
