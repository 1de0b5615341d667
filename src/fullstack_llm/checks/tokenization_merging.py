"""Exercises 1 and 2 of lab 03, pairs and merges: counts and lists that are wrong in a way that people are wrong."""

import re
from itertools import combinations, pairwise
from typing import Any

from fullstack_llm.checks import tokenization_oracles as oracle
from fullstack_llm.checks.tokenization_oracles import Pair

Mistakes = list[tuple[Any, str]]


def get_pairs(ids: list[int]) -> Mistakes:
    """Wrong counts of `ids`."""
    places = list(pairwise(ids))
    sorted_ids = [oracle.get_pairs([min(place), max(place)]) for place in places]
    unordered = {pair: sum(pair in one for one in sorted_ids) for one in sorted_ids for pair in one}
    mergeable = {pair: len(ids) - len(oracle.merge(ids, pair, 1_000_003)) for pair in places}
    chunks = places[::2]
    far = list(combinations(ids, 2))
    return [
        (
            {pair: ids.count(pair[0]) for pair in places},
            "This counts how often the left id occurs, whatever is behind it.",
        ),
        ({pair: far.count(pair) for pair in far}, "Ids at a distance are counted too: only neighbours are a pair."),
        (
            mergeable,
            "Overlapping places are skipped: 5 5 5 holds the pair (5, 5) at two places, whatever can be merged.",
        ),
        (dict.fromkeys(places, 1), "Each pair is counted once however often it occurs: add up, do not overwrite."),
        (
            {pair: n - 1 for pair, n in oracle.get_pairs(ids).items()},
            "Every count is one too low: the first one counts.",
        ),
        (unordered, "Order matters: (1, 2) and (2, 1) are different pairs."),
        (
            oracle.get_pairs([*ids, *ids[:1]]),
            "The last id has no right neighbour, but your pairs wrap around to the first id.",
        ),
        (oracle.get_pairs(ids[:-1]), "The last pair of the list is missing: where does your loop end?"),
        ({pair: chunks.count(pair) for pair in chunks}, "After (ids[0], ids[1]) comes (ids[1], ids[2]): step by one."),
        ({oracle.as_text(p): n for p, n in oracle.get_pairs(ids).items()}, "The keys are tuples of two ids, not text."),
    ]


def merge(ids: list[int], pair: Pair, new_id: int) -> Mistakes:
    """Wrong merges: of two different ids, or of an id with itself."""
    text, both = oracle.as_text(ids), oracle.as_text(pair)
    either = re.sub(f"{re.escape(both)}|{re.escape(both[::-1])}", chr(new_id), text)
    hits = [text.startswith(both, i) for i in range(len(ids))]
    return [
        *_searched(ids, pair, new_id),
        *(_merge_run(ids, pair[0], new_id) if pair[0] == pair[1] else []),
        ([*map(ord, text.replace(both, chr(new_id), 1))], "Only the first occurrence is merged: go on to the end."),
        (oracle.merge(ids, pair, new_id)[:-1], "The last id is lost: what does your loop do when one id is left over?"),
        ([*map(ord, either)], "(b, a) is merged as well as (a, b): the order of the pair matters."),
        (
            [new_id if hit else one for hit, one in zip(hits, ids, strict=True)],
            "The second id of the pair is still there: new_id replaces both.",
        ),
        (ids, "The list comes back as it was: is the new one returned? Is your test ever true? (A list is no tuple.)"),
    ]


def _searched(ids: list[int], pair: Pair, new_id: int) -> Mistakes:
    # Ids in decimal, and the pair looked for in that text.
    found: Mistakes = []
    for between in (" ", ", ", ","):
        text = between.join(map(str, ids)).replace(between.join(map(str, pair)), str(new_id))
        numbers = [int(one) for one in text.split(between)] if text else []
        found.append((numbers, "In a text of digits, 7 2 is found in 17 23 as well: compare ids with ids."))
    return found


def _merge_run(ids: list[int], same_id: int, new_id: int) -> Mistakes:
    overlapping: list[int] = []
    for i in range(len(ids)):
        if ids[i : i + 2] == [same_id] * 2:
            overlapping.append(new_id)
        elif i == 0 or ids[i - 1 : i + 1] != [same_id] * 2:
            overlapping.append(ids[i])
    from_right = oracle.merge(ids[::-1], (same_id, same_id), new_id)[::-1]
    run = f"In {same_id} {same_id} {same_id}"
    return [
        (overlapping, f"{run} the middle id is used twice: after a merge, go on behind both ids."),
        (from_right, f"{run} the first two are merged, not the last two: start at the left."),
    ]
