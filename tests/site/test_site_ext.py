"""The site's own Sphinx extensions, function by function; the built pages have tests of their own."""

import doctest
import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from docutils import nodes
from docutils.utils import new_document

pytest.importorskip("sphinx", reason="the site's extensions need the `site` extra")

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import accessible  # noqa: E402
import code_lines  # noqa: E402
import cost  # noqa: E402
import counts  # noqa: E402
import interactive  # noqa: E402
import launch  # noqa: E402
import light  # noqa: E402
import offline  # noqa: E402
import record  # noqa: E402
import shown_code  # noqa: E402
import stackmap  # noqa: E402
import strip  # noqa: E402
import toc  # noqa: E402
import typography  # noqa: E402

RECORD = {
    "built": "2026-11-21T23:00:00+00:00",
    "device": "2 CPU cores <x86_64>",
    "preset": "cpu",
    "versions": {"torch": "2.13.0", "python": "3.11.2"},
    "notebooks": {
        "notebooks/03a_bpe.md": {
            "seconds": 41.2,
            "cpu_seconds": 40.0,
            "peak_mib": 812.4,
            "ran": "2026-11-20T10:00:00+00:00",
            "expectations": [
                {"name": "a|b", "value": 3.14159, "low": 2, "high": 4, "unit": "x", "kind": "expect", "ok": True},
                {"name": "c", "value": 9, "low": 1, "high": 2, "unit": "", "kind": "expect", "ok": False},
                {"name": "d", "value": "text", "low": None, "high": None, "unit": "", "kind": "note", "ok": True},
            ],
        },
        "notebooks/03b_vocabularies.md": {
            "seconds": 5.04,
            "cpu_seconds": 5.0,
            "peak_mib": 1500,
            "ran": "2026-11-21",
            "expectations": [],
        },
        "notebooks/04_transformer.md": {
            "seconds": 1,
            "cpu_seconds": 1,
            "peak_mib": 1,
            "ran": "2026-11-21",
            "expectations": [],
        },
    },
}


# ---- toc


def listed(node):
    """Every file that a table of contents names."""
    if isinstance(node, dict):
        below = [name for value in node.values() for name in listed(value)]
        return [node["file"], *below] if "file" in node else below
    return [name for item in node for name in listed(item)] if isinstance(node, list) else []


def test_without_solutions_drops_every_solution_and_nothing_else():
    complete = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    reduced = toc.without_solutions(complete)
    assert any(name.startswith("solutions/") for name in listed(complete))
    assert listed(reduced) == [name for name in listed(complete) if not name.startswith("solutions/")]


def test_without_solutions_leaves_a_toc_that_the_parser_accepts():
    parse = pytest.importorskip("sphinx_external_toc.parsing").parse_toc_data
    parse(toc.without_solutions(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))))


@pytest.mark.parametrize(("value", "wanted"), [(None, True), ("1", True), ("0", False)])
def test_solutions_are_on_unless_the_environment_says_0(monkeypatch, value, wanted):
    monkeypatch.delenv("SOLUTIONS", raising=False)
    if value is not None:
        monkeypatch.setenv("SOLUTIONS", value)
    assert toc.with_solutions() is wanted


def test_choosing_the_toc_removes_what_an_earlier_build_left(monkeypatch, tmp_path):
    monkeypatch.setenv("SOLUTIONS", "0")
    html, old = tmp_path / "_build" / "html", []
    for folder in ("html", "html/_sources", "jupyter_execute", ".doctrees"):
        old.append(tmp_path / "_build" / folder / "solutions" / "03_x.html")
        old[-1].parent.mkdir(parents=True)
        old[-1].touch()
    old.append(html / "searchindex.js")
    old[-1].touch()
    (tmp_path / "_toc.yml").write_text("root: a\nchapters:\n- file: b\n- file: solutions/03_x.md\n", encoding="utf-8")
    config = SimpleNamespace(external_toc_path="_toc.yml")
    doctrees = str(tmp_path / "_build" / ".doctrees")
    toc.choose_toc(SimpleNamespace(srcdir=str(tmp_path), outdir=str(html), doctreedir=doctrees), config)
    assert "solutions" not in Path(config.external_toc_path).read_text(encoding="utf-8")
    assert not any(path.exists() for path in old)


