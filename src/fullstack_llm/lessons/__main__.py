"""`python -m fullstack_llm.lessons`: write every generated file; with `--check`, fail if one differs.

A file that somebody has changed, or that was never generated, is neither written nor deleted.
"""

import sys
from pathlib import Path

from fullstack_llm.commands import Parser, in_sentences, refused
from fullstack_llm.lessons import safety, trouble
from fullstack_llm.lessons.generate import LessonError, generated

SOURCES = {"notebooks": "notebooks", "labs": "solutions"}  # where the sources of each generated folder are


@in_sentences
@trouble.told
def main(arguments: list[str] | None = None) -> int:
    """Write or check the generated files; return the exit status: 0 done, 1 drift found, 2 a source is wrong."""
    parser = Parser(prog="python -m fullstack_llm.lessons", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file would change")
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the repository (default: here)")
    options = parser.parse_args(arguments)
    root: Path = options.root
    if not (root / "_config.yml").is_file():
        print(
            f"{root} has no _config.yml, so it is not the course's repository: go there, or use --root.",
            file=sys.stderr,
        )
        return 2
    try:
        wanted = dict(generated(root))
    except LessonError as error:
        return refused(error)
    present = {path for folder in SOURCES for path in (root / folder).glob("*.ipynb")}
    stale = {path: text for path, text in wanted.items() if safety.read(path) != text}
    orphans = sorted(present - wanted.keys())
    if options.check:
        return report(root, list(stale), orphans, len(wanted))
    kept = [path for path, text in stale.items() if not replace(root, path, text)]
    for path in orphans:
        remove(root, path)
    print(f"{len(wanted) - len(kept)} of {len(wanted)} generated files are up to date.")
    return 0


def report(root: Path, stale: list[Path], orphans: list[Path], total: int) -> int:
    """Print which files differ from their source or have none; return 1 if there are any, otherwise 0."""
    for path in stale:
        print(f"differs from its source: {path.relative_to(root)}")
    for path in orphans:
        print(f"has no source: {path.relative_to(root)}")
    if stale or orphans:
        print(
            "Generated files are never edited: change the source, run `python -m fullstack_llm.lessons`.",
            file=sys.stderr,
        )
        return 1
    print(f"{total} generated files are up to date.")
    return 0


def replace(root: Path, path: Path, text: str) -> bool:
    """Write a generated file unless somebody has changed the one that is there; return whether it was written."""
    name = path.relative_to(root)
    if path.exists() and not safety.untouched(path):
        print(
            f"kept: {name} differs from what this command last wrote. "
            "To get the new version, move your file to another folder and run this command again."
        )
        return False
    safety.write(path, text)
    print(f"written: {name}")
    return True


def remove(root: Path, path: Path) -> None:
    """Delete a generated file whose source is gone, if nothing is lost with it; otherwise say why the file stays."""
    name, sources = path.relative_to(root), root / SOURCES[path.parent.name]
    if not any(sources.glob("*.md")):
        return  # a copy of the course without solutions: the labs are all that there is
    if safety.removable(path, sources / f"{path.stem}.md"):
        path.unlink()
        print(f"removed: {name}, because its source {sources.name}/{path.stem}.md is gone")
    elif safety.untouched(path):
        print(f"kept: {name} has no source here; delete it yourself if it is not needed.")
    else:
        print(f"kept: {name} was not generated here. If it is your own work, keep it in work/ rather than here.")


if __name__ == "__main__":
    sys.exit(main())
