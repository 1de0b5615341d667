"""Write facts as sentences and questions, and read sentences and questions back.

>>> from fullstack_llm.tinytown.world import town
>>> statement(slots(town(), "Bo"), "{s} {pet} is called {pet_name}.")
"Bo's cat is called Crumb."
>>> parse("His cat is called Crumb.", subject="Bo")
(Fact(subject='Bo', relation='pet', object='cat'), Fact(subject='Bo', relation='pet_name', object='Crumb'))
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from fullstack_llm.tinytown import lore
from fullstack_llm.tinytown.templates import PEOPLE, Phrases
from fullstack_llm.tinytown.templates_ties import PLACES, TIES
from fullstack_llm.tinytown.world import Fact, Town

PHRASES: dict[str, Phrases] = {**PEOPLE, **TIES, **PLACES}
DONT_KNOW = "I don't know."

_PRONOUNS = {"f": ("she", "her", "her"), "m": ("he", "his", "him"), "n": ("it", "its", "it")}
_ARTICLES = ("job", "pet")
_OBJECTS: dict[str, tuple[str, ...]] = {
    "job": (*lore.JOBS, *lore.RESERVED_JOBS),
    "home": lore.STREETS,
    "street": lore.STREETS,
    "pet": lore.PETS,
    "food": lore.FOODS,
    "colour": lore.COLOURS,
    "door": lore.COLOURS,
    "hobby": lore.HOBBIES,
    "workplace": tuple(lore.PLACES),
    "opens": lore.HOURS,
}
_NAME = "[A-Z][a-z]+"
_PLACE = "[Tt]he (?:" + "|".join(place.removeprefix("the ") for place in lore.PLACES) + ")"
_PATTERNS = {"age": "[0-9]{1,2}", "birthday": "[0-9]{1,2} (?:" + "|".join(lore.MONTHS) + ")"}


class Asked(NamedTuple):
    """The fact that a question asks for; `heldout` says whether the phrasing is held out."""

    subject: str
    relation: str
    heldout: bool


def capital(text: str) -> str:
    """Capitalise the first letter, and leave the rest as it is.

    >>> capital("rye bread")
    'Rye bread'
    """
    return text[:1].upper() + text[1:]


def with_article(thing: str) -> str:
    """Put the article before a job or an animal.

    >>> with_article("hen"), with_article("mayor")
    ('a hen', 'the mayor')
    """
    return f"the {thing}" if thing in lore.RESERVED_JOBS else f"a {thing}"


def slots(world: Town, subject: str, pronoun: bool = False) -> dict[str, str]:
    """Return the values of a template's slots for a place or a person, who need not be in town.

    >>> from fullstack_llm.tinytown.world import town
    >>> found = slots(town(), "Ada", pronoun=True)
    >>> found["n"], found["s"], found["a_job"]
    ('she', 'her', 'a teacher')
    """
    person = world.persons.get(subject)
    sex = person.sex if person else "n" if subject in lore.PLACES else "m" if subject in lore.MALE else "f"
    nominative, possessive, accusative = _PRONOUNS[sex]
    found = {"n": subject, "s": f"{subject}'s", "m": subject, "r": possessive, "p": nominative}
    if pronoun:
        found.update(n=nominative, s=possessive, m=accusative)
    for relation in world.relations(subject):
        found[relation] = world.index[subject, relation]
    for relation in _ARTICLES:
        if relation in found:
            found[f"a_{relation}"] = with_article(found[relation])
    return found


def statement(filled: dict[str, str], template: str) -> str:
    """Fill the slots of a template of a statement or a question.

    >>> statement({"n": "she", "age": "41"}, "{n} is now {age}.")
    'She is now 41.'
    """
    text = template.format_map(filled)
    return text[0].upper() + text[1:]


def answer(world: Town, subject: str, relation: str) -> str:
    """Return the full-sentence answer: the first phrasing of the fact, or "I don't know." where there is none.

    >>> from fullstack_llm.tinytown.world import town
    >>> answer(town(), "Ada", "home"), answer(town(), "Xantippe", "home")
    ('Ada lives on Lantern Row.', "I don't know.")
    """
    if world.get(subject, relation) is None:
        return DONT_KNOW
    return statement(slots(world, subject), PHRASES[relation].statements[0])


@cache
def clozes(relation: str, heldout: bool = False) -> tuple[tuple[str, str], ...]:
    """Return (prompt, target) templates: the statements that end in their only object, cut before it.

    >>> clozes("home", heldout=True)[0]
    ('The house where {n} lives is on', ' {home}')
    """
    found = []
    source = PHRASES[relation]
    for template in source.heldout_statements if heldout else source.statements:
        match = re.fullmatch(
            r"([^{}]*\{[nsmrp]\}[^{}]*(?:\{[nsmrp]\}[^{}]*)*)( \{(?:a_)?" + relation + r"\})\.", template
        )
        if match:
            found.append((match[1], match[2]))
    return tuple(found)


def parse(sentence: str, subject: str | None = None) -> tuple[Fact, ...]:
    """Read a statement back into its facts, by the phrasings of both splits; return () for any other sentence.

    A pronoun means `subject`; without a subject, a sentence with a pronoun gives ().
    """
    for pattern, relations in _statement_patterns():
        match = pattern.fullmatch(sentence)
        if match:
            name = _subject(match, subject)
            if name is None:
                return ()
            return tuple(Fact(name, r, _canonical(r, match[r])) for r in relations)
    return ()


def parse_question(text: str) -> Asked | None:
    """Read a question by the phrasings of both splits; return None for a text that is no question about a fact.

    >>> parse_question("How old is Bo?")
    Asked(subject='Bo', relation='age', heldout=False)
    """
    for pattern, relation, heldout in _question_patterns():
        match = pattern.fullmatch(text)
        if match:
            name = _subject(match, None)
            return Asked(name, relation, heldout) if name else None
    return None


def _subject(match: re.Match[str], subject: str | None) -> str | None:
    found = match.groupdict()
    name = next(found[slot] for slot in "nsm" if found.get(slot))
    if name.lower() in ("he", "she", "it", "his", "her", "its", "him"):
        return subject
    return name[0].lower() + name[1:] if name.startswith("The ") else name


def _canonical(relation: str, text: str) -> str:
    return next((item for item in _OBJECTS.get(relation, ()) if item.lower() == text.lower()), text)


def _regex(template: str, relation: str) -> re.Pattern[str]:
    who = f"{_NAME}|{_PLACE}" if relation in PLACES else _NAME
    fills = {"n": who, "s": f"(?:{who})(?='s)|[Hh]is|[Hh]er|[Ii]ts", "m": f"{who}|him|her|it"}
    fills.update({"r": "his|her|its", "p": "he|she|it", "n": f"{who}|he|she|it"})
    pieces = []
    for text, slot in re.findall(r"([^{}]*)(?:\{(\w+)\})?", template):
        pieces.append(re.escape(text))
        if slot in fills:
            pieces.append(f"(?P<{slot}>{fills[slot]})" + ("(?:'s)?" if slot == "s" else ""))
        elif slot:
            key = slot.removeprefix("a_")
            body = _PATTERNS.get(key) or "|".join(map(re.escape, sorted(_OBJECTS.get(key, ()), key=len, reverse=True)))
            article = "(?:[Aa] |[Tt]he )" if slot != key else ""
            body = body or _NAME
            first = body if text or pieces[0] or body == _NAME else f"(?i:{body})"
            pieces.append(f"{article}(?P<{key}>{first})")
    return re.compile("".join(pieces))


@cache
def _statement_patterns() -> tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]:
    found = []
    for relation, source in PHRASES.items():
        for template in source.statements + source.heldout_statements:
            told = tuple(slot.removeprefix("a_") for slot in re.findall(r"\{(\w\w+)\}", template))
            found.append((_regex(template, relation), told))
    return tuple(found)


@cache
def _question_patterns() -> tuple[tuple[re.Pattern[str], str, bool], ...]:
    found = []
    for relation, source in PHRASES.items():
        found += [(_regex(template, relation), relation, False) for template in source.questions]
        found += [(_regex(template, relation), relation, True) for template in source.heldout_questions]
    return tuple(found)


@cache
def heldout_patterns() -> tuple[re.Pattern[str], ...]:
    """Return a pattern for every held-out statement and question, to search texts for."""
    return tuple(
        _regex(template, relation)
        for relation, source in PHRASES.items()
        for template in source.heldout_statements + source.heldout_questions
    )
