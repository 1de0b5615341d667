"""No page asks another host for anything: MathJax is served from the site, and thebe is not served at all."""

import importlib.util
import shutil
from pathlib import Path

from sphinx.application import Sphinx

MATHJAX = "tex-svg.js"


def mathjax_file() -> Path:
    """The one MathJax bundle the pages load, inside the installed `sphinx-mathjax-offline`."""
    spec = importlib.util.find_spec("sphinx-mathjax-offline")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("The site needs MathJax on disk. Run: pip install sphinx-mathjax-offline")
    return Path(spec.origin).parent / "static" / "mathjax" / MATHJAX


def copy_mathjax(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and app.builder.format == "html":
        target = Path(app.outdir) / "_static" / "mathjax"
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(mathjax_file(), target / MATHJAX)


def drop_thebe(app: Sphinx) -> None:
    """Jupyter Book loads sphinx-thebe whether or not it is used, and its scripts point at a CDN."""
    for listeners in app.events.listeners.values():
        listeners[:] = [item for item in listeners if not item.handler.__module__.startswith("sphinx_thebe")]
    app.registry.css_files[:] = [item for item in app.registry.css_files if item[0] != "sphinx-thebe.css"]


def setup(app: Sphinx) -> dict[str, bool]:
    drop_thebe(app)
    app.setup_extension("sphinx.ext.mathjax")
    app.config.mathjax_path = f"mathjax/{MATHJAX}"
    app.connect("build-finished", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
