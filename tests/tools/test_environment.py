"""The pins: one lock, and everything that repeats it says the same."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import lock
import pytest
import yaml
from packaging.utils import canonicalize_name
from packaging.version import Version


def find_unpinned(text: str) -> list[str]:
    """Lines of a lock that are not one name and one released version."""
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    return [line for line in lines if line and not re.fullmatch(r"[a-z0-9-]+==[0-9][\w.!]*", line)]


LOCKS = ["requirements.lock", "requirements-nodeps.lock", "requirements-hub.lock", "requirements-serving.lock"]


@pytest.mark.parametrize("name", LOCKS)
def test_locks_hold_pins_only(root: Path, name: str) -> None:
    assert find_unpinned((root / name).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line", ["torch", "torch>=2", "torch==2.13.0+cpu", "-e .", "a @ https://x.org/a.whl", "--index-url x"]
)
def test_control_pins(line: str) -> None:
    assert find_unpinned(f"numpy==2.4.6\n{line}\n") == [line]


def test_every_declared_package_is_pinned_within_its_range(root: Path) -> None:
    pins = lock.pins(root / "requirements.lock") | lock.pins(root / "requirements-nodeps.lock")
    for requirement in lock.declared(root):
        version = pins.get(str(canonicalize_name(requirement.name)))
        assert version is not None, f"{requirement} has no pin: make env lock"
        assert Version(version) in requirement.specifier, f"{requirement} is pinned to {version}"


def test_the_lock_is_complete_and_holds_nothing_else(root: Path) -> None:
    pins = set(lock.pins(root / "requirements.lock"))
    apart = set(lock.pins(root / "requirements-nodeps.lock"))
    needed = set(lock.closure([*lock.declared(root), lock.Requirement("setuptools")], apart))
    # A CUDA build of torch brings packages that its CPU build does not, and each is pinned by torch itself.
    cuda = {name for name in needed if name.startswith(("nvidia-", "cuda-")) or name == "triton"}
    assert needed - cuda == pins


def find_unlocked(text: str) -> list[str]:
    """What a conda environment installs besides Python, pip and the lock."""
    conda = yaml.safe_load(text)
    pinned = [line for item in conda["dependencies"] if isinstance(item, dict) for line in item["pip"]]
    return [item for item in conda["dependencies"] if item not in ("python=3.11", "pip", {"pip": pinned})] + [
        line for line in pinned if line != "-r requirements.lock"
    ]


def test_environment_yml_names_the_lock(root: Path) -> None:
    text = (root / "environment.yml").read_text(encoding="utf-8")
    assert "-r requirements.lock" in text
    assert find_unlocked(text) == []


def test_control_environment_yml() -> None:
    text = "dependencies: [python=3.11, pip, numpy, {pip: [-r requirements.lock, torch]}]"
    assert find_unlocked(text) == ["numpy", "torch"]


def test_postbuild_installs_what_the_lock_leaves_out(root: Path) -> None:
    script = root / "postBuild"
    text = script.read_text(encoding="utf-8")
    assert script.stat().st_mode & 0o111
    assert "--no-deps -r requirements-nodeps.lock" in text and "--no-deps --no-build-isolation ." in text


@pytest.mark.parametrize("name", ["postBuild", ".ci/run"])
def test_scripts_are_valid_bash(root: Path, name: str) -> None:
    assert subprocess.run(["bash", "-n", str(root / name)], check=False).returncode == 0
    assert "set -euo pipefail" in (root / name).read_text(encoding="utf-8")


def ci_run(root: Path, tmp_path: Path, *there: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run .ci/run where every program is a stand-in that logs its call, and only `there` exist besides the basics."""
    programs, log = tmp_path / "bin", tmp_path / "log"
    programs.mkdir()
    (tmp_path / ".ci").mkdir()
    shutil.copy(root / ".ci/run", tmp_path / ".ci/run")
    for name in ("apt-get", "make", "python3", *there):
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $* CI=$CI" >> "{log}"\n')
    (programs / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    for name in ("bash", "dirname"):
        (programs / name).symlink_to(str(shutil.which(name)))
    environment = {"PATH": str(programs)}
    command = [str(shutil.which("bash")), str(tmp_path / ".ci/run")]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
    return result, log.read_text(encoding="utf-8").splitlines()


def test_ci_installs_what_is_missing_and_then_checks(root: Path, tmp_path: Path) -> None:
    result, calls = ci_run(root, tmp_path, "g++", "bwrap")
    assert result.returncode == 0, result.stderr
    assert calls[-1] == "make check CI=true"
    assert "apt-get install -qq --no-install-recommends chromium CI=true" in calls


def test_ci_installs_nothing_when_nothing_is_missing(root: Path, tmp_path: Path) -> None:
    result, calls = ci_run(root, tmp_path, "g++", "bwrap", "google-chrome")
    assert result.returncode == 0, result.stderr
    assert not any(call.startswith("apt-get") for call in calls)


WORKFLOWS = ("check", "drift", "gpu", "nightly", "pages")


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflows(root: Path, name: str) -> None:
    workflow = yaml.safe_load((root / f".github/workflows/{name}.yml").read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    assert True in workflow  # YAML reads the key `on` as a truth value
    for job in workflow["jobs"].values():
        assert job.get("timeout-minutes", 0) <= 120
        for step in job["steps"]:
            assert re.fullmatch(r"[\w-]+/[\w-]+(/[\w-]+)?@v\d+", step.get("uses", "a/b@v1"))
            for target in re.findall(r"\bmake (\w+)", step.get("run", "")):
                assert re.search(rf"^{target}:", (root / "Makefile").read_text(encoding="utf-8"), flags=re.M)


def test_ci_runs_the_readmes_command(root: Path) -> None:
    assert "\nmake check" in (root / "README.md").read_text(encoding="utf-8")
    assert (root / ".ci/run").read_text(encoding="utf-8").endswith("\nmake check\n")


@pytest.mark.xdist_group("kept-together")
def test_groups_reach_the_scheduler(request: pytest.FixtureRequest) -> None:
    """pytest-xdist writes a test's group behind its id, and sends tests of one group to one process."""
    assert "PYTEST_XDIST_WORKER" not in os.environ or request.node.nodeid.endswith("@kept-together")
