"""The map of the stack: ```{stack-map}``` draws the layers of `book/_data/modules.yml` and links the modules there are.

The drawing is inline, so that its links work and its colours follow the page; a wide and a narrow one are emitted
and the style sheet shows the one that fits, because text in a scaled drawing would be too small on a phone.
"""

import textwrap
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from html import escape
from pathlib import Path

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

DATA = "book/_data/modules.yml"
GLYPHS = "book/_data/glyphs.svg"
SVG = "{http://www.w3.org/2000/svg}"
GAP = 10
CHIP = 32


def load(root: Path) -> dict[str, list[dict[str, str]]]:
    """The layers, bottom first, and the modules; a module of an unknown part is an error."""
    data = yaml.safe_load((root / DATA).read_text(encoding="utf-8"))
    parts = {layer["part"] for layer in data["layers"]}
    for module in data["modules"]:
        if module["part"] not in parts:
            raise ValueError(f"{DATA}: module {module['slug']} names part {module['part']}; there are {sorted(parts)}.")
    return data


def glyphs(root: Path) -> dict[str, str]:
    """The drawing of each part as SVG source."""
    ElementTree.register_namespace("", "http://www.w3.org/2000/svg")
    tree = ElementTree.parse(root / GLYPHS)
    found = {}
    for group in tree.iter(f"{SVG}g"):
        part = group.attrib.pop("id").removeprefix("glyph-")
        found[part] = ElementTree.tostring(group, encoding="unicode").replace(' xmlns="http://www.w3.org/2000/svg"', "")
    return found


def chips(modules: list[dict[str, str]], x: int, y: int, right: int, href: Callable[[str], str]) -> tuple[str, int]:
    """The modules of a layer as linked labels, wrapped at `right`; and the y below the last row."""
    out, left = [], x
    for module in modules:
        label = f"{module['slug'][:2]} {module['title']}"
        width = round(8.2 * len(label)) + 26
        if left + width > right and left > x:
            left, y = x, y + CHIP + 6
        out.append(
            f'<a href="{escape(href(module["slug"]))}"><title>{escape(module["question"])}</title>'
            f'<rect class="fsllm-map-chip" x="{left}" y="{y}" width="{width}" height="{CHIP}" rx="16"/>'
            f'<text class="fsllm-map-link" x="{left + width / 2:g}" y="{y + 21}" text-anchor="middle">{escape(label)}'
            "</text></a>"
        )
        left += width + 8
    return "".join(out), y + CHIP if modules else y


def layer(
    part: dict[str, str], modules: list[dict[str, str]], glyph: str, top: int, width: int, href: Callable[[str], str]
) -> tuple[str, int]:
    """One slab, drawn from `top` down; and its height."""
    wide = width >= 600
    x = 140 if wide else 20
    lines = textwrap.wrap(part["question"], 64 if wide else 36)
    y = top + 32
    text = [f'<text class="fsllm-map-title" x="{x}" y="{y}">{escape(part["title"])}</text>']
    for line in lines:
        y += 22
        text.append(f'<text class="fsllm-map-question" x="{x}" y="{y}">{escape(line)}</text>')
    linked, bottom = chips(modules, x, y + 14, width - 20, href)
    height = (bottom if modules else y) + 20 - top
    place = f"translate(24 {top + height / 2 - 24:g})" if wide else f"translate({width - 80} {top + 12}) scale(.62)"
    kind = "fsllm-map-open" if modules else "fsllm-map-outline"
    return (
        f'<g class="{kind}">'
        f'<rect class="fsllm-map-slab" x="1.5" y="{top}" width="{width - 3}" height="{height}" rx="12"/>'
        f'<g class="fsllm-map-glyph" transform="{place}" aria-hidden="true">{glyph}</g>{"".join(text)}{linked}</g>',
        height,
    )


def draw(data: dict[str, list[dict[str, str]]], art: dict[str, str], width: int, href: Callable[[str], str]) -> str:
    """The whole map: the last layer of the data on top, the first at the bottom, as a stack stands."""
    top, slabs = 2, []
    for part in reversed(data["layers"]):
        mine = [module for module in data["modules"] if module["part"] == part["part"]]
        slab, height = layer(part, mine, art[part["part"]], top, width, href)
        slabs.append(slab)
        top += height + GAP
    kind = "wide" if width >= 600 else "narrow"
    return (
        f'<svg class="fsllm-map fsllm-map-{kind}" viewBox="0 0 {width} {top - GAP + 2}" role="group" '
        f'aria-label="The stack, from text at the bottom to a trusted assistant at the top">{"".join(slabs)}</svg>'
    )


class StackMap(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        root = Path(self.env.srcdir)
        for path in (DATA, GLYPHS):
            self.env.note_dependency(str(root / path))
        data, art = load(root), glyphs(root)
        missing = [m["slug"] for m in data["modules"] if f"book/{m['slug']}" not in self.env.found_docs]
        if missing:
            raise self.error(f"{DATA} lists modules that are not in _toc.yml: {', '.join(missing)}.")

        def href(slug: str) -> str:
            return self.env.app.builder.get_relative_uri(self.env.docname, f"book/{slug}")

        html = "".join(draw(data, art, width, href) for width in (760, 360))
        return [nodes.raw("", f'<div class="fsllm-map-box">{html}</div>', format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("stack-map", StackMap)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
