"""Search texts for held-out material, to test the splits and to measure contamination.

>>> from fullstack_llm.tinytown.world import town
>>> find_leaks(town(), "Q: Which street does Bo live on?\\nA: Market Street.")
['held-out phrasing: Which street does Bo live on?']
>>> find_leaks(town(), "Q: Where does Bo live?\\nA: Market Street. 38 + 48 = 86")
[]
"""

from __future__ import annotations

import re

from fullstack_llm.tinytown import arithmetic, programs, twohop
from fullstack_llm.tinytown.phrases import heldout_patterns, parse, parse_question
from fullstack_llm.tinytown.world import Town, strangers, told, untold

_PROGRAM = re.compile(r"program(?: print\?)?\n((?:(?:[a-z] = |repeat |if |print | +).*(?:\n|$))+)")
_SENTENCE = re.compile(r"(?<=[.?!])\s+|\n")


def find_leaks(world: Town, text: str) -> list[str]:
    """Return the held-out passages in a text, each with its kind; [] for a text that may be trained on.

    Kinds: held-out phrasing; question about someone of the test split; fact about a person without told facts;
    test sum; test program; composed fact of the test split.
    """
    found = [f"held-out phrasing: {match[0]}" for pattern in heldout_patterns() for match in pattern.finditer(text)]
    quiet = {person.name for person in told(world, "test")}
    quiet |= {person.name for person in untold(world, "test")} | set(strangers(world, "test"))
    nameless = {person.name for person in untold(world)} | set(world.strangers)
    composed = {(hop.subject, hop.first, hop.second) for hop in twohop.two_hops(world, "test")}
    for sentence in dict.fromkeys(_SENTENCE.split(text)):
        names = set(re.findall(r"[A-Z][a-z]+", sentence))
        plain = re.sub(r"^(?:[A-Z][a-z]*|user): ", "", sentence)
        if sentence.endswith("?") and names & quiet:
            asked = parse_question(plain)
            if asked and asked.subject in quiet:
                found.append(f"question about someone of the test split: {sentence}")
        if names & nameless and any(fact.subject in nameless for fact in parse(plain)):
            found.append(f"fact about someone of whom nothing is told: {sentence}")
        if " of " in sentence and twohop.parse_two_hop(plain) in composed:
            found.append(f"composed fact of the test split: {sentence}")
    found += [f"test sum: {s.a} {s.op} {s.b}" for s in arithmetic.find_sums(text) if arithmetic.is_test(s)]
    for match in _PROGRAM.finditer(text):
        program = match[1].rstrip("\n")
        if programs.is_test(program):
            found.append(f"test program: {program!r}")
    return found
