"""Samples of all that the town makes, to open: documents, conversations, a preference, faults; from a fixed seed."""

import re
from collections.abc import Iterable
from html import escape
from itertools import islice

from fullstack_llm.tinytown import Document, Mix, Town, canary, lore
from fullstack_llm.tinytown.chance import stream
from fullstack_llm.tinytown.faults import near_duplicate, noise
from fullstack_llm.tinytown.gold import WEIGHTS, gold, total
from fullstack_llm.tinytown.instructions import Conversation, instructions
from fullstack_llm.tinytown.mixture import GENERATORS
from fullstack_llm.tinytown.preferences import preferences

SEED = 0
SEARCHED = 400
KNOWN = re.compile(r"\b(?:" + "|".join(lore.CHARACTERS) + r")\b")
TITLES = {
    "sum_direct": "sums without steps",
    "sum_steps": "a sum with its steps",
    "code": "a toy program with its output",
    "chain": "facts of facts",
    "quiz": "quiz",
    "place": "portrait of a place",
}


def document(world: Town, kind: str) -> Document:
    """The first document of a kind that names a character, or has a carry or a loop; where none does, the first."""
    found = list(islice(GENERATORS[kind](world, stream(SEED, "kind", kind)), SEARCHED))
    likely = r"write \d carry 1\n" if kind == "sum_steps" else r"repeat" if kind == "code" else KNOWN
    return next((item for item in found if re.search(likely, item.text)), found[0])


def opened(title: str, note: str, inside: str) -> str:
    """A sample that a reader opens."""
    aside = f' <span class="town-note">{escape(note)}</span>' if note else ""
    return f'<details class="town-sample"><summary>{escape(title)}{aside}</summary>{inside}</details>'


def written(text: str) -> str:
    """A text as it is, its lines kept."""
    return f'<pre class="town-text">{escape(text)}</pre>'


def documents(world: Town) -> str:
    """One document of each kind, with its share of the bytes of the default mix."""
    mix = Mix()
    shares = {kind: getattr(mix, kind) for kind in GENERATORS}
    whole = sum(shares.values())
    return "".join(
        opened(TITLES.get(kind, kind), f"{share / whole:.0%} of the mix", written(document(world, kind).text))
        for kind, share in sorted(shares.items(), key=lambda entry: -entry[1])
    )


def conversation(found: Conversation) -> str:
    """The turns of a conversation, each with its role."""
    turns = "".join(f"<dt>{escape(m['role'])}</dt><dd>{escape(m['content'])}</dd>" for m in found.messages)
    return f'<dl class="town-turns">{turns}</dl>'


def talks(world: Town) -> str:
    """The first conversation of three kinds; of those about a fact, the first that has a system prompt."""
    found: dict[str, Conversation] = {}
    for item in islice(instructions(world, seed=SEED), SEARCHED):
        if item.kind != "fact" or item.messages[0]["role"] == "system":
            found.setdefault(item.kind, item)
    titles = {"fact": "a known fact", "unknown": "nothing is known", "two_hop": "two facts", "problem": "a puzzle"}
    return "".join(opened(title, "", conversation(found[kind])) for kind, title in titles.items())


def pair(world: Town) -> str:
    """The first pair about a character of which one answer is false, and what gold gives both."""
    chosen = next(
        item
        for item in islice(preferences(world, seed=SEED), 10 * SEARCHED)
        if KNOWN.search(item.prompt) and item.gold_rejected < 0 < item.gold_chosen and "long" in item.traits[1]
    )
    scores = [gold(world, chosen.prompt, answer) for answer in (chosen.chosen, chosen.rejected)]
    rows = "".join(
        f'<tr><th scope="row">{name}</th><td>{weight:g}</td>{_cells(score[name] for score in scores)}</tr>'
        for name, weight in WEIGHTS.items()
    )
    return opened(
        "a preference and its hidden reward",
        "",
        f'<dl class="town-turns"><dt>prompt</dt><dd>{escape(chosen.prompt)}</dd><dt>chosen</dt>'
        f"<dd>{escape(chosen.chosen)}</dd><dt>rejected</dt><dd>{escape(chosen.rejected)}</dd></dl>"
        '<table class="table town-gold"><thead><tr><th scope="col">component</th><th scope="col">weight</th>'
        f'<th scope="col">chosen</th><th scope="col">rejected</th></tr></thead><tbody>{rows}</tbody><tfoot><tr>'
        f'<th scope="row">weighted sum</th><td></td>{_cells(total(score) for score in scores)}</tr></tfoot></table>',
    )


def _cells(values: Iterable[float]) -> str:
    return "".join(f"<td>{value:.2f}</td>".replace("-", "−") for value in values)


def faults(world: Town) -> str:
    """What the knobs add to a corpus: a near duplicate, noise, a canary."""
    text = document(world, "biography").text
    kinds: dict[str, str] = {}
    for number in range(SEARCHED):
        kind, bad = noise(stream(SEED, "sample", str(number)), text)
        kinds.setdefault(kind, bad)
    near = next(
        found
        for found in (near_duplicate(stream(SEED, "near", str(number)), text) for number in range(SEARCHED))
        if "\n" in found
    )
    inside = "".join(f"<p>{escape(name)}</p>{written(bad)}" for name, bad in (
        ("near duplicate", near), ("noise: garbled", kinds["garbled"]), ("a canary", canary(SEED).text)
    ))  # fmt: skip
    return opened("faults, planted on purpose", "0% until asked for", inside)


def samples(world: Town) -> dict[str, str]:
    """The samples of the page by the name that its directive gives."""
    return {
        "documents": documents(world),
        "after": talks(world) + pair(world) + faults(world),
    }
