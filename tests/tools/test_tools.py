"""The scripts under tools/ and the Makefile's way of calling them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import inputs
import new_module
import other_seeds
import preflight
import pytest
import weak_claims


def test_preflight_names_the_python_that_is_needed() -> None:
    assert preflight.check_python((3, 11)) == []
    (problem,) = preflight.check_python((3, 9))
    assert problem.fatal and "Python 3.9" in problem.what and "apt-get install python3.11" in problem.remedy


def test_preflight_names_the_venv_package() -> None:
    assert preflight.check_venv(lambda name: object(), (3, 11)) == []
    (problem,) = preflight.check_venv(lambda name: None if name == "ensurepip" else object(), (3, 11))
    assert problem.remedy == "sudo apt-get install python3.11-venv"


def test_preflight_wants_space_for_what_is_still_to_come() -> None:
    assert preflight.check_disk(6 * 10**9, have_venv=False) == []
    assert preflight.check_disk(2 * 10**9, have_venv=True) == []
    (problem,) = preflight.check_disk(2 * 10**9, have_venv=False)
    assert problem.fatal and problem.what.startswith("2.0 GB are free")


def test_preflight_names_browser_and_sandbox() -> None:
    assert preflight.check_programs(lambda name: "there", "linux") == []
    problems = preflight.check_programs(lambda name: None, "linux")
    assert [problem.remedy for problem in problems] == [
        "sudo apt-get install chromium",
        "sudo apt-get install g++",
        "sudo apt-get install bubblewrap",
    ]
    assert "Linux" in preflight.check_programs(lambda name: "there", "darwin")[0].what


def test_preflight_goes_on_without_a_browser_except_on_ci() -> None:
    problems = preflight.check_programs(lambda name: None, "linux")
    text, status = preflight.report(problems, ci=False)
    assert status == 0 and "Not run without it: the browser tests." in text
    text, status = preflight.report(problems, ci=True)
    assert status == 1 and text.startswith("Missing: no Chromium")
    assert preflight.report([], ci=True) == ("", 0)


def test_preflight_uses_the_standard_library_only(root: Path) -> None:
    for name in ("preflight.py", "inputs.py"):
        text = (root / "tools" / name).read_text(encoding="utf-8")
        modules = set(re.findall(r"^(?:import|from) (\w+)", text, flags=re.M))
        assert modules <= sys.stdlib_module_names


def test_preflight_as_a_command(root: Path) -> None:
    command = [sys.executable, "-S", str(root / "tools/preflight.py")]
    usage = subprocess.run([*command, "nonsense"], capture_output=True, text=True, check=False)
    assert usage.returncode == 2 and "usage" in usage.stderr
    bare = subprocess.run(
        [*command, "check"], capture_output=True, text=True, check=False, env={"PATH": "", "CI": "true"}
    )
    assert bare.returncode == 1 and "apt-get install chromium" in bare.stderr


def test_inputs_follow_content_and_not_dates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "book").mkdir()
    source = tmp_path / "book/a.md"
    source.write_text("one")
    out = tmp_path / "_build/inputs"

    def stamp(*options: str) -> tuple[str, int]:
        inputs.main([str(out), *options, "book", "absent.yml"])
        return out.read_text(), out.stat().st_mtime_ns

    first = stamp()
    os.utime(source)
    (tmp_path / "book/__pycache__").mkdir()
    (tmp_path / "book/__pycache__/a.pyc").touch()
    assert stamp() == first
    assert stamp("--value", "x")[0] != first[0]
    source.write_text("two")
    assert stamp()[0] != first[0]
    source.write_text("one")
    assert stamp()[0] == first[0]
    source.rename(tmp_path / "book/b.md")
    assert stamp()[0] != first[0]


def make(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make without the variables that an outer make sets."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(["make", *arguments], cwd=root, env=environment, capture_output=True, text=True, check=False)


def test_make_alone_is_help(root: Path) -> None:
    text = make(root).stdout
    assert all(f"make {goal}" in text for goal in ("site", "check", "new", "gpu", "bench", "clean"))


def test_each_line_of_a_recipe_is_a_shell_of_its_own(root: Path) -> None:
    # macOS has make 3.81, which passes over these two in silence.
    assert not re.search(r"^\.(ONESHELL|SHELLFLAGS)", (root / "Makefile").read_text(encoding="utf-8"), flags=re.M)


def test_make_without_python_says_so(root: Path, tmp_path: Path) -> None:
    shutil.copy(root / "Makefile", tmp_path)
    for name in ("requirements.lock", "requirements-nodeps.lock", "pyproject.toml"):
        (tmp_path / name).touch()
    result = make(tmp_path, "site", "PYTHON=no-such-python")
    assert result.returncode != 0 and "Missing: Python 3.11" in result.stderr


def test_make_check_ends_with_pytest_and_the_tables(root: Path) -> None:
    lines = make(root, "-n", "check").stdout.strip().splitlines()
    assert "-m pytest" in lines[-2]
    assert lines[-1].endswith("tools/seconds.py end")


def test_only_a_full_check_opens_notebooks_in_a_plain_jupyter_one_a_module(root: Path) -> None:
    told = {full: make(root, "-n", "labs", f"FULL={full}").stdout for full in ("", "1")}
    assert "notebooks/" not in told[""]
    opened = re.findall(r"notebooks/(\d\d)\w*\.ipynb", told["1"])
    assert opened == sorted({path.name[:2] for path in (root / "notebooks").glob("*.ipynb")})


def test_make_gpu_refuses_without_one(root: Path) -> None:
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(root / "tools/preflight.py"), "gpu"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 1 and "torch sees no GPU" in result.stderr


@pytest.fixture(scope="module")
def copy(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the course that has no module yet, with a new module in it."""
    copy = tmp_path_factory.mktemp("course")
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", "[0-9][0-9]*_*")
    for name in ("book", "notebooks", "solutions", "labs", "src", "tests", "tools"):
        shutil.copytree(root / name, copy / name, ignore=ignore)
    for name in ("_config.yml", "pyproject.toml"):
        shutil.copy(root / name, copy)
    for package in (copy / "src/fullstack_llm/labs").glob("m*"):
        shutil.rmtree(package)
    for path in (copy / "book").glob("*.md"):
        path.unlink()
    (copy / "book/intro.md").write_text("# Introduction\n", encoding="utf-8")
    (copy / "book/references.bib").write_text("", encoding="utf-8")
    part = "    chapters:\n      - file: book/intro\n"
    toc = f"format: jb-book\nroot: book/intro\nparts:\n  - caption: Part\n{part}{new_module.BEFORE}{part}"
    (copy / "_toc.yml").write_text(toc, encoding="utf-8")
    new_module.main(["77_new_thing", "--root", str(copy)])
    return copy


