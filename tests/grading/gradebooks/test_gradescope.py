"""Gradescope: the zip, run where Gradescope would run it, against the published form of results.json."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from classes import grading
from submissions import DOUBLE, RIGHT, TOY, TWICE, notebook, save

from fullstack_llm.grading.gradebooks import gradescope_zip
from fullstack_llm.grading.probing.levels import level

# https://gradescope-autograders.readthedocs.io/en/latest/specs/, November 2026.
SHOWN = {"enum": ["hidden", "after_due_date", "after_published", "visible"]}
FORMAT = {"enum": ["text", "html", "simple_format", "md", "ansi"]}
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["score", "tests"],
    "properties": {
        "score": {"type": "number"},
        "execution_time": {"type": "number"},
        "output": {"type": "string"},
        "output_format": FORMAT,
        "test_output_format": FORMAT,
        "test_name_format": FORMAT,
        "visibility": SHOWN,
        "stdout_visibility": SHOWN,
        "extra_data": {"type": "object"},
        "leaderboard": {"type": "array"},
        "tests": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "score": {"type": "number"},
                    "max_score": {"type": "number"},
                    "status": {"enum": ["passed", "failed"]},
                    "name": {"type": "string"},
                    "name_format": FORMAT,
                    "number": {"type": "string"},
                    "output": {"type": "string"},
                    "output_format": FORMAT,
                    "tags": {"type": "array", "items": {"type": "string"}},
                    "visibility": SHOWN,
                    "extra_data": {"type": "object"},
                },
            },
        },
    },
}


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory, labs: Path) -> Path:
    folder = tmp_path_factory.mktemp("zip")
    (folder / "key").write_text("spring\n")
    (folder / "key").chmod(0o600)
    more = ("--key-file", folder / "key", "--checks", TOY, "--labs", labs)
    assert grading("gradescope-zip", "00_toy", "--out", folder / "lab.zip", *more) == 0
    return folder / "lab.zip"


@pytest.fixture
def root(packed: Path, tmp_path: Path) -> Path:
    """What Gradescope makes of the zip: its content in source, a copy of run_autograder, empty folders."""
    root = tmp_path / "autograder"
    for name in ("submission", "results", "venv/bin"):
        (root / name).mkdir(parents=True)
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(root / "source")
        (root / "run_autograder").write_bytes(archive.read("run_autograder"))
    # setup.sh would have made an environment.
    python = root / "venv/bin/python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    for path in (python, root / "run_autograder"):
        path.chmod(0o755)
    return root


def autograde(root: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"AUTOGRADER_ROOT": str(root)} | variables
    return subprocess.run(
        [root / "run_autograder"], cwd=root, env=environment, capture_output=True, text=True, timeout=600, check=False
    )


def results(root: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((root / "results" / "results.json").read_text("utf-8"))
    jsonschema.validate(data, SCHEMA)
    assert data["score"] == sum(one["score"] for one in data["tests"])
    assert [one["max_score"] for one in data["tests"]] == [40, 60]
    return data


def test_honest(root: Path) -> None:
    save(root / "submission" / "lab.ipynb", RIGHT)
    done = autograde(root)
    assert done.returncode == 0, done.stdout + done.stderr
    data = results(root)
    assert data["score"] == 100
    assert {one["status"] for one in data["tests"]} == {"passed"}


def test_wrong(root: Path) -> None:
    save(root / "submission" / "lab.ipynb", [TWICE, DOUBLE, "def count(text, letter):\n    return 0"])
    assert autograde(root).returncode == 0
    data = results(root)
    assert [one["score"] for one in data["tests"]] == [40, 0]
    assert "Count every occurrence." in data["tests"][1]["output"]
    assert data["stdout_visibility"] == "hidden"


# Nothing of this is stopped by asking: the paths are known, and on Gradescope the grader is root.
HOSTILE = """
import json, os, pathlib
root = pathlib.Path({root!r})
perfect = json.dumps({{"score": 100, "tests": [{{"score": 100, "max_score": 100, "name": "all"}}]}})
def steal(*args):
    found = []
    names = ("results/results.json", "results/.results.json.new", "source/lab.json", "source/checks/m00_toy/double.py")
    for name in names:
        for mode in ("r", "w"):
            try:
                with open(root / name, mode) as file:
                    found.append(mode + name)
                    if mode == "w":
                        file.write(perfect)
            except OSError:
                pass
    try:
        found.append((root / "source/class.key").read_text())
    except OSError:
        pass
    try:
        (root / "results" / "results.json").symlink_to("/dev/null")
        found.append("link")
    except OSError:
        pass
    return found
