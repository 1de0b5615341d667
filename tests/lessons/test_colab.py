"""The set-up cell on Colab: it asks for what its notebook uses, replaces nothing there, and fails in a sentence."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import lock
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from packaging.requirements import Requirement

from fullstack_llm.lessons.generate import repository
from fullstack_llm.lessons.needs import canonical, declared, needs

ROOT = Path(__file__).resolve().parents[2]
COLAB = lock.pins(Path(__file__).with_name("colab.txt"))
NOTEBOOKS = sorted(path for folder in ("labs", "notebooks") for path in (ROOT / folder).glob("*.ipynb"))
LAB = ROOT / "labs" / "03_tokenization.ipynb"
# What the cells asked for before they were fitted to Colab: each of these replaced a package there.
FORMER = ["ipython>=8.20", "ipykernel>=6.29", "jax>=0.8", "pyarrow>=20"]


def cell_of(path: Path) -> str:
    """The set-up cell of a generated notebook."""
    (cell,) = (cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["id"] == "install")
    return "".join(cell["source"])


def asked(cell: str) -> list[list[str]]:
    """The arguments of each of a cell's calls of pip."""
    return [shlex.split(line) for line in re.findall(r"%pip install -qqq (.+)", cell)]


def unmet(lines: list[str]) -> list[str]:
    """The requirements that Colab's own package does not meet; what Colab lacks can replace nothing."""
    found = [Requirement(line) for line in lines]
    return [str(one) for one in found if not one.specifier.contains(COLAB.get(canonical(one.name), "") or "0", True)]


def test_colab_meets_every_range() -> None:
    there = [line for name, line in declared(ROOT).items() if name in COLAB]
    assert len(there) > 15
    assert unmet(there) == []
    assert unmet(FORMER) == [str(Requirement(line)) for line in FORMER]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_cell_names_its_ranges_and_takes_the_course_alone(path: Path) -> None:
    packages, course = asked(cell_of(path))
    assert set(packages) <= set(declared(ROOT).values())
    assert unmet([line for line in packages if canonical(Requirement(line).name) in COLAB]) == []
    assert course[0] == "--no-deps" and course[-1] == "fullstack_llm @ git+{}@{}".format(*repository(ROOT))


def test_a_lab_asks_for_what_it_uses() -> None:
    assert [Requirement(line).name for line in asked(cell_of(LAB))[0]] == ["jaxtyping", "numpy", "tokenizers"]


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("import jax.numpy as jnp", ["jax>=0.7"]),
        ("%pip install sympy\nimport os", []),
        ("from importlib.util import find_spec\nfind_spec('sentencepiece')", ["sentencepiece>=0.2"]),
        ("x = 'torch'", []),
        ("from fullstack_llm.expect import expect", ["torch>=2.9"]),  # by way of the presets
    ],
)
def test_needs(code: str, wanted: list[str]) -> None:
    assert needs(ROOT, [code]) == wanted


def run_cell(cell: str, there: list[bool]) -> list[str]:
    """Run a cell where `find_spec` finds the course as `there` says, in turn; return what it asks pip for."""
    calls: list[str] = []
    shell = type("Shell", (), {"run_line_magic": lambda self, name, line: calls.append(f"{name} {line}")})()
    code = TransformerManager().transform_cell(cell).replace("importlib.util.find_spec(", "find_spec(")
    exec(code, {"get_ipython": lambda: shell, "find_spec": lambda name: there.pop(0) or None})
    return calls


def test_where_the_course_is_installed_the_cell_does_nothing() -> None:
    assert run_cell(cell_of(LAB), [True]) == []


def test_an_address_that_cannot_be_reached_is_a_sentence() -> None:
    assert len(run_cell(cell_of(LAB), [False, True])) == 2
    with pytest.raises(SystemExit, match="cannot be reached from here: check the connection") as stop:
        run_cell(cell_of(LAB), [False, False])
    assert repository(ROOT)[0] in str(stop.value)


