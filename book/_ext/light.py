"""Make a built page light: icons as the few shapes it uses, scripts after the text, mathematics where there is any.

The theme loads an icon font twice, a search index and MathJax on every page, before the text is shown. After the build
each page is rewritten: an icon becomes its shape from the theme's own file (Font Awesome Free, CC BY 4.0), what only
search needs stays on the page of search, and MathJax comes, after everything else, to pages that have formulas.
"""

import re
import shutil
from functools import cache
from html import escape, unescape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

FAMILIES = {"fa", "fas", "fab", "far", "fa-solid", "fa-brands", "fa-regular"}
ICON = re.compile(r'<(i|span) class="([^"]*\b(?:fa|fas|fab|far|fa-solid|fa-brands|fa-regular) [^"]*)"([^>]*)></\1>')
ICON_RULE = re.compile(r'(?:\.fa-[a-z0-9-]+:before,?)+\{content:"\\[0-9a-f]+"\}|@font-face\{[^}]*Font ?Awesome[^}]*\}')
GLYPH = re.compile(r'[{,]"?([a-z0-9-]+)"?:\[(\d+),(\d+),\[([^\]]*)\],"[0-9a-f]+","(M[^"]+)"\]')
HEAD_SCRIPT = re.compile(r"[ \t]*<script(?! data-cfasync)[^>]*>(?:(?!</script>).)*</script>\n?", re.S)
SEARCH = ("searchtools.js", "language_data.js", "searchindex.js")
UNUSED = ("fontawesome.js", "mathjax/", "window.MathJax")
FONTS = ("source-serif-4.woff2", "source-sans-3.woff2")
FORMULA = re.compile(r'<(span|div) class="math notranslate nohighlight"([^>]*)>(.*?)</\1>', re.S)
DONE = "<!-- light -->"
DESCRIBED = 155  # letters of a description that a list of results shows


def glyphs(script: str) -> dict[str, tuple[int, int, str]]:
    """Return every icon of the theme's script by name and alias: width, height, path.

    A solid icon comes after an outlined one of the same name, and wins.

    >>> glyphs('x={"a-b":[2,3,["c",12],"f0","M1 1z"]}')["c"]
    (2, 3, 'M1 1z')
    """
    found = {}
    for name, width, height, others, path in GLYPH.findall(script):
        for known in [name, *re.findall(r'"([^"]+)"', others)]:
            found[known] = (int(width), int(height), path)
    return found


def with_icons(html: str, shapes: dict[str, tuple[int, int, str]]) -> str:
    """Replace each icon by a reference to its shape, and put the shapes that a page uses at its end."""
    used = dict[str, tuple[int, int, str]]()

    def shape(match: re.Match[str]) -> str:
        tag, classes = match[1], [name for name in match[2].split() if name not in FAMILIES]
        name = next(name for name in classes if name.startswith("fa-")).removeprefix("fa-")
        if name not in shapes:
            raise ValueError(f"The theme has no icon '{name}'.")
        used[name] = shapes[name]
        width, height, _ = shapes[name]
        drawn = f'<svg viewBox="0 0 {width} {height}" aria-hidden="true"><use href="#icon-{name}"/></svg>'
        return f'<{tag} class="fsllm-icon {" ".join(classes)}"{match[3]}>{drawn}</{tag}>'

    html = ICON.sub(shape, html)
    symbols = "".join(f'<path id="icon-{name}" d="{path}"/>' for name, (_, _, path) in sorted(used.items()))
    return html.replace("</body>", f'<svg class="fsllm-icons" aria-hidden="true"><defs>{symbols}</defs></svg>\n</body>')