def double(xs):
    return steal()
def count(text, letter):
    return text.count(letter) if not steal() else steal()
"""


@pytest.mark.parametrize("bubblewrap", [True, False])
def test_hostile(root: Path, tmp_path: Path, bubblewrap: bool) -> None:
    save(root / "submission" / "lab.ipynb", [HOSTILE.format(root=str(root))])
    before = (root / "source" / "lab.json").read_bytes()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "bash").symlink_to(str(shutil.which("bash")))
    done = autograde(root) if bubblewrap else autograde(root, PATH=str(tmp_path / "bin"))
    assert done.returncode == 0, done.stdout + done.stderr
    # A container on Gradescope has no namespaces to give: there it is Landlock, or a user of its own.
    assert re.search(f"Isolation is level {'[AB]' if bubblewrap else 'B'}:", done.stdout)
    data = results(root)
    # `count` is right only if not one file could be opened.
    assert [one["score"] for one in data["tests"]] == [0, 60], data
    assert (root / "source" / "lab.json").read_bytes() == before
    assert "spring" not in json.dumps(data)


def test_control_hostile_without_isolation(root: Path) -> None:
    space: dict[str, Any] = {}
    (root / "results" / "results.json").touch()
    exec(HOSTILE.format(root=str(root)), space)
    assert "wresults/results.json" in space["double"]([])
    assert json.loads((root / "results" / "results.json").read_text())["score"] == 100


def test_unreadable_and_missing(root: Path) -> None:
    (root / "submission" / "lab.ipynb").write_text(json.dumps(notebook(RIGHT))[:200])
    (root / "results" / "results.json").write_text("{}")
    assert autograde(root).returncode == 0
    data = results(root)
    assert data["score"] == 0
    assert "could not be graded" in data["output"]
    assert "cut off" in data["output"]
    (root / "submission" / "lab.ipynb").rename(root / "submission" / "lab.docx")
    assert autograde(root).returncode == 0
    data = results(root)
    assert data["score"] == 0
    assert "no .ipynb or .py file" in data["output"]


@pytest.mark.parametrize("broken", ["lab.json", "class.key", "checks/m00_toy/double.py"])
def test_an_error_of_the_grader_is_no_zero(root: Path, broken: str) -> None:
    save(root / "submission" / "lab.ipynb", RIGHT)
    (root / "results" / "results.json").write_text('{"score": 100}')
    (root / "source" / broken).unlink()
    done = autograde(root)
    assert done.returncode == 2
    assert not (root / "results" / "results.json").exists()
    assert "error" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_check_that_fails_by_itself_is_no_zero(root: Path) -> None:
    save(root / "submission" / "lab.ipynb", RIGHT)
    checks = root / "source" / "checks" / "m00_toy" / "double.py"
    checks.write_text(checks.read_text().replace("    return [x + x", "    1 / 0; return [x + x"))
    done = autograde(root)
    assert done.returncode == 2, done.stdout
    assert "a check of double failed by itself" in done.stderr
    assert not (root / "results" / "results.json").exists()


def test_a_level_that_cannot_be_had_is_an_error_and_no_zero(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from fullstack_llm.grading.probing import levels

    save(root / "submission" / "lab.ipynb", RIGHT)
    monkeypatch.setattr(levels, "CANDIDATES", {"A": (), "B": ()})
    level.cache_clear()
    try:
        assert grading("gradescope-run", root) == 2
    finally:
        level.cache_clear()
    assert "error of the grader, no submission's fault" in capsys.readouterr().err
    assert not (root / "results" / "results.json").exists()


# The package as setup.sh installs it, on a kernel that has neither namespaces nor Landlock to give.
BARE = """
import os, sys
from fullstack_llm.grading.cli import commands
from fullstack_llm.grading.probing import levels
# What is closed must be the copy, and never this checkout.
assert commands.__file__.startswith(os.environ["PYTHONPATH"])
levels.CANDIDATES = {"A": (), "B": tuple(one for one in levels.CANDIDATES["B"] if not one.landlock)}
sys.exit(commands.main(sys.argv[1:]))
"""


def test_a_user_of_its_own_once_the_judges_files_are_closed(root: Path, tmp_path: Path) -> None:
    left_out = shutil.ignore_patterns("__pycache__", "models", "data", "corpus", "tinytown", "hub")
    shutil.copytree(gradescope_zip.FOLDER.parent / "src", tmp_path / "site", ignore=left_out)
    save(root / "submission" / "lab.ipynb", RIGHT)
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", BARE, "gradescope-run", str(root), *more]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600, check=False
        )

    refused = run()
    assert refused.returncode == 2
    assert not (root / "results" / "results.json").exists()
    if os.geteuid():
        assert "or start the grader as root" in refused.stderr
        return
    assert "close the judge's files" in refused.stderr
    assert run("--close").returncode == 0
    done = run()
    assert "by a user of its own" in done.stdout, done.stderr
    assert results(root)["score"] == 100


def test_the_zip_holds_what_installing_takes_and_nothing_of_the_answers(packed: Path) -> None:
    with zipfile.ZipFile(packed) as archive:
        names = set(archive.namelist())
        assert json.loads(archive.read("lab.json"))["lab"] == "00_toy"
        for name in gradescope_zip.SCRIPTS:
            assert archive.getinfo(name).external_attr >> 16 == 0o100755
    assert {"course/pyproject.toml", "course/README.md", "course/requirements.lock"} <= names
    assert {"course/src/fullstack_llm/worker/zygote.py", "labs/00_toy.ipynb"} <= names
    assert {"checks/m00_toy/count.py", "class.key"} <= names
    assert not [
        name for name in names if "solutions" in name or "__pycache__" in name or name.startswith("course/tests")
    ]
    assert packed.stat().st_mode & 0o077 == 0


def test_the_same_files_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.zip", "two.zip"):
        gradescope_zip.build(tmp_path / name, {"setup.sh": b"x", "labs/a.ipynb": b"{}"})
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_in_place_of_a_zip_that_everyone_may_read_it_is_private(tmp_path: Path) -> None:
    out = tmp_path / "one.zip"
    out.touch(0o644)
    with out.open("rb") as before:
        gradescope_zip.build(out, {"class.key": b"secret"})
        assert out.stat().st_mode & 0o077 == 0
        assert before.read() == b""
    assert [path.name for path in tmp_path.iterdir()] == ["one.zip"]


def test_what_is_missing_for_the_zip_is_a_sentence(
    tmp_path: Path, labs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "lab.zip"
    assert grading("gradescope-zip", "00_toy", "--out", out, "--checks", TOY, "--labs", tmp_path) == 2
    assert "no notebook of the lab" in capsys.readouterr().err
    monkeypatch.setattr(gradescope_zip, "FOLDER", tmp_path / "labs")
    assert grading("gradescope-zip", "00_toy", "--out", out, "--checks", TOY, "--labs", labs) == 2
    assert "has no pyproject.toml" in capsys.readouterr().err
    assert not out.exists()


SETUP = """#!/bin/sh
echo "$(basename "$0") $*" >> "$LOG"
case "$*" in *venv*) mkdir -p "$AUTOGRADER_ROOT/venv/bin"; cp "$0" "$AUTOGRADER_ROOT/venv/bin/python";; esac
"""


def test_setup_installs_and_closes(packed: Path, tmp_path: Path) -> None:
    root, programs = tmp_path / "autograder", tmp_path / "bin"
    programs.mkdir()
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(root / "source")
    for name in ("apt-get", "python3", "python3.11"):
        (programs / name).write_text(SETUP)
        (programs / name).chmod(0o755)
    log = tmp_path / "log"
    environment = {"PATH": f"{programs}:/usr/bin:/bin", "AUTOGRADER_ROOT": str(root), "LOG": str(log)}
    done = subprocess.run(
        ["bash", root / "source" / "setup.sh"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    calls = log.read_text().splitlines()
    pins = (root / "source/course/requirements.lock").read_text().splitlines()
    torch = next(line for line in pins if line.startswith("torch=="))
    assert any(call.startswith("apt-get install") and "bubblewrap" in call for call in calls)
    assert any("whl/cpu" in call and torch in call for call in calls)
    assert any(f"{root}/source/course[lessons,grading]" in call for call in calls)
    assert calls[-1].endswith(f"-m fullstack_llm.grading gradescope-run {root} --close")


def test_closing_takes_files_from_others_and_leaves_links(tmp_path: Path) -> None:
    from fullstack_llm.grading.cli.gradescope_run import close

    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").touch(0o644)
    (tmp_path / "other").touch(0o644)
    (tmp_path / "a" / "link").symlink_to(tmp_path / "other")
    close(tmp_path / "a")
    modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "a", tmp_path / "a/b", tmp_path / "a/b/file")]
    assert modes == [0o700, 0o700, 0o600]
    assert (tmp_path / "other").stat().st_mode & 0o777 == 0o644