# ---- in an environment with Colab's packages, by pip itself


@pytest.fixture(scope="module")
def colab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with Colab's IPython, to which pip finds Colab's other packages installed: their names alone."""
    folder = tmp_path_factory.mktemp("colab") / "env"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pins = Path(__file__).with_name("colab.txt")
    ipython = ["ipython==7.34.0", "-c", str(pins)]
    subprocess.run([folder / "bin/python", "-m", "pip", "install", "-qqq", *ipython], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    for name, version in COLAB.items():
        information = packages / f"{name.replace('-', '_')}-{version}.dist-info"
        if not information.exists() and not list(packages.glob(f"{name.replace('-', '_')}-*.dist-info")):
            information.mkdir()
            (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
            (information / "INSTALLER").write_text("pip\n")
            (information / "RECORD").write_text("")
    (packages / "google" / "colab").mkdir(parents=True)
    (packages / "google" / "colab" / "__init__.py").touch()
    return folder


def installed(environment: Path) -> dict[str, str]:
    code = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    done = subprocess.run([environment / "bin/python", "-c", code], check=True, capture_output=True, text=True)
    return {canonical(name): version for name, version in json.loads(done.stdout).items()}


def replaced(environment: Path, lines: list[str], report: Path) -> set[str]:
    """The packages of Colab's that pip would replace."""
    command = [environment / "bin/python", "-m", "pip", "install", "-qqq", "--dry-run", "--report", report, *lines]
    subprocess.run(command, check=True)
    names = (one["metadata"]["name"] for one in json.loads(report.read_text(encoding="utf-8"))["install"])
    return {canonical(name) for name in names} & COLAB.keys()


@pytest.mark.full
@pytest.mark.xdist_group("colab")
def test_pip_would_replace_nothing(colab: Path, tmp_path: Path) -> None:
    for packages in sorted({tuple(asked(cell_of(path))[0]) for path in NOTEBOOKS}):
        assert replaced(colab, list(packages), tmp_path / "report.json") == set(), packages
    assert {"jax", "jaxlib"} <= replaced(colab, ["jax>=0.8"], tmp_path / "report.json")


RUN = """
import sys
import google.colab
from IPython.core.interactiveshell import InteractiveShell
done = InteractiveShell.instance(colors="NoColor").run_cell(open(sys.argv[1]).read())
print("ended:", type(done.error_in_exec).__name__)
"""


@pytest.mark.full
@pytest.mark.xdist_group("colab")
def test_the_cell_itself_in_colabs_ipython(colab: Path, tmp_path: Path) -> None:
    """The course comes from here: git takes another address for the repository's."""
    url, branch = repository(ROOT)
    origin = tmp_path / "origin"
    origin.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-TEXT"):
        shutil.copy(ROOT / name, origin / name)
    shutil.copytree(ROOT / "src", origin / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", origin]
    for command in (["init", "-q", "-b", branch], ["add", "-A"], ["commit", "-qm", "The course"]):
        subprocess.run([*git, *command], check=True)
    (tmp_path / "cell").write_text(cell_of(LAB), encoding="utf-8")

    def run(address: str) -> str:
        (tmp_path / "gitconfig").write_text(f'[url "{address}"]\n\tinsteadOf = {url}\n')
        environment: dict[str, Any] = os.environ | {"GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig")}
        command = [colab / "bin/python", "-c", RUN, tmp_path / "cell"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
        return done.stdout + done.stderr

    before = installed(colab)
    text = run((tmp_path / "nowhere").as_uri())
    assert "ended: SystemExit" in text and f"{url} cannot be reached from here" in text
    assert "Traceback" not in text and "ERROR" not in text, text
    text = run(origin.as_uri())
    assert "ended: NoneType" in text, text
    after = installed(colab)
    assert before.items() <= after.items()
    assert after.keys() - before.keys() == {"fullstack-llm", "jaxtyping", "wadler-lindig"}