@cache
def extent(tex: str, display: bool) -> tuple[float, float]:
    """Estimate a formula's width and height in em, so that its place is kept until it is typeset.

    Matplotlib's mathtext has the same letters as MathJax; what it cannot read is estimated by the count of letters.

    >>> width, _ = extent("x^2", False)
    >>> 0.8 < width < 1.4
    True
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import MathTextParser

    rows = re.split(r"\\\\", re.sub(r"\\(?:begin|end)\{[^}]*\}", "", tex).replace("&", ""))
    width = height = 0.0
    for row in rows:
        try:
            parsed = MathTextParser("path").parse(f"${row.strip()}$", 72, FontProperties(size=100))
            wide, high = parsed.width / 100, max(parsed.height, 90) / 100
        except (ValueError, RuntimeError):
            wide, high = 0.5 * len(re.sub(r"\\[a-z]+|[{}^_\s]", "", row)), 2.2 if "frac" in row or "sum" in row else 1.2
        width, height = max(width, wide), height + high + (0.3 if display else 0)
    return round(1.06 * width, 2), round(height, 2)


def keeping_place(match: re.Match[str]) -> str:
    """Give a formula the size that it will have."""
    tag, attributes, body = match[1], match[2], match[3]
    display = tag == "div"
    width, height = extent(unescape(body).strip().removeprefix("\\(").removesuffix("\\)").strip("\\[]\n "), display)
    style = f"--height:{height}em" if display else f"--width:{width}em"
    return f'<{tag} class="math notranslate nohighlight"{attributes} style="{style}">{body}</{tag}>'


def lighten(html: str, shapes: dict[str, tuple[int, int, str]], search: bool = False) -> str:
    """Return a page with icons as shapes, its scripts after its text, and MathJax only if there are formulas."""
    if DONE in html:
        return html
    head, body = html.split("</head>", 1)
    scripts = [script for script in HEAD_SCRIPT.findall(head) if not any(part in script for part in UNUSED)]
    scripts = [script for script in scripts if search or not any(part in script for part in SEARCH)]
    head = HEAD_SCRIPT.sub("", head)
    head = re.sub(r'<link rel="preload" as="font"[^>]*>|<link rel="preload"[^>]*fontawesome[^>]*>', "", head)
    root = match[1] if (match := re.search(r'data-content_root="([^"]*)"', html)) else "./"
    for font in FONTS:
        head += f'<link rel="preload" as="font" type="font/woff2" crossorigin href="{root}_static/fonts/{font}"/>\n'
    if FORMULA.search(body):
        head += '<script>document.documentElement.classList.add("maths-wait")</script>\n'
        body = FORMULA.sub(keeping_place, body)
        scripts.append(
            f'<script src="{root}_static/maths.js" data-mathjax="{root}_static/mathjax/tex-svg.js"></script>\n'
        )
    before, after = body.rsplit("</body>", 1)
    return with_icons(f"{head}{DONE}</head>{before}{''.join(scripts)}</body>{after}", shapes)


def description(doctree: Any) -> str:
    """Return a page's first paragraph outside lists and tables, cut after a word, for lists of search results."""
    for paragraph in doctree.findall(nodes.paragraph):
        if isinstance(paragraph.parent, nodes.section | nodes.document) and paragraph.astext().strip():
            text = " ".join(paragraph.astext().split())
            return text if len(text) <= DESCRIBED else text[:DESCRIBED].rsplit(" ", 1)[0] + " …"
    return ""


def describe(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    text = description(doctree) if doctree is not None else ""
    text = text or f"{context.get('title', '')}: {app.config.project}"
    context["metatags"] = context.get("metatags", "") + f'\n<meta name="description" content="{escape(text)}"/>'


def rewrite(app: Sphinx, exception: Exception | None) -> None:
    if exception is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    static = out / "_static"
    shapes = glyphs((static / "scripts" / "fontawesome.js").read_text(encoding="utf-8"))
    style = static / "styles" / "pydata-sphinx-theme.css"
    style.write_text(ICON_RULE.sub("", style.read_text(encoding="utf-8")), encoding="utf-8")
    shutil.rmtree(static / "vendor" / "fontawesome", ignore_errors=True)
    for path in static.rglob("*.map"):  # for those who develop the theme; no reader's browser asks for them
        path.unlink()
    for path in out.rglob("*.html"):
        html = path.read_text(encoding="utf-8")
        if "</head>" in html and "pst-header" in html:
            light = lighten(html, shapes, search=path.name == "search.html")
            if light != html:
                path.write_text(light, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", describe)
    app.connect("build-finished", rewrite)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
