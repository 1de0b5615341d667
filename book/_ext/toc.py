"""The table of contents: the groups Read, Run and Lab in the sidebar, and a site with or without solutions.

`SOLUTIONS=0` in the environment builds an instructor's site: no page, no search entry, no link leads to a solution.
"""

import os
import posixpath
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from bs4 import BeautifulSoup
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.transforms import SphinxTransform

from fullstack_llm.checks.outline import outlines
from fullstack_llm.lessons.points import annotated

SOLUTIONS = "solutions/"


def with_solutions() -> bool:
    return os.environ.get("SOLUTIONS", "1") != "0"


def without_solutions(toc: Any) -> Any:
    """A copy of a table of contents in which nothing lies under `solutions/`.

    >>> without_solutions({"file": "labs/x", "sections": [{"file": "solutions/x"}]})
    {'file': 'labs/x'}
    """
    if isinstance(toc, list):
        return [without_solutions(item) for item in toc if not is_solution(item)]
    if isinstance(toc, dict):
        kept = {key: without_solutions(value) for key, value in toc.items()}
        # A list that lost all its entries goes too: the toc's parser refuses an empty one.
        return {key: value for key, value in kept.items() if value != [] or toc[key] == []}
    return toc


def is_solution(item: Any) -> bool:
    return isinstance(item, dict) and str(item.get("file", "")).startswith(SOLUTIONS)


def choose_toc(app: Sphinx, config: Config) -> None:
    """Build from a copy without solutions, and remove what an earlier build with solutions left behind."""
    if with_solutions():
        return
    source = Path(app.srcdir, config.external_toc_path)
    build = Path(app.outdir).parent
    build.mkdir(parents=True, exist_ok=True)
    target = build / "_toc.yml"
    toc = without_solutions(yaml.safe_load(source.read_text(encoding="utf-8")))
    target.write_text(yaml.safe_dump(toc, sort_keys=False, allow_unicode=True), encoding="utf-8")
    config.external_toc_path = target.absolute().as_posix()
    left = [Path(folder) / "solutions" for folder in (app.outdir, f"{app.outdir}/_sources", f"{build}/jupyter_execute")]
    if any(folder.exists() for folder in left):
        # The search index keeps the words of pages that are gone; without these two Sphinx writes all of it anew.
        Path(app.outdir, "searchindex.js").unlink(missing_ok=True)
        Path(app.doctreedir, "environment.pickle").unlink(missing_ok=True)
    for folder in (*left, Path(app.doctreedir) / "solutions"):
        shutil.rmtree(folder, ignore_errors=True)


class UnlinkSolutions(SphinxTransform):
    """Without solutions, a link to one becomes its text: else Sphinx would offer the file as a download."""

    default_priority = 50

    def apply(self, **kwargs: Any) -> None:
        if with_solutions():
            return
        here = posixpath.dirname(self.env.docname)
        for kind in (addnodes.pending_xref, addnodes.download_reference):
            for node in list(self.document.findall(kind)):
                target = node.get("reftarget", "")
                # MyST gives a link to a page its docname, and a link to a left-out page its path as written.
                if any(path.startswith(SOLUTIONS) for path in (target, posixpath.normpath(f"{here}/{target}"))):
                    node.replace_self(nodes.inline("", node.astext()))


def groups(site_map: Any) -> dict[str, str]:
    """The first page of each captioned group below the top level, and its caption."""
    found = {}
    for name in site_map:
        if name == site_map.root.docname:
            continue
        for tree in site_map[name].subtrees:
            if tree.caption and tree.items:
                found[docname_of(str(tree.items[0]))] = tree.caption
    return found


def docname_of(path: str) -> str:
    for suffix in (".md", ".ipynb"):
        path = path.removesuffix(suffix)
    return path


def label_groups(html: str, pagename: str, labels: dict[str, str]) -> str:
    """Put a group's label before the first entry of the group in a rendered sidebar."""
    soup = BeautifulSoup(html, "html.parser")
    for item in list(soup.find_all("li")):
        link = item.find("a", recursive=False) or item.find("a")
        href = link.get("href", "") if link else ""
        target = (
            pagename
            if href in ("", "#")
            else posixpath.normpath(posixpath.join(posixpath.dirname(pagename), href.split("#")[0])).removesuffix(
                ".html"
            )
        )
        if target in labels and link is not None and link.find_parent("li") is item:
            label = soup.new_tag("li", attrs={"class": "fsllm-nav-group"})
            label.string = labels.pop(target)
            item.insert_before(label)
    return str(soup)


