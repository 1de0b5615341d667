"""The map of Tinytown: ```{town-map}``` draws every street and place of the world, doors in their colours.

The world says which street a place is on, when it opens and what colour its door has; it does not say where a street
runs. That is decided here, in two tables of positions, and what surrounds the town is drawn by hand in the SVG file.
"""

import xml.etree.ElementTree as ElementTree
from html import escape
from pathlib import Path

from fullstack_llm.tinytown import Town, lore

ART = "book/_static/figures/tinytown_map.svg"
SVG = "{http://www.w3.org/2000/svg}"
WIDTH, HEIGHT = 500, 580

# Street: its course, and how far along it, in percent, the middle of its name stands.
STREETS = {
    "Mill Lane": ("M50 474 C36 400 64 320 58 262 C52 204 84 150 112 108", 28),
    "Market Street": ("M58 262 H290", 50),
    "Bridge Street": ("M290 262 H486", 74),
    "Lantern Row": ("M186 262 L198 152", 50),
    "Tower Street": ("M262 262 L284 146", 50),
    "Willow Walk": ("M474 250 L464 74", 50),
    "Orchard Road": ("M476 262 C440 330 452 400 440 494", 52),
    "Garden Lane": ("M50 380 H318", 50),
    "Harbour Road": ("M42 482 H318", 62),
    "River Row": ("M318 272 V474", 50),
}
# Place: where the middle of its house's foot stands; where its name stands from there, and from which side it is set.
PLACES = {
    "the bakery": (92, 250, 23, -5, "start"),
    "the school": (118, 428, 0, 16, "middle"),
    "the town hall": (150, 318, 0, 16, "middle"),
    "the clinic": (424, 250, 0, -40, "middle"),
    "the smithy": (308, 218, 0, 16, "middle"),
    "the library": (146, 178, 0, 16, "middle"),
    "the post office": (414, 310, 0, 16, "middle"),
    "the mill": (122, 100, -27, -5, "end"),
    "the clock tower": (290, 138, -20, -42, "end"),
    "the inn": (280, 448, 0, 16, "middle"),
    "the harbour": (112, 534, 54, 8, "start"),
    "the grocery": (246, 318, 0, 16, "middle"),
    "the farm": (396, 388, 0, 16, "middle"),
    "the garden": (206, 428, 0, 16, "middle"),
    "the workshop": (414, 150, 0, 16, "middle"),
    "the dairy": (396, 468, 0, 16, "middle"),
}


def art(root: Path) -> dict[str, str]:
    """The hand-drawn parts by their ids, as SVG source."""
    ElementTree.register_namespace("", "http://www.w3.org/2000/svg")
    found = {}
    for group in ElementTree.parse(root / ART).getroot().findall(f"{SVG}g"):
        name, group.tail = group.attrib.pop("id"), None
        found[name] = ElementTree.tostring(group, encoding="unicode").replace(' xmlns="http://www.w3.org/2000/svg"', "")
    return found


def hour(word: str) -> int:
    """The number on the clock.

    >>> hour("six"), hour("noon")
    (6, 12)
    """
    return lore.HOURS.index(word) + 4


def anchor(kind: str, name: str) -> str:
    """The id under which a reader finds someone or something on the page.

    >>> anchor("place", "the town hall")
    'place-the-town-hall'
    """
    return f"{kind}-{name.replace(' ', '-')}"


def house(world: Town, place: str, sign: str) -> str:
    """One place, drawn and linked: walls, roof, the door in its colour, the sign, the name and the hour."""
    x, y, dx, dy, side = PLACES[place]
    street, opens, door = (str(world.get(place, relation)) for relation in ("street", "opens", "door"))
    said = f"{place}, on {street}, opens at {opens}, has a {door} door"
    name = place.removeprefix("the ")
    return (
        f'<a href="#{anchor("place", place)}" data-place="{escape(place)}" aria-label="{escape(said)}">'
        f"<title>{escape(said)}</title>"
        f'<g class="town-house" transform="translate({x} {y})">'
        '<rect class="town-hit" x="-30" y="-48" width="60" height="66"/>'
        '<path class="town-wall" d="M-17 0 V-20 H17 V0 Z"/><path class="town-roof" d="M-21 -20 L0 -34 L21 -20 Z"/>'
        f'<path class="town-door town-door-{door}" d="M-5 0 V-13 H5 V0 Z"/>{sign}'
        f'<text class="town-name" x="{dx}" y="{dy}" text-anchor="{side}">{escape(name)} '
        f'<tspan class="town-hour">{hour(opens)}</tspan></text></g></a>'
    )


def street(name: str, steps: bool) -> tuple[str, str]:
    """The road of a street, and its name along it; a street with steps shows them."""
    course, middle = STREETS[name]
    key = anchor("way", name)
    road = f'<path class="town-road" id="{key}" d="{course}"/>'
    if steps:
        road += f'<path class="town-steps" d="{course}"/>'
    label = (
        f'<a href="#{anchor("street", name)}" data-street="{escape(name)}"><text class="town-street" dy="4.5" '
        f'text-anchor="middle"><textPath href="#{key}" startOffset="{middle}%">{escape(name)}</textPath></text></a>'
    )
    return road, label


def draw(world: Town, drawn: dict[str, str]) -> str:
    """The whole map; a street or a place of the world that has no position is an error."""
    names = sorted({fact.object for fact in world.facts if fact.relation in ("street", "home")})
    lost = sorted((set(names) - set(STREETS)) | (set(world.places) - set(PLACES)))
    if lost:
        raise ValueError(f"The map has no position for {', '.join(lost)}: add it to book/_ext/tinytown_map.py.")
    roads, labels = zip(*(street(name, name == "Lantern Row") for name in names), strict=True)
    houses = [house(world, place, drawn.get(f"sign-{place}", "")) for place in sorted(world.places, key=PLACES.get)]
    return (
        f'<svg class="town-map" viewBox="0 0 {WIDTH} {HEIGHT}" role="group" aria-label="Map of Tinytown: '
        f'{len(names)} streets between a river and the sea, and {len(houses)} places with their doors">'
        f'<g aria-hidden="true">{drawn["scenery"]}</g>{"".join(roads)}{drawn["bridge"]}{"".join(labels)}'
        f"{''.join(houses)}</svg>"
    )
