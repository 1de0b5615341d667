"""The page of the models: the cards that ship with the checkpoints, as a table, and any number of theirs in a sentence.

```{checkpoint-cards}``` and {card}`base/facts`: a score in percent, or a plain number of `VALUES`.
"""

from collections.abc import Callable
from html import escape

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

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
    app.add_role("card", CardNumber())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
