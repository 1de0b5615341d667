"""To whom a file belongs, by the name that a learning management system gives it in a download.

As these systems name files in what they publish, looked up in November 2026:

- Canvas, `lib/content_zipper.rb`: `lastfirst_LATE_USER_FILE_name.ipynb`, or `anon_CODE_FILE_name.ipynb`.
- Moodle, `mod/assign/classes/downloader.php`: `Full Name_ID_assignsubmission_file/name.ipynb`, before version 4.1 with
  `_` behind `file`, or all of it in one name.
- Gradescope, Export Submissions: `submission_N/name.ipynb`, with `submission_metadata.yml` beside the folders.
- nbgrader 0.9, `submitted/STUDENT/ASSIGNMENT/notebook.ipynb`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from .roster import Person

# The shortest name that fits: what follows the numbers is the student's choice, and may look like another's.
CANVAS = re.compile(r"(?:(?:LATE_)?(?=anon_)|(?P<name>\w*?)_(?:LATE_)?(?=\d))(?P<id>anon_[A-Za-z0-9]+|\d+)_\d+_.+")
MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_file(?:_.*)?")
# A folder's name ends there, so a full name that looks like another's number stays a name.
MOODLE_FOLDER = re.compile(r"(?P<name>.+)_(?P<id>\d+)_assignsubmission_file_?")
GRADESCOPE = re.compile(r"(?P<name>)(?P<id>submission_\d+)")
METADATA = "submission_metadata.yml"


class UnnamedError(ValueError):
    """A file that belongs to no student by its name; the message says what name was expected."""


@dataclass
class Names:
    """How files are named: `owner` gives a student's id for a path in the folder of submissions.

    `people` says who stands behind an id, one person or a group, as far as names tell; it grows as owners are asked.
    `contested` are ids that stand behind two different names: one may be a name that ends like a number.
    """

    owner: Callable[[PurePath], str]
    people: dict[str, list[Person]] = field(default_factory=dict)
    contested: set[str] = field(default_factory=set)


def _by_pattern(pattern: re.Pattern[str], wanted: str, folders: re.Pattern[str] | None = None) -> Names:
    def owner(path: PurePath) -> str:
        # The name may be a file's, or that of a folder that the file is in.
        for number, part in enumerate(path.parts, start=1):
            if found := (folders if folders and number < len(path.parts) else pattern).fullmatch(part):
                one = Person(found["id"], found["name"] or "")
                if names.people.setdefault(one.id, [one])[0].name != one.name and one.name:
                    names.contested.add(one.id)
                return one.id
        raise UnnamedError(f"no student, since its name is not like {wanted}")

    names = Names(owner)
    return names


def canvas() -> Names:
    """The names in Canvas's "Download Submissions"; the id is the user's, as in the gradebook's column ID.

    >>> canvas().owner(PurePath("lovelaceada_LATE_101_9001_03_tokenization-1.ipynb"))
    '101'
    """
    return _by_pattern(CANVAS, "lovelaceada_101_9001_lab.ipynb, as Canvas's Download Submissions names files")


def moodle() -> Names:
    """The names in Moodle's "Download all submissions"; the id is the participant's, as in the grading worksheet.

    >>> moodle().owner(PurePath("Ada Lovelace_4711_assignsubmission_file_/lab.ipynb"))
    '4711'
    """
    wanted = "`Ada Lovelace_4711_assignsubmission_file_/lab.ipynb`, as Moodle's download names files"
    return _by_pattern(MOODLE, wanted, MOODLE_FOLDER)


def gradescope(folder: Path) -> Names:
    """The folders in Gradescope's export, each the submission of a student or a group; who, its metadata says."""
    names = _by_pattern(GRADESCOPE, "submission_1234/lab.ipynb, as Gradescope's export names folders")
    # An export opens into one folder; it may be given itself, or the one around it.
    # What lies beside the submissions is the export's; what lies in one of them is a student's.
    within = [path for path in folder.glob(f"*/{METADATA}") if not GRADESCOPE.fullmatch(path.parent.name)]
    found = [*folder.glob(METADATA)] or within
    if len(found) != 1:
        raise UnnamedError(
            f"there is {'more than one' if found else 'no'} {METADATA} in {folder}: unpack what Gradescope's Export "
            "Submissions gives, and name the folder that it opens into"
        )
    names.people.update(_submitters(found[0]))
    return names


def _submitters(path: Path) -> dict[str, list[Person]]:
    import yaml

    try:
        data = yaml.safe_load(path.read_text("utf-8"))
        return {name: [_submitter(one) for one in entry[":submitters"]] for name, entry in data.items()}
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise UnnamedError(
            f"{path} is not the metadata of a Gradescope export ({type(error).__name__}): export it again"
        ) from None


def _submitter(one: dict[str, object]) -> Person:
    name, number, email = (str(one.get(key) or "") for key in (":name", ":sid", ":email"))
    # A student without a number is known by the address.
    return Person(number or email, name, email)


def nbgrader(lab: str) -> Names:
    """The tree `submitted/` of an nbgrader course, of which only this lab's files are meant.

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


SYSTEMS = ("canvas", "moodle", "gradescope", "nbgrader")


def named_by(system: str, folder: Path, lab: str) -> Names:
    """The names of a system's download, which lies in the folder; `UnnamedError` if that cannot be."""
    if system == "gradescope":
        return gradescope(folder)
    if system == "nbgrader":
        return nbgrader(lab)
    return canvas() if system == "canvas" else moodle()
