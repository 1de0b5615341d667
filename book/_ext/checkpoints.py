"""The page of the models: the cards that ship with the checkpoints, as a table, and any number of theirs in a sentence.

```{checkpoint-cards}``` and {card}`base/facts`: a score in percent, or a plain number of `VALUES`.
```{recorded-pairs}```: what DPO on two kinds of pairs did, as recorded.
"""

from collections.abc import Callable
from html import escape
from statistics import fmean

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

from fullstack_llm import recorded
from fullstack_llm.models import Card, card
from fullstack_llm.models.recipes import recipes
from fullstack_llm.models.scores import Score

# These scores are means in units of their own; all others are shares.
MEANS = ("gold", "words", "divergence", "gold gained")
VALUES: dict[str, Callable[[Card], str]] = {
    "parameters": lambda one: f"{one.parameters:,}",
    "minutes": lambda one: f"{one.seconds / 60:.0f}",
    "tokens": lambda one: f"{one.recipe['steps'] * one.recipe['batch'] * one.recipe['length']:,}",
}


def written(test: str, value: float) -> str:
    """A score as the page writes it.

    >>> written("facts", 0.9512), written("gold", 3.14159)
    ('95.1 %', '3.14')
    """
    return f"{value:.2f}" if test in MEANS else f"{100 * value:.1f} %"


def number(text: str) -> str:
    """The number that a role names: a card's name, a slash, a score or one of `VALUES`.

    Raises KeyError, with what there is.
    """
    name, _, test = text.partition("/")
    found = card(name)
    if test in VALUES:
        return VALUES[test](found)
    if test not in found.scores:
        raise KeyError(f"The card of {name} has no {test!r}: {', '.join([*VALUES, *found.scores])}.")
    return written(test, found.scores[test].value)


def interval(test: str, score: Score) -> str:
    """The interval of a score, in the unit of its value."""
    low, high = (written(test, bound).removesuffix(" %") for bound in (score.low, score.high))
    return f"{low} to {high}"


def duration(seconds: float) -> str:
    """
    >>> duration(23.4), duration(3290)
    ('23 s', '55 min')
    """
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def cards() -> str:
    """All cards, parents before children, as definition lists."""
    found = []
    for name in recipes():
        one = card(name)
        made = f"from <code>{one.recipe['parent']}</code>" if one.recipe["parent"] else "from nothing"
        rows = "".join(
            f"<tr><th scope='row'>{escape(test)}</th><td>{written(test, score.value)}</td>"
            f"<td>{interval(test, score)}</td><td>{score.items:,}</td></tr>"
            for test, score in one.scores.items()
        )
        found.append(
            f"<h3 id='card-{name}'><code>{name}</code></h3><p>{one.parameters:,} parameters, {made}, "
            f"{one.recipe['steps']:,} steps, trained in {duration(one.seconds)} on {escape(one.device)}, "
            f"SHA-256 <code>{one.sha256[:12]}…</code></p>"
            f"<table class='table'><thead><tr><th>score</th><th>value</th><th>95 % interval</th><th>items</th></tr>"
            f"</thead><tbody>{rows}</tbody></table>"
        )
    return "".join(found)


def pairs() -> str:
    """The recorded runs of DPO on own and on written answers, as a table: the mean over seeds, and their range."""
    values = recorded.load("model-pairs")["values"]

    def cell(numbers: list[float], sign: str = "") -> str:
        low, middle, high = (f"{x:{sign}.2f}" for x in (min(numbers), fmean(numbers), max(numbers)))
        return f"<td>{middle} ({low} to {high})</td>"

    rows = {
        "surprise of <code>sft</code> at the better answer (nats)": lambda kind: cell(
            [found["chosen"] for found in values["unlikely"][kind]]
        ),
        "surprise at the worse one (nats)": lambda kind: cell(
            [found["rejected"] for found in values["unlikely"][kind]]
        ),
        "gold gained, points a question": lambda kind: cell(values["gained"][kind], "+"),
        "surprise added at what <code>sft</code> used to answer (nats)": lambda kind: cell(values["added"][kind], "+"),
    }
    body = "".join(
        f"<tr><th scope='row'>{title}</th>{written('own')}{written('written')}</tr>" for title, written in rows.items()
    )
    head = "<tr><th scope='col'>mean of three seeds (lowest to highest)</th><th scope='col'>its own answers</th>"
    return (
        f"<div class='town-scroll'><table class='table'><thead>{head}<th scope='col'>written answers</th></tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


class RecordedPairs(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        return [nodes.raw("", pairs(), format="html")]


class CheckpointCards(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        return [nodes.raw("", cards(), format="html")]


class CardNumber(SphinxRole):
    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        try:
            return [nodes.Text(number(self.text))], []
        except KeyError as error:
            return [], [self.inliner.reporter.error(str(error.args[0]), line=self.lineno)]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("checkpoint-cards", CheckpointCards)
    app.add_directive("recorded-pairs", RecordedPairs)
    app.add_role("card", CardNumber())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
