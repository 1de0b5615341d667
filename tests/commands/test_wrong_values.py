"""Wrong values at every option of every command: a sentence and an exit status, never a traceback."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "grading"))
sys.path.insert(0, str(ROOT / "tools"))
TOY = ROOT / "tests" / "grading" / "toy"
pytestmark = pytest.mark.xdist_group("wrong values")

NUMBERS = ("0", "-1", "-9223372036854775809", "1" + "0" * 30, "1.5", "nan", "inf", "", " ", "x", "0x10", "²")
TEXTS = ("", " ", "nonsense", "../..", "-", "--", "é\u0301", "\udcff", "a\nb", "x" * 5000, "00_toy\x00", "💥")
# Names in the folder where the commands run; some of them are there.
PATHS = {
    "missing": "nowhere",
    "folder": "folder",
    "empty": "empty.csv",
    "binary": "binary.csv",
    "text": "text.csv",
    "no zip": "no.zip",
    "no notebook": "no.ipynb",
    "below a file": "text.csv/below",
    "loop": "loop",
    "broken link": "broken",
    "pipe": "pipe",
    "nothing": "",
    "too long": "x" * 300,
    "bytes": "\udcff",
    "no name": "/proc/self/mem",
}


class Accepted(BaseException):
    """Raised in place of what a command would do with its arguments."""


def accepted(*_: Any, **__: Any) -> Any:
    raise Accepted


def module(name: str) -> Callable[[list[str]], Any]:
    return lambda argv: importlib.import_module(name).main(argv)


GRADING = {"checks": str(TOY), "labs": "labs"}
# Each command with arguments that are right, by the names that argparse has for them.
RIGHT: dict[str, dict[str, str]] = {
    "fullstack_llm.grading.cli.commands grade": {"folder": "class", "lab": "00_toy", "out": "out", **GRADING},
    "fullstack_llm.grading.cli.commands check": {"notebook": "class/ada.ipynb", "lab": "00_toy", **GRADING},
    "fullstack_llm.grading.cli.commands replay": {"out": "grades", "submission": "class/ada.ipynb", **GRADING},
    "fullstack_llm.grading.cli.commands scores": {"grades": "grades", "out": "scores.csv"},
    "fullstack_llm.grading.cli.commands feedback": {"grades": "grades", "out": "back"},
    "fullstack_llm.grading.cli.commands nbgrader": {"grades": "grades", "course": "course", "python": "no.zip"},
    "fullstack_llm.grading.cli.commands gradescope-zip": {"lab": "00_toy", "out": "auto.zip", **GRADING},
    "fullstack_llm.grading.cli.commands gradescope-run": {"root": "root"},
    "fullstack_llm.grading.cli.commands classroom": {"lab": "00_toy", "repository": "a/b", **GRADING},
    "fullstack_llm.grading.cli.commands classroom-run": {"notebook": "class/ada.ipynb", "lab": "00_toy", **GRADING},
    "fullstack_llm.engine.__main__ serve": {"model": "sft", "host": "127.0.0.1", "port": "0"},
    "fullstack_llm.models.__main__ build": {"name": "base", "folder": "models"},
    "fullstack_llm.models.__main__ evaluate": {"name": "base", "folder": "models"},
    "fullstack_llm.scaling.__main__": {"file": "runs.jsonl", "budget": "3e10", "sizes": "1x32", "seeds": "1"},
    "fullstack_llm.lessons.__main__": {"root": "course"},
    "fullstack_llm.lessons.execute": {"notebooks": "notebooks/a.md"},
    "fullstack_llm.lessons.work": {"names": "00", "root": "course"},
    "fullstack_llm.lessons.release": {"root": "course"},
    "fullstack_llm.checks.__main__ mistakes": {"lab": "00_toy", "checks": str(TOY)},
    "new_module": {"slug": "05_new", "root": "course"},
    "weak_claims": {"notebooks": "notebooks/a.md"},
    "other_seeds": {"notebooks": "notebooks/a.md"},
}
# An option that may be given a file or folder that is not there yet, or that has nothing in it.
MAKES = {"out", "folder of build", "labs", "course", "file"}
# A number that may be 0: a free port, or none of something.
ZERO = {"port", "drafts", "queue", "drain"}


def parser_of(main: Callable[[list[str]], Any]) -> argparse.ArgumentParser:
    """The parser that a command makes, taken as it is about to parse."""
    found: list[argparse.ArgumentParser] = []

    def take(self: argparse.ArgumentParser, *_: Any, **__: Any) -> Any:
        found.append(self)
        raise Accepted

    with pytest.MonkeyPatch.context() as patch, contextlib.suppress(Accepted):
        patch.setattr(argparse.ArgumentParser, "parse_args", take)
        main([])
    return found[0]


def commands() -> Iterator[tuple[str, Callable[[list[str]], Any], list[argparse.Action]]]:
    """Every command: its name, its main function, and its options and positional arguments."""
    for name in sorted({row.partition(" ")[0] for row in RIGHT}):
        main = module(name)
        top = parser_of(main)
        below = [action for action in top._actions if isinstance(action, argparse._SubParsersAction)]
        for command, parser in below[0].choices.items() if below else [("", top)]:
            actions = [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]
            yield f"{name} {command}".strip(), main, actions


def argv(name: str, actions: list[argparse.Action], changed: dict[str, str]) -> list[str]:
    """The arguments, right but for what is changed; an option's value may begin with a hyphen."""
    values = RIGHT[name] | changed
    options, positional = [], []
    for action in actions:
        if action.dest in values and action.nargs != 0:
            value = values[action.dest]
            if action.option_strings:
                options.append(f"{action.option_strings[0]}={value}")
            else:
                positional.append(value)
    return [*name.split()[1:], *options, "--", *positional]


