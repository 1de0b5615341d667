"""A line of code that is too long for the window wraps, further in than it began; nothing of it is cut off."""

import re
from html import unescape
from typing import Any

from sphinx.application import Sphinx

# What a cell printed is no code: its columns have to stay under each other.
BLOCK = re.compile(
    r'(<div class="(?:fsllm-shown-code )?highlight-(?!myst-ansi)[^"]*"><div class="highlight"><pre>)(.*?)(</pre>)',
    re.DOTALL,
)
DEEPEST = 16  # columns: a line that begins further in goes on there, or a phone has no room left for it


def wrapped(code: str) -> str:
    """Each line of highlighted code in an element that knows its indentation.

    >>> wrapped('<span class="k">if</span> x:\\n    y\\n').splitlines()[1]
    '</span><span class="fsllm-line" style="--indent:4ch">    y'
    >>> wrapped("f(x,\\n" + " " * 34 + "y)").count("--indent:16ch")
    1
    """
    lines = code.removesuffix("\n").split("\n")
    text = [unescape(re.sub(r"<[^>]*>", "", line)) for line in lines]
    indents = [min(len(line) - len(line.lstrip(" ")), DEEPEST) for line in text]
    return "".join(
        f'<span class="fsllm-line" style="--indent:{indent}ch">{line}\n</span>'
        for line, indent in zip(lines, indents, strict=True)
    )


def wrap(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    if "body" in context:
        context["body"] = BLOCK.sub(lambda found: found[1] + wrapped(found[2]) + found[3], context["body"])


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", wrap, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
