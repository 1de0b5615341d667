"""The JupyterHub button of a site that belongs to no class: it leads to a form that asks for the reader's own hub."""

from typing import Any
from urllib.parse import quote

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

FORM = "book/how_to"


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


def fill_address(app: Sphinx, docname: str, source: list[str]) -> None:
    """Write the repository's address, which stands in `_config.yml` alone, into the commands of a page."""
    url = app.config.html_theme_options["repository_url"].rstrip("/")
    source[0] = source[0].replace("%repository%", url).replace("%folder%", url.rsplit("/", 1)[-1])


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
    app.connect("source-read", fill_address)
    app.connect("html-page-context", load_script, priority=400)
    app.connect("html-page-context", add_button, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
