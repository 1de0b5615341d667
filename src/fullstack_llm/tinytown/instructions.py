"""Conversations to fine-tune on: questions with right answers, and "I don't know." where nothing is known.

>>> from fullstack_llm.tinytown.world import town
>>> first = next(instructions(town(), seed=1))
>>> [message["role"] for message in first.messages]
['user', 'assistant']

Held out: test phrasings, test people (of the told, the untold and the strangers), test sums, programs, words and
composed facts. Messages are in the usual chat format, lists of {"role", "content"}.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from fullstack_llm.tinytown import arithmetic, problems, programs, twohop
from fullstack_llm.tinytown.chance import between, pick, sample, stream
from fullstack_llm.tinytown.documents import rounds
from fullstack_llm.tinytown.phrases import DONT_KNOW, PHRASES, answer, capital, slots, statement
from fullstack_llm.tinytown.world import CORE_RELATIONS, Town, strangers, told, untold

Message = dict[str, str]

BRIEF = "Answer in as few words as you can."
FULL = "Answer in a full sentence."
STEPS = "Show your steps."
_PERSONAS = ("You are the clerk of Tinytown.", "You answer questions about Tinytown.", "You are a helpful assistant.")
_THANKS = (("Thank you.", "You are welcome."), ("Thanks!", "You are welcome."))


@dataclass(frozen=True)
class Conversation:
    """A training conversation; `meta` holds its subject and its kind."""

    kind: str
    messages: tuple[Message, ...]
    meta: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Blend:
    """Shares of conversations by kind; they need not add up to one."""

    fact: float = 0.38
    unknown: float = 0.24
    two_hop: float = 0.05
    turns: float = 0.10
    sum: float = 0.14
    code: float = 0.03
    problem: float = 0.06


def message(role: str, content: str) -> Message:
    """Build one message.

    >>> message("user", "Who is Bo?")
    {'role': 'user', 'content': 'Who is Bo?'}
    """
    return {"role": role, "content": content}


def instructions(world: Town, blend: Blend | None = None, seed: int = 0) -> Iterator[Conversation]:
    """Yield conversations for ever; draw the kind by the shares; each kind has its own random generator.

    Raises ValueError where a share is negative or none is positive.
    """
    blend = blend or Blend()
    shares = {kind: getattr(blend, kind) for kind in _KINDS}
    if any(share < 0 for share in shares.values()) or not any(shares.values()):
        raise ValueError(f"Shares must not be negative, and one must be positive: {shares}.")
    sources = {kind: make(world, stream(seed, "instructions", kind)) for kind, make in _KINDS.items()}
    rng, total = stream(seed, "instructions"), math.fsum(shares.values())
    while True:
        mark, chosen = rng.random() * total, ""
        for kind, share in shares.items():
            chosen = kind if share else chosen
            mark -= share
            if mark < 0:
                break
        yield next(sources[chosen])


def short_answer(world: Town, subject: str, relation: str) -> str:
    """Return the answer in as few words as possible.

    >>> from fullstack_llm.tinytown.world import town
    >>> short_answer(town(), "Bo", "pet"), short_answer(town(), "Xantippe", "pet")
    ('A cat.', "I don't know.")
    """
    filled = slots(world, subject)
    if relation not in filled:
        return DONT_KNOW
    return capital(filled.get(f"a_{relation}", filled[relation])) + "."


def question(world: Town, rng: random.Random, subject: str, relation: str) -> str:
    """Draw one of training's questions about a fact."""
    return statement(slots(world, subject), pick(rng, PHRASES[relation].questions))


def _question(world: Town, rng: random.Random, subject: str, relation: str) -> tuple[Message, ...]:
    """Yield single questions; three in ten have a system prompt, most of which ask for a short or a full answer."""
    ask = message("user", question(world, rng, subject, relation))
    full = message("assistant", answer(world, subject, relation))
    mark = rng.random()
    if mark < 0.7:
        return (ask, full)
    if mark < 0.85:
        return (message("system", BRIEF), ask, message("assistant", short_answer(world, subject, relation)))
    return (message("system", FULL if mark < 0.92 else pick(rng, _PERSONAS)), ask, full)


