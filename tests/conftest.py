"""What every test shares: the repository, what runs when and beside what, and the promise that CI skips nothing."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
# Each folder may have a conftest, and none of them is a module with doctests to be imported under that name.
collect_ignore_glob = ["conftest.py", "*/conftest.py"]

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "agg")
sys.path.insert(0, str(ROOT / "tools"))
import seconds  # noqa: E402 (the line above puts it on the path)
from areas import ACCOUNT, Account, key  # noqa: E402
from preflight import BROWSERS, CI  # noqa: E402

# Everything, matrices included: the nightly run, and before a release.
FULL = os.environ.get("FULLSTACK_LLM_FULL") == "1"
# What takes longest begins first, so that no process is left with it at the end; the rest follows as collected.
LONG_FIRST = (
    "tests/grading/gradebooks/test_nbgrader.py",
    "tests/grading/attacks/",
    "tests/labs/",
    "tests/grading/",
    "tests/browser/test_stepper.py",
    "tests/browser/",
    "tests/models/",
    "tests/transformer/",
)

# A deadline in milliseconds would fail the right code on a busy machine.
settings.register_profile("course", deadline=None)
settings.load_profile("course")


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture
def one_thread() -> Iterator[None]:
    """One thread of torch: the sums are then the same each time, and no process slows another."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def loop_of_another_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """Hide the event loop that Playwright leaves running in this thread until its browser is closed."""
    if "browser" in request.fixturenames:
        yield
        return
    left = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(left)


@pytest.fixture(scope="session")
def site() -> Path:
    """The built site."""
    return ROOT / "_build" / "html"


@pytest.fixture(scope="session")
def browser_path() -> str | None:
    """The machine's Chromium, for Playwright's `executable_path`."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ACCOUNT] = Account()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only the full run does, keep together what shares costly things, and put what is long first.

    One process runs a group: a file, of a lab's tests all that are of that lab, or what a mark names.
    """
    if not FULL:
        left = [item for item in items if item.get_closest_marker("full")]
        items[:] = [item for item in items if not item.get_closest_marker("full")]
        config.hook.pytest_deselected(items=left)
    for item in items:
        if not item.get_closest_marker("xdist_group"):
            area, number = key(item.nodeid)
            group = f"lab {number}" if area == "labs" and number else item.nodeid.partition("::")[0]
            item.add_marker(pytest.mark.xdist_group(group))

    def rank(item: pytest.Item) -> int:
        return next((i for i, start in enumerate(LONG_FIRST) if item.nodeid.startswith(start)), len(LONG_FIRST))

    items.sort(key=rank)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None):
    """Book what a test used, with those before it that are of the same area and module."""
    account = item.config.stash[ACCOUNT]
    if not account.total:
        account.close(("start", ""))
    yield
    if nextitem is None or key(nextitem.nodeid) != key(item.nodeid):
        account.close(key(item.nodeid))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process of xdist hands its account to the one that started it, which adds them up for `make check`."""
    rows = session.config.stash[ACCOUNT].rows()
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["seconds"] = rows
    elif rows and seconds.is_stage():
        seconds.add_areas(rows)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Keep pytest's last line, with which `make check` closes after its tables."""
    if seconds.is_stage():
        account = seconds.load(seconds.OPEN)
        parts, _ = terminalreporter.build_summary_stats_line()
        account["summary"] = f"== {', '.join(text for text, _ in parts)}"
        seconds.save(seconds.OPEN, account)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take the account of a process of xdist that ends."""
    for row in getattr(node, "workeroutput", {}).get("seconds", []):
        total, of = node.config.stash[ACCOUNT].total, (row["area"], row["module"])
        total[of] = total.get(of, 0.0) + row["cpu"]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what this machine cannot run, with the command that would change that."""
    needs_site = item.get_closest_marker("site") or item.get_closest_marker("browser")
    if needs_site and not (ROOT / "_build" / "html" / "index.html").exists():
        pytest.skip("the site is not built: make site")
    if item.get_closest_marker("browser") and not any(shutil.which(name) for name in BROWSERS):
        pytest.skip("no Chromium: sudo apt-get install chromium")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """On a CI machine a skipped test is a failed one: green must mean that everything ran."""
    outcome = yield
    report = outcome.get_result()
    if CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome, report.longrepr = "failed", f"CI=true, so nothing may be skipped. {reason}"
