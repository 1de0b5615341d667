"""Say in a sentence what is wrong with the machine and not with the course: a full disk, a read-only folder."""

import errno
import functools
import sys
from collections.abc import Callable
from pathlib import Path

SENTENCES = {
    errno.ENOSPC: "The disk is full: {place}. Free some space, or name another folder for temporary files "
    "(TMPDIR=/path in front of the command)",
    errno.EROFS: "This folder is read-only: {place}. Copy the course to a folder of your own",
    errno.EACCES: "This account may not write here: {place}. Copy the course to a folder of your own",
}
SENTENCES[errno.EDQUOT] = SENTENCES[errno.ENOSPC].replace("The disk is full", "Your quota of disk space is used up")
SENTENCES[errno.EPERM] = SENTENCES[errno.EACCES]
# SQLite, which the cache of notebooks uses, has words in place of numbers.
IN_WORDS = {"disk is full": errno.ENOSPC, "readonly database": errno.EROFS, "unable to open database": errno.EACCES}
KEPT = "What was finished is kept, and the same command goes on from there."


def sentence(error: BaseException, place: Path) -> str | None:
    """Return what is wrong with the machine, if that is what an error says; `place` is where it most likely is.

    >>> sentence(OSError(errno.ENOSPC, "No space left on device", "a.json"), Path("course")).partition(". ")[0]
    'The disk is full: a.json'
    >>> sentence(ValueError("a mistake of ours"), Path("course")) is None
    True
    """
    number = error.errno if isinstance(error, OSError) else None
    text = str(error)
    for words, meaning in IN_WORDS.items():
        number = meaning if number is None and words in text else number
    # A cell's own error comes as the text of its traceback, which ends in the error.
    last = text.strip().rpartition("\n")[2]
    if number is None and last.startswith("OSError: [Errno "):
        number = int(last.removeprefix("OSError: [Errno ").partition("]")[0])
    if number not in SENTENCES:
        return None
    named = error.filename if isinstance(error, OSError) and error.filename else place
    return f"{SENTENCES[number].format(place=named)}. {KEPT}"


def told(main: Callable[..., int]) -> Callable[..., int]:
    """Let a command end with such a sentence and status 1 in place of a traceback."""

    @functools.wraps(main)
    def wrapped(arguments: list[str] | None = None) -> int:
        try:
            return main(arguments)
        except Exception as error:
            if (text := sentence(error, Path.cwd())) is None:
                raise
            print(text, file=sys.stderr)
            return 1

    return wrapped
