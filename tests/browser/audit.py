"""What may be wrong with a page. Each function looks at one thing and returns sentences, none when all is well."""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import TimeoutError

SITE = Path(__file__).resolve().parents[2] / "_build" / "html"
# The theme's own, a rule and a part of the element's source: the site's name in the sidebar. Nothing else is accepted.
THEME_FINDINGS = [("region", "logo__title")]
# What a link element of these kinds names is not fetched.
NOT_FETCHED = ["alternate", "author", "canonical", "help", "index", "license", "next", "prev", "search"]

CLASS = re.compile(r'\sclass="([^"]+)"')
READY = """async () => {
  if (window.mathsReady) { await mathsReady; typesetAll(); }
  await document.fonts.ready;
}"""
FETCHED = """skipped => [...document.querySelectorAll("link[href], script[src], img[src], iframe[src], source[src]")]
  .filter(e => e.tagName !== "LINK" || ![...e.relList].every(rel => skipped.includes(rel)))
  .map(e => e.href || e.src).filter(url => typeof url === "string")"""
OVERFLOW = """() => {
  const root = document.documentElement, wide = root.clientWidth + 1;
  if (root.scrollWidth <= wide) return [];
  const guilty = [...document.body.querySelectorAll("*")].filter(e => e.getBoundingClientRect().right > wide);
  return [`${root.scrollWidth} px of content in ${root.clientWidth} px, by ` +
    guilty.slice(-3).map(e => e.outerHTML.slice(0, 120)).join(" and ")];
}"""
MATHS = r"""() => {
  const wrong = [];
  for (const e of document.querySelectorAll(".math")) {
    if (!e.querySelector("mjx-container svg")) wrong.push("not typeset: " + e.textContent.slice(0, 80));
    const error = e.querySelector("[data-mml-node=merror]");
    if (error) wrong.push("MathJax refused: " + (error.getAttribute("data-mjx-error") || e.textContent).slice(0, 80));
  }
  const content = document.querySelector("article, main") || document.body;
  const walker = document.createTreeWalker(content, NodeFilter.SHOW_TEXT);
  for (let node; node = walker.nextNode();) {
    if (node.parentElement.closest("code, pre, script, style, textarea, mjx-container, .math, .interactive")) continue;
    if (/\\\(|\\\[|\$\$/.test(node.data)) wrong.push("raw TeX: " + node.data.trim().slice(0, 80));
  }
  return wrong;
}"""
NAMES = """() => {
  const images = [...document.querySelectorAll("img")], inside = e => e.closest("article");
  const drawings = [...document.querySelectorAll("svg[role=img]:not([aria-hidden=true]):not([aria-labelledby])")];
  return [
    ...images.filter(e => !e.hasAttribute("alt") || (inside(e) && !e.alt.trim())).map(e => "no alt: " + e.src),
    ...drawings.filter(e => !e.closest("mjx-container") && !(e.getAttribute("aria-label") || "").trim())
      .map(e => "no aria-label: " + e.outerHTML.slice(0, 120)),
  ];
}"""
HEADINGS = """() => {
  const all = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")]
    .filter(e => e.closest("article, main") && e.getClientRects().length);
  const wrong = [], ones = all.filter(e => e.tagName === "H1").length;
  if (ones !== 1) wrong.push(`${ones} headings of level 1`);
  for (let i = 1, before = all[0]; i < all.length; before = all[i++])
    if (+all[i].tagName[1] > +before.tagName[1] + 1)
      wrong.push(`"${all[i].textContent}" (${all[i].tagName}) follows "${before.textContent}" (${before.tagName})`);
  return wrong;
}"""

# The contrast of highlighted code depends on a span's class, and a notebook has thousands of spans: three each remain.
# What a drawing with a label consists of is presentational, and axe would look at each of its strokes.
THIN = """() => {
  for (const e of document.querySelectorAll("svg[role=img], mjx-container svg"))
    e.replaceChildren(...e.querySelectorAll(":scope > title, :scope > desc"));
  const seen = {};
  for (const e of document.querySelectorAll("article pre span[class]:not(.fsllm-line, :has(*))")) {
    const kind = e.className + " in " + e.closest("div").parentElement.className;
    seen[kind] = (seen[kind] || 0) + 1;
    if (seen[kind] > 3) e.replaceWith(e.textContent);
  }
}"""


SIZES = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
SHARE = 4  # one page in so many is audited by axe, besides those that are needed for their elements

# The theme lets the keyboard reach what scrolls, a moment after a page's width or content has changed.
REACHABLE = """() => [...document.querySelectorAll(
    "pre, .nboutput > .output_area, .cell_output > .output, .jp-RenderedHTMLCommon, .pst-scrollable-table-container")]
  .every(e => e.tabIndex === 0 || (e.scrollWidth <= e.clientWidth && e.scrollHeight <= e.clientHeight))"""


