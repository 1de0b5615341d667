"""Choose the file to grade, where a student handed in several. Modification times decide nothing; these steps do:

drop files that cannot be read, that name another lab, or that define none of the lab's functions; drop those without an
answer, if another has one; drop files whose name does not contain the lab's, then scripts if there is a notebook, then
what lies deeper or was put away by its name; of the rest, grade the last in natural order: "lab (2).ipynb" after
"lab.ipynb". A step that would leave no file is skipped. A file that is dropped although it has answers is in doubt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .kinds import is_away, kind, named_like
from .submissions import File, natural

# A student may have handed in a folder with a whole Python environment.
MAX_READ, MAX_LISTED = 20, 50
IN_DOUBT = "; it has answers too: look at both"


@dataclass(frozen=True)
class Look:
    """Hold what a first look at a file finds: the lab that it names, "" for none, and how many functions of the lab.

    `written` counts those functions that are more than the stub that was handed out.
    """

    lab: str = ""
    defined: int = 1
    written: int = 1


def choose(
    files: tuple[File, ...], slug: str, look: Callable[[File], Look | None]
) -> tuple[File, list[tuple[str, str]]]:
    """Return the file to grade, and of each other file the name and the reason why it is not graded.

    `look` returns what a file holds, None if the file cannot be read.
    """
    if len(files) == 1:
        return files[0], []
    depth = {file: file.name.count("/") for file in files}
    by_rank = sorted(
        files,
        key=lambda file: (kind(file.name) == ".ipynb", named_like(file.name, slug), -depth[file], natural(file.name)),
    )
    dropped = [(file.name, f"only {MAX_READ} files of a student are looked into") for file in by_rank[:-MAX_READ]]
    left = by_rank[-MAX_READ:]
    found = {file: seen for file in left if (seen := look(file))}
    none = Look(defined=0, written=0)
    labs = {file: found.get(file, none).lab for file in left}
    steps: tuple[tuple[str, Callable[[File], bool]], ...] = (
        ("it cannot be read", lambda file: file in found),
        ("it says that it is lab {lab}", lambda file: labs[file] in ("", slug)),
        ("it defines none of the lab's functions", lambda file: found.get(file, none).defined > 0),
        ("it has no answer, and another file has", lambda file: found.get(file, none).written > 0),
        ("another file is named like the lab", lambda file: named_like(file.name, slug)),
        ("a notebook goes before a script", lambda file: kind(file.name) == ".ipynb"),
        ("another file does not lie as deep", lambda file: depth[file] == min(map(depth.__getitem__, left))),
        ("its name says that it was put away", lambda file: not is_away(file.name)),
    )
    chosen: File | None = None
    reasons: dict[File, str] = {}
    for why, keeps in steps:
        if kept := [file for file in left if keeps(file)]:
            reasons |= {file: why.format(lab=labs[file]) for file in left if file not in kept}
            left = kept
    *others, chosen = sorted(left, key=lambda file: natural(file.name))
    reasons |= dict.fromkeys(others, "a later name counts")
    for file, why in reasons.items():
        doubt = labs[file] in ("", slug) and found.get(file, none).written > 0
        dropped.append((file.name, why + IN_DOUBT * doubt))
    dropped.sort(key=lambda line: not line[1].endswith(IN_DOUBT))
    if (more := len(dropped) - MAX_LISTED) > 0:
        dropped[MAX_LISTED:] = [("", f"and {more} files more, of which none counts")]
    return chosen, dropped
