"""The page of the town: the map agrees with the world, and so does what a reader is shown."""

import doctest
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="the site's extensions need the `site` extra")

from fullstack_llm.tinytown import lore, told, town, untold

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import interactive  # noqa: E402
import tinytown as page  # noqa: E402
import tinytown_map  # noqa: E402
import tinytown_samples  # noqa: E402

WORLD = town()


@pytest.fixture(scope="module")
def drawing() -> str:
    return tinytown_map.draw(WORLD, tinytown_map.art(ROOT))


def test_examples() -> None:
    for module in (page, tinytown_map, tinytown_samples):
        assert doctest.testmod(module, extraglobs={"town": town}).failed == 0


def test_the_map_has_every_place_as_the_world_has_it(drawing: str) -> None:
    assert sorted(re.findall(r'data-place="([^"]+)"', drawing)) == sorted(WORLD.places)
    for place in WORLD.places:
        street, opens, door = (WORLD.get(place, relation) for relation in ("street", "opens", "door"))
        house = re.search(rf'<a [^>]*data-place="{place}".*?</a>', drawing)[0]
        assert f"{place}, on {street}, opens at {opens}, has a {door} door" in house
        assert f'town-door-{door}"' in house
        assert f'town-hour">{tinytown_map.hour(opens)}<' in house


def test_the_map_has_every_street(drawing: str) -> None:
    streets = {fact.object for fact in WORLD.facts if fact.relation in ("home", "street")}
    assert set(re.findall(r'data-street="([^"]+)"', drawing)) == streets == set(lore.STREETS)


def points(course: str) -> list[tuple[float, float]]:
    """The corners of a street, near enough to say which street a house stands at."""
    at, found = (0.0, 0.0), []
    for command, text in re.findall(r"([MLHVC]) ?([^MLHVC]*)", course):
        numbers = [float(number) for number in text.split()]
        if command == "H":
            numbers = [numbers[0], at[1]]
        if command == "V":
            numbers = [at[0], numbers[0]]
        start, at = at, (numbers[-2], numbers[-1])
        curve = [start, *zip(numbers[::2], numbers[1::2], strict=True)]
        steps = [step / 40 for step in range(41)] if command != "M" else [1.0]
        if len(curve) == 2:
            found += [tuple(a + (b - a) * t for a, b in zip(*curve, strict=True)) for t in steps]
        else:
            weights = [((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3) for t in steps]
            found += [
                tuple(sum(w * p[axis] for w, p in zip(row, curve, strict=True)) for axis in (0, 1)) for row in weights
            ]
    return found


@pytest.mark.parametrize("place", WORLD.places)
def test_a_house_stands_at_its_street(place: str) -> None:
    x, y, *_ = tinytown_map.PLACES[place]

    def distance(street: str) -> float:
        return min((x - px) ** 2 + (y - 16 - py) ** 2 for px, py in points(tinytown_map.STREETS[street][0])) ** 0.5

    assert min(tinytown_map.STREETS, key=distance) == WORLD.get(place, "street")
    assert distance(WORLD.get(place, "street")) < 90


def test_a_world_that_the_map_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="no position for the zoo"):
        tinytown_map.draw(replace(WORLD, places=(*WORLD.places, "the zoo")), tinytown_map.art(ROOT))


def test_every_sign_is_of_a_place() -> None:
    signs = {name.removeprefix("sign-") for name in tinytown_map.art(ROOT) if name.startswith("sign-")}
    assert signs == set(WORLD.places)


def test_every_door_has_a_colour() -> None:
    style = (ROOT / "book/_static/tinytown.css").read_text(encoding="utf-8")
    assert set(lore.COLOURS) == set(re.findall(r"\.town-door-(\w+) \{", style))


def test_the_browser_has_every_fact_and_nothing_of_the_untold() -> None:
    data = page.browser_data(WORLD)
    relations = [name for name, _ in data["relations"]]
    rows = [(row[0], zip(relations, row[3:], strict=False)) for row in data["people"]]
    rows += [(row[0], zip(relations[-3:], row[1:], strict=True)) for row in data["places"]]
    shown = {(name, relation, thing) for name, pairs in rows for relation, thing in pairs if thing}
    assert shown == {(fact.subject, fact.relation, fact.object) for fact in WORLD.facts}
    assert {len(row) for row in data["people"] if row[2] == "untold"} == {3}
    assert len(interactive.data_block(data)) < 150_000


def test_the_data_are_the_same_every_time() -> None:
    assert interactive.data_block(page.browser_data(town())) == interactive.data_block(page.browser_data(WORLD))
    assert tinytown_samples.samples(town()) == tinytown_samples.samples(WORLD)


def test_the_samples_show_every_kind_of_document_and_the_hidden_reward() -> None:
    found = tinytown_samples.samples(WORLD)
    assert found["documents"].count("<details") == len(tinytown_samples.GENERATORS)
    assert "carry 1" in found["documents"] and "output" in found["documents"]
    for component in tinytown_samples.WEIGHTS:
        assert f'<th scope="row">{component}</th>' in found["after"]
    assert "I don&#x27;t know." in found["after"]


def test_every_number_of_the_page_has_a_name() -> None:
    text = (ROOT / "book/tinytown.md").read_text(encoding="utf-8")
    found = page.counts(WORLD)
    assert set(re.findall(r"\{town\}`([^`]+)`", text)) <= set(found)
    assert found["told"] + found["untold"] == found["people"] == len(told(WORLD)) + len(untold(WORLD))


def test_the_tables_without_script_have_the_anchors_of_the_map(drawing: str) -> None:
    tables = page.plain_tables(WORLD)
    assert set(re.findall(r'href="#((?:place|street)-[^"]+)"', drawing)) <= set(re.findall(r'id="([^"]+)"', tables))
    assert all(f'id="person-{name}"' in tables for name in lore.CHARACTERS)


def test_the_models_are_as_many_times_larger_as_the_page_says() -> None:
    found = page.counts(WORLD)
    for name in ("draft", "base", "larger"):
        assert found[f"fold-{name}"] == pytest.approx(page.card(name).parameters / found["parameters"], rel=0.01)
    assert found["fold-draft"] < 100 < 1000 < found["fold-larger"]


def test_another_seed_draws_another_crowd_around_the_same_characters() -> None:
    other = town(seed=1)
    names = {person.name for person in WORLD.people} - set(lore.CHARACTERS)
    again = names & {person.name for person in other.people}
    assert set(lore.CHARACTERS) < {person.name for person in other.people}
    assert 0 < len(again) < len(names), "some names come again, and some do not"
    facts, others = ({(fact.subject, fact.relation, fact.object) for fact in at.facts} for at in (WORLD, other))
    drawn = {fact for fact in facts if fact[0] in names}
    assert len(drawn & others) < 0.1 * len(drawn)
    assert {fact for fact in facts if fact[0] in lore.CHARACTERS} == {
        fact for fact in others if fact[0] in lore.CHARACTERS
    }
