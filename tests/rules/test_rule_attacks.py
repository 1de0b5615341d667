"""Each attack that the book lists has a test in which it fails, and a control in which it succeeds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

GROUPS = ("Exit and hang", "Resources", "Forging", "Escape and leak", "Broken notebooks", "Judge and intake")
COLLECT = """
import json, sys, pytest
class Numbers:
    found = {"attack": [], "control": []}
    def pytest_collection_finish(self, session):
        for item in session.items:
            for mark in item.iter_markers():
                if mark.name in self.found:
                    self.found[mark.name] += mark.args
numbers = Numbers()
code = pytest.main(["--collect-only", "-qq", "-p", "no:cacheprovider", *sys.argv[1:]], plugins=[numbers])
print(json.dumps(numbers.found))
sys.exit(code)
"""


def entries(root: Path) -> list[dict[str, Any]]:
    """The book's table."""
    return yaml.safe_load((root / "book" / "_data" / "attacks.yml").read_text("utf-8"))


def marked(*paths: Path, cwd: Path) -> dict[str, list[int]]:
    """The numbers that the tests under these paths carry, by marker."""
    run = subprocess.run(
        [sys.executable, "-c", COLLECT, *map(str, paths)],
        cwd=cwd,
        env={**os.environ, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    return json.loads(run.stdout.splitlines()[-1])


def find_faults(table: list[dict[str, Any]], found: dict[str, list[int]]) -> list[str]:
    """Numbers without a test or a control, tests of no number, and entries that are not whole."""
    numbers = [one["number"] for one in table]
    faults = [f"attack {number} is listed twice" for number, count in Counter(numbers).items() if count > 1]
    for mark, carried in found.items():
        faults += [f"attack {number} has no test marked `{mark}`" for number in sorted(set(numbers) - set(carried))]
        faults += [f"a test is marked `{mark}({number})`" for number in sorted(set(carried) - set(numbers))]
    for one in table:
        if set(one) != {"number", "group", "what", "stopped_by"} or one["group"] not in GROUPS:
            faults.append(f"attack {one['number']} is not whole")
        elif not all(one[name].endswith(".") for name in ("what", "stopped_by")):
            faults.append(f"attack {one['number']} is not told in sentences")
    return faults


def test_every_attack_has_a_test_and_a_control(root: Path) -> None:
    table = entries(root)
    assert [one["number"] for one in table] == list(range(1, 99))
    assert (
        find_faults(
            table,
            marked(root / "tests" / "grading", root / "tests" / "worker", root / "tests" / "labs", cwd=root),
        )
        == []
    )


ONE = {"number": 1, "group": "Forging", "what": "It is tried.", "stopped_by": "It is refused."}


@pytest.mark.parametrize(
    ("table", "found", "fault"),
    [
        ([ONE], {"attack": [1], "control": []}, "attack 1 has no test marked `control`"),
        ([ONE], {"attack": [], "control": [1]}, "attack 1 has no test marked `attack`"),
        ([ONE], {"attack": [1, 2], "control": [1]}, "a test is marked `attack(2)`"),
        ([ONE, ONE], {"attack": [1], "control": [1]}, "attack 1 is listed twice"),
        ([ONE | {"group": "Other"}], {"attack": [1], "control": [1]}, "attack 1 is not whole"),
        ([ONE | {"what": "No end"}], {"attack": [1], "control": [1]}, "attack 1 is not told in sentences"),
    ],
)
def test_control_attacks(table: list[dict[str, Any]], found: dict[str, list[int]], fault: str) -> None:
    assert find_faults(table, found) == [fault]
    assert find_faults([ONE], {"attack": [1], "control": [1]}) == []


def test_control_marked(tmp_path: Path, root: Path) -> None:
    (tmp_path / "test_planted.py").write_text("import pytest\n@pytest.mark.attack(7)\ndef test_one(): pass\n")
    assert marked(tmp_path, cwd=root) == {"attack": [7], "control": []}
