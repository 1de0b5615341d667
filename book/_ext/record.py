"""What the last run of the notebooks recorded: a line at the foot of each page, and tables on the verification page.

The record is `_build/record.json`; whoever executes the notebooks writes it. Without it the pages say so.
"""

import hashlib
import json
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

MISSING = "This site was built without a record of a run: no notebook was executed for it."
# The packages whose versions change what a page shows; the verification page lists all of them.
SHOWN = ("torch", "transformers", "tokenizers")


def record_path(app: Sphinx) -> Path:
    return Path(app.outdir).parent / "record.json"


def load(path: Path) -> dict[str, Any] | None:
    """The record, or None where there is none; a damaged file is an error with the remedy."""
    if not path.exists():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path.name} is not JSON ({error}). Execute the notebooks again to rewrite it.") from error
    if not isinstance(record, dict) or not isinstance(record.get("notebooks"), dict):
        raise ValueError(f"{path.name} holds no 'notebooks'. Execute the notebooks again to rewrite it.")
    return record


def runs_of(record: dict[str, Any], pagename: str) -> dict[str, dict[str, Any]]:
    """The runs a page rests on: a notebook its own, a chapter its notebook's, a module's page those of its parts.

    >>> sorted(runs_of({"notebooks": {"notebooks/03a_x.md": {}, "notebooks/04_y.md": {}}}, "book/03_tokenization"))
    ['notebooks/03a_x.md']
    """
    folder, _, slug = pagename.partition("/")
    runs = record["notebooks"]
    if folder not in ("book", "notebooks") or not slug[:2].isdigit():
        return {}
    own = f"notebooks/{slug}.md"
    if own in runs:
        return {own: runs[own]}
    if folder == "book" and slug[2:3] == "_":
        return {path: run for path, run in runs.items() if path.startswith(f"notebooks/{slug[:2]}")}
    return {}


def expectations(run: dict[str, Any]) -> list[dict[str, Any]]:
    """The run's measurements that have a band; the others only label a page.

    >>> expectations({"expectations": [{"name": "size", "low": None}, {"name": "ratio", "low": 2.0}]})
    [{'name': 'ratio', 'low': 2.0}]
    """
    return [item for item in run.get("expectations", []) if item.get("low") is not None]


def day(stamp: str) -> str:
    return str(stamp)[:10]


def seconds(value: float) -> str:
    """
    >>> seconds(4.24), seconds(83.6)
    ('4.2 s', '84 s')
    """
    return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"


def foot(record: dict[str, Any] | None, pagename: str) -> str:
    """The discreet line: when, where, how long, how much memory, with which versions. Empty on other pages."""
    folder, _, slug = pagename.partition("/")
    if folder not in ("book", "notebooks") or not slug[:2].isdigit():
        return ""
    if record is None:
        return f'<p class="fsllm-record">{MISSING}</p>'
    runs = runs_of(record, pagename)
    if not runs:
        return '<p class="fsllm-record">No run of this page\'s notebook is on record.</p>'
    versions = record.get("versions", {})
    packages = ", ".join(f"{name} {versions[name]}" for name in SHOWN if name in versions)
    checks = [item for run in runs.values() for item in expectations(run)]
    inside = sum(bool(item.get("ok")) for item in checks)
    parts = [
        f"Last run {max(day(run['ran']) for run in runs.values())} on {record.get('device', 'an unnamed device')}",
        f"{seconds(sum(run['seconds'] for run in runs.values()))}",
        f"{max(run['peak_mib'] for run in runs.values()):,.0f} MiB at most",
        f"{inside} of {len(checks)} expectations met" if checks else "",
        packages,
    ]
    line = " · ".join(escape(part) for part in parts if part)
    return f'<p class="fsllm-record">{line} · <a href="{{verification}}">how it is verified</a></p>'


