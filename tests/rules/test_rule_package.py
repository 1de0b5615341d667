"""The code: its size, the Python it needs, what it imports, and the wheel."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import repository as repo
from lock import declared, pins
from packaging.utils import canonicalize_name

LIMIT_LINES = 250
LIMIT_WHEEL_MB = 25.0
OLDEST = (3, 11)


def find_long(name: str, text: str) -> list[str]:
    """A package file over the limit."""
    lines = len(text.splitlines())
    return [f"{name}: {lines} lines, over {LIMIT_LINES}"] if lines > LIMIT_LINES else []


def find_new_syntax(name: str, text: str) -> list[str]:
    """Syntax that the oldest supported Python cannot read."""
    try:
        ast.parse(text, feature_version=OLDEST)
    except SyntaxError as error:
        return [f"{name}:{error.lineno}: {error.msg}"]
    return []


def imported(tree: ast.AST) -> set[str]:
    """The top-level names that a syntax tree imports, at any depth."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


@cache
def owners_of_modules() -> Mapping[str, list[str]]:
    """Which packages own a top-level module; reading all of them takes a while."""
    return packages_distributions()


def find_undeclared(name: str, tree: ast.AST, allowed: set[str]) -> list[str]:
    """Imports that are neither the standard library, nor the course, nor in `allowed` (packages or modules)."""
    owners = owners_of_modules()
    found = []
    for module in sorted(imported(tree) - set(sys.stdlib_module_names) - allowed - {"fullstack_llm"}):
        packages = {str(canonicalize_name(owner)) for owner in owners.get(module, [module])}
        if packages.isdisjoint(allowed):
            found.append(f"{name}: imports {module}, which is not declared")
    return found


def find_wheel_faults(wheel: Path) -> list[str]:
    """A wheel that is too large, lacks the data, or carries what is not the package."""
    size = wheel.stat().st_size / 1e6
    faults = [f"{wheel.name}: {size:.1f} MB, over {LIMIT_WHEEL_MB}"] if size > LIMIT_WHEEL_MB else []
    names = zipfile.ZipFile(wheel).namelist()
    faults += [f"{name} is in the wheel" for name in names if not name.startswith("fullstack_llm")]
    if not any(name.startswith("fullstack_llm/data/") for name in names):
        faults.append("the wheel has no fullstack_llm/data")
    return faults


def sources(root: Path, *tops: str) -> list[tuple[str, str]]:
    """Name and text of the Python files under these folders."""
    found = [(path.relative_to(root).as_posix(), path) for path in repo.files(root) if path.suffix == ".py"]
    return [(name, path.read_text(encoding="utf-8")) for name, path in found if name.startswith(tops)]


def test_package_files_are_short(root: Path) -> None:
    assert repo.flat(find_long(*source) for source in sources(root, "src/")) == []


def test_control_long() -> None:
    assert find_long("planted", "x\n" * 251)
    assert not find_long("planted", "x\n" * 250)


def test_every_file_is_python_3_11(root: Path) -> None:
    assert repo.flat(find_new_syntax(*source) for source in sources(root, "")) == []


def test_control_syntax() -> None:
    assert find_new_syntax("planted", "type Pair = tuple[int, int]\n")
    assert not find_new_syntax("planted", "match x:\n    case 1:\n        pass\n")


def test_the_package_declares_what_it_imports(root: Path) -> None:
    allowed = {str(canonicalize_name(requirement.name)) for requirement in declared(root)}
    assert repo.flat((find_undeclared(name, ast.parse(text), allowed) for name, text in sources(root, "src/"))) == []


def test_the_lock_pins_what_lessons_and_tests_import(root: Path) -> None:
    allowed = set(pins(root / "requirements.lock")) | set(pins(root / "requirements-nodeps.lock"))
    own = {
        path.stem for path in [*root.glob("tests/**/*.py"), *root.glob("tools/*.py"), *root.glob("book/_ext/*.py")]
    } | {"tests", "benchmarks"}
    for name, text in sources(root, "tests/", "tools/", "book/", "benchmarks/"):
        assert find_undeclared(name, ast.parse(text), allowed | own) == []
    for path in repo.notebooks(root, "notebooks", "solutions"):
        for cell in repo.cells(path):
            if cell.kind == "code":
                assert find_undeclared(cell.where, cell.tree, allowed) == []


def test_control_undeclared() -> None:
    tree = ast.parse("import os\nimport torch.nn\nfrom fullstack_llm import bpe\ndef f():\n    import tensorflow\n")
    assert find_undeclared("planted", tree, {"torch"}) == ["planted: imports tensorflow, which is not declared"]


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Built from a copy: setuptools leaves a build folder behind, which a later wheel would swallow.
    copy, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for path in repo.files(root):
        name = path.relative_to(root)
        if name.parts[0] == "src" or len(name.parts) == 1:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes(path.read_bytes())
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(out),
        str(copy),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    return next(out.glob("*.whl"))


def test_wheel(wheel: Path) -> None:
    assert find_wheel_faults(wheel) == []


def test_wheel_has_every_data_file(root: Path, wheel: Path) -> None:
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith(".py")}
    data = [
        path.relative_to(root / "src").as_posix()
        for path in repo.files(root)
        if path.is_relative_to(root / "src/fullstack_llm")
    ]
    assert {name for name in data if not name.endswith(".py")} <= packed


def test_control_wheel(tmp_path: Path) -> None:
    path = tmp_path / "planted.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tests/test_x.py", "")
        archive.writestr("fullstack_llm/weights", bytes(26_000_000))
    assert len(find_wheel_faults(path)) == 3
