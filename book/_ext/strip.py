"""One sentence as the course's model reads it: ```{token-strip} Ada adds 12 and 34.``` shows bytes, tokens and ids.

The tokens come from the tokenizer that ships with the course, at every build, so the picture cannot go stale.
"""

from html import escape
from pathlib import Path

from docutils import nodes
from interactive import TOKENIZER
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


def pieces(path: Path, text: str) -> list[tuple[str, int]]:
    """Each token's part of the text, and its id."""
    from tokenizers import Tokenizer

    encoding = Tokenizer.from_file(str(path)).encode(text, add_special_tokens=False)
    return [(text[start:end], number) for (start, end), number in zip(encoding.offsets, encoding.ids, strict=True)]


def strip(found: list[tuple[str, int]]) -> str:
    """One column a token: its bytes, its text, its id.

    >>> strip([(" a", 7)]).count("<li>"), "32 97" in strip([(" a", 7)])
    (1, True)
    """
    columns = "".join(
        f'<li><span class="fsllm-strip-bytes">{" ".join(map(str, part.encode()))}</span>'
        f'<span class="fsllm-strip-token">{escape(part).replace(" ", "␣")}</span>'
        f'<span class="fsllm-strip-id">{number}</span></li>'
        for part, number in found
    )
    return f'<ol class="fsllm-strip" aria-label="Tokens: their bytes, their text, their ids">{columns}</ol>'


class TokenStrip(SphinxDirective):
    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        path = Path(self.env.srcdir) / TOKENIZER
        if not path.exists():
            raise self.error(f"{TOKENIZER} is missing: build the course's tokenizer first (notebook 03c does).")
        self.env.note_dependency(str(path))
        text = self.arguments[0]
        found = pieces(path, text)
        if "".join(part for part, _ in found) != text:
            raise self.error(f"A token cuts through a character of '{text}'; choose a sentence of whole characters.")
        said = f"{len(text.encode())} bytes, {len(found)} tokens."
        caption = nodes.paragraph("", "", nodes.strong("", said), nodes.Text(" "), classes=["fsllm-strip-caption"])
        for paragraph in self.parse_content_to_nodes():
            caption += paragraph.children
        return [nodes.raw("", strip(found), format="html"), caption]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("token-strip", TokenStrip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
