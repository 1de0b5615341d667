"""The course's look for figures: SVG, transparent, legible on light and dark, with alt text everywhere."""

import html
import importlib.resources
import io
import math
import re
from typing import TYPE_CHECKING

from fullstack_llm.expect import GLUE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# At least 3:1 against white and against near-black, and apart from each other also under simulated colour blindness.
COLORS = ["#5e90fd", "#e66e20", "#a033ab", "#388b93", "#b93a13", "#7456e0", "#7d9a66", "#756664"]


# matplotlib writes a circle as eight curves, which take eight times the space.
_CIRCLE = re.compile(r'<path d="M [-\d.]+ [-\d.]+ \n((?:C [-\d. ]+\n){8})z\n"')


def _circle(match: re.Match[str]) -> str:
    """Return a circle for a path of eight curves, if that is what they draw."""
    ends = [tuple(map(float, curve.split()[-2:])) for curve in match[1].splitlines()]
    (x, r), (y, s) = (((max(side) + min(side)) / 2, (max(side) - min(side)) / 2) for side in zip(*ends, strict=True))
    if any(abs(math.dist((x, y), end) - r) > 0.03 for end in ends) or abs(r - s) > 0.03:
        return match[0]
    return f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{r:.2f}"'


def use_style() -> None:
    """Switch matplotlib to the course's style; call it once, at the top of a notebook."""
    import matplotlib.pyplot as plt

    plt.style.use(str(importlib.resources.files("fullstack_llm") / "fullstack.mplstyle"))
    plt.rcParams["axes.prop_cycle"] = plt.cycler(color=COLORS)


def to_svg(fig: "Figure", *, alt: str) -> str:
    """Return the figure as an inline SVG element that a screen reader announces as `alt`.

    Raises ValueError for an empty alt text: a figure that cannot be told in a sentence carries no message.
    """
    if not alt.strip():
        raise ValueError("Give the figure an alt text: one sentence that says what a reader would see in it.")
    buffer = io.StringIO()
    fig.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].strip()
    # Inline, a rule for `*` would reach the whole page, and the ids of groups would repeat from figure to figure.
    svg = re.sub(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.S)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    # A hundredth of a point is less than anybody sees; matplotlib writes six digits.
    svg = re.sub(r"(\d\.\d\d)\d+", r"\1", svg)
    svg = _CIRCLE.sub(_circle, svg)
    width, height = (float(re.search(rf'{side}="([\d.]+)pt"', svg)[1]) for side in ("width", "height"))  # type: ignore[index]
    # The viewBox stays, so the page can scale the drawing down, but no label under 8 px (exponents aside): on a phone
    # a wide figure scrolls instead. It is never blown up.
    label = min(map(float, re.findall(r'<text style="font-size: ([\d.]+)px', svg)), default=math.inf)
    smallest, natural = width * min(8 / label, 4 / 3), width * 4 / 3
    svg = re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)
    size = f"width:100%;min-width:{smallest:.0f}px;max-width:{natural:.0f}px;aspect-ratio:{width / height:.3f}"
    return svg.replace("<svg", f'<svg role="img" aria-label="{html.escape(alt, quote=True)}" style="{size}"', 1)


def show(fig: "Figure", *, alt: str) -> None:
    """Display a figure with its alt text and close it."""
    _display(fig, alt, caption="", name=None)


def keep(name: str, fig: "Figure", *, alt: str, caption: str = "") -> None:
    """Display a figure, close it, and record it under `name`, so that a chapter can show it with `{glue}`."""
    _display(fig, alt, caption, name)


def _display(fig: "Figure", alt: str, caption: str, name: str | None) -> None:
    import matplotlib.pyplot as plt
    from IPython import get_ipython
    from IPython.display import display

    body = to_svg(fig, alt=alt)
    plt.close(fig)
    below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    figure = f'<figure class="fsllm-figure"><div class="fsllm-pan" tabindex="0">{body}</div>{below}</figure>'
    if get_ipython() is None:
        return
    display({"text/html": figure, "text/plain": f"[figure: {alt}]"}, raw=True)
    if name is not None:
        display({GLUE + "text/html": figure}, metadata={"scrapbook": {"name": name, "mime_prefix": GLUE}}, raw=True)
