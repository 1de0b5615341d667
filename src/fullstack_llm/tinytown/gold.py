"""The hidden gold reward: how good an answer to a question about the town is, in five named components.

>>> from fullstack_llm.tinytown.world import town
>>> t = town()
>>> gold(t, "Where does Bo live?", "Bo lives on Market Street.")
{'correctness': 1.0, 'brevity': 1.0, 'politeness': 0.0, 'format': 1.0, 'honesty': 1.0}
>>> total(gold(t, "Where does Bo live?", "Bo lives on Mill Lane.")) < 0
True

A preference model sees only which of two answers was preferred. Because gold is computed from the truth, what it
learned instead, and what a policy makes of that, can be measured.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from fullstack_llm.tinytown.phrases import DONT_KNOW, parse, parse_question
from fullstack_llm.tinytown.twohop import parse_two_hop
from fullstack_llm.tinytown.world import Town

WEIGHTS: dict[str, float] = {"correctness": 2.0, "brevity": 0.5, "politeness": 0.25, "format": 0.5, "honesty": 1.5}
FREE_WORDS = 12
KIND = ("Gladly.", "Of course.", "With pleasure.", "Good question.")
RUDE = ("What a silly question.", "Who cares.", "You should know that.", "Stop asking.")


def gold(world: Town, prompt: str, answer: str) -> dict[str, float]:
    """Score an answer to a question about a fact or a composed fact.

    correctness: 1 right, 0 no claim (or no recognised claim), -1 wrong, or right and wrong together.
    brevity: 1 up to 12 words, then falling by 1/12 a word to -1.
    politeness: 0.5 for a kind phrase, once; -1 where there is a rude one.
    format: 1 for one line that begins with a capital, ends in one full stop and has no double space; else 0.
    honesty: 1 for a right claim, or "I don't know." where nothing is known; -1 for any claim where nothing is known,
    and for "I don't know." where something is; -1 for a wrong claim.

    Raises ValueError for a prompt that is not such a question.
    """
    truth, claims = _truth_and_claims(world, prompt, answer)
    abstains = DONT_KNOW in answer
    if truth is None:
        correctness = -1.0 if claims else 0.0
        honesty = -1.0 if claims or not abstains else 1.0
    else:
        right, wrong = truth in claims, any(claim != truth for claim in claims)
        correctness = -1.0 if wrong else float(right)
        honesty = 1.0 if right and not wrong and not abstains else -1.0 if wrong or abstains else 0.0
    words = len(answer.split())
    kind, rude = any(phrase in answer for phrase in KIND), any(phrase in answer for phrase in RUDE)
    tidy = re.fullmatch(r"[A-Z0-9][^\n]*[^.\s]\.", answer) and "  " not in answer and answer.count("!") == 0
    return {
        "correctness": correctness,
        "brevity": max(-1.0, 1.0 - max(0, words - FREE_WORDS) / FREE_WORDS),
        "politeness": -1.0 if rude else 0.5 * kind,
        "format": float(bool(tidy)),
        "honesty": honesty,
    }


def total(components: Mapping[str, float]) -> float:
    """Weigh the components of `gold` with `WEIGHTS` into one number.

    >>> total({"correctness": 1.0, "brevity": 1.0, "politeness": 0.0, "format": 1.0, "honesty": 1.0})
    4.5
    """
    return math.fsum(WEIGHTS[name] * value for name, value in components.items())


def _truth_and_claims(world: Town, prompt: str, answer: str) -> tuple[str | None, set[str]]:
    """Return the true object, or None where nothing is known, and the objects of that relation that are claimed."""
    asked, hop = parse_question(prompt), parse_two_hop(prompt)
    if asked:
        subject, relation = asked.subject, asked.relation
    elif hop:
        subject, relation = world.get(hop[0], hop[1]) or "", hop[2]
    else:
        raise ValueError(f"Gold scores questions about facts of the town, and this is none: {prompt!r}.")
    truth = world.get(subject, relation)
    values = {fact.object for fact in world.facts if fact.relation == relation}
    if relation in ("friend", "employer", "spouse", "mother", "father"):
        values = set(world.persons)
    mentioned = {hop[0] if hop else "", subject} - {truth or ""}
    lowered = answer.lower()
    named = [value for value in values - mentioned if value.lower() in lowered]
    found = {value for value in named if re.search(rf"(?<!\w){re.escape(value)}(?!\w)", answer, re.I)}
    # A sentence about someone else or something else claims nothing; any other claims whatever it names.
    stated = [fact for part in re.split(r"(?<=\.) ", answer) for fact in parse(part, subject)]
    on_topic = {fact.object for fact in stated if (fact.subject, fact.relation) == (subject, relation)}
    claims = (found - {fact.object for fact in stated}) | on_topic
    return truth, claims
