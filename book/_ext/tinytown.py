"""The page of the town: a map, a browser of facts, samples, counts; all of it made from the package at every build.

```{town-map}```, ```{town-browser}```, ```{town-samples}```, ```{town-counts}``` and {town}`people`, a number by name.
"""

import math
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import tinytown_map
from docutils import nodes
from interactive import data_block
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole
from tinytown_samples import samples

import fullstack_llm.tinytown as package
from fullstack_llm.models import card
from fullstack_llm.tinytown import Person, Town, lore, phrases, told, town, twohop, untold
from fullstack_llm.tinytown.mixture import GENERATORS
from fullstack_llm.tinytown.world import PERSON_RELATIONS, PLACE_RELATIONS

LABELS = {
    "pet_name": "name of the pet",
    "food": "favourite food",
    "colour": "favourite colour",
    "friend": "best friend",
    "employer": "boss",
    "workplace": "works at",
    "opens": "opens at",
    "door": "colour of the door",
}


@cache
def bits(world: Town) -> int:
    """What it takes to write down the drawn facts of the told, each as a choice among all that it could have been."""
    choices = {
        "job": len(lore.JOBS),
        "home": len(lore.STREETS),
        "age": 60,
        "birthday": sum(lore.MONTHS.values()),
        "pet": len(lore.PETS),
        "pet_name": len(lore.PET_NAMES),
        "food": len(lore.FOODS),
        "colour": len(lore.COLOURS),
        "hobby": len(lore.HOBBIES),
        "friend": len(told(world)) - 1,
    }
    return round(math.fsum(math.log2(choices[fact.relation]) for fact in world.facts if fact.relation in choices))


@cache
def counts(world: Town) -> dict[str, int]:
    """Every number of the page by its name.

    >>> counts(town())["people"], counts(town())["characters"]
    (200, 12)
    """
    said = phrases.PHRASES.values()
    hops = twohop.two_hops(world)
    return {
        "people": len(world.people),
        "characters": len(lore.CHARACTERS),
        "told": len(told(world)),
        "told-test": len(told(world, "test")),
        "untold": len(untold(world)),
        "strangers": len(world.strangers),
        "places": len(world.places),
        "streets": len(lore.STREETS),
        "facts": len(world.facts),
        "relations": len(PERSON_RELATIONS) + len(PLACE_RELATIONS),
        "two-hop": len(hops),
        "two-hop-test": sum(hop.split == "test" for hop in hops),
        "statements": sum(len(way.statements) for way in said),
        "heldout-statements": sum(len(way.heldout_statements) for way in said),
        "questions": sum(len(way.questions) for way in said),
        "heldout-questions": sum(len(way.heldout_questions) for way in said),
        "ways-home": len(phrases.PHRASES["home"].statements),
        "kinds": len(GENERATORS),
        "bits": bits(world),
        "parameters": round(bits(world) / 2),
        **{f"fold-{name}": round(2 * card(name).parameters / bits(world)) for name in ("draft", "base", "larger")},
    }


ROWS = (
    ("people", "people, of whom {characters} are the characters of this book"),
    ("told", "told: documents tell their facts, and of {told-test} of them nothing that trains asks"),
    ("untold", "untold: documents give the name and nothing else"),
    ("strangers", "strangers: names that no document has"),
    ("places", "places on {streets} streets"),
    ("facts", "facts of {relations} relations, and there are no others"),
    ("two-hop", "questions over two facts, {two-hop-test} of them held out"),
    ("statements", "ways to state a fact in training, and {heldout-statements} held out"),
    ("questions", "ways to ask for one in training, and {heldout-questions} held out"),
)


def table_of_counts(found: dict[str, int]) -> str:
    """The numbers as a list of terms."""
    written = {name: f"{number:,}" for name, number in found.items()}
    rows = "".join(f"<div><dt>{written[name]}</dt><dd>{text.format(**written)}</dd></div>" for name, text in ROWS)
    return f'<dl class="town-counts">{rows}</dl>'


