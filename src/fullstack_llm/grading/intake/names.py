"""Find the student to whom a file belongs, by the name that a learning management system gives it in a download.

The patterns follow the published sources of these systems, as of November 2026:

- Canvas, `lib/content_zipper.rb`: `lastfirst_LATE_USER_FILE_name.ipynb`, or `anon_CODE_FILE_name.ipynb`.
- Moodle, `mod/assign/classes/downloader.php`: `Full Name_ID_assignsubmission_file/name.ipynb`, before version 4.1 with
  `_` behind `file`, or all of it in one name.
- Gradescope, Export Submissions: `submission_N/name.ipynb`, with `submission_metadata.yml` beside the folders.
- nbgrader 0.9, `submitted/STUDENT/ASSIGNMENT/notebook.ipynb`.

Blackboard and Brightspace publish no source; their patterns follow what users of their downloads report:

- Blackboard, Assignment File Download: `Assignment_USERNAME_attempt_2026-11-30-23-59-59_name.ipynb`.
- Brightspace, Download in Assignments: `N-M - Full Name - Nov 30, 2026 1159 PM/name.ipynb`, or all of it in one name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from .kinds import METADATA
from .roster import Person

# Non-greedy: the student chose what follows the numbers, and that may look like another student's name and numbers.
CANVAS = re.compile(
    r"(?:(?P<late_anon>LATE_)?(?=anon_)|(?P<name>\w*?)_(?P<late>LATE_)?(?=\d))(?P<id>anon_[A-Za-z0-9]+|\d+)_\d+_.+"
)
MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_file(?:_.*)?")
# Greedy: a folder's name ends after the id, so numbers within a full name stay part of the name.
MOODLE_FOLDER = re.compile(r"(?P<name>.+)_(?P<id>\d+)_assignsubmission_file_?")
GRADESCOPE = re.compile(r"(?P<name>)(?P<id>submission_\d+)")

# Up to the first time: what follows it was chosen by the student.
BLACKBOARD = re.compile(r"(?P<title>.*?)_(?P<id>[^_]+)_attempt_\d{4}(?:-\d\d){5}(?:_.+|\.\w+)")
BRIGHTSPACE = re.compile(r"(?P<id>\d+-\d+) - (?P<name>.+?) ?- [^-]*?\d{4} \d{1,4}(?: [AP]M)?(?: - .+)?")


class UnnamedError(ValueError):
    """Raised for a file whose name gives no student; the message says what name was expected."""


@dataclass
class Names:
    """Map files to students: `owner` returns a student's id for a path in the folder of submissions.

    `people` maps an id to one person or a group, as far as file names tell; `owner` fills it as it is called.
    `contested` are ids that came with two different names: one of the names may end in what looks like an id.
    `is_late` says whether the system calls a file late in its name.
    """

    owner: Callable[[PurePath], str]
    people: dict[str, list[Person]] = field(default_factory=dict)
    contested: set[str] = field(default_factory=set)
    is_late: Callable[[PurePath], bool] = lambda _: False


def _by_pattern(pattern: re.Pattern[str], wanted: str, folders: re.Pattern[str] | None = None) -> Names:
    def owner(path: PurePath) -> str:
        # The pattern may match the file's name, or that of a folder above it.
        for number, part in enumerate(path.parts, start=1):
            if match := (folders if folders and number < len(path.parts) else pattern).fullmatch(part):
                person = Person(match["id"], match["name"] or "")
                if names.people.setdefault(person.id, [person])[0].name != person.name and person.name:
                    names.contested.add(person.id)
                return person.id
        raise UnnamedError(f"no student, since its name is not like {wanted}")

    names = Names(owner)
    return names


def canvas() -> Names:
    """Read the names in Canvas's "Download Submissions"; the id is the user's, as in the gradebook's column ID.

    >>> canvas().owner(PurePath("lovelaceada_LATE_101_9001_03_tokenization-1.ipynb"))
    '101'
    """
    names = _by_pattern(CANVAS, "lovelaceada_101_9001_lab.ipynb, as Canvas's Download Submissions names files")
    names.is_late = is_late_in_canvas
    return names


def is_late_in_canvas(path: PurePath) -> bool:
    """Return whether Canvas says in a file's name that it was handed in late.

    >>> [is_late_in_canvas(PurePath(name)) for name in ("lovelaceada_LATE_101_9001_lab.ipynb", "LATE_lab.ipynb")]
    [True, False]
    """
    match = next(filter(None, map(CANVAS.fullmatch, path.parts)), None)
    return bool(match and (match["late"] or match["late_anon"]))


def moodle() -> Names:
    """Read the names in Moodle's "Download all submissions"; the id is the participant's, as in the grading worksheet.

    >>> moodle().owner(PurePath("Ada Lovelace_4711_assignsubmission_file_/lab.ipynb"))
    '4711'
    """
    wanted = "`Ada Lovelace_4711_assignsubmission_file_/lab.ipynb`, as Moodle's download names files"
    return _by_pattern(MOODLE, wanted, MOODLE_FOLDER)


def gradescope(folder: Path) -> Names:
    """Read the folders in Gradescope's export, each of a student or a group, whom its metadata file names."""
    names = _by_pattern(GRADESCOPE, "submission_1234/lab.ipynb, as Gradescope's export names folders")
    # An export unpacks into one folder; `folder` may be that folder or its parent. A metadata file beside the
    # submissions is the export's; one within a submission is a student's.
    within = [path for path in folder.glob(f"*/{METADATA}") if not GRADESCOPE.fullmatch(path.parent.name)]
    metadata = [*folder.glob(METADATA)] or within
    if len(metadata) != 1:
        raise UnnamedError(
            f"there is {'more than one' if metadata else 'no'} {METADATA} in {folder}: unpack what Gradescope's Export "
            "Submissions gives, and name the folder that it opens into"
        )
    names.people.update(_submitters(metadata[0]))
    return names