def kind(action: argparse.Action) -> str:
    if action.nargs == 0:
        return "switch"
    if action.choices:
        return "choice"
    if action.type is Path:
        return "path"
    return "text" if action.type in (None, str) else "number"


def wrong(action: argparse.Action) -> list[str]:
    """What is tried at an option."""
    values: dict[str, Any] = {"switch": (), "choice": TEXTS, "path": PATHS.values(), "text": TEXTS, "number": NUMBERS}
    return list(values[kind(action)])


def hangs(*_: object) -> None:
    raise TimeoutError("the command hangs")


def run(main: Callable[[list[str]], Any], arguments: list[str]) -> tuple[int, str]:
    """The exit status, and what was said on standard error; what a command would have done counts as 0."""
    said = io.StringIO()
    signal.signal(signal.SIGALRM, hangs)
    signal.alarm(120)
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            status = main(arguments)
        except Accepted:
            status = 0
        except SystemExit as stopped:
            status = stopped.code
            if isinstance(status, str):
                said.write(f"{status}\n")
                status = 2
        finally:
            signal.alarm(0)
    return int(status or 0), said.getvalue()


def faults(name: str, main: Callable[[list[str]], Any], arguments: list[str], must: bool) -> list[str]:
    """What is wrong with how a command takes its arguments; with `must` it has to refuse them."""
    shown = f"{name} {[one[:60] for one in arguments]}"
    lay(Path.cwd())
    try:
        status, said = run(main, arguments)
    except Exception as error:
        return [f"{shown}: {type(error).__name__}: {error}"]
    last = (said.strip().splitlines() or [""])[-1]
    found = [f"{shown}: a traceback"] * ("Traceback" in said)
    found += [f"{shown}: exit status {status}"] * (status not in (0, 1, 2))
    found += [f"{shown}: is taken"] * (must and status != 2)
    # A sentence: some words, on one line, of bearable length.
    found += [f"{shown}: says {said!r}"] * (status == 2 and (len(last.split()) < 3 or len(last) > 700))
    return found


WRONG_FILES = {
    "empty.csv": b"",
    "binary.csv": bytes(range(256)) * 3,
    "no.zip": bytes(range(256)) * 3,
    "no.ipynb": bytes(range(256)) * 3,
    "text.csv": b'not;a,table\n"',
}
LINKS = {"loop": "loop", "broken": "nowhere"}


