"""Phrasings of facts about work, family and places; the slots are those of `templates`.

>>> TIES["mother"].statements[0], PLACES["opens"].questions[0]
('{s} mother is {mother}.', 'When does {n} open?')
"""

from __future__ import annotations

from fullstack_llm.tinytown.templates import Phrases, phrases


def _parent(word: str) -> Phrases:
    return phrases(
        """{s} WORD is {WORD}. | {WORD} is {s} WORD. | {n} has a WORD called {WORD}. | {s} WORD is called {WORD}.
        | The name of {s} WORD is {WORD}. | {n} looks like {r} WORD, {WORD}. | {n} was raised by {r} WORD, {WORD}.
        | {n} walks to school with {r} WORD, {WORD}. | At night {n} is put to bed by {r} WORD, {WORD}.""".replace(
            "WORD", word
        ),
        """At home {s} WORD is called {WORD}. | Long ago {n} was raised by {r} WORD, {WORD}.
        | You often see {m} with {r} WORD, {WORD}.""".replace("WORD", word),
        "Who is {s} WORD? | What is {s} WORD called? | What is the name of {s} WORD?".replace("WORD", word),
        "What is {s} WORD named? | What name does {s} WORD have?".replace("WORD", word),
    )


TIES: dict[str, Phrases] = {
    "workplace": phrases(
        """{n} works at {workplace}. | {s} work is at {workplace}. | You can meet {m} at work at {workplace}.
        | {n} spends {r} working day at {workplace}. | Every morning {n} walks to work at {workplace}.
        | {workplace} is where {n} works. | The place where {n} works is {workplace}. | {n} has work at {workplace}.
        | {n} is at {workplace} all day.""",
        """Every day you can meet {m} at work at {workplace}. | Every day {n} works at {workplace}.
        | All day {n} works at {workplace}.""",
        """Where does {n} work? | At what place does {n} work? | Where is {s} work?
        | Where can you meet {m} at work?""",
        """Which place does {n} work at? | Where does {n} spend {r} working day?""",
    ),
    "employer": phrases(
        """{n} works for {employer}. | {s} boss is {employer}. | {employer} is {s} boss.
        | {s} boss is called {employer}.
        | {n} gets {r} pay from {employer}. | At work {n} answers to {employer}. | {n} has a boss called {employer}.
        | {employer} pays {m} every Friday. | {n} takes orders from {employer}.""",
        """Every day {n} takes orders from {employer}. | Every Friday {n} gets {r} pay from {employer}.
        | At work {s} boss is called {employer}.""",
        """Who is {s} boss? | Who does {n} work for? | Who pays {m} every Friday? | What is {s} boss called?""",
        """Who pays {m}? | What is {s} boss named?""",
    ),
    "spouse": phrases(
        """{n} is married to {spouse}. | {n} and {spouse} are married. | {n} married {spouse}.
        | {n} said yes to {spouse}.
        | {n} has been married to {spouse} for years. | {n} shares a home with {spouse}.
        | {n} wears a ring from {spouse}.
        | {n} gave a ring to {spouse}. | {s} wedding was with {spouse}.""",
        """Every day {n} wears a ring from {spouse}. | For years {n} has been married to {spouse}.
        | Every day {n} shares a home with {spouse}.""",
        """Who is {n} married to? | Who did {n} marry? | Who does {n} share a home with?""",
        """Who has {n} been married to for years? | Who is married to {m}?""",
    ),
    "mother": _parent("mother"),
    "father": _parent("father"),
}

PLACES: dict[str, Phrases] = {
    "street": phrases(
        """{n} is on {street}. | {n} stands on {street}. | You find {n} on {street}. | To reach {n}, go to {street}.
        | {street} is the street of {n}. | {n} has its door on {street}. | Walk down {street} and you come to {n}.
        | The way to {n} goes along {street}.""",
        """The street of {n} is {street}. | {n} has its place on {street}.""",
        """Where is {n}? | On which street is {n}? | What street is {n} on?""",
        """Which street is {n} on? | On what street is {n}?""",
    ),
    "opens": phrases(
        """{n} opens at {opens}. | {n} is open from {opens}. | {n} lets people in at {opens}. | At {opens} {n} opens.
        | Come to {n} at {opens}. | Before {opens} {n} is closed. | {n} is closed until {opens}.
        | People wait at {n} until {opens}.""",
        """At {n} people wait until {opens}. | {n} opens its door at {opens}.""",
        """When does {n} open? | At what hour does {n} open? | Until when is {n} closed?""",
        """What hour does {n} open? | From when is {n} open?""",
    ),
    "door": phrases(
        """{n} has a {door} door. | The door of {n} is {door}. | The door of {n} is painted {door}.
        | You know {n} by its {door} door. | {n} can be told by its door, which is {door}.
        | The {door} door is that of {n}.
        | Once a year the door of {n} is painted {door}. | Look for the {door} door to find {n}.""",
        """{n} has a door that is {door}. | The colour of the door of {n} is {door}.""",
        """What colour is the door of {n}? | Which colour is the door of {n}? | How is the door of {n} painted?""",
        """What colour of door does {n} have? | The door of {n} has what colour?""",
    ),
}
