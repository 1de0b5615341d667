"""Temporary folders: those of a run that was killed are removed by the next, and no others."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from fullstack_llm.grading.machine import scratch

HOLD = """
import sys, tempfile
from fullstack_llm.grading.machine import scratch
tempfile.tempdir = sys.argv[1]
with scratch.folder("grading-run-") as folder:
    (folder / "held").touch()
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def aged(folder: Path) -> Path:
    os.utime(folder, (time.time() - 3600,) * 2)
    return folder


def test_a_killed_runs_folder_goes_with_the_next_and_a_living_ones_stays(temporary: Path) -> None:
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", HOLD, str(temporary)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    try:
        killed, living = (aged(Path(run.stdout.readline().strip())) for run in runs)  # type: ignore[union-attr]
        scratch.sweep()
        assert killed.exists() and living.exists()
        runs[0].kill()
        runs[0].wait()
        with scratch.folder("submissions-run-") as mine:
            assert sorted(temporary.iterdir()) == sorted([living, mine])
        assert sorted(temporary.iterdir()) == [living]
    finally:
        for run in runs:
            run.kill()
            run.communicate()


def test_what_is_no_such_folder_is_left_alone(temporary: Path) -> None:
    others = [temporary / name for name in ("grading-notes", "submissions", "grading-run-file")]
    for folder in others[:2]:
        folder.mkdir()
        aged(folder)
    others[2].touch()
    aged(others[2])
    (temporary / "grading-run-link").symlink_to(others[0])
    young = temporary / "grading-run-young"
    young.mkdir()
    scratch.sweep()
    assert sorted(temporary.iterdir()) == sorted([*others, temporary / "grading-run-link", young])
    assert not scratch.sweep() and aged(young).exists()
    scratch.sweep()
    assert not young.exists()
