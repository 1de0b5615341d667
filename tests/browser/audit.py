"""What may be wrong with a page. Each function looks at one thing and returns sentences, none when all is well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe

SITE = Path(__file__).resolve().parents[2] / "_build" / "html"
# The theme's own, a rule and a part of the element's source: the site's name in the sidebar. Nothing else is accepted.
THEME_FINDINGS = [("region", "logo__title")]
# What a link element of these kinds names is not fetched.
NOT_FETCHED = ["alternate", "author", "canonical", "help", "index", "license", "next", "prev", "search"]

READY = """async () => {
  if (window.MathJax && MathJax.startup && MathJax.startup.promise) await MathJax.startup.promise;
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
THIN = """() => {
  const seen = {};
  for (const e of document.querySelectorAll("article pre span[class]:not(:has(*))")) {
    const kind = e.className + " in " + e.closest("div").parentElement.className;
    seen[kind] = (seen[kind] || 0) + 1;
    if (seen[kind] > 3) e.replaceWith(e.textContent);
  }
}"""


@dataclass
class Visit:
    """An open page and what went wrong while it loaded."""

    page: Any
    base: str
    problems: list[str] = field(default_factory=list)

    def listen(self) -> None:
        self.page.on("request", lambda request: self.foreign(request.url))
        self.page.on("requestfailed", lambda request: self.problems.append(f"failed: {request.url} {request.failure}"))
        self.page.on(
            "response", lambda got: got.status >= 400 and self.problems.append(f"status {got.status}: {got.url}")
        )
        self.page.on(
            "console", lambda said: said.type == "error" and self.problems.append(f"console error: {said.text}")
        )
        self.page.on("pageerror", lambda error: self.problems.append(f"page error: {error}"))

    def foreign(self, url: str) -> None:
        if url.startswith(("http:", "https:", "ws:", "wss:")) and not url.startswith(self.base):
            self.problems.append(f"external request: {url}")


@contextmanager
def visit(context: Any, base: str, path: str) -> Iterator[Visit]:
    """Load a page, wait for its maths and fonts, and close it afterwards."""
    page = context.new_page()
    seen = Visit(page, base)
    seen.listen()
    try:
        page.goto(base + path)
        page.evaluate(READY)
        for url in page.evaluate(FETCHED, NOT_FETCHED):
            seen.foreign(url)
        yield seen
    finally:
        page.close()


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
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"axe {rule['id']} ({rule['impact']}): {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
        for rule in found
        for node in rule["nodes"]
        if not any(rule["id"] == name and part in node["html"] for name, part in THEME_FINDINGS)
    ]


def problems(seen: Visit) -> list[str]:
    """Everything but axe."""
    page = seen.page
    return [*seen.problems, *overflow(page), *maths(page), *names(page), *headings(page)]


def pages() -> list[str]:
    """Every page with content of the course; the redirect and the generated ones have tests of their own."""
    found = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html"))
    skipped = ("_", "index.html", "search.html", "genindex.html")
    return [name for name in found if not name.startswith(skipped)] or ["index.html"]
