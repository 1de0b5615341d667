"""`python -m fullstack_llm.lessons.work 03`: copy labs and notebooks into `work/`, where only their reader writes.

Git ignores `work/`, and no command of the course replaces a file there that has been changed.
"""

import sys
from pathlib import Path

from fullstack_llm.commands import Parser, brief, in_sentences
from fullstack_llm.lessons import safety, trouble

FOLDER = "work"


@in_sentences
@trouble.told
def main(arguments: list[str] | None = None) -> int:
    """Copy labs and notebooks; return the exit status: 0 done, 2 there is nothing to copy."""
    parser = Parser(prog="python -m fullstack_llm.lessons.work", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="how the files' names begin: 03, or 03_tokenization")
    parser.add_argument("--root", type=Path, help="the repository (default: this folder, or the one above it)")
    options = parser.parse_args(arguments)
    here = Path.cwd()
    root = options.root or next((one for one in (here, *here.parents) if is_course(one)), here)
    if not is_course(root):
        print(
            f"{root} has no _config.yml and labs/, so it is not the course's repository: go there, or use --root.",
            file=sys.stderr,
        )
        return 2
    sources = chosen(root, options.names)
    if not sources:
        known = ", ".join(path.stem for path in chosen(root, []))
        wanted = brief(" or ".join(map(repr, options.names)), 100)
        print(f"Nothing in labs/ or notebooks/ begins with {wanted}: there are {known or 'none'}.", file=sys.stderr)
        return 2
    for source, target in sources.items():
        print(copy(source, target))
    labs = [target for target in sources.values() if safety.record(safety.read(target)).get("lab") == target.stem]
    print(f"\nOpen the files in {FOLDER}/. Nothing writes over your changes there, and git ignores the folder.")
    for lab in labs[:1]:
        file = lab.relative_to(root).as_posix()
        print(f"Before you hand in: {python(root)} -m fullstack_llm.grading check {file}")
    return 0


def is_course(folder: Path) -> bool:
    """Return whether a folder is the course's repository."""
    return (folder / "_config.yml").is_file() and (folder / "labs").is_dir()


def chosen(root: Path, names: list[str]) -> dict[Path, Path]:
    """Return each lab and notebook whose name begins with one of `names` (all of them without names), and its copy.

    A notebook that has the name of a lab is copied to `NAME-notebook.ipynb`.
    """
    copies: dict[Path, Path] = {}
    for folder in ("labs", "notebooks"):
        for path in sorted((root / folder).glob("*.ipynb")):
            if not names or path.name.startswith(tuple(names)):
                double = folder == "notebooks" and (root / "labs" / path.name).is_file()
                copies[path] = root / FOLDER / (f"{path.stem}-notebook.ipynb" if double else path.name)
    return copies


def copy(source: Path, target: Path) -> str:
    """Copy a notebook unless its copy has been changed; return a sentence about what was done."""
    name, text = f"{FOLDER}/{target.name}", safety.read(source)
    if text is None:
        return f"left out: {source.parent.name}/{source.name} is no text file."
    if not target.exists():
        safety.write(target, text)
        return f"copied: {name}"
    mine = safety.read(target)
    if mine == text:
        return f"up to date: {name}"
    if safety.untouched(target, source.stem):
        safety.write(target, text)
        return f"new version: {name}, which you had not changed"
    if safety.record(mine).get("version") == safety.record(text).get("version"):
        return f"yours, kept: {name}"
    return (
        f"yours, kept: {name}; {source.parent.name}/{source.name} has a new version. "
        f"To get it, rename your file (to {target.stem}-old.ipynb, say) and run this command again."
    )


def python(root: Path) -> str:
    """Return how to call this Python from the course's folder."""
    return ".venv/bin/python" if Path(sys.prefix) == root.resolve() / ".venv" else "python"


if __name__ == "__main__":
    sys.exit(main())