def test_groups_get_their_label_before_their_first_page():
    below = '<ul><li><a href="#">a</a></li><li><a href="03b.html">b</a></li></ul>'
    html = f'<ul><li><a href="../book/03_t.html">03</a>{below}</li></ul>'
    out = toc.label_groups(html, "notebooks/03a", {"notebooks/03a": "Run"})
    assert out.count("fsllm-nav-group") == 1
    assert re.search(r'<ul><li class="fsllm-nav-group">Run</li><li><a href="#">a', out)


def test_reading_on_passes_the_answers_in_both_directions():
    order = ["book/x", "labs/x", "solutions/x", "book/y"]
    beside = dict(zip(order, zip([None] * 4, [None, *order], [*order[1:], None], strict=False), strict=True))
    assert [toc.past_answers(beside, page, 2) for page in order] == ["labs/x", "book/y", "book/y", None]
    assert [toc.past_answers(beside, page, 1) for page in order] == [None, "book/x", "labs/x", "labs/x"]


# ---- typography, code


def paragraph(*parts):
    """A document of one paragraph, after the transform."""
    document = new_document("page")
    document += nodes.paragraph("", "", *parts)
    typography.keep_together(document)
    return document.astext()


def test_a_glued_number_keeps_its_unit():
    glued = nodes.inline("", "98.3", classes=["pasted-text"])
    assert paragraph(nodes.Text("It keeps "), glued, nodes.Text(" % of 3 GiB")) == "It keeps 98.3\xa0% of 3\xa0GiB"


def test_code_and_words_keep_their_spaces():
    assert (
        paragraph(nodes.literal("", "3 GiB"), nodes.Text(" in 3 sets of 4 streets")) == "3 GiB in 3 sets of 4 streets"
    )
    document = new_document("page")
    document += [nodes.paragraph("", "In 2017"), nodes.paragraph("", " s is a letter")]
    typography.keep_together(document)
    assert document.astext() == "In 2017\n\n s is a letter"


def test_a_formula_keeps_its_full_stop():
    assert paragraph(nodes.math("", "x = 2"), nodes.Text(". And")) == "x = 2\N{WORD JOINER}. And"
    assert paragraph(nodes.math("", "x = 2"), nodes.Text(" and")) == "x = 2 and"
    assert paragraph(nodes.emphasis("", "x"), nodes.Text(". And")) == "x. And"


def test_lines_of_code_are_wrapped_and_output_is_not():
    code = '<div class="highlight-python notranslate"><div class="highlight"><pre><span></span>a\n\n  b\n</pre></div>'
    shown, printed = (code.replace("highlight-", f"fsllm-shown-{kind} highlight-", 1) for kind in ("code", "output"))
    for block, lines in ((code, 3), (code.replace("python", "myst-ansi"), 0), (shown, 3), (printed, 0)):
        context = {"body": block}
        code_lines.wrap(None, "book/x", "", context, None)
        assert context["body"].count("fsllm-line") == lines
        assert re.sub(r"</?span[^>]*>", "", context["body"]) == re.sub(r"</?span[^>]*>", "", block)


# ---- record


def test_a_missing_record_is_said_and_a_damaged_one_is_an_error(tmp_path):
    path = tmp_path / "record.json"
    assert record.load(path) is None
    assert record.foot(None, "notebooks/03a_bpe") == f'<p class="fsllm-record">{record.MISSING}</p>'
    assert record.tables(None) == [record.MISSING]
    path.write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match="Execute the notebooks again"):
        record.load(path)
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match="no 'notebooks'"):
        record.load(path)


def test_the_foot_counts_bands_only_and_escapes():
    line = record.foot(RECORD, "notebooks/03a_bpe")
    for part in ("2026-11-20", "41 s", "812 MiB", "1 of 2 expectations", "torch 2.13.0", "&lt;x86_64&gt;"):
        assert part in line
    assert "3.11.2" not in line


