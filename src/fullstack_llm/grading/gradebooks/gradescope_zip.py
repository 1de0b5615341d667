"""Build the zip of a Gradescope autograder: two scripts, this copy of the course, the lab, and perhaps the key."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from fullstack_llm.grading.judge.lab_cells import FOLDER

TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = {"setup.sh": "gradescope_setup.sh", "run_autograder": "gradescope_run"}
# The files that installing the package needs, besides those in src/.
COURSE = ("pyproject.toml", "README.md", "LICENSE", "LICENSE-TEXT", "requirements.lock", "requirements-nodeps.lock")
BUILT = {"__pycache__", "build"}


class ZipError(ValueError):
    """The zip cannot be built here; the message says what is missing."""


def course(root: Path) -> Iterator[Path]:
    """Yield the files of a checkout from which Gradescope installs the package."""
    for name in COURSE:
        if not (root / name).is_file():
            raise ZipError(f"the zip is built from a checkout of the course, and {root} has no {name}: use one")
        yield root / name
    for path in sorted((root / "src").rglob("*")):
        parts = path.relative_to(root).parts
        if path.is_file() and not BUILT & {*parts} and not any(part.endswith(".egg-info") for part in parts):
            yield path


def members(lab: str, notebook: Path, checks: Path | None, key: bytes | None) -> dict[str, bytes]:
    """Return the contents of the zip by name; `checks` is a folder of labs' packages that are not the course's own."""
    if not notebook.is_file():
        raise ZipError(f"there is no notebook of the lab, {notebook}: give its folder with --labs")
    root = FOLDER.parent
    files = {name: (TEMPLATES / template).read_bytes() for name, template in SCRIPTS.items()}
    about = {"lab": lab, "version": version("fullstack_llm"), "own_checks": checks is not None, "key": key is not None}
    files["lab.json"] = json.dumps(about).encode()
    files[f"labs/{lab}.ipynb"] = notebook.read_bytes()
    if checks:
        for path in sorted(checks.rglob("*.py")):
            files[f"checks/{path.relative_to(checks).as_posix()}"] = path.read_bytes()
    if key is not None:
        files["class.key"] = key
    files |= {f"course/{path.relative_to(root).as_posix()}": path.read_bytes() for path in course(root)}
    return files


def build(out: Path, files: dict[str, bytes]) -> None:
    """Write the zip; the same files give the same bytes."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            member = zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0))
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = (0o100755 if name in SCRIPTS else 0o100644) << 16
            archive.writestr(member, content)
    out.parent.mkdir(parents=True, exist_ok=True)
    # The zip may hold the class key: a new file gets mode 600, whatever the mode of the file that it replaces.
    part = out.with_name(f".{out.name}.new")
    part.unlink(missing_ok=True)
    part.touch(0o600, exist_ok=False)
    part.write_bytes(data.getvalue())
    part.replace(out)
