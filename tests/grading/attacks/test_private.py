"""What is a batch's own no worker can read, also where every user may: it is hidden, or the batch does not begin."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from submissions import RIGHT, TOY, save

from fullstack_llm.checks import declared, draws
from fullstack_llm.grading.isolation import world
from fullstack_llm.grading.judge.batch import Batch, Grader
from fullstack_llm.grading.machine import usage
from fullstack_llm.grading.machine.errors import GraderError
from fullstack_llm.grading.pool.pool import Pool
from fullstack_llm.grading.probing import levels
from fullstack_llm.worker import codec

READ = """
def f(paths):
    found = []
    for path in paths:
        try:
            open(path).close()
            found.append(path)
        except OSError:
            pass
    return found
"""


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder like /usr, readable by everyone and part of every worker's tree, with checks in it."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name) / "usr"
        folder.mkdir(mode=0o755)
        folder.parent.chmod(0o755)
        (folder / "checks").mkdir(mode=0o755)
        shutil.copytree(TOY / "m00_toy", folder / "checks" / "m00_toy", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "data.txt").write_text("for all")
        monkeypatch.setattr(world, "SYSTEM", (*world.SYSTEM, str(folder)))
        yield folder


def reads(workers: Pool, *paths: Path) -> list[str]:
    worker = workers.take()
    try:
        worker.ask(("define", "cell 1", READ, ["f"]), 60)
        return codec.decode(worker.ask(("call", "f", codec.encode(([str(one) for one in paths],))), 30))[1]
    finally:
        worker.close()


@pytest.mark.attack(41)
@pytest.mark.control(41)
@pytest.mark.parametrize("hidden", [True, False])
def test_checks_in_the_tree_are_hidden(grader: Grader, shared: Path, hidden: bool) -> None:
    checks, data = shared / "checks", shared / "data.txt"
    workers = Pool(grader.batch.sandbox, private=(checks,) if hidden else ())
    try:
        found = reads(workers, checks / "m00_toy" / "double.py", data)
    finally:
        workers.close()
    assert found == ([str(data)] if hidden else [str(checks / "m00_toy" / "double.py"), str(data)])


def test_a_batch_hides_its_checks(grader: Grader, shared: Path, labs: Path) -> None:
    checks = shared / "checks"
    seeds = draws.seeds(declared.find("00_toy", checks))
    one = Grader(Batch("00_toy", seeds, checks, labs, grader.batch.sandbox, private=(shared / "data.txt",)))
    try:
        assert reads(one.workers, checks / "m00_toy" / "double.py", shared / "data.txt") == []
        path = save(shared / "a.ipynb", RIGHT)
        assert one.grade(path).earned == 100
    finally:
        one.close()


def test_the_packages_own_checks_need_no_proof(grader: Grader) -> None:
    workers = Pool(grader.batch.sandbox, private=(declared.FOLDER,))
    try:
        levels.prove_private(workers)
    finally:
        workers.close()


def test_a_batch_whose_checks_can_be_read_does_not_begin(grader: Grader, shared: Path, labs: Path) -> None:
    weak = replace(grader.batch.sandbox, namespaces=False, landlock=False)
    seeds = draws.seeds(declared.find("00_toy", shared / "checks"))
    with pytest.raises(GraderError, match=f"could read {shared}/checks.*Remedy: .*chmod -R go-rwx {shared}/checks"):
        Grader(Batch("00_toy", seeds, shared / "checks", labs, weak))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give workers a user of their own")
@pytest.mark.parametrize("closed", [True, False])
def test_a_user_of_its_own_needs_closed_checks_and_submissions(shared: Path, labs: Path, closed: bool) -> None:
    checks, handed_in = shared / "checks", shared / "submissions"
    handed_in.mkdir(mode=0o755)
    save(handed_in / "a.ipynb", RIGHT)
    if closed:
        checks.chmod(0o700)
        handed_in.chmod(0o700)
    seeds = draws.seeds(declared.find("00_toy", checks))
    batch = Batch("00_toy", seeds, checks, labs, levels.CANDIDATES["B"][1], private=(handed_in,))
    if not closed:
        with pytest.raises(GraderError, match="at level B a submission could read .*chmod -R go-rwx"):
            Grader(batch)
        return
    one = Grader(batch)
    try:
        assert reads(one.workers, checks / "m00_toy" / "double.py", handed_in / "a.ipynb") == []
    finally:
        one.close()


@pytest.mark.attack(76)
def test_folders_that_nobody_may_open_are_removed(grader: Grader) -> None:
    workers = Pool(grader.batch.sandbox, ahead=0)
    worker = workers.take()
    closed = "import os\nos.mkdir('a')\nos.mkdir('a/b', 0)\nos.umask(0o777)\nos.mkdir('c')\nopen('d', 'w')"
    worker.ask(("define", "cell 1", closed, []), 60)
    folder = worker.folder
    worker.close()
    try:
        assert not Path(folder).exists()
    finally:
        workers.close()
        usage.remove_folder(workers.base)


@pytest.mark.attack(89)
def test_another_copy_of_the_course_is_hidden_too(
    grader: Grader, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shared / "lib" / "python3.11" / "site-packages" / "fullstack_llm"
    copy.mkdir(parents=True)
    (copy / "bpe.py").write_text("answers = 1")
    for tried, seen in (((), [str(copy / "bpe.py")]), ((str(shared),), [])):
        monkeypatch.setattr(world, "PREFIXES", tried)
        world.copies.cache_clear()
        workers = Pool(grader.batch.sandbox)
        try:
            assert reads(workers, copy / "bpe.py") == seen
        finally:
            workers.close()
    world.copies.cache_clear()


def test_a_class_may_be_graded_where_python_lies(grader: Grader, shared: Path) -> None:
    # The tree of every worker is within the folder then, and the rest of the folder is not.
    workers = Pool(grader.batch.sandbox, private=(shared.parent,))
    try:
        levels.prove_private(workers)
    finally:
        workers.close()