def test_a_module_page_sums_its_parts_and_other_pages_have_no_foot():
    module = record.foot(RECORD, "book/03_tokenization")
    assert "46 s" in module and "1,500 MiB" in module and "2026-11-21" in module
    assert record.foot(RECORD, "book/intro") == record.foot(RECORD, "labs/03_tokenization") == ""
    assert "No run" in record.foot(RECORD, "book/07_parallelism")


def test_the_tables_hold_every_record_in_cells_of_their_own():
    lines = record.tables(RECORD)
    assert '<tr><th scope="row"><code>a|b</code><td>3.14 x<td>2 to 4 x<td>expect<td>yes' in lines
    assert '<tr><th scope="row"><code>c</code><td>9<td>1 to 2<td>expect<td>NO' in lines
    assert '<tr><th scope="row"><code>d</code><td>text<td><td>note<td>' in lines
    assert any(
        line.startswith("| [03a_bpe](../notebooks/03a_bpe.md) | 2026-11-20 | 41 s | 40 s | 812 | 1 of 2 |")
        for line in lines
    )


def test_a_new_record_outdates_the_pages_that_show_it(tmp_path):
    app = SimpleNamespace(outdir=str(tmp_path / "html"))
    env = SimpleNamespace(found_docs={"book/intro", "book/verification", "book/03a_bpe"})
    assert record.outdated(app, env, set(), set(), set()) == []
    (tmp_path / "record.json").write_text(json.dumps(RECORD), encoding="utf-8")
    assert sorted(record.outdated(app, env, set(), set(), set())) == ["book/03a_bpe", "book/verification"]
    assert record.outdated(app, env, set(), set(), set()) == []


# ---- interactive


@pytest.mark.parametrize("merges", [[["a", "d"], ["Ġ", "ad"]], ["a d", "Ġ ad"]])
def test_merges_come_in_both_spellings_and_specials_only_are_special(tmp_path, merges):
    path = tmp_path / interactive.TOKENIZER
    path.parent.mkdir(parents=True)
    added = [{"content": "<|pad|>", "special": True}, {"content": "plain", "special": False}]
    cut = {"pretokenizers": [{"pattern": {"Regex": r"\s+"}}]}
    data = {"model": {"merges": merges}, "added_tokens": added, "pre_tokenizer": cut}
    path.write_text(json.dumps(data), encoding="utf-8")
    wanted = {"pattern": r"\s+", "merges": [["a", "d"], ["Ġ", "ad"]], "specials": ["<|pad|>"]}
    assert interactive.merges(tmp_path) == wanted


def test_without_a_tokenizer_the_remedy_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="build the course's tokenizer"):
        interactive.merges(tmp_path)


def test_no_data_can_leave_its_script_element():
    data = {"merges": [["<", "/script>"]], "specials": ["<!--", "é"]}
    block = interactive.data_block(data)
    assert "<" not in block and json.loads(block) == data


def test_the_strip_covers_its_sentence_and_escapes_it():
    sentence = "Ada adds 12 and 34."
    found = strip.pieces(ROOT / interactive.TOKENIZER, sentence)
    assert "".join(part for part, _ in found) == sentence
    assert {"1", "2", "3", "4"} <= {part for part, _ in found}
    assert "<b>" not in strip.strip([("<b>", 1)])


# ---- the map


def test_the_map_draws_every_layer_and_links_every_module_in_both_widths():
    data, art = stackmap.load(ROOT), stackmap.glyphs(ROOT)
    for width in (760, 360):
        svg = stackmap.draw(data, art, width, lambda slug: f"{slug}.html")
        tree = ElementTree.fromstring(svg)
        downwards = [m for layer in reversed(data["layers"]) for m in data["modules"] if m["part"] == layer["part"]]
        assert [a.get("href") for a in tree.iter("a")] == [f"{module['slug']}.html" for module in downwards]
        titles = [text.text for text in tree.iter("text") if text.get("class") == "fsllm-map-title"]
        assert titles == [layer["title"] for layer in reversed(data["layers"])]


