"""Code depends on what it imports by any path and on the data those modules read, and on nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fullstack_llm.lessons.closure import closure, data, dotted, read

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "fullstack_llm"
FILES = {
    "__init__.py": "",
    "plain.py": "",
    "style.mplstyle": "",
    "lazy.py": "def f():\n    from fullstack_llm.subject import deep\n    return deep",
    "draws.py": "STYLE = 'style.mplstyle'",
    "subject/__init__.py": "from .first import x",
    "subject/first.py": "x = 1",
    "subject/deep.py": "from .. import plain",
    "subject/other.py": "",
    "subject/data/words.txt": "",
    "loads.py": "from pathlib import Path\nFOLDER = Path(__file__).parent / 'data' / 'models'",
    "replays.py": "FOLDER = ('data', 'recorded')\ndef recorded(name): ...",
    "data/models/base/weights.bin": "",
    "data/recorded/long-run.json": "",
    "data/recorded/other-run.json": "",
    "tool/__init__.py": '"""Run fullstack_llm.plain."""',
    "tool/__main__.py": "from fullstack_llm import plain",
}
SUBJECT = ["subject/__init__.py", "subject/first.py", "subject/data/words.txt"]
CASES = {
    "nothing of the package": (["import torch"], None),
    "a module": (["import fullstack_llm.plain"], ["plain.py"]),
    "a module by from": (["from fullstack_llm import plain as p"], ["plain.py"]),
    "a name of a module": (["from fullstack_llm.draws import STYLE"], ["draws.py", "style.mplstyle"]),
    "a package brings its init, what that imports, its data": (["import fullstack_llm.subject"], SUBJECT),
    "inside a function, relative": (
        ["from fullstack_llm import lazy"],
        ["lazy.py", "plain.py", "subject/deep.py", *SUBJECT],
    ),
    "a cell with magic, imported in a function": (
        ["%time x\n!ls", "def f():\n    import fullstack_llm.plain"],
        ["plain.py"],
    ),
    "a program in a string": (
        ["code = f'import sys; from fullstack_llm import plain, draws; {1}'"],
        ["plain.py", "draws.py", "style.mplstyle"],
    ),
    "a command in a string": (
        ["run('python -m fullstack_llm.tool')"],
        ["plain.py", "tool/__init__.py", "tool/__main__.py"],
    ),
    "a folder of data that a module names": (
        ["from fullstack_llm import loads"],
        ["loads.py", "data/models/base/weights.bin"],
    ),
    "the recorded run that a cell names": (
        ["from fullstack_llm.replays import recorded", "recorded('long-run')"],
        ["replays.py", "data/recorded/long-run.json"],
    ),
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "fullstack_llm" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "fullstack_llm"


@pytest.mark.parametrize(("cells", "wanted"), CASES.values(), ids=CASES)
def test_closure(package: Path, cells: list[str], wanted: list[str] | None) -> None:
    found = [path.relative_to(package).as_posix() for path in closure(package, cells)]
    assert found == sorted(["__init__.py", *wanted] if wanted else [])


def test_a_changed_module_is_read_again(package: Path) -> None:
    cells = ["import fullstack_llm.plain"]
    before = closure(package, cells)
    (package / "plain.py").write_text("from fullstack_llm import draws")
    assert set(closure(package, cells)) - set(before) == {package / "draws.py", package / "style.mplstyle"}


def test_every_data_file_of_the_package_belongs_to_some_module() -> None:
    package = PACKAGE
    files = {path: read(path) for path in package.rglob("*.py")}
    known = data(package, [], files) | set((package / "data" / "recorded").glob("*.json"))
    all_data = {path for path in package.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert len(all_data) > 30
    assert sorted(all_data - known) == []


def test_every_import_of_the_package_is_found_as_python_finds_it() -> None:
    """What a fresh process has imported after one module is among the closure of it."""
    package, name = PACKAGE, "fullstack_llm.models.pretrain"
    code = f"import {name}, sys; print(*(m for m in sys.modules if m.partition('.')[0] == 'fullstack_llm'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600)
    found = {dotted(package, path) for path in closure(package, [f"import {name}"]) if path.suffix == ".py"}
    assert len(done.stdout.split()) > 20
    assert set(done.stdout.split()) <= found


def test_a_package_may_import_relatively(package: Path) -> None:
    (package / "subject" / "__init__.py").write_text("from . import other\nfrom ..plain import x")
    found = closure(package, ["import fullstack_llm.subject"])
    assert {package / "plain.py", package / "subject" / "other.py"} < set(found)
