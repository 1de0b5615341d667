"""One browser for a whole run, one context for each look, and the site on a loopback port."""

from __future__ import annotations

import functools
import http.server
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="the browser tests need the `dev` extra")
import audit  # noqa: E402 (it needs the same)

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import interactive  # noqa: E402

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


@pytest.fixture
def without_site(browser: Any) -> Iterator[Callable[[str, Any], Any]]:
    """`without_site("sampler", data)`: a page that holds one interactive and its data; at the end no error on it."""
    pages, problems = [], list[str]()

    def opened(name: str, data: Any) -> Any:
        pages.append(page := browser.new_page())
        page.on("pageerror", lambda error: problems.append(str(error)))
        block = f'<script type="application/json" class="interactive-data">{interactive.data_block(data)}</script>'
        page.set_content(f'<div class="interactive" id="{name}">{block}</div>')
        for script in ("interactive", name):
            page.add_script_tag(content=(ROOT / "book" / "_static" / f"{script}.js").read_text("utf-8"))
        return page

    yield opened
    for page in pages:
        page.close()
    assert problems == []


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