def test_a_layer_grows_with_its_modules_and_keeps_them_inside():
    data, art = stackmap.load(ROOT), stackmap.glyphs(ROOT)
    first = data["layers"][0]["part"]
    many = [{"slug": f"{i:02}_x", "title": "A long module title", "part": first, "question": "?"} for i in range(6)]
    for width in (760, 360):
        tree = ElementTree.fromstring(stackmap.draw({**data, "modules": many}, art, width, str))
        height = float(tree.get("viewBox").split()[3])
        chips = [rect for rect in tree.iter("rect") if rect.get("class") == "fsllm-map-chip"]
        assert len(chips) == 6
        assert all(float(c.get("x")) + float(c.get("width")) <= width for c in chips)
        assert max(float(c.get("y")) + float(c.get("height")) for c in chips) < height


def test_a_module_of_an_unknown_part_is_refused(tmp_path):
    path = tmp_path / stackmap.DATA
    path.parent.mkdir(parents=True)
    path.write_text("layers: [{part: I}]\nmodules: [{slug: 99_x, part: X}]\n", encoding="utf-8")
    with pytest.raises(ValueError, match="99_x names part X"):
        stackmap.load(tmp_path)


def test_every_module_of_the_map_is_in_the_toc():
    pages = listed(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8")))
    assert {f"book/{module['slug']}" for module in stackmap.load(ROOT)["modules"]} <= set(pages)


# ---- launch, counts, offline


def page(hub):
    """A site with or without a hub of its own, and the context of one notebook's page."""
    options = {"launch_buttons": {"jupyterhub_url": hub}}
    builder = SimpleNamespace(get_relative_uri=lambda here, there: f"../{there}.html")
    app = SimpleNamespace(config=SimpleNamespace(html_theme_options=options), builder=builder)
    return app, {"header_buttons": [{"label": "launch-buttons", "buttons": [{"text": "Binder"}, {"text": "Colab"}]}]}


def test_without_a_hub_the_button_leads_to_the_form():
    app, context = page("")
    launch.add_button(app, "notebooks/03a_bpe", "", context, None)
    button = context["header_buttons"][0]["buttons"][1]
    assert button["url"] == "../book/how_to.html?notebook=notebooks/03a_bpe.ipynb#on-a-jupyterhub"


def test_with_a_hub_the_theme_writes_the_button_itself():
    app, context = page("https://hub.example.edu")
    launch.add_button(app, "notebooks/03a_bpe", "", context, None)
    assert [button["text"] for button in context["header_buttons"][0]["buttons"]] == ["Binder", "Colab"]


def test_the_address_of_the_repository_is_filled_in():
    source = ["git clone --branch %branch% %repository%; cd %folder%"]
    launch.fill_in(options_of(""), "book/how_to", source)
    assert source == ["git clone --branch spring https://github.com/someone/course; cd course"]


def options_of(hub, outdir=ROOT / "nowhere"):
    """A site of someone's course, with a hub or without."""
    options = {"repository_url": "https://github.com/someone/course/", "repository_branch": "spring"}
    options["launch_buttons"] = {"jupyterhub_url": hub}
    return SimpleNamespace(config=SimpleNamespace(html_theme_options=options), outdir=str(outdir))


@pytest.mark.parametrize(("hub", "wanted"), [("", "https://hub.example.edu"), ("https://h.edu/", "https://h.edu")])
def test_the_page_for_hubs_has_links_and_the_peak_of_the_last_run(tmp_path, hub, wanted):
    (tmp_path / "record.json").write_text(json.dumps(RECORD), encoding="utf-8")
    source = ["%link:labs/03_t.ipynb% %peak%"]
    launch.fill_in(options_of(hub, tmp_path / "html"), "book/hubs", source)
    link = launch.pull_link(wanted, "https://github.com/someone/course", "spring", "labs/03_t.ipynb")
    assert source == [f"{link} 1.46 GiB"]
    launch.fill_in(options_of(hub), "book/hubs", source := ["%peak%"])
    assert source == ["not recorded for this site"]


def test_counts_see_cells_proofs_and_bands():
    text = (
        "Words here.\n\n```{code-cell} python\n:tags: [setup]\nimport torch\n```\n\n"
        "```{code-cell} python\nassert 1\ntorch.testing.assert_close(1, 1)\nexpect('a', 1, 0, 2)\n```\n"
    )
    assert counts.notebook_counts(text) == {"cells": 2, "proofs": 2, "expectations": 1}
    assert counts.words(text) == 2
    assert len(counts.rows(ROOT)) == len(stackmap.load(ROOT)["modules"])


def test_the_cost_is_shown_or_its_absence_is_said(tmp_path):
    nothing = cost.seconds.load(tmp_path / "none.json")
    assert cost.tables(nothing, {}) == [cost.MISSING]
    account = {
        "stages": [{"name": "mypy", "cpu": 40.0, "seconds": 50.0}],
        "areas": [{"area": "labs", "module": "03", "cpu": 190.0}],
        "ended": "2026-11-21T23:00:00+00:00",
        "full": False,
    }
    text = "\n".join(cost.tables(account, {}))
    assert "ordinary kind and ended on 2026-11-21" in text
    assert "| mypy | 40 | 50 |" in text and "| 180: over |" in text


def test_mathjax_is_one_file_on_this_disk():
    assert offline.mathjax_file().name == "tex-svg.js" and offline.mathjax_file().is_file()


def test_thebe_is_unhooked_and_nothing_else_is():
    def mine():
        """A handler of this module."""

    def theirs():
        """A handler of the extension that is dropped."""

    theirs.__module__ = "sphinx_thebe"
    listeners = {"event": [SimpleNamespace(handler=mine), SimpleNamespace(handler=theirs)]}
    files = [("sphinx-thebe.css", {}), ("other.css", {})]
    app = SimpleNamespace(events=SimpleNamespace(listeners=listeners), registry=SimpleNamespace(css_files=files))
    offline.drop_thebe(app)
    assert [item.handler for item in listeners["event"]] == [mine]
    assert app.registry.css_files == [("other.css", {})]


@pytest.mark.parametrize(
    "module",
    [accessible, code_lines, cost, counts, interactive, launch, offline, record, stackmap, strip, toc, typography],
)
def test_the_docstrings_tell_the_truth(module):
    assert doctest.testmod(module).failed == 0


# ---- code on the page

CELL = '''A_NAME = 1


@cache
def merge(ids):
    """Replace a pair.

    >>> merge([1])
    """
    return ids  # from left to right


print(merge([A_NAME]))
'''


def test_a_part_of_a_cell_keeps_decorators_comments_and_order():
    shown = shown_code.only(CELL, ["merge", "A_NAME"])
    assert shown.startswith("A_NAME = 1\n\n\n@cache\ndef merge")
    assert shown.endswith("# from left to right")


def test_a_name_that_a_cell_does_not_define_is_an_error():
    with pytest.raises(ValueError, match="defines no train"):
        shown_code.only(CELL, ["merge", "train"])


def test_code_of_the_package_is_its_source_with_one_line_of_docstring():
    path, source = shown_code.from_package(ROOT, "fullstack_llm.tokenization.bpe.pretokenize")
    assert path.name == "bpe.py"
    assert source.startswith("def pretokenize(")
    assert ">>>" not in source
    method = shown_code.from_package(ROOT, "fullstack_llm.transformer.norms.RMSNorm.forward")[1]
    assert method.startswith("def forward(")


@pytest.mark.parametrize(
    "name", ["fullstack_llm.tokenization.bpe", "fullstack_llm.tokenization.bpe.nothing", "os.path"]
)
def test_a_name_that_is_not_in_the_package_is_an_error(name: str):
    with pytest.raises(ValueError, match="defines no|names no"):
        shown_code.from_package(ROOT, name)


def test_what_a_cell_printed_is_shown_and_cards_and_figures_are_not():
    card = {"output_type": "display_data", "metadata": {"fullstack_llm": {}}, "data": {"text/plain": "a card"}}
    figure = {"output_type": "display_data", "data": {"text/plain": "<Figure>", "image/svg+xml": "<svg/>"}}
    shown = [
        {"output_type": "stream", "name": "stdout", "text": "one\n"},
        card,
        {"output_type": "stream", "name": "stderr", "text": "a warning\n"},
        figure,
        {"output_type": "execute_result", "data": {"text/plain": "17"}},
    ]
    assert shown_code.printed(shown) == "one\n17"


def test_a_tag_names_one_cell(tmp_path: Path):
    cell = "```{code-cell} python\n:tags: [page:pairs]\n\nprint(1)\n```\n\n"
    head = "---\njupytext:\n  text_representation: {extension: .md, format_name: myst}\n"
    head += "kernelspec: {display_name: Python 3, language: python, name: python3}\n---\n\n"
    path = tmp_path / "03_x.md"
    path.write_text(head + "Words.\n\n" + cell)
    nb, index = shown_code.tagged(path, "pairs")
    assert nb.cells[index].source == "print(1)"
    with pytest.raises(ValueError, match="has not been run"):
        shown_code.outputs(tmp_path, nb, index)
    path.write_text(head + cell + cell)
    with pytest.raises(ValueError, match="has 2 cells"):
        shown_code.tagged(path, "pairs")


# ---- light pages

SHAPES = {"bars": (448, 512, "M0 1z"), "github": (496, 512, "M2 3z")}
PAGE = (
    '<html data-content_root="../"><head><script data-cfasync="false">first()</script>'
    '<link rel="preload" as="font" href="../_static/vendor/fontawesome/webfonts/fa-solid-900.woff2"/>'
    '<script defer src="../_static/scripts/fontawesome.js?digest=1"></script>'
    '<script src="../_static/doctools.js"></script><script>let after = 1;</script>'
    '<script>window.MathJax = {}</script><script defer src="../_static/mathjax/tex-svg.js"></script>'
    '<script src="../searchindex.js"></script></head>'
    '<body><i class="fa-solid fa-bars"></i><span class="fab fa-github"></span>{body}</body></html>'
)
FORMULA = '<span class="math notranslate nohighlight">\\(x^2\\)</span>'


def test_a_light_page_has_its_icons_as_shapes_and_its_scripts_last():
    page = light.lighten(PAGE.replace("{body}", "<p>Text</p>"), SHAPES)
    head, body = page.split("</head>")
    assert "fontawesome" not in page and "MathJax" not in page and "searchindex" not in page
    assert "first()" in head and "doctools" not in head
    assert body.index("<p>Text") < body.index("doctools.js") < body.index("let after")
    assert body.count("<svg viewBox") == 2 and body.count("<path id=") == 2
    assert light.lighten(page, SHAPES) == page, "a page that is light stays as it is"


def test_a_page_with_a_formula_keeps_its_place_and_gets_mathjax_last():
    page = light.lighten(PAGE.replace("{body}", f"<p>{FORMULA}</p>"), SHAPES)
    assert 'data-mathjax="../_static/mathjax/tex-svg.js"' in page
    assert re.search(r'<span class="math notranslate nohighlight" style="--width:[01]\.\d+em">', page)


def test_the_page_of_search_keeps_its_index():
    assert "searchindex.js" in light.lighten(PAGE.replace("{body}", ""), SHAPES, search=True)


def test_an_icon_keeps_its_other_classes_and_attributes():
    shown = light.with_icons('<i class="theme-switch fa-solid fa-bars   fa-lg" data-mode="light"></i></body>', SHAPES)
    assert shown.startswith('<i class="fsllm-icon theme-switch fa-bars fa-lg" data-mode="light"><svg')


def test_an_icon_that_the_theme_lacks_is_an_error():
    with pytest.raises(ValueError, match="no icon 'zebra'"):
        light.with_icons('<i class="fas fa-zebra"></i></body>', SHAPES)


@pytest.mark.parametrize(
    "tex", ["x", r"\sum_{i=1}^{n} x_i", r"\operatorname{softmax}(QK^\top/\sqrt{d_k})", r"\nonsense{x}"]
)
def test_a_formula_has_a_size_before_it_is_typeset(tex: str):
    width, height = light.extent(tex, False)
    assert 0.3 < width < 15 and 0.8 < height < 4
    assert light.extent(tex + " + " + tex, False)[0] > width


def test_a_description_is_the_first_paragraph_and_ends_with_a_word():
    page = new_document("a")
    page += nodes.section(
        "", nodes.title(text="T"), nodes.bullet_list("", nodes.list_item("", nodes.paragraph(text="no")))
    )
    page[0] += nodes.paragraph(text="A model needs numbers. " * 20)
    text = light.description(page)
    assert text.startswith("A model needs") and text.endswith(" …") and len(text) <= light.DESCRIBED + 2