def number(value: Any) -> str:
    """
    >>> number(3.14159), number(999.9), number(1234567), number(0.00012), number(3.4e38), number("yes")
    ('3.14', '1,000', '1,234,567', '0.00012', '3.4e+38', 'yes')
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if abs(value) < 1e12 and value == int(value):
        return f"{int(value):,}"
    return f"{value:,.0f}" if 999.5 <= abs(value) < 1e12 else f"{value:.3g}"


def cell(text: Any) -> str:
    """Text that a Markdown table cannot take for its own syntax."""
    return str(text).replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def table(head: list[str], rows: list[list[Any]]) -> list[str]:
    align = ["---" if i == 0 else "--:" for i in range(len(head))]
    lines = [head, align, *[[cell(value) for value in row] for row in rows]]
    return ["| " + " | ".join(line) + " |" for line in lines] + [""]


def tables(record: dict[str, Any] | None) -> list[str]:
    """The whole record as Markdown: the build, the notebooks, every expectation by notebook."""
    if record is None:
        return [MISSING]
    build = [["Built", day(record.get("built", "unknown"))], ["Device", record.get("device", "unknown")]]
    build.append(["Preset", f"`{record.get('preset', 'unknown')}`"])
    build += [[name, version] for name, version in sorted(record.get("versions", {}).items())]
    lines = ["## The build", "", *table(["What", "Value"], build), "## The notebooks", ""]
    rows = []
    for path, run in sorted(record["notebooks"].items()):
        checks = expectations(run)
        met = f"{sum(bool(item['ok']) for item in checks)} of {len(checks)}"
        rows.append(
            [
                f"[{Path(path).stem}](../{path})",
                day(run["ran"]),
                seconds(run["seconds"]),
                seconds(run["cpu_seconds"]),
                f"{run['peak_mib']:,.0f}",
                met,
            ]
        )
    lines += table(["Notebook", "Run", "Time", "CPU time", "Peak MiB", "Expectations met"], rows)
    lines += ["## Every number", ""]
    for path, run in sorted(record["notebooks"].items()):
        if run.get("expectations"):
            rows = [row(item) for item in run["expectations"]]
            head = ["Name", "Measured", "Expected", "Kind", "Met"]
            lines += [f"### {Path(path).stem}", "", *compact(Path(path).stem, head, rows)]
    return lines


def compact(name: str, head: list[str], rows: list[list[str]]) -> list[str]:
    """A table of many rows in few bytes: HTML needs no end of a row or a cell, and Sphinx writes paragraphs in them."""
    label = f'role="region" aria-label="{escape(name)}" tabindex="0"'
    lines = ["```{raw} html", f'<div class="pst-scrollable-table-container" {label}><table class="table">']
    lines += ["<thead><tr>" + "".join(f'<th scope="col">{word}' for word in head), "<tbody>"]
    lines += [
        f'<tr><th scope="row"><code>{escape(one[0])}</code><td>' + "<td>".join(map(escape, one[1:])) for one in rows
    ]
    return [*lines, "</table></div>", "```", ""]


def row(item: dict[str, Any]) -> list[str]:
    unit = f" {item['unit']}" if item.get("unit") else ""
    low, high = item.get("low"), item.get("high")
    band = "" if low is None else number(low) if low == high else f"{number(low)} to {number(high)}"
    return [
        item["name"],
        number(item["value"]) + unit,
        band and band + unit,
        item.get("kind", ""),
        "" if low is None else "yes" if item.get("ok") else "NO",
    ]


class Record(SphinxDirective):
    """Everything the record holds, in tables: ```{record}```."""

    def run(self) -> list[nodes.Node]:
        app = self.env.app
        return self.parse_text_to_nodes("\n".join(tables(load(record_path(app)))), allow_section_headings=True)


def add_foot(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    if doctree is not None:
        line = foot(load(record_path(app)), pagename)
        context["body"] += line.replace("{verification}", context["pathto"]("book/verification"))


def outdated(app: Sphinx, env: Any, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    """A new record outdates the pages that show it, although their sources stay the same."""
    path = record_path(app)
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""
    before, env.fsllm_record = getattr(env, "fsllm_record", digest), digest
    if before == digest:
        return []
    return [name for name in env.found_docs if foot({"notebooks": {}}, name) or name == "book/verification"]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("record", Record)
    app.connect("env-get-outdated", outdated)
    app.connect("html-page-context", add_foot, priority=800)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
