"""What readers do on the site: search, switch the mode, follow the map, open a notebook elsewhere."""

from urllib.parse import unquote, urljoin

import audit
import pytest
import yaml

pytestmark = pytest.mark.browser

HOME = "book/intro.html"
NOTEBOOKS = [page for page in audit.pages() if page.startswith(("notebooks/", "labs/"))] or ["index.html"]


def links(page, selector):
    """Where the links of a part lead, as full addresses."""
    return page.eval_on_selector_all(
        f"{selector} a", "all => all.map(a => new URL(a.getAttribute('href'), document.baseURI).href)"
    )


def test_the_root_leads_to_the_home_page(look, base):
    page = look("desktop", "light").new_page()
    page.goto(base)
    page.wait_for_url(f"**/{HOME}")
    page.close()


def test_search_finds(look, base):
    with audit.visit(look("desktop", "light"), base, "search.html?q=merge") as seen:
        seen.page.wait_for_selector("#search-results ul.search li a")
        found = links(seen.page, "#search-results ul.search")
        assert any("03a_bpe" in url for url in found), found
        assert not seen.problems, seen.problems


@pytest.mark.parametrize("path", ["search.html", "genindex.html"])
def test_generated_pages_load_cleanly(path, look, base):
    for size, mode in [("desktop", "light"), ("phone", "dark")]:
        with audit.visit(look(size, mode), base, path) as seen:
            assert not [*seen.problems, *audit.overflow(seen.page)]


def test_the_mode_can_be_switched_and_is_remembered(browser, base):
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light")
    page = context.new_page()
    page.goto(base + HOME)
    looks = {}
    for _ in range(3):
        page.locator(".theme-switch-button:visible").first.click()
        mode = page.evaluate("document.documentElement.dataset.mode")
        looks[mode] = page.evaluate("getComputedStyle(document.body).backgroundColor")
        if mode == "dark":
            page.reload()
            assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    context.close()
    assert set(looks) == {"auto", "light", "dark"}
    assert looks["auto"] == looks["light"] != looks["dark"]


@pytest.mark.parametrize("path", NOTEBOOKS)
def test_launch_buttons_open_this_notebook(path, look, base, root):
    notebook = path.removesuffix(".html") + ".ipynb"
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    owner = config["repository"]["url"].removeprefix("https://github.com/")
    branch = config["repository"]["branch"]
    with audit.visit(look("desktop", "light"), base, path) as seen:
        found = [unquote(url) for url in links(seen.page, ".dropdown-launch-buttons")]
    assert f"https://colab.research.google.com/github/{owner}/blob/{branch}/{notebook}" in found
    assert any(url.startswith(f"https://mybinder.org/v2/gh/{owner}/{branch}") and notebook in url for url in found), (
        found
    )
    assert any("hub" in url and notebook in url for url in found), found


def test_the_hub_form_builds_a_link(look, base):
    notebook = NOTEBOOKS[0].removesuffix(".html") + ".ipynb"
    with audit.visit(look("desktop", "light"), base, f"book/how_to.html?notebook={notebook}") as seen:
        page = seen.page
        assert page.locator(".fsllm-hub select").input_value() == notebook
        page.fill(".fsllm-hub input", "https://hub.example.edu/")
        (url,) = links(page, ".fsllm-hub output")
        assert url.startswith("https://hub.example.edu/hub/user-redirect/git-pull?repo=https")
        assert notebook in unquote(url)
        page.fill(".fsllm-hub input", "javascript:alert(1)")
        assert links(page, ".fsllm-hub output") == []
        assert not seen.problems, seen.problems


@pytest.mark.parametrize("path", [page for page in NOTEBOOKS if page.startswith("labs/")] or ["index.html"])
def test_a_lab_links_to_its_solution_if_solutions_are_published(path, look, base, site):
    solution = path.replace("labs/", "solutions/")
    with audit.visit(look("desktop", "light"), base, path) as seen:
        found = {url.split("#")[0] for url in links(seen.page, "body")}
    assert (urljoin(base, solution) in found) == (site / solution).exists()


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_the_links_of_the_map_resolve(size, look, base):
    with audit.visit(look(size, "light"), base, HOME) as seen:
        found = {url.split("#")[0] for url in links(seen.page, ".fsllm-map")}
        assert found
        assert seen.page.locator(".fsllm-map:visible").count() == 1
        answers = {url: seen.page.request.get(url).status for url in found}
    assert set(answers.values()) == {200}, answers


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_paper_is_light(mode, look, base):
    with audit.visit(look("desktop", mode), base, HOME) as seen:
        seen.page.evaluate(
            "addEventListener('beforeprint', () => { window.printed = document.documentElement.dataset.theme; })"
        )
        seen.page.pdf()
        assert seen.page.evaluate("[window.printed, document.documentElement.dataset.theme]") == ["light", mode]


WIDER = "boxes => boxes.map(box => box.scrollWidth - box.clientWidth)"


def test_a_figure_scrolls_on_a_phone_and_is_whole_on_a_desktop(look, base):
    for size, scrolls in (("phone", True), ("desktop", False)):
        with audit.visit(look(size, "light"), base, "book/04a_attention.html") as seen:
            drawn = seen.page.eval_on_selector_all("figure > a.image-reference", WIDER)
            plotted = seen.page.eval_on_selector_all(".fsllm-pan", WIDER)
            assert drawn and plotted
            assert all((wider > 0) is scrolls for wider in drawn)
            assert any(wider > 0 for wider in plotted) is scrolls


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_no_line_of_code_is_cut_off(size, look, base):
    with audit.visit(look(size, "light"), base, "notebooks/04a_attention.html") as seen:
        lines = seen.page.eval_on_selector_all("pre:has(.fsllm-line)", WIDER)
        assert lines and max(lines) <= 0


def test_a_printed_page_has_its_answers_open(look, base):
    with audit.visit(look("desktop", "light"), base, "book/03a_bpe.html") as seen:
        closed = "document.querySelectorAll('article details:not([open])').length"
        before = seen.page.evaluate(closed)
        seen.page.evaluate(f"addEventListener('beforeprint', () => {{ window.closed = {closed}; }})")
        seen.page.pdf()
        assert before > 2
        assert seen.page.evaluate(f"[window.closed, {closed}]") == [0, before]


SHIFTED = """() => new Promise(resolve => {
  let sum = 0;
  new PerformanceObserver(list => { for (const shift of list.getEntries()) sum += shift.value; })
    .observe({ type: "layout-shift", buffered: true });
  setTimeout(() => resolve(sum), 500);
})"""


@pytest.mark.parametrize("path", ["book/04a_attention.html", "book/how_to.html"])
def test_nothing_moves_while_a_page_loads_on_a_phone(path, browser, base):
    """Google's bound for a good page is 0.1 (web.dev/articles/cls)."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(base + path)
    page.evaluate("() => window.mathsReady")
    shifted = page.evaluate(SHIFTED)
    context.close()
    assert shifted < 0.1


def test_the_keyboard_is_seen_on_the_buttons_of_the_header(look, base):
    with audit.visit(look("desktop", "light"), base, "book/03a_bpe.html") as seen:
        drawn = set()
        for _ in range(60):
            seen.page.keyboard.press("Tab")
            drawn.add(
                seen.page.evaluate(
                    "() => { const e = document.activeElement; return e.closest('.article-header-buttons')"
                    " ? getComputedStyle(e).outlineStyle + ' ' + getComputedStyle(e).outlineWidth : ''; }"
                )
            )
        assert drawn == {"", "solid 3px"}
