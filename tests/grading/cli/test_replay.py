"""Replaying one submission with the stored draws, and where the key is not."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from submissions import COUNT, RIGHT, TOY, TWICE, save

from fullstack_llm.grading.cli.commands import main

KEY = "the spring key of 00_toy"
SQUARES = [TWICE, "def double(xs):\n    return [x * x for x in xs]", COUNT]


@pytest.fixture
def replay(tmp_path: Path, labs: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Two submissions graded with a key of the class; then the command, its exit code and all that it says."""
    checks = Path(shutil.copytree(TOY, tmp_path / "checks", ignore=shutil.ignore_patterns("__pycache__")))
    where = ["--checks", str(checks), "--labs", str(labs)]
    (tmp_path / "in").mkdir()
    save(tmp_path / "in" / "ada.ipynb", RIGHT)
    save(tmp_path / "in" / "bo.ipynb", SQUARES)
    (tmp_path / "key").write_text(f"{KEY}\n")
    (tmp_path / "key").chmod(0o600)
    line = ["grade", str(tmp_path / "in"), "--lab", "00_toy", "--level", "C", "--key-file", str(tmp_path / "key")]
    assert main([*line, "--out", str(tmp_path / "out"), *where]) == 0
    capsys.readouterr()

    def run(name: str, *more: str) -> tuple[int, str]:
        code = main(["replay", str(tmp_path / "out"), str(tmp_path / "in" / name), *more, *where])
        return code, "".join(capsys.readouterr())

    return run


def test_the_same_verdicts_from_the_same_draws(replay: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    code, said = replay("bo.ipynb")
    assert code == 0
    assert "double: 0 of 40 points" in said
    assert "The verdicts are those of the report." in said
    # The failing input is the one in the report: drawn by the class's key, of which replay knows nothing.
    (report,) = [
        data
        for path in (tmp_path / "out/students").glob("*.json")
        if (data := json.loads(path.read_text()))["student"] == "bo"
    ]
    case = report["exercises"][0]["checks"][0]["inputs"]["xs"]
    assert case in said


def test_the_key_is_in_no_file(replay: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    run = json.loads((tmp_path / "out/run.json").read_text())
    assert set(run["draws"]) == {"double", "count", "count, absent"}
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file() and KEY in path.read_text()]


def test_a_report_that_was_changed_is_found_out(replay: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    for path in (tmp_path / "out/students").glob("*.json"):
        text = path.read_text()
        path.write_text(text.replace('"earned": 0,\n     "kind": "wrong"', '"earned": 40,\n     "kind": "right"'))
    code, said = replay("bo.ipynb")
    assert code == 1
    assert "DIFFERS: double: in the report 40 points (right), and now 0 points (wrong)" in said
    assert "DIFFERS: count" not in said
    assert replay("ada.ipynb")[0] == 0
    assert replay("bo.ipynb", "--exercise", "count")[0] == 0


def test_one_exercise(replay: Callable[..., tuple[int, str]]) -> None:
    code, said = replay("bo.ipynb", "--exercise", "count")
    assert (code, "double" in said, "count: 60 of 60" in said) == (0, False, True)


def test_checks_that_have_changed_are_named(replay: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    path = tmp_path / "checks" / "m00_toy" / "double.py"
    new = '\n\n@double.part(1, "New.", "new")\ndef new(draw):\n    yield ([],)\n'
    path.write_text(path.read_text().replace("[x + x for x in xs]", "[x * x for x in xs]") + new)
    code, said = replay("bo.ipynb")
    assert code == 1
    assert "made with other checks" in said
    assert "the check double, new is new since" in said
    assert "DIFFERS: double: in the report 0 points (wrong), and now 40 points (right)" in said


WRONG: dict[str, tuple[str, list[str], str]] = {
    "no such file": ("cy.ipynb", [], "there is no .ipynb or .py file"),
    "no such exercise": ("ada.ipynb", ["--exercise", "halve"], "has no exercise 'halve'; it has double, count"),
    "not in the reports": ("new.ipynb", [], "no report in .* the file has changed since"),
}


@pytest.mark.parametrize(("name", "more", "sentence"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_argument_is_a_sentence(
    name: str, more: list[str], sentence: str, replay: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    save(tmp_path / "in" / "new.ipynb", [COUNT])
    code, said = replay(name, *more)
    assert code == 2
    assert re.search(sentence, said), said


def test_a_folder_without_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(tmp_path), str(tmp_path)]) == 2
    assert "holds no run" in capsys.readouterr().err


KEYS: dict[str, tuple[bytes | None, int, list[str], str]] = {
    "no file": (None, 0o600, [], "there is no file"),
    "empty": (b" \n", 0o600, [], "is empty: write the key into it"),
    "readable by all": (b"key", 0o644, [], "chmod 600"),
    "writable by all": (b"key", 0o602, [], "chmod 600"),
    "too large": (bytes(5_000), 0o600, [], "hardly a key"),
    "both": (b"key", 0o600, ["--key", "x"], "not allowed with"),
}


@pytest.mark.parametrize(("content", "mode", "more", "sentence"), KEYS.values(), ids=KEYS.keys())
def test_a_key_file_that_cannot_be_right_is_a_sentence(
    content: bytes | None,
    mode: int,
    more: list[str],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
        (tmp_path / "key").chmod(mode)
    line = ["grade", str(tmp_path), "--lab", "00_toy", "--checks", str(TOY), "--key-file", str(tmp_path / "key"), *more]
    try:
        code = main(line)
    except SystemExit as stopped:
        code = int(str(stopped.code))
    assert code == 2
    assert sentence in capsys.readouterr().err


def test_an_empty_key_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grade", str(tmp_path), "--lab", "00_toy", "--checks", str(TOY), "--key", ""]) == 2
    assert "--key is empty" in capsys.readouterr().err


def test_help_says_who_can_see_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["grade", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    for part in ("everyone on this machine can see", "--key-file", "--again", "lab (2).ipynb", "130 interrupted"):
        assert part in said
