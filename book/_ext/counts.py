"""What a module consists of, counted in its sources when the site is built; nothing enforces the counts."""

import re
from pathlib import Path

import yaml
from docutils import nodes
from record import table
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

# An edit of an oracle, or a function of its own.
MISTAKE = re.compile(r"^    .* =>|^@\w+\.mistake\(", flags=re.M)
CODE = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROOF = re.compile(r"^\s*(?:assert\b|(?:torch\.testing\.)?assert_\w+\(|np\.testing\.assert_\w+\()", re.MULTILINE)
EXPECT = re.compile(r"\bexpect\(")


def words(markdown: str) -> int:
    """
    >>> words("# Bytes\\n\\nTwo words.\\n\\n```python\\nnot = counted\\n```\\n")
    3
    """
    return len(re.findall(r"\b[^\W\d_][\w'’-]*", re.sub(r"^```.*?^```", "", markdown, flags=re.MULTILINE | re.DOTALL)))


def notebook_counts(markdown: str) -> dict[str, int]:
    """
    >>> notebook_counts("```{code-cell} python\\nassert 1 + 1 == 2\\n```\\n")
    {'cells': 1, 'proofs': 1, 'expectations': 0}
    """
    cells = CODE.findall(markdown)
    code = "\n".join(cells)
    return {"cells": len(cells), "proofs": len(PROOF.findall(code)), "expectations": len(EXPECT.findall(code))}


def rows(root: Path) -> list[list[object]]:
    """One row a module of `book/_data/modules.yml`: words of its chapters, and what its notebooks and lab hold."""
    found: list[list[object]] = []
    for module in yaml.safe_load((root / "book/_data/modules.yml").read_text(encoding="utf-8"))["modules"]:
        number = str(module["slug"])[:2]
        chapters = [path.read_text(encoding="utf-8") for path in sorted(root.glob(f"book/{number}*.md"))]
        each = [notebook_counts(p.read_text(encoding="utf-8")) for p in sorted(root.glob(f"notebooks/{number}*.md"))]
        labs = [path.read_text(encoding="utf-8") for path in root.glob(f"solutions/{number}*.md")]
        declared = [path.read_text(encoding="utf-8") for path in root.glob(f"src/fullstack_llm/labs/m{number}*/*.py")]
        found.append(
            [
                f"{number} {module['title']}",
                f"{sum(map(words, chapters)):,}",
                len(each),
                *[sum(item[key] for item in each) for key in ("cells", "proofs", "expectations")],
                sum(len(re.findall(r"# BEGIN SOLUTION", text)) for text in labs),
                sum(len(MISTAKE.findall(text)) for text in declared),
            ]
        )
    return found


class Counts(SphinxDirective):
    """The table: ```{counts}```."""

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()  # what it counts lies in files that are not its page
        head = ["Module", "Words", "Notebooks", "Cells", "Proofs", "Bands", "Answers", "Mistakes"]
        return self.parse_text_to_nodes("\n".join(table(head, rows(Path(self.env.srcdir)))))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("counts", Counts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
