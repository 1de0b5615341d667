"""The chapters: pictures that can be heard, citations that lead somewhere; and the labs' points."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import repository as repo

IMAGE = re.compile(r"!\[\s*\]\([^)]+\)")
LIMIT_NUMBERS = 2
DIRECTIVE = re.compile(r"^(`{3,}|:{3,})\{(?:figure|image)\} ?([^\n]*)\n(.*?)^\1\s*$", flags=re.M | re.S)
TAG = re.compile(r"<(img|svg)\b[^>]*>", flags=re.S)
CITATION = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")
ENTRY = re.compile(r"^@(?!comment|string|preamble)\w+\{\s*([^,\s]+)\s*,", flags=re.M | re.I)


def find_silent_images(name: str, text: str) -> list[str]:
    """Images and drawings without a text for those who cannot see them."""
    found = [f"{name}: {match[0]}" for match in IMAGE.finditer(text)]
    figures = [match for match in DIRECTIVE.finditer(text) if not re.search(r"^\s*:?alt:\s*\S", match[3], flags=re.M)]
    found += [f"{name}: figure {match[2]} has no alt" for match in figures]
    for match in TAG.finditer(text):
        heard = (
            r"\balt\s*=" if match[1] == "img" else r'aria-label(ledby)?\s*=\s*["\'][^"\']|aria-hidden\s*=\s*["\']true'
        )
        if not re.search(heard, match[0]):
            found.append(f"{name}: {match[0][:60]} has no text")
    return found


def find_unnamed_columns(name: str, text: str) -> list[str]:
    """Heads of tables with a cell that says nothing to those who hear it; a formula is drawn, and says nothing."""
    heads = re.findall(r"^(\|.*\|)[ \t]*\n\|[ \t:|-]+\|[ \t]*$", text, flags=re.M)
    heard = {head: [re.sub(r"\$[^$]*\$", "", cell).strip() for cell in head.strip("|").split("|")] for head in heads}
    return [f"{name}: {head}" for head, cells in heard.items() if not all(cells)]


def find_lost_citations(chapters: dict[str, str], bibliography: str) -> list[str]:
    """Citations without an entry, entries that nobody cites, and entries that stand twice."""
    entries = ENTRY.findall(bibliography)
    cited = {
        key.strip(): name
        for name, text in chapters.items()
        for keys in CITATION.findall(text)
        for key in keys.split(",")
    }
    found = [f"{name}: {key} is not in the bibliography" for key, name in sorted(cited.items()) if key not in entries]
    found += [f"{key}: nobody cites it" for key in sorted(set(entries) - set(cited))]
    return found + [f"{key}: entered twice" for key in sorted({key for key in entries if entries.count(key) > 1})]


def find_open_entries(bibliography: str) -> list[str]:
    """Entries that do not end before the next one begins, as a merge of two appended lists leaves them."""
    entries = re.split(r"(?m)^(?=@)", bibliography)[1:]
    return [entry.split(",")[0] for entry in entries if entry.count("{") != entry.count("}")]


def find_bare_numbers(bibliography: str) -> list[str]:
    """Numbers of arXiv and DOI that stand in a field from which no link is made."""
    fields = re.findall(r"^\s*(note|url|howpublished|journal)\s*=\s*\{([^}]*)\}", bibliography, flags=re.M)
    return [f"{name} = {text}" for name, text in fields if re.search(r"arxiv|\bdoi\b", text, flags=re.I)]


def find_hard_spaces(name: str, text: str) -> list[str]:
    """Spaces that do not break, written by hand: `book/_ext/typography.py` puts them where they belong."""
    lines = enumerate(text.splitlines(), start=1)
    return [f"{name}, line {n}" for n, line in lines if re.search("[\u00a0\u202f]|&(nbsp|#160);", line)]


def find_pasted_code(name: str, text: str) -> list[str]:
    """Python that was typed into a chapter, instead of shown from its source."""
    return [
        f"{name}, line {text[: m.start()].count(chr(10)) + 1}" for m in re.finditer(r"^`{3,}python", text, flags=re.M)
    ]


def find_crowded(name: str, text: str) -> list[str]:
    """Paragraphs with more than two measured numbers, for which a table or a figure is the place."""
    text = re.sub(r"^(`{3,}|:{3,})\{.*?^\1\s*$", "", text, flags=re.M | re.S)
    paragraphs = [part for part in re.split(r"\n\s*\n", text) if not part.lstrip().startswith("|")]
    return [f"{name}: {part.strip()[:70]}" for part in paragraphs if part.count("{glue:text}") > LIMIT_NUMBERS]


def find_raw_glue(name: str, text: str) -> list[str]:
    """Glued numbers inside of backticks, which a page would print as they are written."""
    return [f"{name}: {m[0]}" for m in re.finditer(r"(?<!`)`\{glue:text\}`[^`\n]*`", text)]


@pytest.fixture(scope="module")
def parts(root: Path) -> dict[str, str]:
    """The chapters that have a notebook of their own."""
    slugs = [path.stem for path in repo.notebooks(root, "notebooks")]
    return {slug: (root / "book" / f"{slug}.md").read_text(encoding="utf-8") for slug in slugs}


@pytest.fixture(scope="module")
def chapters(root: Path) -> dict[str, str]:
    return {name: text for name, text in repo.texts(root) if name.startswith("book/") and name.endswith(".md")}


def test_images_have_alt_text(root: Path, chapters: dict[str, str]) -> None:
    drawings = {name: text for name, text in repo.texts(root) if name.startswith("book/") and name.endswith(".html")}
    found = [find_silent_images(name, text) for name, text in (chapters | drawings).items()]
    assert repo.flat(found) == []


@pytest.mark.parametrize(
    "text",
    [
        "![](a.svg)",
        "```{figure} a.svg\n:name: a\n\ncaption\n```\n",
        "````{image} a.svg\n````\n",
        '<img src="a.svg">',
        "<svg viewBox='0 0 1 1'>",
        '<svg aria-label="">',
    ],
)
def test_control_images(text: str) -> None:
    assert find_silent_images("planted", text)


@pytest.mark.parametrize(
    "text",
    [
        "![A line](a.svg)",
        "```{figure} a.svg\n:alt: A line.\n```\n",
        '<svg role="img"\n aria-label="A line.">',
        '<svg aria-hidden="true">',
        '<img src="a.svg" alt="">',
    ],
)
def test_control_images_allows(text: str) -> None:
    assert not find_silent_images("planted", text)


def test_columns_have_names(chapters: dict[str, str]) -> None:
    assert not [line for name, text in chapters.items() for line in find_unnamed_columns(name, text)]


def test_control_columns() -> None:
    assert find_unnamed_columns("x", "a\n\n| | b |\n| --- | --- |\n| 1 | 2 |\n")
    assert find_unnamed_columns("x", "a\n\n| $r$ | b |\n| --- | --- |\n| 1 | 2 |\n")
    assert not find_unnamed_columns("x", "| a | b |\n| --- | --- |\n| | 2 |\n")


def test_citations_lead_somewhere(root: Path, chapters: dict[str, str]) -> None:
    bibliography = (root / "book/references.bib").read_text(encoding="utf-8")
    assert find_lost_citations(chapters, bibliography) == []


def test_control_citations() -> None:
    found = find_lost_citations({"a": "{cite}`x, y` and {cite:p}`z`"}, "@article{x,\n}\n@book{w,\n}\n@misc{x,\n}\n")
    assert found == [
        "a: y is not in the bibliography",
        "a: z is not in the bibliography",
        "w: nobody cites it",
        "x: entered twice",
    ]


def test_entries_end(root: Path) -> None:
    assert find_open_entries((root / "book/references.bib").read_text(encoding="utf-8")) == []


def test_control_entries() -> None:
    closed = "@misc{x,\n  title = {{A} b},\n}\n\n@book{y,\n  year = {2020},\n}\n"
    assert find_open_entries(closed) == []
    assert find_open_entries(closed.replace("b},\n}", "b},")) == ["@misc{x"]


def test_numbers_of_papers_are_links(root: Path) -> None:
    assert find_bare_numbers((root / "book/references.bib").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("field", ["note = {arXiv:1706.03762}", "url = {https://arxiv.org/abs/1}", "note={DOI 10.1/2}"])
def test_control_numbers(field: str) -> None:
    assert find_bare_numbers(f"@misc{{x,\n  {field},\n}}")
    assert not find_bare_numbers("@misc{x,\n  eprint = {1706.03762},\n  doi = {10.1/2},\n  note = {In Finnish},\n}")


def test_spaces_are_plain(root: Path, chapters: dict[str, str]) -> None:
    lessons = {path.name: path.read_text(encoding="utf-8") for path in repo.notebooks(root, "notebooks")}
    assert repo.flat(find_hard_spaces(name, text) for name, text in (chapters | lessons).items()) == []


@pytest.mark.parametrize("text", ["60\u00a0%", "3&nbsp;GiB", "8\u202fs", "8&#160;s"])
def test_control_spaces(text: str) -> None:
    assert find_hard_spaces("planted", f"Well.\n{text}") == ["planted, line 2"]
    assert not find_hard_spaces("planted", "60 % and 3 GiB")


def test_a_chapter_shows_its_code_from_the_source(parts: dict[str, str]) -> None:
    assert repo.flat(find_pasted_code(name, text) for name, text in parts.items()) == []
    assert [
        name for name, text in parts.items() if not re.search(r"^`{3,}\{from-(notebook|package)\}", text, flags=re.M)
    ] == []


def test_control_pasted_code() -> None:
    assert find_pasted_code("planted", "Look:\n\n```python\nx = 1\n```\n") == ["planted, line 3"]
    assert not find_pasted_code("planted", "```{from-notebook} x\n```\n\n```bash\nmake site\n```\n")


def test_a_paragraph_has_two_numbers_at_most(parts: dict[str, str]) -> None:
    assert repo.flat(find_crowded(name, text) for name, text in parts.items()) == []


def test_glued_numbers_are_not_code(chapters: dict[str, str]) -> None:
    assert repo.flat(find_raw_glue(name, text) for name, text in chapters.items()) == []


def test_control_raw_glue() -> None:
    assert find_raw_glue("planted", "It is `{glue:text}`a::b``.") and not find_raw_glue("planted", "{glue:text}`a::b`")


def test_control_crowded() -> None:
    number = "{glue:text}`a::b`"
    assert find_crowded("planted", f"One {number},\ntwo {number}, three {number}.")
    table = f"| {number} | {number} | {number} |"
    assert not find_crowded("planted", f"One {number}.\n\nTwo {number} {number}.\n\n{table}\n")
