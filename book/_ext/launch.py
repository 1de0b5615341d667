"""What leads to a JupyterHub: button and form of a site that belongs to no class, and links on the page for hubs."""

import re
from typing import Any
from urllib.parse import quote, urlencode

from docutils import nodes
from record import load, record_path
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

FORM = "book/how_to"
ADMINISTRATORS = "book/hubs"
LINK = re.compile(r"%link:([^%\s]+)%")


def pull_link(hub: str, url: str, branch: str, path: str) -> str:
    """The nbgitpuller link that brings the course to a hub, or updates it, and opens a file there; as hub.js makes it.

    >>> pull_link("https://h.edu/", "https://g.com/a/course", "main", "labs/03_t.ipynb").partition("?")[2]
    'repo=https%3A%2F%2Fg.com%2Fa%2Fcourse&branch=main&urlpath=lab%2Ftree%2Fcourse%2Flabs%2F03_t.ipynb'
    """
    url = url.rstrip("/")
    query = {"repo": url, "branch": branch, "urlpath": f"lab/tree/{url.rsplit('/', 1)[-1]}/{path}"}
    return f"{hub.rstrip('/')}/hub/user-redirect/git-pull?{urlencode(query)}"


def peak(record: dict[str, Any] | None) -> str:
    """The most memory that a notebook's kernel took in the last run.

    >>> peak({"notebooks": {"a": {"peak_mib": 512}, "b": {"peak_mib": 1300.2}}})
    '1.27 GiB'
    """
    found = [run["peak_mib"] for run in (record or {}).get("notebooks", {}).values()]
    return f"{max(found) / 1024:.2f} GiB" if found else "not recorded for this site"


def hub_button(page: str, path: str) -> dict[str, str]:
    """The button for one notebook.

    >>> hub_button("how_to.html", "labs/03_tokenization.ipynb")["url"]
    'how_to.html?notebook=labs/03_tokenization.ipynb#on-a-jupyterhub'
    """
    return {
        "type": "link",
        "text": "JupyterHub",
        "tooltip": "Open on your JupyterHub",
        "icon": "_static/images/logo_jupyterhub.svg",
        "url": f"{page}?notebook={quote(path)}#on-a-jupyterhub",
    }


def add_button(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Beside Colab and Binder, where no hub is configured."""
    if app.config.html_theme_options["launch_buttons"].get("jupyterhub_url"):
        return
    for group in context.get("header_buttons", []):
        if group.get("label") == "launch-buttons":
            page = app.builder.get_relative_uri(pagename, FORM)
            group["buttons"].insert(1, hub_button(page, f"{pagename}.ipynb"))


def fill_in(app: Sphinx, docname: str, source: list[str]) -> None:
    """Write into a page what is known elsewhere: the repository's address and branch, links to a hub, peak memory."""
    options = app.config.html_theme_options
    url, branch = options["repository_url"].rstrip("/"), options["repository_branch"]
    text = source[0].replace("%repository%", url).replace("%folder%", url.rsplit("/", 1)[-1])
    text = text.replace("%branch%", branch)
    if docname == ADMINISTRATORS:
        text = text.replace("%peak%", peak(load(record_path(app))))
        hub = options["launch_buttons"].get("jupyterhub_url") or "https://hub.example.edu"
        text = LINK.sub(lambda match: pull_link(hub, url, branch, match[1]), text)
    source[0] = text


class HubForm(SphinxDirective):
    """The form: ```{hub-form}```; `hub.js` turns its fields into an nbgitpuller link."""

    def run(self) -> list[nodes.Node]:
        options = self.config.html_theme_options
        html = (
            f'<form class="fsllm-hub" data-repository="{options["repository_url"]}" '
            f'data-branch="{options["repository_branch"]}">'
            '<label>Address of your hub <input type="url" name="hub" placeholder="https://hub.your-university.edu" '
            'autocomplete="off"></label>'
            '<label>Notebook <select name="notebook">'
            + "".join(f"<option>{path}</option>" for path in notebooks(self.env.found_docs))
            + '</select></label><output role="status"></output></form>'
        )
        marker = nodes.container(hub_form=True)
        return [nodes.raw("", html, format="html"), marker]


def notebooks(docnames: set[str]) -> list[str]:
    """
    >>> notebooks({"labs/03_t", "book/intro", "notebooks/03a_bpe"})
    ['notebooks/03a_bpe.ipynb', 'labs/03_t.ipynb']
    """
    found = [name for name in docnames if name.startswith(("notebooks/", "labs/"))]
    return [f"{name}.ipynb" for name in sorted(found, key=lambda name: (name.startswith("labs/"), name))]


def load_script(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    if doctree is not None and any("hub_form" in node for node in doctree.findall(nodes.container)):
        app.add_js_file("hub.js", loading_method="defer")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("hub-form", HubForm)
    app.connect("source-read", fill_in)
    # It shows what was measured, and no file of its own changes with that.
    app.connect("env-get-outdated", lambda *_: [ADMINISTRATORS])
    app.connect("html-page-context", load_script, priority=400)
    app.connect("html-page-context", add_button, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
