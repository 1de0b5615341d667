"""Make the files of a new module, each a small example that passes the rules: `make new SLUG=05_pretraining`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
from fullstack_llm.commands import Parser, brief, in_sentences

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "tools" / "template"
SLUG = re.compile(r"(\d\d)_([a-z][a-z0-9]*(?:_[a-z0-9]+)*)")
ENTRY = """\
      - file: book/@SLUG@
        title: @NUMBER@ @TITLE@
        subtrees:
          - caption: Run
            sections:
              - {file: notebooks/@SLUG@.md, title: @NUMBER@ @TITLE@}
          - caption: Lab
            sections:
              - file: labs/@SLUG@.ipynb
                title: @TITLE@
                sections:
                  - {file: solutions/@SLUG@.md, title: Solution}
"""
BEFORE = "  - caption: Reference\n"
CHECKLIST = """\
[ ] {chapter}: one question, one example, the naive version first
[ ] {notebook}: naive, fast, library, each asserted equal; a control beside each proof; a range on every number
[ ] {solution}: 5 to 8 exercises, 100 points, 60 to 150 minutes, one diagnosis
[ ] {exercise}: one such file an exercise, named in {lab}: a slow and plain oracle, other right answers,
    edge cases, five to eight mistakes, each with its hint; at most 30 points can be pasted from what the module shows
[ ] _toc.yml: the entry stands in the right part of the course
[ ] CHANGELOG.md, and book/glossary.md where the module brings a term
[ ] make check
[ ] someone who has not read it narrates the reading"""


def targets(root: Path, slug: str) -> dict[str, Path]:
    """Which file each template becomes."""
    package = f"src/fullstack_llm/labs/m{slug}"
    return {
        "chapter": root / f"book/{slug}.md",
        "notebook": root / f"notebooks/{slug}.md",
        "solution": root / f"solutions/{slug}.md",
        "lab": root / f"{package}/__init__.py",
        "exercise": root / f"{package}/count_tokens.py",
    }


def fill(text: str, slug: str) -> str:
    """Put the module's names into a template."""
    number, name = slug.split("_", 1)
    title = name.replace("_", " ").capitalize()
    for key, value in {"SLUG": slug, "NUMBER": number, "TITLE": title, "KEBAB": name.replace("_", "-")}.items():
        text = text.replace(f"@{key}@", value)
    return text


def create(root: Path, slug: str) -> list[Path]:
    """Write the module's files and its entry in the table of contents; touch nothing if any of it is there already."""
    if not (root / "_toc.yml").is_file():
        raise SystemExit(f"{brief(str(root), 200)} has no _toc.yml, so it is not the course's repository: use --root")
    if not SLUG.fullmatch(slug):
        raise SystemExit(
            f"{brief(repr(slug), 80)} is no module's name: two digits, then words, as in make new SLUG=05_pretraining"
        )
    files = targets(root, slug)
    taken = [path for path in files.values() if path.exists()]
    taken += [path for path in (root / "book").glob(f"{slug[:2]}_*.md") if path not in taken]
    if taken:
        raise SystemExit(f"{taken[0].relative_to(root)} is there already; choose another number or name")
    toc = root / "_toc.yml"
    before, found, after = toc.read_text(encoding="utf-8").partition(BEFORE)
    if not found:
        raise SystemExit(f"_toc.yml has no line {BEFORE.strip()!r}, before which a module's entry goes")
    toc.write_text(before + fill(ENTRY, slug) + found + after, encoding="utf-8")
    for kind, path in files.items():
        template = next(TEMPLATE.glob(f"{kind}.*"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(fill(template.read_text(encoding="utf-8"), slug), encoding="utf-8")
    return list(files.values())


@in_sentences
def main(argv: list[str]) -> int:
    """Make the files, generate what is generated, print what is left to do; return 0."""
    parser = Parser(description=__doc__)
    parser.add_argument("slug", help="two digits and a name, such as 05_pretraining")
    parser.add_argument("--root", type=Path, default=ROOT)
    options = parser.parse_args(argv)
    root = options.root.absolute()
    for path in create(root, options.slug):
        print(f"wrote {path.relative_to(root)}")
    subprocess.run([sys.executable, "-m", "fullstack_llm.lessons"], cwd=root, check=True)
    names = {kind: path.relative_to(root).as_posix() for kind, path in targets(root, options.slug).items()}
    print(f"\nEach file holds a small working example. Replace it, then tick off:\n{CHECKLIST.format(**names)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