def browser_data(world: Town) -> dict[str, Any]:
    """What the script needs: people with their facts in the order of the relations, and how documents put a fact."""
    relations = PERSON_RELATIONS + PLACE_RELATIONS
    return {
        "relations": [[name, LABELS.get(name, name)] for name in relations],
        "people": [
            [person.name, person.sex, group, *(world.get(person.name, name) or 0 for name in PERSON_RELATIONS)]
            if (group := _group(person)) != "untold"
            else [person.name, person.sex, group]
            for person in world.people
        ],
        "places": [[place, *(world.get(place, name) for name in PLACE_RELATIONS)] for place in world.places],
        "streets": sorted(lore.STREETS),
        "phrases": {
            name: [list(way.statements), list(way.heldout_statements), way.questions[0]]
            for name, way in phrases.PHRASES.items()
        },
        "the": list(lore.RESERVED_JOBS),
        "unknown": phrases.DONT_KNOW,
    }


def _group(person: Person) -> str:
    return "unasked" if person.group == "told" and person.split == "test" else person.group


def plain_tables(world: Town) -> str:
    """The characters and the places, for a reader without JavaScript."""
    columns = [name for name in PERSON_RELATIONS if any((who, name) in world.index for who in lore.CHARACTERS)]
    people = [
        (tinytown_map.anchor("person", who), who, [world.get(who, c) or "–" for c in columns])
        for who in lore.CHARACTERS
    ]
    spots = [
        (tinytown_map.anchor("place", at), at, [str(world.get(at, c)) for c in PLACE_RELATIONS]) for at in world.places
    ]
    roads = [
        (
            tinytown_map.anchor("street", road),
            road,
            [", ".join(p for p in lore.CHARACTERS if world.get(p, "home") == road)],
        )
        for road in sorted(lore.STREETS)
    ]
    return (
        _table(["name", *(LABELS.get(c, c) for c in columns)], people)
        + _table(["place", *(LABELS.get(c, c) for c in PLACE_RELATIONS)], spots)
        + _table(["street", "characters who live there"], roads)
    )


def _table(head: list[str], rows: list[tuple[str, str, list[str]]]) -> str:
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join(
        f'<tr id="{key}"><th scope="row">{escape(name)}</th>{"".join(f"<td>{escape(c)}</td>" for c in cells)}</tr>'
        for key, name, cells in rows
    )
    inside = f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="town-scroll"><table class="table">{inside}</table></div>'


class Made(SphinxDirective):
    """A directive whose content comes from the package; the page is built again when the package changes."""

    def root(self) -> Path:
        for path in sorted(Path(str(package.__file__)).parent.glob("*.py")):
            self.env.note_dependency(str(path))
        return Path(self.env.srcdir)


class TownMap(Made):
    has_content = True

    def run(self) -> list[nodes.Node]:
        root = self.root()
        self.env.note_dependency(str(root / tinytown_map.ART))
        try:
            drawing = tinytown_map.draw(town(), tinytown_map.art(root))
        except ValueError as error:
            raise self.error(str(error)) from error
        caption = nodes.container(classes=["town-caption"])
        caption += self.parse_content_to_nodes()
        return [
            nodes.raw("", f'<div class="town-map-box">{drawing}', format="html"),
            caption,
            nodes.raw("", "</div>", format="html"),
        ]


class TownBrowser(Made):
    def run(self) -> list[nodes.Node]:
        self.root()
        html = (
            '<div class="interactive" id="town-browser"><script type="application/json" class="interactive-data">'
            f"{data_block(browser_data(town()))}</script><noscript>{plain_tables(town())}</noscript></div>"
        )
        marker = nodes.container(classes=["interactive-marker"], names=[], interactive="tinytown")
        return [nodes.raw("", html, format="html"), marker]


class TownSamples(Made):
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        self.root()
        found = samples(town())
        if self.arguments[0] not in found:
            raise self.error(f"There are no samples '{self.arguments[0]}'. There are: {', '.join(found)}.")
        return [nodes.raw("", f'<div class="town-samples">{found[self.arguments[0]]}</div>', format="html")]


class TownCounts(Made):
    def run(self) -> list[nodes.Node]:
        self.root()
        return [nodes.raw("", table_of_counts(counts(town())), format="html")]


class TownNumber(SphinxRole):
    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        found = counts(town())
        if self.text not in found:
            told_apart = self.inliner.reporter.error(f"No number '{self.text}': {', '.join(found)}.", line=self.lineno)
            return [], [told_apart]
        return [nodes.Text(f"{found[self.text]:,}")], []


def setup(app: Sphinx) -> dict[str, bool]:
    for name, directive in (
        ("map", TownMap),
        ("browser", TownBrowser),
        ("samples", TownSamples),
        ("counts", TownCounts),
    ):
        app.add_directive(f"town-{name}", directive)
    app.add_role("town", TownNumber())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