def blackboard() -> Names:
    """Read the names in Blackboard's "Assignment File Download"; the id is the user's name.

    An underscore in a user's name cannot be told from the one before it, so two beginnings of one id are contested.

    >>> blackboard().owner(PurePath("Lab 03_adal_attempt_2026-11-30-23-59-59_lab.ipynb"))
    'adal'
    """
    titles = dict[str, str]()

    def owner(path: PurePath) -> str:
        match = next(filter(None, map(BLACKBOARD.fullmatch, path.parts)), None)
        if not match:
            raise UnnamedError(
                "no student, since its name is not like `Lab 03_adal_attempt_2026-11-30-23-59-59_lab.ipynb`, as "
                "Blackboard's download names files"
            )
        if titles.setdefault(match["id"], match["title"]) != match["title"]:
            names.contested.add(match["id"])
        names.people.setdefault(match["id"], [Person(match["id"])])
        return match["id"]

    names = Names(owner)
    return names


def brightspace() -> Names:
    """Read the names in Brightspace's download of an assignment's submissions; the id is its pair of numbers.

    >>> names = brightspace()
    >>> names.owner(PurePath("397063-2557369 - Ada Lovelace - Nov 30, 2026 1159 PM/lab.ipynb"))
    '397063-2557369'
    """
    return _by_pattern(
        BRIGHTSPACE,
        "`397063-2557369 - Ada Lovelace - Nov 30, 2026 1159 PM/lab.ipynb`, as Brightspace's download names files",
    )


def _submitters(path: Path) -> dict[str, list[Person]]:
    import yaml

    try:
        data = yaml.safe_load(path.read_text("utf-8"))
        return {name: [_submitter(fields) for fields in entry[":submitters"]] for name, entry in data.items()}
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise UnnamedError(
            f"{path} is not the metadata of a Gradescope export ({type(error).__name__}): export it again"
        ) from None


def _submitter(fields: dict[str, object]) -> Person:
    name, number, email = (str(fields.get(key) or "") for key in (":name", ":sid", ":email"))
    # A student without a number is identified by the address.
    return Person(number or email, name, email)


def nbgrader(lab: str) -> Names:
    """Read the tree `submitted/` of an nbgrader course; only this lab's files have owners.

    >>> nbgrader("03_tokenization").owner(PurePath("ada/03_tokenization/03_tokenization.ipynb"))
    'ada'
    """

    def owner(path: PurePath) -> str:
        parts = path.parts[1:] if path.parts[0] == "submitted" else path.parts
        if len(parts) < 3:
            raise UnnamedError(f"no student, since it does not lie in STUDENT/{lab}/, as nbgrader's submitted/ has it")
        student, assignment = parts[:2]
        if lab not in (assignment, path.stem):
            raise UnnamedError(f"of the assignment {assignment}, which is not {lab}")
        names.people.setdefault(student, [Person(student)])
        return student

    names = Names(owner)
    return names


SYSTEMS = ("canvas", "moodle", "gradescope", "nbgrader", "blackboard", "brightspace")


def guessed(paths: Iterable[PurePath], lab: str) -> str:
    """Return the system that most of the files are named like, or "" where there is none.

    >>> guessed([PurePath("lovelaceada_101_9001_lab.ipynb"), PurePath("notes.py")], "03_tokenization")
    'canvas'
    """
    known = list(paths)
    patterns = {
        "moodle": MOODLE,
        "blackboard": BLACKBOARD,
        "brightspace": BRIGHTSPACE,
        "canvas": CANVAS,
        "gradescope": GRADESCOPE,
    }
    for system, pattern in patterns.items():
        if known and 2 * sum(any(map(pattern.fullmatch, path.parts)) for path in known) >= len(known):
            return system
    inner = [path.parts[1:] if path.parts[0] == "submitted" else path.parts for path in known]
    # STUDENT/ASSIGNMENT/notebook
    return "nbgrader" if known and all(len(parts) == 3 and parts[1] == lab for parts in inner) else ""


def named_by(system: str, folder: Path, lab: str) -> Names:
    """Return the names of a system's download in the folder; raise `UnnamedError` if the folder is not one."""
    if system == "gradescope":
        return gradescope(folder)
    if system == "nbgrader":
        return nbgrader(lab)
    by_names = {"canvas": canvas, "moodle": moodle, "blackboard": blackboard, "brightspace": brightspace}
    return by_names[system]()
