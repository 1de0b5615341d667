"""No line ends between a number and its unit: the space between the two becomes one that does not break.

The sources have plain spaces, so nobody has to think of it, and a number that is glued from a notebook is no exception.
"""

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.transforms.post_transforms import SphinxPostTransform

UNITS = r"%|[kMGT]i?B|[kMG]?FLOPs?|[nµm]?s|min|h|px|GHz|million|billion|trillion|bits?|bytes?|nats?|tokens?"
GAP = re.compile(rf"(?<=\d) (?=(?:{UNITS})(?![\w/-]))|(?<=\d) (?=[×·=] ?\d)|(?<=\d [×·=]) (?=\d)")
CLOSING = tuple(",.;:?!)’”")
PROSE = re.compile("<summary|<td")
VERBATIM = (nodes.literal, nodes.literal_block, nodes.math, nodes.math_block, nodes.raw, nodes.comment)


def joined(text: str) -> str:
    """
    >>> joined("98.4 % of 300 facts, in 3 GiB"), joined("8 × 8 tiles"), joined("in 2017 she wrote")
    ('98.4\\xa0% of 300 facts, in 3\\xa0GiB', '8\\xa0×\\xa08 tiles', 'in 2017 she wrote')
    """
    return GAP.sub("\N{NO-BREAK SPACE}", text)


def between_tags(html: str) -> str:
    """
    >>> between_tags('<summary title="3 GiB">Is it 3 GiB?</summary>')
    '<summary title="3 GiB">Is it 3\\xa0GiB?</summary>'
    """
    return re.sub(r"(?:^|>)[^<]*", lambda text: joined(text[0]), html)


def block_of(node: nodes.Text) -> Any:
    """The paragraph, cell or title that a text stands in."""
    here: Any = node.parent
    while isinstance(here, nodes.Inline) and here.parent is not None:
        here = here.parent
    return here


class NoBreak(SphinxPostTransform):
    """Runs after the glued numbers have come in and the links have found their text."""

    default_priority = 700

    def run(self, **kwargs: Any) -> None:
        keep_together(self.document)


def keep_together(document: nodes.document) -> None:
    block, before, formula = None, "", False
    for node in list(document.findall(nodes.Text)):
        parent, here = node.parent, block_of(node)
        if here is not block:
            block, before, formula = here, "", False
        text = str(node)
        if isinstance(parent, nodes.raw):
            text = between_tags(text) if PROSE.search(text) and "<script" not in text else text
        elif not isinstance(parent, VERBATIM):
            text = joined(before + text)[len(before) :]
            # A browser ends lines after a formula, as after an image, even before a full stop.
            text = "\N{WORD JOINER}" + text if formula and text.startswith(CLOSING) else text
        before, formula = text[-1:], isinstance(parent, nodes.math)
        if text != node:
            parent.replace(node, nodes.Text(text))


def no_figure_numbers(app: Sphinx, config: Config) -> None:
    """A figure that a notebook draws cannot have a number, so none has one; Jupyter Book insists on them."""
    config.numfig = False


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", no_figure_numbers, priority=900)
    app.add_post_transform(NoBreak)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
