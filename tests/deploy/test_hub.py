"""A real JupyterHub on loopback: log in, follow the course's own link, run a lab, pull again, and keep the answer."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fullstack_llm.checks import declared
from fullstack_llm.checks.outline import outlines
from fullstack_llm.lessons import generate

sync_api = pytest.importorskip("playwright.sync_api", reason="the browser tests need the `dev` extra")

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import launch  # noqa: E402 (the line above puts it on the path)

HUB = ROOT / ".venv-hub"
LAB, EXERCISE = "03_tokenization", "count_pairs"
PASSWORD, STUDENT = "tinytown", "ada"
MINUTES = 10 * 60_000
# Opens a terminal as JupyterLab does, and types a line into it.
TERMINAL = """async ([base, line]) => {
  const token = document.cookie.match(/_xsrf=([^;]*)/)[1];
  const made = await fetch(base + "api/terminals", {method: "POST", headers: {"X-XSRFToken": token}});
  const {name} = await made.json();
  const socket = new WebSocket("ws://" + location.host + base + "terminals/websocket/" + name);
  await new Promise((resolve) => { socket.onopen = resolve; });
  socket.send(JSON.stringify(["stdin", line]));
}"""
GIT = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]


def git(folder: Path, *arguments: str) -> None:
    subprocess.run([*GIT, *arguments], cwd=folder, check=True, capture_output=True)


def lab_cells(path: Path) -> dict[str, dict[str, Any]]:
    """The cells of a notebook by their ids."""
    return {cell["id"]: cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]}


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What stands for the course's public repository."""
    folder = tmp_path_factory.mktemp("origin") / "course"
    for name in ("_config.yml", f"labs/{LAB}.ipynb", "notebooks/03a_bpe.ipynb"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    git(folder, "init", "-q", "-b", yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["branch"])
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "The course")
    return folder


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, origin: Path) -> Iterator[tuple[str, Path]]:
    """The address of a hub that runs, and the home of its student, whose git finds the course's repository here."""
    if not (HUB / ".ready").exists():
        pytest.skip("JupyterHub is not set up: make hub-env")
    folder = tmp_path_factory.mktemp("hub")
    home = folder / "home" / STUDENT
    home.mkdir(parents=True)
    address, _ = generate.repository(ROOT)
    (home / ".gitconfig").write_text(f'[url "{origin.as_uri()}"]\n\tinsteadOf = {address}\n')
    port, api, proxy = free_ports(3)
    ports = {"HUB_PORT": str(port), "HUB_API_PORT": str(api), "HUB_PROXY_PORT": str(proxy)}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [HUB / "bin" / "jupyterhub", "--config", ROOT / "deploy" / "jupyterhub" / "trial.py"],
            cwd=folder,
            env={**os.environ, **ports, "HUB_PASSWORD": PASSWORD},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for_hub(url, process, folder / "log")
        yield url, home
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(120)


def wait_for_hub(url: str, process: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + 300
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(f"{url}/hub/health", timeout=10)
            return
        except OSError:
            time.sleep(0.3)
    raise AssertionError(f"the hub did not answer:\n{log.read_text()}")


@pytest.fixture
def page(browser_path: str | None) -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.set_default_timeout(MINUTES)
        yield page
        browser.close()


def follow(page: Any, site: Path, hub: str) -> str:
    """Name one's hub on the site's page, and follow the link that appears there; return it."""
    page.goto((site / "book" / "how_to.html").as_uri() + f"?notebook=labs/{LAB}.ipynb")
    page.fill(".fsllm-hub input", hub)
    link = page.get_attribute(".fsllm-hub output a", "href")
    page.goto(link)
    if page.locator("#username_input").count():
        page.fill("#username_input", STUDENT)
        page.fill("#password_input", PASSWORD)
        page.click("#login_submit")
    page.wait_for_url(f"**/lab/tree/**/{LAB}.ipynb*")
    page.wait_for_selector(".jp-NotebookPanel:visible")
    return str(link)


def answer() -> str:
    cells = generate.read(ROOT / "solutions" / f"{LAB}.md")
    (code,) = (
        cell["source"]
        for cell in cells
        if cell["metadata"].get("exercise") == EXERCISE and "answer" in cell["metadata"].get("tags", [])
    )
    return str(code)


@pytest.mark.full
@pytest.mark.site
@pytest.mark.browser
def test_a_student_runs_a_lab_on_a_hub_and_keeps_the_answer(
    hub: tuple[str, Path], origin: Path, page: Any, site: Path
) -> None:
    url, home = hub
    link = follow(page, site, url)
    assert link == launch.pull_link(url, *generate.repository(ROOT), f"labs/{LAB}.ipynb")
    file = home / generate.repository(ROOT)[0].rpartition("/")[2] / "labs" / f"{LAB}.ipynb"
    assert file.is_file()

    cell = page.locator(".jp-CodeCell", has_text=f"def {EXERCISE}(").first
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(answer())
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    check = page.locator(".jp-CodeCell", has_text=f"check({EXERCISE})").first
    check.locator(".jp-OutputArea-output").first.wait_for()
    page.keyboard.press("Control+S")
    wait_until(lambda: is_saved(file), "the lab was not saved")
    mine = lab_cells(file)
    (said,) = mine[f"check-{EXERCISE}"]["outputs"]
    points = next(row.points for row in outlines(declared.FOLDER)[LAB] if row.exercise == EXERCISE)
    assert f"{points} of 100 points" in json.dumps(said), said
    # The kernel that the notebook asks for has the course: nothing was installed.
    assert mine["install"]["execution_count"] and mine["install"]["outputs"] == []

    # In a terminal, the pre-check as the lab itself says it.
    told = f"python -m fullstack_llm.grading check {file.name} > ~/told 2>&1"
    page.evaluate(TERMINAL, [f"/user/{STUDENT}/", f"cd {file.parent} && {told}; touch ~/over\r"])
    wait_until((home / "over").exists, "the pre-check did not end")
    told = (home / "told").read_text(encoding="utf-8")
    assert f"{points} of 100" in told, told
    page.goto("about:blank")

    # A new version of the course: a sentence, a file, and a change to the very lines that the student replaced.
    lab = origin / "labs" / f"{LAB}.ipynb"
    text = lab.read_text(encoding="utf-8")
    stub, title = "raise NotImplementedError(", "Each exercise is one function."
    assert text.count(stub) > 1 and text.count(title) == 1
    lab.write_text(text.replace(stub, "raise NotImplementedError('new', ").replace(title, f"{title} NEW"), "utf-8")
    (origin / "notebooks" / "99_new.ipynb").write_text(text, encoding="utf-8")
    git(origin, "add", "-A")
    git(origin, "commit", "-qm", "A new version")
    follow(page, site, url)
    after = lab_cells(file)
    assert (file.parents[1] / "notebooks" / "99_new.ipynb").is_file()
    assert f"{title} NEW" in "".join(after["cell-000"]["source"])
    assert after[f"answer-{EXERCISE}"]["source"] == mine[f"answer-{EXERCISE}"]["source"]
    assert "".join(after[f"answer-{EXERCISE}"]["source"]) == answer()
    assert "NotImplementedError('new', " in "".join(after["answer-merge_pair"]["source"])


def wait_until(true: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + 300
    while not true():
        assert time.monotonic() < end, otherwise
        time.sleep(0.3)


def is_saved(file: Path) -> bool:
    """Whether the check's output is in the lab's file, which is being written meanwhile."""
    with contextlib.suppress(json.JSONDecodeError):
        return bool(lab_cells(file)[f"check-{EXERCISE}"]["outputs"])
    return False
