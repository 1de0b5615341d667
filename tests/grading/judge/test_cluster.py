"""A real Ray on this machine: the same results as without it, a grader killed or not, and no way to its sockets."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest
from submissions import COUNT, DOUBLE, RIGHT, TOY, TWICE, save

from fullstack_llm.grading.cli.commands import main
from fullstack_llm.grading.judge import cluster

# What Ray has on disk are pathname sockets and shared memory: this tries each that it can find.
REACH = """
import glob, socket
for path in glob.glob("/tmp/ray/session_*/sockets/*"):
    one = socket.socket(socket.AF_UNIX)
    one.connect(path)
    raise SystemExit("connected to " + path)
one = socket.socket(socket.AF_UNIX)
"""
SLOW = f"import time\ntime.sleep(6)\n{TWICE}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, cells in {
        "ada": RIGHT,
        "bo": [TWICE, DOUBLE],
        "cy": [REACH, *RIGHT],
        "dot": [SLOW, DOUBLE, COUNT],
        "fay": [COUNT],
    }.items():
        save(folder / f"{name}.ipynb", cells)
    (folder / "gus.ipynb").write_bytes(b"{")
    return folder


def kill_a_grader(killed: list[int]) -> None:
    """Kill, once, the process of the actor that has been grading for two seconds."""
    end = time.monotonic() + 600
    while time.monotonic() < end:
        for process in psutil.Process().children(recursive=True):
            try:
                if re.fullmatch(r"ray::RemoteGrader\.grade", process.name()) or "ray::RemoteGrader.grade" in " ".join(
                    process.cmdline()
                ):
                    time.sleep(2)
                    os.kill(process.pid, signal.SIGKILL)
                    killed.append(process.pid)
                    return
            except (psutil.Error, ProcessLookupError):
                continue
        time.sleep(0.05)


def students(out: Path) -> dict[str, tuple[int, bool]]:
    found = json.loads((out / "class.json").read_text())["students"]
    return {one["submission"]: (one["earned"], bool(one["error"])) for one in found}


def test_a_class_on_ray_gets_what_it_gets_without(folder: Path, labs: Path, tmp_path: Path) -> None:
    where = ["grade", str(folder), "--lab", "00_toy", "--checks", str(TOY), "--labs", str(labs)]
    assert main([*where, "--out", str(tmp_path / "here")]) == 1
    killed: list[int] = []
    thread = threading.Thread(target=kill_a_grader, args=(killed,))
    thread.start()
    assert main([*where, "--out", str(tmp_path / "there"), "--ray-address", "local", "--jobs", "2"]) == 1
    thread.join()
    assert killed, "no grader was seen at work, so none was killed"
    here, there = students(tmp_path / "here"), students(tmp_path / "there")
    assert here == there and len(there) == 6
    assert there["cy.ipynb"] == (100, False)
    pages = [json.loads(path.read_text()) for path in (tmp_path / "there" / "students").glob("*.json")]
    problems = next("\n".join(page["problems"]) for page in pages if page["submission"] == "cy.ipynb")
    assert "PermissionError" in problems and "connected" not in problems


def test_no_cluster_is_a_sentence(folder: Path, labs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["grade", str(folder), "--lab", "00_toy", "--checks", str(TOY), "--labs", str(labs)]
    assert main([*where, "--out", str(tmp_path / "out"), "--ray-address", "127.0.0.1:9"]) == 2
    assert "there is no Ray cluster at 127.0.0.1:9" in capsys.readouterr().err


def test_a_machine_with_other_checks_is_refused(labs: Path, folder: Path) -> None:
    from fullstack_llm.checks import declared, draws
    from fullstack_llm.grading.intake import submissions
    from fullstack_llm.grading.judge import batch
    from fullstack_llm.grading.machine.errors import GraderError

    one = batch.Batch("00_toy", draws.seeds(declared.find("00_toy", TOY)), TOY, labs)
    remote = cluster.RemoteGrader(one, {"lab": "00_toy", "checks": "of another version"})
    with (
        submissions.opened(folder, folder / "out") as found,
        pytest.raises(GraderError, match="another checks than this"),
    ):
        remote.grade(found.submissions[0], [b"{}"])
