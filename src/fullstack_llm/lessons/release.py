"""`make release`: a copy of the course to hand out, without solutions and without what the checks compute.

    make release                             the folder _build/release
    make release KIND=zip OUT=course.zip     one file
    make release KIND=branch OUT=release     a branch that has no history but earlier releases

Taken are the files that git knows, as they are now, of the folders that a student needs. Nothing is generated anew: a
lab that differs from its source, or in which somebody has written, stops the release. Each lab's package is replaced
by one that judges the inputs of notebooks from recorded values (`lessons.stubs`).
"""

import argparse
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from fullstack_llm.checks import declared
from fullstack_llm.commands import Parser, in_sentences, refused
from fullstack_llm.lessons import branches, safety
from fullstack_llm.lessons.generate import LessonError, generated, repository

# At the top of the repository: what a student gets, and what stays. A test holds that every name is in one of them.
TAKEN = {
    *(".gitattributes", ".gitignore", "AGENTS.md", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md"),
    *("LICENSE", "LICENSE-TEXT", "Makefile", "README.md"),
    *("_config.yml", "_toc.yml", "book", "deploy", "labs", "notebooks", "src", "tools"),
    *("apt.txt", "environment.yml", "postBuild", "pyproject.toml"),
    *("requirements.lock", "requirements-hub.lock", "requirements-nodeps.lock"),
}
LEFT = {
    *(".ci", ".github", "benchmarks", "solutions", "tests"),
    *("requirements-nbgrader.lock", "requirements-otter.lock", "requirements-serving.lock"),
}
LABS = PurePosixPath("src/fullstack_llm/labs")
NOTE = "RELEASED.md"
TEXT = """# This copy was released for a class

It has no solutions. What a check wants on the inputs that notebooks show is recorded as values: nothing computes it.
A class is graded elsewhere, on other inputs.
"""
OUT = {"folder": "_build/release", "zip": "_build/release.zip", "branch": "release"}
EXECUTABLE = 0o111
Files = dict[str, tuple[bytes, bool]]  # content, and whether it may be run, by the path in the course


class ReleaseError(ValueError):
    """Raised where nothing is released; the message is a sentence."""


@in_sentences
def main(arguments: list[str] | None = None) -> int:
    """Release the course; return the exit status: 0 done, 2 nothing was written, and a sentence says why."""
    parser = Parser(
        prog="python -m fullstack_llm.lessons.release",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kind", choices=OUT, default="folder", help="what to make (default: %(default)s)")
    parser.add_argument("--out", help=f"the folder, the zip or the branch (default: {', '.join(OUT.values())})")
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the repository (default: here)")
    options = parser.parse_args(arguments)
    try:
        out = options.out if options.out is not None else OUT[options.kind]
        if not out.strip():
            raise ReleaseError("--out is empty: name a folder, a zip or a branch, or leave it out")
        files = collected(options.root)
        said = {"folder": to_folder, "zip": to_zip, "branch": branches.commit}[options.kind](options.root, out, files)
    except (ReleaseError, LessonError, branches.BranchError) as error:
        return refused(error)
    url, branch = repository(options.root)
    print(f"{said}: {len(files)} files, and no solution among them.")
    print(f"On Colab its notebooks install {url} at {branch}, as _config.yml says: has that no solutions either?")
    return 0


def collected(root: Path) -> Files:
    """Return every file of a release; raise `ReleaseError` where a lab is not as it was generated."""
    if not (root / "_config.yml").is_file() or not (root / "solutions").is_dir():
        raise ReleaseError(f"{root} has no _config.yml and solutions/, so there is nothing to leave out: use --root.")
    for path, text in generated(root):
        if safety.read(path) != text:
            name = path.relative_to(root).as_posix()
            raise ReleaseError(
                f"{name} differs from its source: run `python -m fullstack_llm.lessons`, and move what you wrote in it."
            )
    files: Files = {NOTE: (TEXT.encode(), False)}
    for known in _known(root):
        path = root / known
        if known.parts[0] in TAKEN and path.is_file() and not path.is_symlink() and not _is_check(known):
            files[known.as_posix()] = (path.read_bytes(), bool(path.stat().st_mode & EXECUTABLE))
    for slug, package in declared.labs(root / LABS).items():
        for inside, content in _released(root, slug).items():
            files[(LABS / package.name / inside).as_posix()] = (content, False)
    return dict(sorted(files.items()))


def _is_check(name: PurePosixPath) -> bool:
    """Return whether a file lies in a lab's package; of these only the one with the names is taken as it is."""
    return name.is_relative_to(LABS) and len(name.parts) > len(LABS.parts) + 1 and name.name != "__init__.py"


def _released(root: Path, slug: str) -> dict[str, bytes]:
    from fullstack_llm.lessons import stubs

    lab = declared.find(slug, (root / LABS).resolve())
    if any(one.recorded for one in lab.declarations):
        raise ReleaseError(f"the checks of {slug} are those of a release: make one from the copy that has the answers.")
    return stubs.files(lab)


def _known(root: Path) -> Iterable[PurePosixPath]:
    """Yield the files that git knows: what lies beside them may be keys, submissions and grades."""
    try:
        done = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        raise ReleaseError(
            f"{root} is no git repository, so nobody knows which files are the course's: make the release in a clone."
        ) from None
    return [PurePosixPath(name) for name in done.stdout.decode("utf-8", "surrogateescape").split("\0") if name]


def to_folder(root: Path, out: str, files: Files) -> str:
    """Write the files to a new folder, or in place of an earlier release; return a sentence's beginning."""
    folder = root / out
    if folder.exists() and not (folder / NOTE).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise ReleaseError(f"{folder} is there already, and is no release: give another folder with OUT=.")
    if Path(os.path.realpath(root)).is_relative_to(os.path.realpath(folder)):
        raise ReleaseError(f"{folder} holds the course itself: give another folder with OUT=.")
    if folder.exists():
        shutil.rmtree(folder)
    for name, (content, executable) in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o755 if executable else 0o644)
    return f"The folder {folder} holds the release"


def to_zip(root: Path, out: str, files: Files) -> str:
    """Write the files to a zip, in one folder of its name; return a sentence's beginning."""
    path = root / out
    if path.suffix.lower() != ".zip" or path.is_dir():
        raise ReleaseError(f"{path} is no name of a zip: give one with OUT=, such as OUT=course.zip.")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.new")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, (content, executable) in files.items():
            member = zipfile.ZipInfo(f"{path.stem}/{name}")  # of one date: the same content, the same bytes
            member.external_attr = (0o100755 if executable else 0o100644) << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, content)
    part.replace(path)
    return f"{path} holds the release"


if __name__ == "__main__":
    sys.exit(main())