def lay(folder: Path) -> None:
    """Put the files of wrong kinds back as they were: where an output may be, a command has written."""
    for name, content in WRONG_FILES.items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != content:
            remove(path)
            path.write_bytes(content)
    for name, target in LINKS.items():
        if not (folder / name).is_symlink():
            remove(folder / name)
            (folder / name).symlink_to(target)
    if not (folder / "pipe").is_fifo():
        remove(folder / "pipe")
        os.mkfifo(folder / "pipe")
    for name in (PATHS["missing"], "folder"):
        remove(folder / name)
    (folder / "folder").mkdir()


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a graded class, a small course, and files of every wrong kind; nothing heavy runs there."""
    from submissions import RIGHT as ANSWERS
    from submissions import save

    from fullstack_llm.engine import __main__ as engine
    from fullstack_llm.grading.cli import check, classroom_run, grade, gradescope_run, replay
    from fullstack_llm.grading.gradebooks import gradescope_zip
    from fullstack_llm.grading.isolation.sandbox import Sandbox
    from fullstack_llm.grading.judge import batch, cluster
    from fullstack_llm.lessons import execute, generate, release
    from fullstack_llm.models import building
    from fullstack_llm.scaling import __main__ as scaling

    folder = tmp_path_factory.mktemp("place")
    for name in ("folder", "labs", "models", "root", "course/labs", "course/notebooks", "class", "notebooks"):
        (folder / name).mkdir(parents=True)
    lay(folder)
    (folder / "course" / "_config.yml").write_text("repository: {url: 'https://example.org/x', branch: main}")
    (folder / "course" / "_toc.yml").write_text("")
    (folder / "notebooks" / "a.md").write_text("# A")
    save(folder / "class" / "ada.ipynb", ANSWERS)
    text = generate.lab(TOY / "00_toy.md", "https://example.org/course", "main")
    (folder / "labs" / "00_toy.ipynb").write_text(text, "utf-8")
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(folder):
        sandbox = Sandbox("C")
        arguments = ["class", "--lab", "00_toy", "--checks", str(TOY), "--labs", "labs", "--out", "grades"]
        patch.setattr(grade, "strongest", lambda: sandbox)
        assert grade_once(arguments) == 0
        for name in (check, classroom_run, gradescope_run, replay, grade):
            for one in ("strongest", "level"):
                if hasattr(name, one):
                    patch.setattr(name, one, lambda *_, **__: sandbox)
            if hasattr(name, "open_grader"):
                patch.setattr(name, "open_grader", accepted)
        patch.setattr(batch, "results", accepted)
        patch.setattr(cluster, "results", accepted)
        patch.setattr(gradescope_zip, "build", accepted)
        patch.setattr(engine, "serve", accepted)
        patch.setattr(building, "build", accepted)
        patch.setattr(building, "examine", accepted)
        patch.setattr(scaling, "fit", accepted)
        patch.setattr(execute, "execute", accepted)
        patch.setattr(release, "to_folder", accepted)
        patch.setattr("new_module.targets", accepted)
        patch.setattr("other_seeds.run", accepted)
        yield folder


def grade_once(arguments: list[str]) -> int:
    from fullstack_llm.grading.cli.commands import main

    with contextlib.redirect_stdout(io.StringIO()):
        return main(["grade", *arguments])


def must_refuse(name: str, action: argparse.Action, value: str) -> bool:
    """Whether a value is wrong at this option, whatever else is given."""
    if kind(action) == "number":
        return value != "0" or action.dest not in ZERO
    if kind(action) == "choice":
        return value not in action.choices
    if kind(action) == "path":
        return value == PATHS["missing"] and action.dest not in MAKES and f"{action.dest} of build" not in MAKES
    return False


def test_every_option_refuses_what_is_wrong_in_a_sentence(place: Path) -> None:
    found, tried = [], 0
    for name, main, actions in commands():
        for action in actions:
            for value in wrong(action):
                tried += 1
                found += faults(name, main, argv(name, actions, {action.dest: value}), must_refuse(name, action, value))
    assert found == [], "\n".join(found)
    assert tried > 600


def test_wrong_values_together(place: Path) -> None:
    draw, found = random.Random(5), []
    every = list(commands())
    for _ in range(200):
        name, main, actions = draw.choice(every)
        values = {
            action.dest: draw.choice(wrong(action))
            for action in draw.sample(actions, min(len(actions), draw.randrange(2, 5)))
            if wrong(action)
        }
        found += faults(name, main, argv(name, actions, values), must=False)
    assert found == [], "\n".join(found)


# The tools that read their arguments by themselves, and arguments that are wrong for them.
WORDS: dict[str, list[list[str]]] = {
    "inputs": [[], ["out"], ["out", "--value"], ["out", "--value", "x"], ["folder", "class"], ["x" * 300, "class"]],
    "lock": [["nonsense"], ["--help"], [""]],
    "modules": [[], [""], ["nonsense"], ["x" * 5000], ["\udcff"], ["../.."]],
    "preflight": [[], [""], ["nonsense"], ["site", "check"], ["x" * 5000]],
    "seconds": [
        [],
        ["nonsense"],
        ["begin", "x"],
        ["stage"],
        ["stage", "x"],
        ["stage", "x", "nowhere"],
        ["stage", "x", ""],
    ],
}


def test_tools_refuse_what_is_wrong_in_a_sentence(place: Path) -> None:
    rows = [(name, words) for name, wrong_words in WORDS.items() for words in wrong_words]
    found = [fault for name, words in rows for fault in faults(name, module(name), words, must=True)]
    assert found == [], "\n".join(found)


def test_every_tool_and_every_command_of_the_package_is_tried() -> None:
    tools = {path.stem for path in (ROOT / "tools").glob("*.py")}
    tried = {row.partition(" ")[0] for row in RIGHT} | set(WORDS)
    assert tools - tried == set()
    package = ROOT / "src" / "fullstack_llm"
    with_arguments = {path for path in package.rglob("*.py") if "Parser(" in path.read_text("utf-8")}
    started = {path.relative_to(ROOT / "src").with_suffix("").as_posix().replace("/", ".") for path in with_arguments}
    assert started - tried == {"fullstack_llm.commands"}


def test_control_a_traceback_a_long_word_and_a_silent_end_are_found(place: Path) -> None:
    def broken(arguments: list[str]) -> int:
        if arguments == ["raise"]:
            raise KeyError("x")
        if arguments == ["long"]:
            print("x" * 5000, file=sys.stderr)
        return {"odd": 3, "taken": 0}.get(arguments[0], 2)

    for word in ("raise", "long", "silent", "odd", "taken"):
        assert faults("broken", broken, [word], must=True), word
