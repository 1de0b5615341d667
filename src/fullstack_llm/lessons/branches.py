"""Commit files to a branch of their own, with git's plumbing: no checkout, and no file of the working tree changes."""

import os
import subprocess
import tempfile
from pathlib import Path

from fullstack_llm.checks import recorded


class BranchError(ValueError):
    """Raised where git refuses a branch, or it must not be one; the message is a sentence."""


def commit(root: Path, name: str, files: dict[str, tuple[bytes, bool]]) -> str:
    """Commit the files as all that a branch has, on top of its earlier releases; return a sentence's beginning.

    The first release has no parent, so no history of the course, which has solutions, can be reached from the branch.
    """
    ref = f"refs/heads/{name}"
    if _ask(root, "check-ref-format", "--branch", name) is None or name.startswith("refs/"):
        raise BranchError(f"{name!r} cannot be the name of a branch: give another with OUT=, such as OUT=release.")
    before = _ask(root, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    if before and not _are_releases(root, ref):
        raise BranchError(f"the branch {name} has a commit that is no release: give another name with OUT=.")
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        entries = []
        for path, (content, executable) in files.items():
            blob = _git(root, "hash-object", "-w", "--stdin", "--no-filters", data=content)
            entries.append(f"{'100755' if executable else '100644'} {blob}\t{path}\0")
        _git(root, "update-index", "-z", "--index-info", data="".join(entries).encode(), environment=index)
        tree = _git(root, "write-tree", environment=index)
    if before and _ask(root, "rev-parse", f"{before}^{{tree}}") == tree:
        return f"The branch {name} is up to date"
    parent = ["-p", before] if before else []
    made = _git(root, "commit-tree", tree, *parent, "-m", "Release of the course, without solutions")
    _git(root, "update-ref", ref, made, *([before] if before else []))
    return f"The branch {name} holds the release, and `git push STUDENTS {name}:main` hands it out"


def _are_releases(root: Path, ref: str) -> bool:
    """Return whether each commit of a branch is a release: all of them hold recorded checks, and none a solution."""
    for made in _git(root, "rev-list", ref).split():
        names = _git(root, "ls-tree", "-r", "--name-only", made).splitlines()
        if not any(name.endswith(f"/{recorded.FILE}") for name in names) or any(
            name.startswith(("solutions/", "tests/")) for name in names
        ):
            return False
    return True


def _ask(root: Path, *arguments: str) -> str | None:
    """Return what a git command prints, or None if it fails."""
    try:
        return _git(root, *arguments)
    except BranchError:
        return None


def _git(root: Path, *arguments: str, data: bytes = b"", environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=root,
        input=data,
        capture_output=True,
        env=os.environ | (environment or {}),
        check=False,
    )
    if done.returncode:
        why = (done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
        raise BranchError(f"git {arguments[0]} failed ({why}).")
    return done.stdout.decode().strip()
