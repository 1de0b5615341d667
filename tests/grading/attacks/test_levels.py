"""Levels are what the probes show: each sees what is missing, and a level that cannot be had is an error."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from submissions import RIGHT, TOY, save

from fullstack_llm.grading.isolation import world
from fullstack_llm.grading.machine import usage
from fullstack_llm.grading.machine.errors import GraderError
from fullstack_llm.grading.probing import levels


@pytest.mark.parametrize("name", ["A", "B"])
def test_the_candidates_hold_what_they_promise(name: str) -> None:
    for sandbox in levels.CANDIDATES[name]:
        if not (sandbox.namespaces or sandbox.landlock):
            continue  # below: it needs files that are closed to others
        try:
            shown = levels.probe(sandbox)
        except GraderError as error:
            pytest.skip(str(error))
        assert set(shown.broken) == set(levels.GUARANTEES)
        assert shown.held, str(shown)


WEAKENED = {
    "files": {"landlock": False},
    "network": {"seccomp": False},
    "processes": {"seccomp": False},
    "memory": {"watched": False},
    "time": {"limits": {}},
    "neighbours": {"seccomp": False},
}


@pytest.mark.parametrize("guarantee", WEAKENED)
def test_a_probe_sees_what_is_missing(guarantee: str) -> None:
    sandbox = replace(levels.CANDIDATES["B"][0], **WEAKENED[guarantee])  # type: ignore[arg-type]
    assert levels.probe(sandbox, (guarantee,)).broken[guarantee]


def test_a_level_that_cannot_be_had_is_an_error_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(levels, "level", levels.level.__wrapped__)
    with pytest.raises(GraderError, match="(?s)level A cannot be had here.*Remedy: install bubblewrap"):
        levels.level("A")
    weak = replace(levels.CANDIDATES["B"][0], landlock=False)
    monkeypatch.setitem(levels.CANDIDATES, "B", (weak,))
    with pytest.raises(GraderError, match="(?s)level A cannot.*level B cannot be had here.*files.*Remedy"):
        levels.strongest()
    assert levels.strongest(self_check=True).level == "C"


def command(*arguments: object, path: str = os.environ["PATH"]) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-P", "-s", "-m", "fullstack_llm.grading", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=600, env={**os.environ, "PATH": path})


def test_the_level_is_printed_or_refused(tmp_path: Path, labs: Path) -> None:
    (tmp_path / "in").mkdir()
    save(tmp_path / "in" / "a.ipynb", RIGHT)
    line = ["grade", tmp_path / "in", "--lab", "00_toy", "--checks", TOY, "--labs", labs]
    for level in "BC":
        run = command(*line, "--level", level, "--out", tmp_path / level)
        assert run.returncode == 0, run
        assert f"level {level}: " in run.stdout
    refused = command(*line, "--level", "A", "--out", tmp_path / "A", path="/nowhere")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "no submission's fault: level A cannot be had here" in refused.stderr
    assert "Remedy: install bubblewrap" in refused.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give workers a user of their own")
@pytest.mark.parametrize("closed", [True, False])
def test_a_user_of_its_own_needs_closed_files(tmp_path: Path, closed: bool) -> None:
    package = tmp_path / "fullstack_llm"
    shutil.copytree(world.PACKAGE, package, ignore=shutil.ignore_patterns("data", "__pycache__"))
    code = """
from fullstack_llm.grading.isolation import world
from fullstack_llm.grading.probing import levels
if CLOSED:
    for path in world.world().hidden:
        path.chmod(0o700)
print(levels.probe(levels.CANDIDATES["B"][1]))
"""
    run = subprocess.run(
        [sys.executable, "-c", code.replace("CLOSED", str(closed))],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    shown = run.stdout.strip()
    assert shown == "all guarantees hold" if closed else shown.startswith("files (read "), run


PROBE = """
import os
os.umask(0o077)
from fullstack_llm.grading.probing import levels
for sandbox in (levels.CANDIDATES["A"][0], levels.CANDIDATES["B"][0]):
    print(levels.probe(sandbox))
"""
REACH = """
import os, sys
from pathlib import Path
from fullstack_llm.grading.isolation import launch
os.umask({umask})
launch.make_reachable([Path({path!r})])
os.setresuid(61000, 61000, 61000)
print(os.access({path!r}, os.R_OK))
"""


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | environment)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give workers a user of their own")
@pytest.mark.attack(98)
def test_roots_umask_closes_no_level() -> None:
    run = python(PROBE)
    assert run.stdout.splitlines() == ["all guarantees hold"] * 2, run


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give workers a user of their own")
@pytest.mark.control(98)
@pytest.mark.parametrize(("umask", "reached"), [(0o022, True), (0o077, False)])
def test_control_folders_made_under_it_are_closed_to_a_worker(umask: int, reached: bool) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as closed:
        path = Path(closed) / "opt" / "course" / "package"
        path.mkdir(parents=True)
        for folder in (path, *path.parents[:2]):
            folder.chmod(0o755)
        run = python(REACH.format(umask=umask, path=str(path)))
    if "Operation not permitted" in run.stderr:
        pytest.skip("root may mount nothing here")
    assert run.stdout.strip() == str(reached), run


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give workers a user of their own")
@pytest.mark.attack(98)
def test_files_that_root_alone_can_read_are_named(tmp_path: Path) -> None:
    package = tmp_path / "fullstack_llm"
    shutil.copytree(world.PACKAGE, package, ignore=shutil.ignore_patterns("data", "__pycache__"))
    (package / "worker" / "main.py").chmod(0o600)
    code = "from fullstack_llm.grading.probing import levels\nlevels.level('B')"
    run = python(code, PYTHONPATH=str(tmp_path))
    said = run.stderr.partition("level B cannot be had here")[2]
    assert f"{package}/worker/main.py can be read by root alone" in said, run.stderr
    assert said.count("Remedy: open it to others: chmod -R go+rX") and "AppArmor" not in said


@pytest.mark.skipif(os.geteuid() != 0, reason="the tests themselves run as a plain user")
def test_the_attacks_fail_for_a_plain_user_too(tmp_path: Path) -> None:
    here = Path(__file__).parent
    paths = [sys.base_prefix, sys.prefix, str(world.PACKAGE), str(here.parents[2])]
    home = Path("/tmp") / f"plain-{os.getpid()}"
    home.mkdir(mode=0o777)
    home.chmod(0o777)
    pytest_ = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        f"--basetemp={home}/base",
        "-k",
        "attack_fails or nobody_may_open or (object_is_bounded and plain)",
    ]
    launch = [
        sys.executable,
        "-P",
        "-s",
        str(world.PACKAGE / "grading" / "isolation" / "launch.py"),
        "61000",
        *paths,
        "--",
    ]
    try:
        run = subprocess.run(
            [*launch, *pytest_, *(str(here / f"test_{name}.py") for name in ("attacks", "private", "kernel_objects"))],
            cwd=here.parents[2],
            env={**os.environ, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=600,
        )
    finally:
        usage.remove_folder(str(home))
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-2000:]
    assert "skipped" not in run.stdout
