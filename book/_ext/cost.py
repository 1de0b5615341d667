"""What the last complete `make check` took, for the verification page: CPU seconds by stage, area and module."""

import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from record import table
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import seconds

MISSING = "No complete run of `make check` is on record where this site was built."


def tables(account: dict[str, Any], record: dict[str, Any]) -> list[str]:
    """The tables as Markdown, each under its title."""
    if not account["stages"]:
        return [MISSING]
    kind = "full" if account["full"] else "ordinary"
    lines = [f"The last complete run was of the {kind} kind and ended on {account['ended'][:10]}.", ""]
    for title, head, rows in seconds.tables(account, record):
        lines += [f"### {title}", "", *table(head, rows)]
    return lines


class Cost(SphinxDirective):
    """The tables: ```{cost}```."""

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()  # the account is in a file that is not the page's
        root = Path(self.env.srcdir)
        text = "\n".join(tables(seconds.load(root / seconds.DONE), seconds.load(root / seconds.RECORD)))
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("cost", Cost)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