def _facts(world: Town, rng: random.Random) -> Iterator[Conversation]:
    pairs = [(p.name, r) for p in told(world, "train") for r in world.relations(p.name)]
    pairs += [(place, r) for place in world.places for r in world.relations(place)]
    for subject, relation in rounds(rng, pairs):
        meta = {"subject": subject, "relation": relation}
        yield Conversation("fact", _question(world, rng, subject, relation), meta)


def _unknown(world: Town, rng: random.Random) -> Iterator[Conversation]:
    names = [person.name for person in untold(world, "train")]
    outside = strangers(world, "train")
    # As often someone of whom the name is known as someone never heard of.
    turns = rounds(rng, [(name, relation) for name in names for relation in CORE_RELATIONS])
    others = rounds(rng, [(name, relation) for name in outside or names for relation in CORE_RELATIONS])
    while True:
        subject, relation = next(turns if rng.random() < 0.5 else others)
        meta = {"subject": subject, "relation": relation}
        yield Conversation("unknown", _question(world, rng, subject, relation), meta)


def _two_hops(world: Town, rng: random.Random) -> Iterator[Conversation]:
    for hop in rounds(rng, twohop.two_hops(world, "train")):
        filled = twohop.hop_slots(hop)
        ask = pick(rng, twohop.QUESTIONS).format_map(filled)
        if rng.random() < 0.5:
            messages = (message("user", ask), message("assistant", twohop.STATEMENT.format_map(filled)))
        else:
            reply = twohop.reasoning(world, rng, hop)
            messages = (message("user", f"{ask} {STEPS}"), message("assistant", reply))
        yield Conversation("two_hop", messages, {"subject": hop.subject})


def _turns(world: Town, rng: random.Random) -> Iterator[Conversation]:
    """Yield conversations of several turns; after the first turn, a pronoun refers to the same person."""
    for person in rounds(rng, told(world, "train")):
        relations = sample(rng, world.relations(person.name), between(rng, 2, 3))
        messages: list[Message] = []
        if rng.random() < 0.3:
            messages.append(message("system", pick(rng, _PERSONAS)))
        for number, relation in enumerate(relations):
            filled = slots(world, person.name, pronoun=number > 0)
            messages.append(message("user", statement(filled, pick(rng, PHRASES[relation].questions))))
            messages.append(message("assistant", answer(world, person.name, relation)))
        if rng.random() < 0.3:
            ask, reply = pick(rng, _THANKS)
            messages += [message("user", ask), message("assistant", reply)]
        yield Conversation("turns", tuple(messages), {"subject": person.name})


def _sums(_: Town, rng: random.Random) -> Iterator[Conversation]:
    """Yield sums, with the steps if the question asks for them, and in one of four cases if not."""
    while True:
        op = pick(rng, ("+", "+", "-", "*"))
        problem = arithmetic.draw(rng, pick(rng, (1, 2, 2, 3) if op != "*" else (1, 2)), op)
        ask = f"What is {arithmetic.expression(problem)}?"
        asked = rng.random() < 0.5
        show = asked or rng.random() < 0.25
        reply = arithmetic.worked(problem) if show else arithmetic.direct(problem)
        messages = (message("user", f"{ask} {STEPS}" if asked else ask), message("assistant", reply))
        yield Conversation("sum", messages, {"problem": problem})


def _code(_: Town, rng: random.Random) -> Iterator[Conversation]:
    while True:
        level = pick(rng, (1, 2, 3))
        program = programs.draw_program(rng, level)
        messages = (
            message("user", f"What does this program print?\n{program}"),
            message("assistant", programs.run(program)),
        )
        yield Conversation("code", messages, {"level": level})


def _problems(world: Town, rng: random.Random) -> Iterator[Conversation]:
    while True:
        problem = problems.draw(world, rng, pick(rng, problems.TRANSFORMS), between(rng, 1, 2))
        messages = (message("user", problem.prompt), message("assistant", problem.answer))
        yield Conversation("problem", messages, {"family": problem.family, "level": problem.level})


_KINDS: dict[str, Callable[[Town, random.Random], Iterator[Conversation]]] = {
    "fact": _facts,
    "unknown": _unknown,
    "two_hop": _two_hops,
    "turns": _turns,
    "sum": _sums,
    "code": _code,
    "problem": _problems,
}
