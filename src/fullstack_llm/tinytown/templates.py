"""Phrasings of facts about people: statements and questions, for training and held out, a block for each relation.

Slots: {n} the subject (name or he/she), {s} the possessive (Ada's or her), {m} the object case (Ada or her), {r} the
possessive after the subject (her), {p} the pronoun after the subject (she); a relation's name is its object, {a_job}
the object with its article.
A statement that ends in its object gives a cloze prompt.

>>> PEOPLE["home"].statements[0], len(PEOPLE["home"].heldout_questions)
('{n} lives on {home}.', 2)
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Phrases:
    """The phrasings of a relation; held-out ones never appear in a training text."""

    statements: tuple[str, ...]
    heldout_statements: tuple[str, ...]
    questions: tuple[str, ...]
    heldout_questions: tuple[str, ...]


def phrases(statements: str, heldout_statements: str, questions: str, heldout_questions: str) -> Phrases:
    """Read phrasings written with bars between them.

    >>> phrases("{n} is {age}.|{n} is now {age}.", "", "How old is {n}?", "").statements[1]
    '{n} is now {age}.'
    """
    texts = (statements, heldout_statements, questions, heldout_questions)
    return Phrases(*(tuple(part.strip() for part in text.split("|") if part.strip()) for text in texts))


PEOPLE: dict[str, Phrases] = {
    "job": phrases(
        """{n} is {a_job}. | {n} works as {a_job}. | By trade {n} is {a_job}. | {n} earns {r} living as {a_job}.
        | {s} job is to be {a_job}. | People know {m} as {a_job}. | For work {n} is {a_job}. | {s} job is {job}.
        | {n} has been {a_job} for years. | If you need {a_job}, ask {m}. | {n} became {a_job} long ago.""",
        """To earn {r} living {n} works as {a_job}. | By trade {n} works as {a_job}.
        | At work people know {m} as {a_job}.""",
        """What is {s} job? | What does {n} do for work? | What work does {n} do? | What is {n} by trade?
        | How does {n} earn {r} living?""",
        """Which job does {n} have? | What does {n} work as?""",
    ),
    "home": phrases(
        """{n} lives on {home}. | {s} home is on {home}. | {s} house stands on {home}. | {n} has a house on {home}.
        | You find {s} house on {home}. | The street where {n} lives is {home}. | {home} is where {n} lives.
        | {n} sleeps in a house on {home}. | Letters for {m} go to {home}. | At night {n} walks home to {home}.""",
        """The house where {n} lives is on {home}. | {n} has a home on {home}. | You find {s} home on {home}.""",
        """Where does {n} live? | On which street does {n} live? | Where is {s} house? | What street is {s} house on?
        | Where do letters for {m} go?""",
        """Which street does {n} live on? | Where is {s} home?""",
    ),
    "age": phrases(
        """{n} is {age} years old. | {s} age is {age}. | {n} has turned {age}. | {n} is now {age}.
        | This year {n} is {age}.
        | {n} has lived for {age} years. | There were {age} candles on {s} last cake. | {s} last cake had {age} candles.
        | {n} is {age} years of age. | The candles on {s} last cake were {age}.""",
        """Now {n} has turned {age}. | This year {n} has turned {age}. | In years {s} age is {age}.""",
        """How old is {n}? | What is {s} age? | How many years has {n} lived?
        | How many candles were on {s} last cake?""",
        """What age is {n}? | How many years old is {n}?""",
    ),
    "birthday": phrases(
        """{n} was born on {birthday}. | {s} birthday is on {birthday}. | {n} has {r} birthday on {birthday}.
        | On {birthday} {n} turns a year older. | {s} cake is baked for {birthday}. | {n} gets presents on {birthday}.
        | Every year {n} has a party on {birthday}. | {n} came into the world on {birthday}.
        | The date of {s} birthday is {birthday}. | {birthday} is {s} birthday.""",
        """{n} has a birthday party on {birthday}. | {s} birthday party is on {birthday}.
        | The day of {s} birthday is {birthday}.""",
        """When was {n} born? | When is {s} birthday? | On what day was {n} born? | What is the date of {s} birthday?
        | When does {n} get presents?""",
        """On what day is {s} birthday? | When does {n} have {r} birthday?""",
    ),
    "pet": phrases(
        """{n} has {a_pet}. | {n} keeps {a_pet}. | {s} pet is {a_pet}. | {n} has {a_pet} for a pet. | {n} owns {a_pet}.
        | There is {a_pet} in {s} house. | {n} looks after {a_pet}. | The animal in {s} house is {a_pet}.
        | {n} feeds {a_pet} every morning. | At home {a_pet} waits for {m}. | {n} has {a_pet} called {pet_name}.
        | {s} {pet} is called {pet_name}. | {n} keeps {a_pet} named {pet_name}.""",
        """The pet in {s} house is {a_pet}. | At home {n} looks after {a_pet}. | At home {n} keeps {a_pet}.""",
        """What pet does {n} have? | What animal does {n} keep? | What kind of pet does {n} have?
        | What animal is in {s} house? | What does {n} feed every morning?""",
        """Which pet does {n} keep? | What animal is {s} pet?""",
    ),
    "pet_name": phrases(
        """{s} pet is called {pet_name}. | {n} calls {r} pet {pet_name}. | {s} pet is named {pet_name}.
        | The name of {s} pet is {pet_name}. | {n} has a pet called {pet_name}. | {n} named {r} pet {pet_name}.
        | {pet_name} is {s} pet. | {s} pet answers to {pet_name}. | {s} pet has the name {pet_name}.""",
        """{n} has a pet named {pet_name}. | {n} keeps a pet called {pet_name}.
        | {n} looks after a pet called {pet_name}.""",
        """What is {s} pet called? | What is the name of {s} pet? | What does {n} call {r} pet?
        | What name does {s} pet have?""",
        """What is {s} pet named? | Which name does {s} pet have?""",
    ),
    "food": phrases(
        """{s} favourite food is {food}. | {n} likes {food} best. | {n} loves to eat {food}. | {n} eats {food} with joy.
        | Nothing tastes better to {m} than {food}. | The food {n} likes best is {food}. | For dinner {n} wants {food}.
        | {n} could eat {food} every day. | {food} is {s} favourite food. | {n} always asks for {food}.""",
        """The food {n} likes to eat best is {food}. | Every day {n} loves to eat {food}.
        | For dinner {n} always asks for {food}.""",
        """What is {s} favourite food? | What food does {n} like best? | What does {n} love to eat?
        | What does {n} want for dinner?""",
        """Which food does {n} love? | What does {n} like to eat best?""",
    ),
    "colour": phrases(
        """{s} favourite colour is {colour}. | {n} likes the colour {colour} best. | The colour {n} loves is {colour}.
        | {s} coat is {colour}. | {n} paints everything {colour}. | {colour} is {s} favourite colour.
        | Of all colours {n} likes {colour} best. | {n} always wears {colour}. | {s} hat and coat are {colour}.""",
        """The colour {n} likes best is {colour}. | {s} hat and {r} coat are {colour}.
        | The colour of {s} coat is {colour}.""",
        """What is {s} favourite colour? | What colour does {n} like best? | Which colour does {n} always wear?
        | What colour is {s} coat?""",
        """Which colour does {n} like best? | What colour does {n} love?""",
    ),
    "hobby": phrases(
        """{s} hobby is {hobby}. | {n} likes {hobby}. | {n} loves {hobby}. | In the evening {n} enjoys {hobby}.
        | {n} spends Sundays {hobby}. | {hobby} is {s} hobby. | {n} is fond of {hobby}. | {n} is happiest when {hobby}.
        | In {r} free time {n} enjoys {hobby}. | Nothing makes {m} happier than {hobby}.""",
        """On Sundays {n} enjoys {hobby}. | In the evening {n} is happiest when {hobby}.
        | On Sundays {n} is fond of {hobby}.""",
        """What is {s} hobby? | What does {n} like doing? | What does {n} enjoy in the evening?
        | What is {n} fond of doing? | How does {n} spend Sundays?""",
        """Which hobby does {n} have? | What does {n} enjoy in {r} free time?""",
    ),
    "friend": phrases(
        """{s} best friend is {friend}. | {n} is best friends with {friend}. | {friend} is {s} best friend.
        | {n} and {friend} are best friends. | {n} has a best friend called {friend}. | {n} trusts {friend} most of all.
        | {n} tells every secret to {friend}. | You often see {m} with {friend}.
        | {n} spends most days with {friend}.""",
        """For years {n} has been best friends with {friend}. | {s} best friend is called {friend}.
        | On Sundays you often see {m} with {friend}.""",
        """Who is {s} best friend? | Who is {n} best friends with? | Who does {n} trust most of all?
        | Who do you often see with {m}?""",
        """What is {s} best friend called? | Who does {n} spend most days with?""",
    ),
}
