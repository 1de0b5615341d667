"""Choose the file to grade, where a student handed in several. Modification times decide nothing; these steps do:

drop files that cannot be read; drop files that name another lab; drop files whose name does not contain the lab's; drop
scripts if there is a notebook; of the rest, grade the last in natural order: "lab (2).ipynb" after "lab.ipynb". A step
that would leave no file is skipped.
"""

from __future__ import annotations

from collections.abc import Callable

from .submissions import File, natural

# A student may have handed in a folder with a whole Python environment.
MAX_READ = 20


def named_like(name: str, slug: str) -> bool:
    """Whether a file's name contains the lab's, whatever case and punctuation it has.

    >>> named_like("ada/Copy of 03-Tokenization (2).ipynb", "03_tokenization")
    True
    """
    letters, wanted = ("".join(filter(str.isalnum, text.casefold())) for text in (name.rpartition("/")[2], slug))
    return wanted in letters


def choose(
    files: tuple[File, ...], slug: str, lab_of: Callable[[File], str | None]
) -> tuple[File, list[tuple[str, str]]]:
    """Return the file to grade, and of each other file the name and the reason why it is not graded.

    `lab_of` returns the lab that a file names, "" if it names none, None if the file cannot be read.
    """
    if len(files) == 1:
        return files[0], []
    dropped: list[tuple[str, str]] = []
    by_rank = sorted(files, key=lambda file: (named_like(file.name, slug), natural(file.name)))
    dropped += [(file.name, f"only {MAX_READ} files of a student are looked into") for file in by_rank[:-MAX_READ]]
    left = by_rank[-MAX_READ:]
    labs = {file: lab_of(file) for file in left}
    steps: tuple[tuple[str, Callable[[File], bool]], ...] = (
        ("it cannot be read", lambda file: labs[file] is not None),
        ("it says that it is lab {lab}", lambda file: labs[file] in ("", slug)),
        ("another file is named like the lab", lambda file: named_like(file.name, slug)),
        ("a notebook goes before a script", lambda file: file.path.suffix.lower() == ".ipynb"),
    )
    for why, keeps in steps:
        if kept := [file for file in left if keeps(file)]:
            dropped += [(file.name, why.format(lab=labs[file])) for file in left if file not in kept]
            left = kept
    *others, chosen = sorted(left, key=lambda file: natural(file.name))
    return chosen, dropped + [(file.name, "a later name counts") for file in others]
