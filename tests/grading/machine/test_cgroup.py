"""Control groups of both versions, in folders that stand for the kernel's; and what a killed grader leaves there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fullstack_llm.grading.machine import cgroup
from fullstack_llm.worker.confine import confine

Hierarchy = Callable[[str], Path]
FILES = ("memory.max", "memory.swap.max", "pids.max", "cpu.weight", "memory.limit_in_bytes", "cpu.shares")


@pytest.fixture
def hierarchy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hierarchy:
    """A mount whose new groups get the control files that their parents list, as the kernel makes them."""
    mount = tmp_path / "cgroup"
    make = cgroup.make

    def with_files(place: Path) -> Path:
        folder = make(place)
        for name in [*place.joinpath("files").read_text().split(), "cgroup.procs"]:
            folder.joinpath(name).touch()
        return folder

    def build(membership: str) -> Path:
        (tmp_path / "membership").write_text(membership)
        return mount

    monkeypatch.setattr(cgroup, "MOUNT", mount)
    monkeypatch.setattr(cgroup, "MEMBERSHIP", tmp_path / "membership")
    monkeypatch.setattr(cgroup, "make", with_files)
    return build


def place(folder: Path, files: str) -> Path:
    folder.mkdir(parents=True)
    folder.joinpath("cgroup.procs").touch()
    folder.joinpath("files").write_text(files)
    return folder


def entered(memory: int, tasks: int) -> list[Path]:
    """The folders of a group that a process was moved into."""
    group = cgroup.Cgroup(memory, tasks)
    group.add(123)
    return group.folders


def test_in_version_2_a_group_stands_beside_the_graders_own(hierarchy: Hierarchy) -> None:
    mount = hierarchy("0::/user.slice/app.slice/grader.scope\n")
    beside = place(mount / "user.slice" / "app.slice", "memory.max memory.swap.max pids.max cpu.weight")
    place(beside / "grader.scope", "")
    (folder,) = entered(4 << 30, 300)
    assert folder.parent == beside
    read = {name: (folder / name).read_text() for name in (*FILES[:4], "cgroup.procs")}
    assert read == {
        "memory.max": str(4 << 30),
        "memory.swap.max": "0",
        "pids.max": "300",
        "cpu.weight": "100",
        "cgroup.procs": "123",
    }


def test_in_version_1_there_is_a_group_for_each_controller(hierarchy: Hierarchy) -> None:
    mount = hierarchy("7:cpu,cpuacct:/\n4:memory:/docker/a\n3:freezer:/\n1:name=systemd:/\n")
    place(mount / "memory" / "docker" / "a", "memory.limit_in_bytes")
    place(mount / "cpu", "cpu.shares")
    place(mount / "freezer", "")
    group = cgroup.Cgroup(4 << 30, 300)
    group.add(123)
    read = {
        one.parent.name: [(one / name).read_text() for name in FILES if (one / name).exists()] for one in group.folders
    }
    assert read == {"a": [str(4 << 30)], "cpu": ["1024"]}


def test_a_group_that_bounds_nothing_takes_no_process(hierarchy: Hierarchy) -> None:
    mount = hierarchy("0::/own\n")
    place(mount, "")
    (folder,) = entered(4 << 30, 300)
    assert (folder / "cgroup.procs").read_text() == ""


@pytest.mark.parametrize("membership", ["", "0::/own\n", "4:memory:/nowhere\n"])
def test_without_a_hierarchy_there_is_no_group(hierarchy: Hierarchy, membership: str) -> None:
    hierarchy(membership)
    group = cgroup.Cgroup(1, 1)
    assert (group.folders, group.limit_exceeded) == ([], False)
    group.close()


EVENTS = {
    "2": {"memory.events": "low 0\nhigh 0\nmax {full}\noom {full}\noom_kill {killed}\n"},
    "1": {"memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill {killed}\n", "memory.failcnt": "{full}\n"},
}


@pytest.mark.parametrize("version", EVENTS)
@pytest.mark.parametrize(("full", "killed", "seen"), [(0, 0, ""), (3, 0, ""), (3, 1, "full killed"), (0, 1, "killed")])
def test_whose_memory_was_full_is_seen(hierarchy: Hierarchy, version: str, full: int, killed: int, seen: str) -> None:
    mount = hierarchy("0::/own\n")
    place(mount, "memory.max")
    group = cgroup.Cgroup(1, 1)
    group.add(123)
    assert not group.counts([123])
    for name, text in EVENTS[version].items():
        (group.folders[0] / name).write_text(text.format(full=full, killed=killed))
    assert group.counts([123])
    # A process that was there before it was moved has children elsewhere.
    assert not group.counts([123, 124])
    assert " ".join(["full"] * group.limit_exceeded + ["killed"] * group.oom_killed) == seen


def test_groups_of_a_killed_grader_are_removed_and_no_others(hierarchy: Hierarchy, tmp_path: Path) -> None:
    mount = hierarchy("0::/own\n")
    place(mount, "")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    mine = cgroup._prefix()
    stale, living = mount / f"{mine}{gone.pid}-ab", mount / f"{mine}{os.getpid()}-ab"
    full, elsewhere = mount / f"{mine}{gone.pid}-cd", mount / f"grading-1-{gone.pid}-ab"
    others = [living, full, elsewhere, mount / "system.slice", mount / f"{mine}notes"]
    for folder in [stale, *others]:
        folder.mkdir()
    # A folder that holds something stands for a group with a process within: neither can be removed.
    (full / "child").mkdir()
    cgroup.sweep()
    assert not stale.exists()
    assert all(folder.exists() for folder in others)


def test_a_group_is_named_after_its_grader(tmp_path: Path) -> None:
    folder = cgroup.make(tmp_path)
    assert folder.name.startswith(f"{cgroup._prefix()}{os.getpid()}-")
    assert cgroup.make(tmp_path) != folder


def test_a_process_enters_a_cgroup_by_its_procs_fd(hierarchy: Hierarchy) -> None:
    mount = hierarchy("4:memory:/\n3:cpu:/\n")
    place(mount / "memory", "memory.limit_in_bytes")
    place(mount / "cpu", "")
    group = cgroup.Cgroup(1, 1)
    (procs_fd,) = group.open_procs()
    confine.enter_cgroup(procs_fd)
    assert (group.folders[0] / "cgroup.procs").read_text() == "0"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(procs_fd)
