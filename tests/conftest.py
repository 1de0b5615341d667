"""What every test shares: where the repository is, and the promise that CI skips nothing."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

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
from preflight import BROWSERS, CI  # noqa: E402 (the line above puts it on the path)

# A deadline in milliseconds would fail the right code on a busy machine.
settings.register_profile("course", deadline=None)
settings.load_profile("course")


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def site() -> Path:
    """The built site."""
    return ROOT / "_build" / "html"


@pytest.fixture(scope="session")
def browser_path() -> str | None:
    """The machine's Chromium, for Playwright's `executable_path`."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


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
