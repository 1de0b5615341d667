"""Where files lie, what they are called, and what must not be among them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import repository as repo

# A checkpoint is the course's own and replaced on purpose only; anything else that large belongs elsewhere.
LIMIT_MB, CHECKPOINT_MB = 2.0, 8.0
MODULE = re.compile(r"\d\d_[a-z0-9_]+")
PART = re.compile(r"\d\d[a-z]_[a-z0-9_]+")
# A place on somebody's machine. Sandboxes and the attacks on them have to name such places; a corpus is a quotation.
LEAK = re.compile(r"(?<![\w.~}])(/(?:work|root)/|/home/(?!jovyan\b)\w+|/tmp/\w|/Users/\w+|file:///\w)")
MAY_NAME_PLACES = (
    "tests/",
    "src/fullstack_llm/grading/",
    "src/fullstack_llm/worker/",
    "src/fullstack_llm/corpus/data/",
)
INDEX = re.compile(r"(?:index-url|find-links)[ =]+[\"']?(?!https://download\.pytorch\.org/)(?!\$)(\S*://\S+|/\S+)")


def slugs(root: Path, pattern: str) -> set[str]:
    """The numbered names that match a glob pattern."""
    stems = {path.stem for path in root.glob(pattern)}
    return {stem for stem in stems if MODULE.fullmatch(stem) or PART.fullmatch(stem)}


def labs_of_checks(root: Path) -> set[str]:
    """The labs that have a package of exercises."""
    return {path.parent.name[1:] for path in (root / "src/fullstack_llm/labs").glob("m[0-9][0-9]_*/__init__.py")}


def find_slug_gaps(root: Path) -> list[str]:
    """A slug that appears in one place and is missing in another where it belongs."""
    chapters, lessons = slugs(root, "book/*.md"), slugs(root, "notebooks/*.md")
    labs = slugs(root, "solutions/*.md")
    modules = {slug for slug in chapters if MODULE.fullmatch(slug)}
    toc = {entry.removesuffix(".md").removesuffix(".ipynb") for entry in repo.toc_entries(root)}
    gaps = []

    def need(slug: str, where: str, have: bool) -> None:
        if not have:
            gaps.append(f"{slug}: no {where}")

    for slug in lessons:
        need(slug, f"book/{slug}.md for its notebook", slug in chapters)
        need(slug, f"notebooks/{slug}.ipynb", (root / f"notebooks/{slug}.ipynb").exists())
        need(slug, f"_toc.yml entry notebooks/{slug}", f"notebooks/{slug}" in toc)
    for slug in chapters:
        need(slug, f"_toc.yml entry book/{slug}", f"book/{slug}" in toc)
        if PART.fullmatch(slug):
            need(slug, f"notebooks/{slug}.md for its chapter", slug in lessons)
            need(slug, f"module {slug[:2]}_* that it is a part of", any(m[:2] == slug[:2] for m in modules))
        else:
            parts = any(other[:2] == slug[:2] for other in chapters - modules)
            need(slug, "notebook, and no parts that have one", slug in lessons or parts)
            need(slug, f"solutions/{slug}.md for its module", slug in labs)
    checked = labs_of_checks(root)
    for slug in labs:
        need(slug, f"book/{slug}.md for its lab", slug in chapters)
        need(slug, f"labs/{slug}.ipynb", (root / f"labs/{slug}.ipynb").exists())
        need(slug, f"_toc.yml entry labs/{slug}", f"labs/{slug}" in toc)
        need(slug, f"src/fullstack_llm/labs/m{slug} with its exercises", slug in checked)
    for slug in (slugs(root, "labs/*.ipynb") | checked) - labs:
        need(slug, f"solutions/{slug}.md for its lab or its exercises", False)
    for entry in sorted(toc):
        need(entry, "file that this _toc.yml entry names", any(root.glob(f"{entry}.*")))
    return sorted(gaps)


def find_outputs(name: str, text: str) -> list[str]:
    """Outputs or execution counts in a committed notebook."""
    return [
        f"{name}, cell {number}: has outputs"
        for number, cell in enumerate(json.loads(text)["cells"], start=1)
        if cell.get("outputs") or cell.get("execution_count") is not None
    ]


def find_large(paths: list[Path]) -> list[str]:
    """Files over the limit of their kind."""
    found = []
    for path in paths:
        size, limit = path.stat().st_size / 1e6, CHECKPOINT_MB if path.suffix == ".safetensors" else LIMIT_MB
        found += [f"{path.name}: {size:.1f} MB, over {limit} MB"] * (size > limit)
    return found


def find_leaks(name: str, text: str) -> list[str]:
    """Paths of one machine, and package indexes of one network."""
    if name.startswith(MAY_NAME_PLACES):
        return []
    return [f"{name}: {place}" for place in [*LEAK.findall(text), *INDEX.findall(text)]]


def test_slugs_agree_everywhere(root: Path) -> None:
    assert find_slug_gaps(root) == []


@pytest.mark.parametrize(
    ("plant", "message"),
    [
        ("notebooks/04z_planted.md", "04z_planted: no book/04z_planted.md"),
        ("book/03z_planted.md", "03z_planted: no notebooks/03z_planted.md"),
        ("solutions/98_planted.md", "98_planted: no src/fullstack_llm/labs/m98_planted"),
        ("labs/97_planted.ipynb", "97_planted: no solutions/97_planted.md"),
        ("src/fullstack_llm/labs/m96_planted/__init__.py", "96_planted: no solutions/96_planted.md"),
    ],
)
def test_control_slugs(tmp_path: Path, plant: str, message: str) -> None:
    (tmp_path / plant).parent.mkdir(parents=True)
    (tmp_path / plant).touch()
    (tmp_path / "_toc.yml").write_text("root: book/intro\nchapters:\n- file: book/03_gone\n")
    found = find_slug_gaps(tmp_path)
    assert any(line.startswith(message) for line in found)
    assert "book/03_gone: no file that this _toc.yml entry names" in found


def test_committed_notebooks_have_no_outputs(root: Path) -> None:
    found = [
        find_outputs(path.name, path.read_text(encoding="utf-8"))
        for path in repo.files(root)
        if path.suffix == ".ipynb"
    ]
    assert repo.flat(found) == []


def test_control_outputs() -> None:
    ran = {
        "cells": [{"outputs": [], "execution_count": None}, {"outputs": [{}]}, {"outputs": [], "execution_count": 3}]
    }
    assert len(find_outputs("planted", json.dumps(ran))) == 2


def test_no_large_file_is_committed(root: Path) -> None:
    assert find_large(list(repo.files(root))) == []


def test_control_large(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(bytes(2_100_000))
    assert find_large([tmp_path / "weights"]) == ["weights: 2.1 MB, over 2.0 MB"]
    (tmp_path / "x.safetensors").write_bytes(bytes(2_100_000))
    assert find_large([tmp_path / "x.safetensors"]) == []


def test_no_path_of_a_machine(root: Path) -> None:
    assert repo.flat((find_leaks(name, text) for name, text in repo.texts(root))) == []


@pytest.mark.parametrize(
    "text",
    [
        "see /work/x",
        "(/root/.cache)",
        "'/home/ada/x'",
        "/Users/ada",
        "cp /tmp/x",
        "file:///opt",
        "--index-url https://a.b/c",
    ],
)
def test_control_leaks(text: str) -> None:
    assert find_leaks("README.md", text)


@pytest.mark.parametrize(
    "text", ["a/work/b", "$HOME/x", "/home/jovyan", "--index-url https://download.pytorch.org/whl/cpu"]
)
def test_control_leaks_allows(text: str) -> None:
    assert not find_leaks("README.md", text)
