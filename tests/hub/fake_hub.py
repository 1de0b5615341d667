"""A hub of one's own: serves a folder as huggingface.co serves repositories, as far as a download needs it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

RESOLVE = re.compile(r"/(?:datasets/)?(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[0-9a-f]{40})/(?P<file>.+)")
INFO = re.compile(r"/api/(?:datasets|models)/(?P<repo>[^/]+/[^/]+)/revision/(?P<revision>[0-9a-f]{40})")
TREE = re.compile(r"/api/(?:datasets|models)/(?P<repo>[^/]+/[^/]+)/tree/(?P<revision>[0-9a-f]{40})/(?P<folder>.+)")


class _Handler(BaseHTTPRequestHandler):
    root: Path
    log: list[str]
    sent: dict[str, int]

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.sent[self.path] = self.sent.get(self.path, 0) + len(body)
            self.wfile.write(body)

    def _json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), Content_Type="application/json")

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].replace("%2F", "/")
        self.log.append(f"{self.command} {path}")
        if match := INFO.fullmatch(path):
            self._json({"id": match["repo"], "_id": "0" * 24, "sha": match["revision"], "siblings": []})
            return
        if match := TREE.fullmatch(path):
            top = self.root / match["repo"]
            files = sorted(file for file in (top / match["folder"]).iterdir() if file.is_file())
            about = [(file.relative_to(top).as_posix(), file.stat().st_size) for file in files]
            self._json([{"type": "file", "path": name, "size": size, "oid": "0" * 40} for name, size in about])
            return
        match = RESOLVE.fullmatch(path)
        file = self.root / match["repo"] / match["file"] if match else self.root
        if match is None or not file.is_file():
            self._send(404, b"{}", X_Error_Code="EntryNotFound")
            return
        body, status, part = file.read_bytes(), 200, {}
        if wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last = int(wanted[1]), int(wanted[2] or len(body) - 1)
            part["Content_Range"] = f"bytes {first}-{min(last, len(body) - 1)}/{len(body)}"
            body, status = body[first : last + 1], 206
        etag = hashlib.sha256(str(file).encode()).hexdigest()
        self._send(status, body, ETag=f'"{etag}"', X_Repo_Commit=match["revision"], Accept_Ranges="bytes", **part)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(root: Path) -> Iterator[tuple[str, list[str], dict[str, int]]]:
    """Serve `root/OWNER/NAME/FILE` at any revision; gives the address, and as they grow: requests, bytes by path."""
    log: list[str] = []
    sent: dict[str, int] = {}
    handler = type("Handler", (_Handler,), {"root": root, "log": log, "sent": sent})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", log, sent
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def run(code: str, endpoint: str, home: Path) -> str:
    """Run code in a process of its own: the library reads its settings once, when it is imported."""
    settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    environment = {**os.environ, **settings, "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout
