"""Interactives: one directive that inlines the data and loads one script, on the page that uses it and on no other.

```{interactive} bpe-stepper
What a reader without JavaScript should know.
```
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bets
import blocktable
import budgets
import calculator
import kv
import label_painter
import sampler
import scrubber
import spectrum
import timelines
import viewer
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

RECORDED = "src/fullstack_llm/data/recorded"
TOKENIZER = "src/fullstack_llm/data/tokenizer/tokenizer.json"


def merges(root: Path) -> dict[str, Any]:
    """How the course's tokenizer cuts text, its merges in the order in which they were learned, its special tokens."""
    path = root / TOKENIZER
    if not path.exists():
        raise FileNotFoundError(f"{TOKENIZER} is missing: build the course's tokenizer first (notebook 03c does).")
    data = json.loads(path.read_text(encoding="utf-8"))
    pairs = [pair.split(" ", 1) if isinstance(pair, str) else list(pair) for pair in data["model"]["merges"]]
    specials = [item["content"] for item in data["added_tokens"] if item["special"]]
    pattern = data["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]
    return {"pattern": pattern, "merges": pairs, "specials": specials}


@dataclass(frozen=True)
class Source:
    """Where an interactive's data come from, and the files and folders whose change makes them new."""

    data: Callable[[Path], dict[str, Any]]
    files: tuple[str, ...]


SOURCES = {
    "attention-viewer": Source(viewer.attention, ("src/fullstack_llm/data/models/base/card.json",)),
    "block-table": Source(blocktable.trace, (blocktable.RECORD,)),
    "bpe-stepper": Source(merges, (TOKENIZER,)),
    "budget-calculator": Source(budgets.laws, tuple(f"{RECORDED}/scaling-{kind}.json" for kind in ("grid", "repeats"))),
    "kv-calculator": Source(kv.caches, kv.FILES),
    "label-painter": Source(label_painter.conversations, label_painter.FILES),
    "loss-scrubber": Source(scrubber.curve, (scrubber.RECORD,)),
    "next-bets": Source(bets.bets, bets.FILES),
    "pipeline-timeline": Source(timelines.timelines, timelines.FILES),
    "sampler": Source(sampler.logits, sampler.FILES),
    "shape-calculator": Source(calculator.shapes, ("src/fullstack_llm/data/models/base/card.json",)),
    "update-spectrum": Source(spectrum.spectrum, spectrum.RECORDS),
}


def data_block(data: dict[str, Any]) -> str:
    """JSON that is safe inside a script element: no sequence in it can close the element or open another.

    >>> data_block({"specials": ["</script>"]})
    '{"specials":["\\\\u003c/script>"]}'
    """
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


class Interactive(SphinxDirective):
    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        if name not in SOURCES:
            raise self.error(f"There is no interactive '{name}'. There are: {', '.join(sorted(SOURCES))}.")
        root = Path(self.env.srcdir)
        for path in SOURCES[name].files:
            self.env.note_dependency(str(root / path))
        try:
            data = data_block(SOURCES[name].data(root))
        except FileNotFoundError as error:
            raise self.error(str(error)) from error
        opening = (
            f'<div class="interactive" id="{name}">'
            f'<script type="application/json" class="interactive-data">{data}</script><noscript>'
        )
        marker = nodes.container(classes=["interactive-marker"], names=[], interactive=name)
        return [
            nodes.raw("", opening, format="html"),
            *self.parse_content_to_nodes(),
            nodes.raw("", "</noscript></div>", format="html"),
            marker,
        ]


def load_scripts(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """The script and the style of the page's interactives; Sphinx keeps what is added here to this page."""
    if doctree is None:
        return
    for node in doctree.findall(lambda node: isinstance(node, nodes.container) and "interactive" in node):
        name = node["interactive"]
        app.add_css_file("interactive.css")
        app.add_css_file(f"{name}.css")
        # Deferred scripts run in this order.
        app.add_js_file("interactive.js", loading_method="defer")
        app.add_js_file(f"{name}.js", loading_method="defer")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("interactive", Interactive)
    app.connect("html-page-context", load_scripts, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