def run_tests(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run tests of the copy, against the copy's own package."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not site", *arguments]
    environment = os.environ | {"PYTHONPATH": str(copy / "src"), "CI": ""}
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)


def test_a_new_module_passes_the_rules(copy: Path) -> None:
    tests = ["layout", "notebooks", "book"]
    result = run_tests(copy, *(f"tests/rules/test_rule_{name}.py" for name in tests))
    assert result.returncode == 0, result.stdout[-4000:]


def test_a_new_module_has_a_lab_that_works(copy: Path) -> None:
    result = run_tests(copy, "tests/labs/test_labs.py", "-k", "77_new_thing")
    assert result.returncode == 0, result.stdout[-4000:]


def test_a_new_module_is_formatted(copy: Path) -> None:
    files = [str(path) for path in (copy / "src/fullstack_llm/labs/m77_new_thing").glob("*.py")]
    assert len(files) == 2
    assert subprocess.run([sys.executable, "-m", "ruff", "check", "-q", *files], cwd=copy, check=False).returncode == 0
    assert (
        subprocess.run(
            [sys.executable, "-m", "ruff", "format", "-q", "--check", *files], cwd=copy, check=False
        ).returncode
        == 0
    )


@pytest.mark.parametrize(
    ("slug", "message"),
    [("pretraining", "is no module's name"), ("05-x", "is no module's name"), ("../../05_x", "is no module's name")],
)
def test_a_new_module_needs_a_good_name(root: Path, slug: str, message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        new_module.create(root, slug)


def test_a_new_module_overwrites_nothing(copy: Path) -> None:
    before = (copy / "_toc.yml").read_text(encoding="utf-8")
    with pytest.raises(SystemExit, match="is there already"):
        new_module.create(copy, "77_other")
    assert (copy / "_toc.yml").read_text(encoding="utf-8") == before


PLANTED = """```{code-cell} python
expect("a", x, 5, 20_000)
expect("b", x, 0.9, 1.1, unit="x")
expect("c", x, -1, 1)
expect("fine", x, 2, 3)
run = recorded.load("r")
best = min(run["loss"])
assert best < 3
assert best < measured
```
"""


def test_weak_claims_are_listed_with_their_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "05_x.md"
    path.write_text(PLANTED)
    weak_claims.main([str(path)])
    lines = [line.removeprefix(f"{path}:") for line in capsys.readouterr().out.splitlines()]
    assert [line.split(":")[0] for line in lines] == ["2", "3", "4", "8"]


@pytest.mark.full
def test_a_notebook_without_a_seed_is_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = ["import torch\nfrom fullstack_llm.expect import note", 'note("drawn", torch.rand(()).item())', "print(1)"]
    head = "---\njupytext:\n  text_representation: {extension: .md, format_name: myst}\n"
    head += "kernelspec: {display_name: Python 3, language: python, name: python3}\n---\n\n"
    path = tmp_path / "05_x.md"
    path.write_text(head + "\n".join(f"```{{code-cell}} python\n{cell}\n```\n" for cell in cells))
    assert other_seeds.main([str(path)]) == 0
    assert "drawn is unseeded" in capsys.readouterr().out
    path.write_text(path.read_text().replace("note(", "torch.manual_seed(3); note("))
    other_seeds.main([str(path)])
    assert "unseeded" not in capsys.readouterr().out