@dataclass
class Visit:
    """An open page and what went wrong while it loaded."""

    page: Any
    base: str
    problems: list[str] = field(default_factory=list)

    def handlers(self) -> dict[str, Callable[[Any], object]]:
        """What is done with each event of the page."""
        add = self.problems.append
        return {
            "request": lambda request: self.foreign(request.url),
            "requestfailed": lambda request: add(f"failed: {request.url} {request.failure}"),
            "response": lambda got: got.status >= 400 and add(f"status {got.status}: {got.url}"),
            "console": lambda said: said.type == "error" and add(f"console error: {said.text}"),
            "pageerror": lambda error: add(f"page error: {error}"),
        }

    def foreign(self, url: str) -> None:
        if url.startswith(("http:", "https:", "ws:", "wss:")) and not url.startswith(self.base):
            self.problems.append(f"external request: {url}")


@contextmanager
def visit(context: Any, base: str, path: str) -> Iterator[Visit]:
    """Load a page, wait for its maths and fonts, and leave it afterwards.

    One tab serves all visits in a context: to open another costs as much as to load a page. It is empty between two.
    """
    page = context.pages[0] if context.pages else context.new_page()
    seen = Visit(page, base)
    handlers = seen.handlers()
    for event, handler in handlers.items():
        page.on(event, handler)
    try:
        page.goto(base + path)
        page.evaluate(READY)
        for url in page.evaluate(FETCHED, NOT_FETCHED):
            seen.foreign(url)
        yield seen
    finally:
        for event, handler in handlers.items():
            page.remove_listener(event, handler)
        page.goto("about:blank")


def turn(page: Any, size: str, theme: str) -> list[str]:
    """Give the page another width and theme, as a reader's device would; what it does not follow."""
    page.set_viewport_size(SIZES[size])
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    # A page hears of the change when the browser draws it next.
    page.evaluate("new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    shown = page.evaluate("document.documentElement.dataset.theme")
    return [] if shown == theme else [f"the theme is {shown}"]


def overflow(page: Any) -> list[str]:
    """Content wider than the window."""
    return page.evaluate(OVERFLOW)


def maths(page: Any) -> list[str]:
    """Formulas that are not typeset, or that MathJax marked as errors."""
    return page.evaluate(MATHS)


def names(page: Any) -> list[str]:
    """Pictures without a text for those who do not see them."""
    return page.evaluate(NAMES)


def headings(page: Any) -> list[str]:
    """Levels of headings that are skipped, and pages without one title."""
    return page.evaluate(HEADINGS)


def axe(page: Any) -> list[str]:
    """What axe-core finds, but for the theme's own findings. Comes last: it thins out the page's code."""
    page.evaluate(THIN)
    with suppress(TimeoutError):  # then axe says what cannot be reached
        page.wait_for_function(REACHABLE, polling=100, timeout=60_000)
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"axe {rule['id']} ({rule['impact']}): {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
        for rule in found
        for node in rule["nodes"]
        if not any(rule["id"] == name and part in node["html"] for name, part in THEME_FINDINGS)
    ]


def laid_out(page: Any) -> list[str]:
    """What depends on the width, and on what a theme shows."""
    return [*overflow(page), *headings(page), *names(page)]


def problems(seen: Visit) -> list[str]:
    """Everything but axe."""
    return [*seen.problems, *laid_out(seen.page), *maths(seen.page)]


def chosen(texts: dict[str, str]) -> set[str]:
    """Which pages axe audits on an ordinary run, by name, of their sources.

    Pages are made of the same parts and differ in their text. Each class that any page has is on a page that is chosen;
    of the others the hash of the content draws a share, so that another build audits others. The nightly run takes all.
    """
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    taken, shown = set[str](), set[str]()
    for name in sorted(texts, key=digests.__getitem__):
        classes = {part for found in CLASS.findall(texts[name]) for part in found.split()}
        if not classes <= shown or int(digests[name], 16) % SHARE == 0:
            taken.add(name)
            shown |= classes
    return taken


@functools.cache
def audited() -> set[str]:
    """The pages that axe audits on this run."""
    if os.environ.get("FULLSTACK_LLM_FULL") == "1":
        return set(pages())
    return chosen({name: (SITE / name).read_text(encoding="utf-8") for name in pages()})


def pages() -> list[str]:
    """Every page with content of the course; the redirect and the generated ones have tests of their own."""
    found = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html"))
    skipped = ("_", "index.html", "search.html", "genindex.html")
    return [name for name in found if not name.startswith(skipped)] or ["index.html"]
