"""A figure reaches the page with its alt text, and leaves the rest of the page alone."""

import re
import xml.etree.ElementTree as ElementTree

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import pytest

from fullstack_llm import plotting


def line():
    plt.close("all")
    plotting.use_style()
    fig, ax = plt.subplots()
    ax.plot([1, 2, 4], label="merges")
    ax.set_xlabel("step")
    ax.legend()
    return fig


def test_a_figure_is_well_formed_and_says_what_it_shows():
    svg = ElementTree.fromstring(plotting.to_svg(line(), alt='a "line" that <rises>'))
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == 'a "line" that <rises>'
    assert svg.get("viewBox")


@pytest.mark.parametrize(("size", "scrolls_at"), [(10.5, False), (7, True)])
def test_a_small_label_keeps_its_figure_wide(size, scrolls_at):
    fig = line()
    fig.axes[0].set_title("small", fontsize=size)
    svg = plotting.to_svg(fig, alt="a line")
    width, smallest, natural = (
        float(re.search(pattern, svg)[1])
        for pattern in (r'viewBox="0 0 ([\d.]+)', r"min-width:(\d+)px", r"max-width:(\d+)px")
    )
    assert size * smallest / width == pytest.approx(8, rel=0.01)
    assert (smallest > 358) is scrolls_at
    assert smallest <= natural


def test_two_figures_on_a_page_share_no_group_ids_and_no_global_style():
    svg = plotting.to_svg(line(), alt="a line")
    assert "<style" not in svg
    assert "<g id=" not in svg


def test_the_same_figure_is_the_same_text():
    assert plotting.to_svg(line(), alt="a") == plotting.to_svg(line(), alt="a")


def test_no_alt_text_is_refused():
    with pytest.raises(ValueError, match="Give the figure an alt text"):
        plotting.to_svg(line(), alt="  ")


def test_colors_have_contrast_on_white_and_on_near_black():
    def luminance(color):
        channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    for color in plotting.COLORS:
        for page in ("#ffffff", "#14181c"):
            light, dark = sorted((luminance(color), luminance(page)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 3, f"{color} on {page}"


def test_keep_records_the_figure_that_it_shows(monkeypatch):
    sent = []
    monkeypatch.setattr("IPython.get_ipython", lambda: object())
    monkeypatch.setattr("IPython.display.display", lambda data, metadata=None, raw=False: sent.append((data, metadata)))
    plotting.keep("loss", line(), alt="a line", caption="It rises & rises.")
    (shown, _), (glued, metadata) = sent
    assert glued[plotting.GLUE + "text/html"] == shown["text/html"]
    assert metadata["scrapbook"]["name"] == "loss"
    assert "rises &amp; rises" in shown["text/html"]
    assert not plt.get_fignums()


def test_circles_are_circles_and_other_markers_stay():
    fig, ax = plt.subplots()
    ax.scatter([1, 2, 3], [1, 4, 2], s=[10, 40, 90])
    ax.scatter([1, 2], [2, 3], s=30, marker="D")
    svg = plotting.to_svg(fig, alt="points")
    radii = [float(r) for r in re.findall(r'<circle cx="[-\d.]+" cy="[-\d.]+" r="([\d.]+)"', svg)]
    assert [round(r / radii[0], 1) for r in radii] == [1, 2, 3]  # areas of 10, 40 and 90
    assert len(re.findall(r'<path id="\w+" d="M', svg)) >= 1
    ElementTree.fromstring(svg)
