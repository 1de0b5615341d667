"""What a hub is made of, cheaply: its configuration, its kernel's name, its image, and the links that lead to it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import lock
import pytest
import yaml
from traitlets.config import Config

from fullstack_llm.lessons.generate import KERNEL, repository

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import launch  # noqa: E402 (the line above puts it on the path)

DEPLOY = ROOT / "deploy" / "jupyterhub"
UNITS = {"M": 2**20, "G": 2**30}  # as the spawner for Kubernetes reads them


def load(name: str) -> Config:
    """A configuration as JupyterHub loads it."""
    config = Config()

    def run(path: Path) -> None:
        names = {"get_config": lambda: config, "load_subconfig": lambda sub: run(Path(sub)), "__file__": str(path)}
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)

    run(DEPLOY / name)
    return config


def values() -> dict[str, Any]:
    return dict(yaml.safe_load((DEPLOY / "values.yaml").read_text(encoding="utf-8")))


def size(text: str) -> int:
    return int(float(text[:-1]) * UNITS[text[-1]])


# ---- one machine


def test_the_hub_listens_on_this_machine_alone_and_lets_only_a_group_in() -> None:
    config = load("jupyterhub_config.py")
    assert urlsplit(config.JupyterHub.bind_url).hostname == "127.0.0.1"
    assert config.LocalAuthenticator.allowed_groups
    assert "allow_all" not in config.Authenticator and "authenticator_class" not in config.JupyterHub


def test_the_trial_is_the_same_hub_on_loopback_with_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUB_PASSWORD", raising=False)
    with pytest.raises(KeyError):  # never open to everyone
        load("trial.py")
    monkeypatch.setenv("HUB_PASSWORD", "secret")
    trial, real = load("trial.py"), load("jupyterhub_config.py")
    assert trial.DummyAuthenticator.password == "secret"
    assert urlsplit(trial.JupyterHub.bind_url).hostname == "127.0.0.1"
    assert trial.Spawner.cmd == real.Spawner.cmd and trial.Spawner.environment == real.Spawner.environment


def test_both_hubs_set_the_same_environment_and_stop_what_is_idle_after_the_same_time() -> None:
    config, chart = load("jupyterhub_config.py"), values()
    environment = dict(config.Spawner.environment)
    assert environment.pop("PATH").partition(os.pathsep)[0].endswith("/.venv/bin")  # terminals have the course
    assert environment == chart["singleuser"]["extraEnv"]
    times = [int(argument.partition("=")[2]) for argument in config.Spawner.args if "timeout" in argument]
    assert times == [chart["cull"]["timeout"]] * 2
    assert config.Spawner.default_url == chart["singleuser"]["defaultUrl"] == "/lab"


def test_the_kernel_has_the_name_that_notebooks_ask_for() -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8")
    (name,) = re.findall(r"\$\(PY\) -m ipykernel install --prefix \$\(HUB\) --name (\S+)", recipe)
    assert name == KERNEL["kernelspec"]["name"]
    # No other kernel can take its place: what brings one is not there.
    pins = lock.pins(ROOT / "requirements-hub.lock")
    assert {"jupyterhub", "jupyterlab", "nbgitpuller"} <= pins.keys()
    assert not {"ipykernel", "ipython"} & pins.keys()


def test_the_proxy_is_pinned_with_all_that_it_needs() -> None:
    packages = json.loads((DEPLOY / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    wanted = json.loads((DEPLOY / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert {name: packages[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert all("integrity" in package for name, package in packages.items() if name)


# ---- the image, for Kubernetes and Binder


def build(tmp_path: Path) -> list[str]:
    """Run postBuild where Python is a stand-in; return what it would install, call by call."""
    for name in ("postBuild", "requirements-hub.lock"):
        shutil.copy(ROOT / name, tmp_path / name)
    log = tmp_path / "log"
    (tmp_path / "python").write_text(f'#!/bin/sh\necho "$*" >> "{log}"\n')
    (tmp_path / "python").chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run([str(tmp_path / "postBuild")], cwd=tmp_path, env=environment, check=True)
    return log.read_text(encoding="utf-8").splitlines()


def test_the_image_has_nbgitpuller_and_the_course_outside_the_home_folder(tmp_path: Path) -> None:
    calls = build(tmp_path)
    pin = lock.pins(ROOT / "requirements-hub.lock")["nbgitpuller"]
    assert f"-m pip install --no-deps nbgitpuller=={pin}" in calls
    assert "-m pip install --no-deps --no-build-isolation ." in calls
    # An editable install would point into the folder that a volume hides.
    assert not any("-e" in call.split() or "--editable" in call for call in calls)


def test_the_image_has_the_sandbox() -> None:
    assert "bubblewrap" in (ROOT / "apt.txt").read_text(encoding="utf-8").split()


def test_the_charts_limit_holds_a_notebook_and_a_server() -> None:
    rule = (ROOT / "tests" / "rules" / "test_rule_notebooks.py").read_text(encoding="utf-8")
    (limit,) = re.findall(r"LIMIT_GIB = [\d.]+, ([\d.]+)", rule)
    memory = values()["singleuser"]["memory"]
    assert size(memory["limit"]) >= (float(limit) + 0.5) * 2**30
    assert size(memory["guarantee"]) < size(memory["limit"])


# ---- links


@pytest.mark.parametrize("hub", ["https://hub.example.edu", "https://hub.example.edu/jupyter/"])
def test_links_name_the_repository_the_branch_and_the_file(hub: str) -> None:
    url, branch = repository(ROOT)
    link = launch.pull_link(hub, url, branch, "labs/03_tokenization.ipynb")
    assert link.startswith(hub.rstrip("/") + "/hub/user-redirect/git-pull?")
    query = {key: value for key, (value,) in parse_qs(urlsplit(link).query, strict_parsing=True).items()}
    folder = url.rpartition("/")[2]
    assert query == {"repo": url, "branch": branch, "urlpath": f"lab/tree/{folder}/labs/03_tokenization.ipynb"}


def test_the_page_has_such_a_link_and_no_address_of_its_own() -> None:
    text = (ROOT / "book" / "hubs.md").read_text(encoding="utf-8")
    url, branch = repository(ROOT)
    assert url not in text
    options = {"repository_url": url, "repository_branch": branch, "launch_buttons": {"jupyterhub_url": ""}}
    app = SimpleNamespace(config=SimpleNamespace(html_theme_options=options), outdir=str(ROOT / "nowhere" / "html"))
    launch.fill_in(app, "book/hubs", source := [text])
    assert launch.pull_link("https://hub.example.edu", url, branch, "labs/03_tokenization.ipynb") in source[0]
    assert not re.search(r"%[a-z]+[%:]", source[0])
