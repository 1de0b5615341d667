"""A notebook runs once, is measured, and runs again only when something that it depends on changed."""

import json

import pytest
from myst import HEADER

from fullstack_llm.lessons import execute

NOTEBOOK = (
    HEADER
    + """\
# A notebook

```{code-cell} python
from fullstack_llm.expect import expect
BLOCK = b"x" * (256 * 2**20)
expect("answer", 6 * 7, 42, 42)
```
"""
)


@pytest.fixture
def root(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    package = tmp_path / "src" / "fullstack_llm"
    (package / "checks").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "expect.py").write_text("from fullstack_llm import some")
    (package / "some.py").write_text("x = 1")
    (package / "checks" / "lab.py").write_text("x = 1")
    (tmp_path / "requirements.lock").write_text("torch==1\n")
    (tmp_path / "notebooks" / "00_demo.md").write_text(NOTEBOOK)
    monkeypatch.chdir(tmp_path)
    # The kernel imports the real package, not the stand-in whose changes this test watches.
    real = execute.kernel_environment(tmp_path)
    monkeypatch.setattr(execute, "kernel_environment", lambda _: {k: v for k, v in real.items() if k != "PYTHONPATH"})
    return tmp_path


def test_run_record_reuse_and_rerun(root, capsys):
    assert execute.main([]) == 0
    text = (root / execute.RECORD).read_text()
    record = json.loads(text)
    ran = record["notebooks"]["notebooks/00_demo.md"]
    assert ran["expectations"][0] | {"name": "answer", "value": 42.0, "ok": True} == ran["expectations"][0]
    assert 256 < ran["peak_mib"] < 2000
    assert 0 < ran["pace"] < 1000
    assert execute.main([]) == 0
    assert (root / execute.RECORD).read_text() == text

    (root / "src" / "fullstack_llm" / "checks" / "lab.py").write_text("x = 2")
    assert execute.main([]) == 0
    assert (root / execute.RECORD).read_text() == text

    (root / "src" / "fullstack_llm" / "some.py").write_text("x = 2")
    assert execute.main([]) == 0
    again = json.loads((root / execute.RECORD).read_text())["notebooks"]["notebooks/00_demo.md"]
    assert again["ran"] >= ran["ran"]
    assert again != ran


def test_a_failing_cell_fails_the_run_and_shows_its_error(root, capsys):
    broken = root / "notebooks" / "01_broken.md"
    broken.write_text(NOTEBOOK.replace("42, 42", "41, 41"))
    assert execute.main([]) == 1
    assert "answer = 42, expected 41" in capsys.readouterr().out
    assert "notebooks/00_demo.md" in json.loads((root / execute.RECORD).read_text())["notebooks"]


def test_a_damaged_record_is_written_anew(root):
    (root / "_build").mkdir()
    (root / execute.RECORD).write_text("{")
    assert execute.main([]) == 0
    assert json.loads((root / execute.RECORD).read_text())["notebooks"]


def test_the_benchmark_lane_measures_anew(monkeypatch, root):
    monkeypatch.delenv(execute.BENCHMARK, raising=False)
    before = execute.fingerprint(root, [])
    monkeypatch.setenv(execute.BENCHMARK, "1")
    assert execute.fingerprint(root, []) != before


def test_the_lock_and_what_is_imported_make_the_key_and_nothing_else_does(root):
    package, cells = root / "src" / "fullstack_llm", ["from fullstack_llm.expect import expect"]
    keys = [execute.fingerprint(root, cells)]
    (package / "other.py").write_text("x = 1")
    assert execute.fingerprint(root, cells) == keys[0]
    for path in (package / "expect.py", package / "some.py", package / "__init__.py", root / "requirements.lock"):
        path.write_text(path.read_text() + "\n# changed")
        keys.append(execute.fingerprint(root, cells))
    assert len(set(keys)) == len(keys)


def test_a_run_of_some_notebooks_keeps_the_record_of_the_others(root):
    other = root / "notebooks" / "01_other.md"
    other.write_text(NOTEBOOK.replace("answer", "other"))
    assert execute.main([]) == 0
    before = execute.read_record(root)["notebooks"]
    other.write_text(NOTEBOOK.replace("answer", "another"))
    assert execute.main(["notebooks/01_other.md"]) == 0
    after = execute.read_record(root)["notebooks"]
    assert after["notebooks/00_demo.md"] == before["notebooks/00_demo.md"]
    assert after["notebooks/01_other.md"]["expectations"][0]["name"] == "another"


def test_a_folder_without_notebooks_is_refused_with_advice(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert execute.main([]) == 2
    assert "go to the course's repository" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_missing_source_is_named(root, capsys):
    assert execute.main(["notebooks/07_none.md"]) == 2
    assert "07_none.md" in capsys.readouterr().err
