"""The checks themselves: each finds its fault on a page made wrong on purpose, and nothing on a good one."""

import audit
import pytest
from conftest import served

pytestmark = pytest.mark.browser

GOOD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>
<link rel="icon" href="data:,"><link rel="canonical" href="https://example.org/">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body {{ background: #fff; color: #222 }}</style>
{head}</head><body><main><article><h1>Title</h1><p>Text.</p>{body}</article></main></body></html>"""

FAULTS = {
    "external script": ('<script src="https://example.org/a.js"></script>', "", "external request"),
    "external preconnect": ('<link rel="preconnect" href="https://example.org/">', "", "external request"),
    "external fetch": ("<script>fetch('https://example.org/').catch(() => 0)</script>", "", "external request"),
    "missing file": ('<link rel="stylesheet" href="none.css">', "", "status 404"),
    "failed request": ('<script src="http://127.0.0.1:1/a.js"></script>', "", "failed: "),
    "console error": ("<script>console.error('no')</script>", "", "console error: no"),
    "page error": ("<script>undefinedName()</script>", "", "page error: undefinedName"),
    "overflow": ("", '<div style="width: 1500px">wide</div>', "px of content"),
    "untypeset maths": ("", r'<span class="math">\(x^2\)</span>', "not typeset"),
    "refused maths": (
        "",
        '<span class="math"><mjx-container><svg><g data-mml-node="merror"></g></svg></mjx-container></span>',
        "MathJax refused",
    ),
    "raw TeX": ("", r"<p>We have \(x^2\).</p>", "raw TeX"),
    "image without alt": ("", '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">', "no alt"),
    "image with an empty alt": ("", '<img alt="" src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">', "no alt"),
    "drawing without a label": ("", '<svg role="img" width="9" height="9"></svg>', "no aria-label"),
    "skipped heading": ("", "<h3>Deep</h3>", "(H3) follows"),
    "two titles": ("", "<h1>Another</h1>", "2 headings of level 1"),
    "low contrast": ("", '<p style="color: #bbb">Pale.</p>', "axe color-contrast"),
    "field without a label": ("", "<input>", "axe label"),
    "scrolling part without focus": (
        "",
        '<div style="height: 20px; overflow: auto"><p style="height: 90px">Long.</p></div>',
        "axe scrollable-region-focusable",
    ),
}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("controls")
    for number, (head, body, _) in enumerate([("", "", ""), *FAULTS.values()]):
        (folder / f"{number}.html").write_text(GOOD.format(head=head, body=body), encoding="utf-8")
    with served(folder) as url:
        yield url


def findings(context, address, number):
    with audit.visit(context, address, f"{number}.html") as seen:
        return audit.problems(seen) + audit.axe(seen.page)


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_a_good_page_passes(size, look, address):
    assert findings(look(size, "light"), address, 0) == []


@pytest.mark.parametrize("number", range(1, len(FAULTS) + 1), ids=list(FAULTS))
def test_a_wrong_page_is_caught(number, look, address):
    wanted = list(FAULTS.values())[number - 1][2]
    found = findings(look("desktop", "light"), address, number)
    assert any(wanted in finding for finding in found), found


LOOKS_APART = {
    "wide on a phone": ("@media (max-width: 500px) { p { width: 1500px } }", ("phone", "light"), "px of content"),
    "wide in the dark": ("[data-theme=dark] p { width: 1500px }", ("desktop", "dark"), "px of content"),
    "pale in the dark": ("[data-theme=dark] p { color: #ddd }", ("desktop", "dark"), "axe color-contrast"),
}
FOLLOW = """<script>const dark = matchMedia("(prefers-color-scheme: dark)"), follow = () => {
  document.documentElement.dataset.theme = dark.matches ? "dark" : "light"; };
follow(); dark.addEventListener("change", follow);</script>"""


@pytest.mark.parametrize(("style", "where", "wanted"), LOOKS_APART.values(), ids=list(LOOKS_APART))
def test_a_fault_in_one_look_is_seen_when_the_page_is_turned_to_it(style, where, wanted, look, tmp_path):
    text = GOOD.format(head=f"<style>{style}</style>{FOLLOW}", body="")
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    found = {}
    with served(tmp_path) as url, audit.visit(look("desktop", "auto"), url, "page.html") as seen:
        for size, theme in [("desktop", "light"), ("desktop", "dark"), ("phone", "light")]:
            turned = audit.turn(seen.page, size, theme)
            found[size, theme] = turned + audit.problems(seen) + audit.axe(seen.page)
    assert [at for at, problems in found.items() if problems] == [where]
    assert any(wanted in problem for problem in found[where])


def test_a_page_that_does_not_follow_the_device_is_caught(look, address):
    with audit.visit(look("desktop", "auto"), address, "0.html") as seen:
        assert audit.turn(seen.page, "desktop", "dark")


def test_the_tab_is_shared_and_carries_nothing_over(look, address):
    context, faulty = look("desktop", "light"), list(FAULTS).index("console error") + 1
    with audit.visit(context, address, f"{faulty}.html") as first:
        pass
    with audit.visit(context, address, "0.html") as second:
        pass
    assert first.page is second.page
    assert first.problems and not second.problems


def test_the_pages_that_axe_audits_show_every_class_and_change_with_the_content():
    texts = {f"{n}.html": f'<p class="note">Page {n}.</p>' for n in range(200)}
    texts["other.html"] = '<p class="note rare">One of a kind.</p>'
    taken = audit.chosen(texts)
    assert "other.html" in taken
    assert 200 / audit.SHARE * 0.5 < len(taken) < 200 / audit.SHARE * 1.6
    assert audit.chosen(texts) == taken
    assert audit.chosen({name: text + " " for name, text in texts.items()}) != taken
