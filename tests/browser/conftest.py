"""One browser for a whole run, one context for each look, and the site on a loopback port."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="the browser tests need the `dev` extra")
import audit  # noqa: E402 (it needs the same)

# Chromium's own traffic is off, and no name but loopback resolves: what a page asks of others fails at once.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
MINUTES = 10 * 60_000  # for whatever the browser is waited for; a busy machine needs one or two
# The theme reads the mode from here before it draws anything.
SET_MODE = "try {{ localStorage.setItem('mode', '{0}'); localStorage.setItem('theme', '{0}'); }} catch (error) {{}}"


class Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address, with a slash at its end, under which the files of a folder are to be had."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def base(site: Path) -> Iterator[str]:
    """The address of the built site."""
    with served(site) as address:
        yield address


@pytest.fixture(scope="session")
def browser(browser_path: str | None) -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=ARGUMENTS, timeout=MINUTES)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def look(browser: Any) -> Iterator[Callable[[str, str], Any]]:
    """`look("phone", "dark")`: a browser context, made once, so that fonts and scripts come from its cache.

    In the mode "auto" the theme follows what `audit.turn` says that the reader's device has.
    """

    @functools.cache
    def context(size: str, mode: str) -> Any:
        scheme = None if mode == "auto" else mode
        made = browser.new_context(viewport=audit.SIZES[size], color_scheme=scheme, reduced_motion="reduce")
        made.add_init_script(SET_MODE.format(mode))
        made.set_default_timeout(MINUTES)
        return made

    yield context
