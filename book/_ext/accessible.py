"""What the theme and the bibliography leave unnamed for a screen reader, named."""

from typing import Any

from bs4 import BeautifulSoup
from sphinx.application import Sphinx


def name_toggles(html: str) -> str:
    """Every arrow that opens a part of the sidebar gets the name of the page it belongs to.

    >>> name_toggles('<li><a>03 Tokenization</a><details><summary></summary></details></li>')
    '<li><a>03 Tokenization</a><details><summary aria-label="Pages of 03 Tokenization"></summary></details></li>'
    """
    soup = BeautifulSoup(html, "html.parser")
    for summary in soup.find_all("summary"):
        page = summary.find_parent("li")
        if page is not None and page.a is not None and not summary.get_text(strip=True):
            summary["aria-label"] = f"Pages of {page.a.get_text(strip=True)}"
    return str(soup)


def plain_roles(html: str) -> str:
    """docutils marks citations with a role that ARIA has since dropped; in a list, an entry is a list item.

    >>> plain_roles('<div class="citation" role="doc-biblioentry">')
    '<div class="citation" role="listitem">'
    """
    return html.replace('role="doc-biblioentry"', 'role="listitem"')


def named_boxes(html: str) -> str:
    """A box of a checklist says what ticking it means; MyST writes it without a label.

    >>> named_boxes('<input class="task-list-item-checkbox" type="checkbox">')
    '<input aria-label="Done" class="task-list-item-checkbox" type="checkbox">'
    """
    return html.replace('<input class="task-list', '<input aria-label="Done" class="task-list')


def repair(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    plain = context.get("generate_toctree_html")
    if plain is not None:

        def named(*args: Any, **kwargs: Any) -> Any:
            html = plain(*args, **kwargs)
            return name_toggles(str(html)) if html and "sidebar" in (*args, kwargs.get("kind")) else html

        context["generate_toctree_html"] = named
    if "body" in context:
        context["body"] = named_boxes(plain_roles(context["body"]))


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", repair, priority=950)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