def label_sidebar(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Wrap the theme's sidebar function: Sphinx drops the captions of nested toctrees."""
    plain = context.get("generate_toctree_html")
    if plain is None:
        return

    def labelled(*args: Any, **kwargs: Any) -> Any:
        html = plain(*args, **kwargs)
        if "sidebar" not in (*args, kwargs.get("kind")) or not html:
            return html
        return label_groups(str(html), pagename, groups(app.env.external_site_map))

    context["generate_toctree_html"] = labelled


class CoverAnswers(SphinxTransform):
    """On a solution's page every answer is behind a button of its own, so that help on 1 does not spoil 2."""

    default_priority = 60

    def apply(self, **kwargs: Any) -> None:
        if not self.env.docname.startswith(SOLUTIONS):
            return
        for cell in answer_cells(self.document):
            cell.attributes |= {
                "hide_mode": "input",
                "prompt_show": "Show the answer",
                "prompt_hide": "Hide the answer",
            }
        # The lab and its solution are one text; without this the two pages would carry one title.
        title = next(self.document.findall(nodes.title), None)
        if title is not None:
            title.insert(0, nodes.Text("Solution · "))


def answer_cells(doctree: nodes.document) -> Iterator[nodes.container]:
    for node in doctree.findall(nodes.container):
        if "tag_answer" in node.get("classes", []):
            yield node


def spoiler(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """A lab leads to its solution through a closed box; a solution opens with a warning and the way back."""
    folder, _, slug = pagename.partition("/")
    if folder == "labs" and f"{SOLUTIONS}{slug}" in app.env.found_docs:
        link = app.builder.get_relative_uri(pagename, f"{SOLUTIONS}{slug}")
        context["body"] += (
            '<details class="fsllm-spoiler"><summary>Show the way to the solution</summary>'
            f'<p>Every answer is on <a href="{link}">the solution\'s page</a>, each behind a button of its own. '
            "A check that fails says more about your code than an answer does: try its hint first.</p></details>"
        )
    if folder == "solutions" and f"labs/{slug}" in app.env.found_docs:
        link = app.builder.get_relative_uri(pagename, f"labs/{slug}")
        note = (
            '<aside class="fsllm-warning" aria-label="Spoiler warning"><p><strong>Here are the answers.</strong> '
            f'If the lab is still ahead of you, <a href="{link}">go back to it</a>. '
            "Each answer stays closed until you open it.</p></aside>"
        )
        head, mark, rest = context["body"].partition("</h1>")
        context["body"] = head + mark + note + rest


def past_answers(relations: dict[str, list[str | None]], page: str, side: int) -> str | None:
    """The page before (1) or after (2) this one for who reads on: from a lab to the next module, not to its solution.

    >>> past_answers({"labs/x": [None, None, "solutions/x"], "solutions/x": [None, "labs/x", "book/y"]}, "labs/x", 2)
    'book/y'
    """
    beside = relations[page][side]
    if beside is None or is_solution({"file": page}) or not is_solution({"file": beside}):
        return beside
    return relations[beside][side]


def name_and_order(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """The home page is called as the site is, once; and what Previous and Next lead to."""
    if pagename == app.config.root_doc:
        context["docstitle"] = ""
    if pagename not in app.builder.relations:
        return
    for side, way in ((1, "prev"), (2, "next")):
        beside = past_answers(app.builder.relations, pagename, side)
        if beside is not None:
            title = app.builder.render_partial(app.env.titles[beside])["title"]
            context[way] = {"link": app.builder.get_relative_uri(pagename, beside), "title": title}


def tell_points(app: Sphinx, docname: str, source: list[str]) -> None:
    """A solution says what its exercises are worth, as the lab does: both have it from the declarations."""
    if docname.startswith(SOLUTIONS):
        rows = outlines(Path(app.srcdir) / "src/fullstack_llm/labs")
        source[0] = annotated(source[0], rows.get(docname.removeprefix(SOLUTIONS), []))


def setup(app: Sphinx) -> dict[str, bool]:
    if with_solutions():
        app.tags.add("solutions")
    app.connect("config-inited", choose_toc, priority=100)
    app.connect("source-read", tell_points)
    app.connect("html-page-context", label_sidebar, priority=900)
    app.connect("html-page-context", name_and_order)
    app.connect("html-page-context", spoiler, priority=900)
    app.add_transform(UnlinkSolutions)
    app.add_transform(CoverAnswers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
