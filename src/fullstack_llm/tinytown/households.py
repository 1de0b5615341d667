"""Draw couples, children, best friends and bosses, so that the facts about both people of a relation agree.

>>> from fullstack_llm.tinytown.chance import stream
>>> records = {"Ann": {"home": "Mill Lane"}, "Ben": {"home": "Mill Lane"}}
>>> make_friends(stream(0), ["Ann", "Ben"], records)
>>> records["Ann"]["friend"], records["Ben"]["friend"]
('Ben', 'Ann')
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from fullstack_llm.tinytown import lore
from fullstack_llm.tinytown.chance import between, shuffled

Records = dict[str, dict[str, str]]
ADULT = 20


def make_families(rng: random.Random, people: Sequence[tuple[str, str]], records: Records) -> None:
    """Marry a third of the people and give half the couples one or two children among the rest; families share a home.

    Couples are six years apart at most; a child is at least 20 years younger than the younger parent, and has no job.
    """
    women = [name for name, sex in people if sex == "f"]
    men = [name for name, sex in people if sex == "m"]
    couples = list(zip(women[: len(people) // 6], men[: len(people) // 6], strict=False))
    rest = [name for name, _ in people if all(name not in couple for couple in couples)]
    children = iter(rest[: len(people) // 8])
    for number, (wife, husband) in enumerate(couples):
        records[wife]["spouse"], records[husband]["spouse"] = husband, wife
        records[husband]["home"] = records[wife]["home"]
        older = int(records[wife]["age"])
        younger = max(ADULT, older - between(rng, 0, 6))
        records[husband]["age"] = str(younger)
        if number % 2 or younger < ADULT + 6:
            continue
        for name in [child for child, _ in zip(children, range(between(rng, 1, 2)), strict=False)]:
            child = records[name]
            child.update(mother=wife, father=husband, home=records[wife]["home"])
            child["age"] = str(between(rng, 6, min(17, younger - ADULT)))
            del child["job"]


def make_friends(rng: random.Random, names: Sequence[str], records: Records) -> None:
    """Pair people as best friends; with an odd number of people, one person has no best friend."""
    order = shuffled(rng, names)
    for one, other in zip(order[::2], order[1::2], strict=False):
        records[one]["friend"], records[other]["friend"] = other, one


def make_workplaces(records: Records) -> None:
    """Add a workplace to everyone with a job, and an employer: the first person at a workplace is the others' boss.

    >>> records = {"Bo": {"job": "baker"}, "Ann": {"job": "baker"}, "Kit": {}}
    >>> make_workplaces(records)
    >>> records["Ann"], records["Bo"]
    ({'job': 'baker', 'workplace': 'the bakery', 'employer': 'Bo'}, {'job': 'baker', 'workplace': 'the bakery'})
    """
    jobs = lore.JOBS | lore.RESERVED_JOBS
    bosses = {"the town hall": "Lena"} if "Lena" in records else {}
    for name, record in records.items():
        if "job" in record:
            record["workplace"] = jobs[record["job"]]
            boss = bosses.setdefault(record["workplace"], name)
            if boss != name:
                record["employer"] = boss
