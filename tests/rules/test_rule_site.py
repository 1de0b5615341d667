"""The built site: its size, its links, and that it asks nobody else for anything."""

from __future__ import annotations

import html
import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

# What is there without modules, and what a module adds: pages, notebooks, a lab, and their downloads.
BASE_MB, MODULE_MB = 8.0, 2.6
LIMIT_PAGE_KB = 800
LINK = re.compile(r"""<a\b[^>]*?\bhref=(["'])(.*?)\1""", flags=re.S)
TARGET = re.compile(r"""\b(?:id|name)=(["'])(.*?)\1""")
LOADED = re.compile(
    r"""<(?:script|img|iframe|source|audio|video)\b[^>]*?\bsrc=["']((?:https?:)?//[^"']+)|<link\b([^>]*)>""", flags=re.S
)
UNLOADED_LINKS = ("canonical", "alternate", "prev", "next", "license", "author", "search", "index")


@cache
def targets(page: Path) -> frozenset[str]:
    """Every anchor on a page."""
    return frozenset(html.unescape(match[2]) for match in TARGET.finditer(page.read_text(encoding="utf-8")))


def find_broken_links(site: Path) -> list[str]:
    """Links to pages or anchors of the site that are not there."""
    broken = set()
    for page in site.rglob("*.html"):
        for match in LINK.finditer(page.read_text(encoding="utf-8")):
            parts = urlsplit(html.unescape(match[2]))
            if parts.scheme or parts.netloc:
                continue
            goal = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            goal = goal / "index.html" if goal.is_dir() else goal
            anchor = unquote(parts.fragment)
            if not goal.is_file() or not goal.is_relative_to(site.resolve()):
                broken.add(f"{page.relative_to(site)}: {match[2]}")
            elif anchor and goal.suffix == ".html" and anchor not in targets(goal):
                broken.add(f"{page.relative_to(site)}: {match[2]} (no such anchor)")
    return sorted(broken)


def find_loaded_from_elsewhere(text: str) -> list[str]:
    """Scripts, styles, images and fonts that a page fetches from another host."""
    found = []
    for source, link in LOADED.findall(text):
        if source:
            found.append(source)
        href = re.search(r"""href=["']((?:https?:)?//[^"']+)""", link)
        rel = re.search(r"""rel=["']([^"']+)""", link)
        if href and not (rel and rel[1] in UNLOADED_LINKS):
            found.append(href[1])
    return found


def find_shared_titles(site: Path) -> list[str]:
    """Titles that the tab of the browser, and a list of search results, would show for two pages."""
    pages: dict[str, list[str]] = {}
    for page in sorted(site.rglob("*.html")):
        title = re.search(r"<title>(.*?)</title>", page.read_text(encoding="utf-8"), flags=re.S)
        if title:
            pages.setdefault(" ".join(title[1].split()), []).append(page.relative_to(site).as_posix())
    return [f"{title}: {', '.join(names)}" for title, names in pages.items() if len(names) > 1]


def megabytes(folder: Path) -> float:
    """The size of a folder's files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


@pytest.mark.site
def test_site_is_small(site: Path) -> None:
    modules = len(list((site / "labs").glob("*.html")))
    assert modules
    assert megabytes(site) < BASE_MB + MODULE_MB * modules


@pytest.mark.site
def test_links_lead_somewhere(site: Path) -> None:
    assert find_broken_links(site) == []


@pytest.mark.site
def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    pages = {page.relative_to(site).as_posix(): page.read_text(encoding="utf-8") for page in site.rglob("*.html")}
    assert {name: found for name, text in pages.items() if (found := find_loaded_from_elsewhere(text))} == {}


@pytest.mark.site
def test_each_page_has_a_title_of_its_own(site: Path) -> None:
    assert find_shared_titles(site) == []


def test_control_titles(tmp_path: Path) -> None:
    for name, title in (("a", "One"), ("b", " One\n"), ("c", "Two")):
        (tmp_path / f"{name}.html").write_text(f"<head><title>{title}</title></head>")
    assert find_shared_titles(tmp_path) == ["One: a.html, b.html"]


def test_control_site(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/b.html").write_text('<a href="../a.html#here">x</a> <a href="../../outside.html">x</a>')
    good = '<h1 id="here"></h1><a href="#here">x</a><a href="https://example.org">x</a><a href="sub/b.html">x</a>'
    (tmp_path / "a.html").write_text(good + '<a class="c" href="sub/c.html">x</a><a href=\'sub/b.html#gone\'>x</a>')
    assert find_broken_links(tmp_path) == [
        "a.html: sub/b.html#gone (no such anchor)",
        "a.html: sub/c.html",
        "sub/b.html: ../../outside.html",
    ]
    assert megabytes(tmp_path) > 0


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://x.org/a.js">',
        '<link rel="stylesheet" href="//x.org/a.css">',
        '<img alt="a" src="http://x.org/a.png">',
    ],
)
def test_control_loaded(text: str) -> None:
    assert find_loaded_from_elsewhere(text)
    assert not find_loaded_from_elsewhere('<script src="a.js"></script><link rel="canonical" href="https://x.org/">')


def test_pages_are_light(site: Path) -> None:
    """Before the text is shown a page fetches styles and fonts; MathJax and the index of search only where needed."""
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        if "pst-header" not in text:
            continue
        head = text.split("</head>")[0]
        name = page.relative_to(site).as_posix()
        assert not re.search(r"<script[^>]*src=", head), f"{name}: a script before the text"
        assert "fontawesome" not in text, f"{name}: the theme's icon fonts"
        assert ("maths.js" in text) == ('class="math ' in text), f"{name}: MathJax and formulas"
        assert ("searchindex.js" in text) == (page.name == "search.html"), f"{name}: the index of search"
        assert re.search(r'<meta name="description" content="[^"]{20,}"', head), f"{name}: no description"
        assert len(text) < LIMIT_PAGE_KB * 1000, f"{name}: {len(text) / 1000:.0f} kB"
