"""`python -m fullstack_llm.lessons`: write every generated file; with `--check`, fail if one differs."""

import argparse
import sys
from pathlib import Path

from fullstack_llm.lessons.generate import LessonError, generated


def main(arguments: list[str] | None = None) -> int:
    """Write or check the generated files; return the exit status: 0 done, 1 drift found, 2 a source is wrong."""
    parser = argparse.ArgumentParser(prog="python -m fullstack_llm.lessons", description=__doc__)
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
        print(error, file=sys.stderr)
        return 2
    present = {path for folder in ("notebooks", "labs") for path in (root / folder).glob("*.ipynb")}
    stale = [path for path, text in wanted.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    orphans = sorted(present - wanted.keys())
    if not options.check:
        for path in stale:
            path.parent.mkdir(exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8", newline="\n")
        for path in orphans:
            path.unlink()
    for path in stale:
        print(f"{'differs from its source' if options.check else 'written'}: {path.relative_to(root)}")
    for path in orphans:
        print(f"{'has no source' if options.check else 'removed, it had no source'}: {path.relative_to(root)}")
    if options.check and (stale or orphans):
        print(
            "Generated files are never edited: change the source, run `python -m fullstack_llm.lessons`.",
            file=sys.stderr,
        )
        return 1
    print(f"{len(wanted)} generated files are up to date.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
