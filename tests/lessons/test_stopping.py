"""Ctrl-C, a full disk and a read-only folder: a sentence each, and nothing that was finished is lost."""

import errno
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from myst import HEADER

from fullstack_llm.lessons import execute, trouble
from fullstack_llm.lessons.stopping import Stopped, Stopping

ROOT = Path(__file__).resolve().parents[2]
RUN = [sys.executable, "-m", "fullstack_llm.lessons.execute"]
# A cell that leaves a mark where it has come to, and then waits for a process of its own: both have to end.
WAIT = "import pathlib, subprocess\npathlib.Path({mark!r}).touch()\nsubprocess.run(['sleep', '1000'])\nprint('woken')"


def write(root: Path, name: str, code: str) -> None:
    (root / "notebooks" / f"{name}.md").write_text(HEADER + f"# {name}\n\n```{{code-cell}} python\n{code}\n```\n")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "a course – Übung"
    (folder / "notebooks").mkdir(parents=True)
    (folder / "src").mkdir()
    (folder / "src" / "fullstack_llm").symlink_to(ROOT / "src" / "fullstack_llm")
    (folder / "requirements.lock").write_text("torch==1\n")
    return folder


def wait_for(path: Path) -> None:
    end = time.monotonic() + 300
    while not path.exists():
        assert time.monotonic() < end, f"{path.name} did not appear"
        time.sleep(0.05)


def finished(root: Path) -> list[str]:
    return sorted(Path(name).stem for name in execute.read_record(root).get("notebooks", {}))


def test_ctrl_c_ends_kernels_keeps_what_is_done_and_says_so(root: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    """A terminal sends Ctrl-C to make, to the stage and to the run at once."""
    write(root, "00_quick", f"import pathlib\nprint(1)\npathlib.Path({str(tmp_path / 'ran')!r}).open('a').write('x')")
    write(root, "01_slow", WAIT.format(mark=str(tmp_path / "began")))
    write(root, "02_never", f"import pathlib\npathlib.Path({str(tmp_path / 'never')!r}).touch()")
    stage = [sys.executable, str(ROOT / "tools" / "seconds.py"), "stage", "notebooks", *RUN, "--workers", "1"]
    (root / "Makefile").write_text(f"all:\n\t@{shlex.join(stage)}\n")
    make = subprocess.Popen(
        ["make"], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    wait_for(tmp_path / "began")
    family = psutil.Process(make.pid).children(recursive=True)
    os.killpg(make.pid, signal.SIGINT)
    text, _ = make.communicate(timeout=200)  # what was interrupted would take 1,000 seconds
    assert make.returncode in (130, -signal.SIGINT) or "Error 130" in text
    assert "Stopped: 1 of 3 notebooks are done." in text
    assert "Traceback" not in text and "failed" not in text, text
    assert not psutil.wait_procs(family, timeout=60)[1]
    assert finished(root) == ["00_quick"] and not (tmp_path / "never").exists()

    # The same command goes on from there, and what had finished does not run again.
    write(root, "01_slow", "print(2)")
    monkeypatch.chdir(root)
    assert execute.main([]) == 0
    assert (tmp_path / "ran").read_text() == "x" and (tmp_path / "never").exists()
    assert finished(root) == ["00_quick", "01_slow", "02_never"]


def test_control_a_stopped_run_begins_nothing(root: Path) -> None:
    stopping = Stopping()
    stopping.check()
    stopping.stop()
    with pytest.raises(Stopped):
        stopping.check()
    with pytest.raises(Stopped), stopping.watch(os.getpid()):
        raise AssertionError("a kernel that came too late was used")


# ---- the machine's own trouble


def test_a_full_disk_is_a_sentence_and_the_next_run_mends_the_cache(root: Path, monkeypatch, capsys) -> None:
    write(root, "00_quick", "print(1)")
    monkeypatch.chdir(root)
    real = Path.write_text

    def full(path: Path, *args, **options):
        if path.name == "base.ipynb":
            real(path, "{", encoding="utf-8")
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return real(path, *args, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        assert execute.main([]) == 1
    told = capsys.readouterr().err
    assert "The disk is full: " in told and "Traceback" not in told
    assert execute.main([]) == 0
    assert finished(root) == ["00_quick"]
    (whole,) = (root / execute.CACHE).rglob("base.ipynb")
    assert json.loads(whole.read_text())["cells"][-1]["outputs"]


@pytest.mark.full
@pytest.mark.parametrize("mount", [["--size", "3000000", "--tmpfs"], ["--ro-bind"]], ids=["full", "read-only"])
def test_a_disk_that_is_full_or_read_only_in_truth(root: Path, mount: list[str]) -> None:
    """The same where the system says so, and not a stand-in: in a mount of its own."""
    if not shutil.which("bwrap"):
        pytest.skip("bubblewrap was not found: sudo apt-get install bubblewrap")
    write(root, "00_large", "import random\nfor _ in range(40): print(random.randbytes(100_000).hex())")
    (root / "_build").mkdir()
    places = [str(root / "_build")] * (1 + (mount[0] == "--ro-bind"))
    command = ["bwrap", "--dev-bind", "/", "/", *mount, *places, *RUN]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    assert "The disk is full" in done.stderr or "This folder is read-only" in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("(sqlite3.OperationalError) database or disk is full\n[SQL: x]", "The disk is full"),
        ("(sqlite3.OperationalError) attempt to write a readonly database", "This folder is read-only"),
        ("cell\nTraceback\nOSError: [Errno 28] No space left on device: 'x'", "The disk is full"),
    ],
)
def test_what_others_say_in_words_is_understood(text: str, meaning: str) -> None:
    assert str(trouble.sentence(RuntimeError(text), Path("x"))).startswith(meaning)


@pytest.mark.parametrize("error", [ValueError("disk"), FileNotFoundError(2, "no", "x"), RuntimeError("OSError: none")])
def test_control_other_errors_keep_their_traceback(error: Exception) -> None:
    assert trouble.sentence(error, Path("x")) is None
    with pytest.raises(type(error)):
        trouble.told(lambda _: (_ for _ in ()).throw(error))()
