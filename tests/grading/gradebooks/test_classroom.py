"""GitHub: the workflow names commands that exist, and its step's output is what the reporter reads."""

from __future__ import annotations

import base64
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from classes import grading
from submissions import COUNT, DOUBLE, RIGHT, TOY, TWICE, save

from fullstack_llm.grading.cli.commands import parser

SLUG = "03_tokenization"


def written(tmp_path: Path, *more: object) -> dict[Any, Any]:
    path = tmp_path / ".github" / "workflows" / "classroom.yml"
    assert grading("classroom", SLUG, "--out", path, *more) == 0
    workflow: dict[Any, Any] = yaml.safe_load(path.read_text("utf-8"))
    return workflow


def test_the_workflow_has_the_form_that_the_reporter_wants(tmp_path: Path) -> None:
    workflow = written(tmp_path)
    assert workflow["name"] == "Autograding Tests"
    # YAML reads the key `on` as a truth value.
    assert workflow[True] == ["push", "workflow_dispatch"]
    assert workflow["permissions"] == {"actions": "read", "contents": "read"}
    assert list(workflow["jobs"]) == ["run-autograding-tests"]
    *_, grader, reporter = workflow["jobs"]["run-autograding-tests"]["steps"]
    assert reporter["uses"] == "classroom-resources/autograding-grading-reporter@v1"
    runner = reporter["with"]["runners"]
    assert runner == grader["id"]
    assert reporter["env"] == {f"{runner.upper()}_RESULTS": f"${{{{ steps.{runner}.outputs.result }}}}"}


def test_the_course_is_pinned_and_what_is_installed_is_there(tmp_path: Path, root: Path) -> None:
    workflow = written(tmp_path, "--tag", "v9.1", "--repository", "someone/course")
    steps = workflow["jobs"]["run-autograding-tests"]["steps"]
    (course,) = [step["with"] for step in steps if "path" in step.get("with", {})]
    assert course == {"repository": "someone/course", "ref": "v9.1", "path": ".course"}
    text = "\n".join(step.get("run", "") for step in steps) + steps[2]["with"]["cache-dependency-path"]
    for name in re.findall(r"\.course/([\w./-]+)", text):
        assert (root / name).exists(), name
    extras = re.search(r"\.course\[([\w,]+)\]", text)
    assert extras
    for extra in extras[1].split(","):
        assert f"\n{extra} = [" in (root / "pyproject.toml").read_text("utf-8")


def test_the_command_in_it_exists_with_its_options(tmp_path: Path) -> None:
    steps = written(tmp_path, "--notebook", "my work/lab.ipynb")["jobs"]["run-autograding-tests"]["steps"]
    (line,) = [step["run"] for step in steps if step.get("id")]
    words = shlex.split(line)
    assert words[:3] == ["python", "-m", "fullstack_llm.grading"]
    args = parser().parse_args(words[3:])
    assert (args.command, args.lab, str(args.notebook)) == ("classroom-run", SLUG, "my work/lab.ipynb")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--notebook", 'x"; rm -rf ~; "'), "--notebook .* has characters other than"),
        (("--tag", "v1\n"), "--tag .* has characters"),
        (("--repository", "https://example.org/x"), "is owner/name on GitHub"),
    ],
)
def test_what_would_break_the_file_is_refused(
    more: tuple[str, ...], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert grading("classroom", SLUG, "--out", tmp_path / "x.yml", *more) == 2
    assert re.search(sentence, capsys.readouterr().err)
    assert not (tmp_path / "x.yml").exists()


def output(path: Path, labs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The step's output as the reporter decodes it."""
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    (tmp_path / "output").write_text("earlier=1\n")
    assert grading("classroom-run", path, "--lab", "00_toy", "--checks", TOY, "--labs", labs) == 0
    first, line = (tmp_path / "output").read_text().splitlines()
    assert first == "earlier=1"
    data: dict[str, Any] = json.loads(base64.b64decode(line.removeprefix("result="), validate=True))
    assert data["version"] == 1
    assert data["max_score"] == 100
    for test in data["tests"]:
        assert set(test) == {"name", "status", "score", "message", "test_code", "filename", "line_no"}
        assert test["status"] in ("pass", "fail", "error")
    return data


def test_right_partly_right_and_unreadable(
    tmp_path: Path, labs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = tmp_path / "lab.ipynb"
    data = output(save(lab, RIGHT), labs, tmp_path, monkeypatch)
    assert (data["status"], [one["score"] for one in data["tests"]]) == ("pass", [40, 60])
    data = output(save(lab, [TWICE, DOUBLE, COUNT.replace("count(l", "index(l")]), labs, tmp_path, monkeypatch)
    assert (data["status"], [one["status"] for one in data["tests"]]) == ("fail", ["pass", "fail"])
    assert "ValueError" in data["tests"][1]["message"]
    assert "double: 40 of 40" in capsys.readouterr().out
    lab.write_text("{")
    data = output(lab, labs, tmp_path, monkeypatch)
    assert (data["status"], [one["score"] for one in data["tests"]]) == ("error", [0, 0])
    assert "no JSON" in data["tests"][0]["message"]


def test_a_long_message_is_cut_so_that_a_variable_holds_the_result(
    tmp_path: Path, labs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = save(tmp_path / "lab.ipynb", ["def double(xs):\n    raise ValueError('x' * 10**6)\ncount = double"])
    data = output(lab, labs, tmp_path, monkeypatch)
    assert max(len(one["message"]) for one in data["tests"]) <= 2000
    assert (tmp_path / "output").stat().st_size < 128 << 10


def test_a_missing_file_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert grading("classroom-run", tmp_path / "lab.ipynb", "--lab", SLUG) == 2
    assert "was it renamed, or not pushed?" in capsys.readouterr().err


def test_what_a_file_says_is_no_command_to_the_runner(
    tmp_path: Path, labs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    save(tmp_path / "lab.ipynb", [*RIGHT, "raise ValueError('\\n::error::mine')"])
    assert grading("classroom-run", tmp_path / "lab.ipynb", "--lab", "00_toy", "--checks", TOY, "--labs", labs) == 0
    lines = capsys.readouterr().out.splitlines()
    (stop,) = [number for number, line in enumerate(lines) if line.startswith("::stop-commands::")]
    token = lines[stop].removeprefix("::stop-commands::")
    assert len(token) == 32
    resume = lines.index(f"::{token}::")
    assert [number for number, line in enumerate(lines) if "::error::" in line and not stop < number < resume] == []
