"""Refuse what no route should see: who may not ask, bodies that are too large or too slow; and count all answers."""

from __future__ import annotations

import asyncio
import hmac
from dataclasses import dataclass
from typing import Any

from prometheus_client import Counter
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from fullstack_llm.engine.server.replies import Receive, Send, refuse
from fullstack_llm.engine.server.worker import Refused

PATHS = ("/v1/completions", "/v1/chat/completions", "/v1/models", "/health", "/metrics")


@dataclass(frozen=True)
class Limits:
    """Bound what clients may take: sequences that run or wait, bytes of a body, and seconds.

    `arrive` is how long a body may take to come, `stall` how long a client may not read, and `drain` how long what
    runs may go on after the server has been told to end.
    """

    sequences: int = 256
    body: int = 1_000_000
    arrive: float = 30
    stall: float = 30
    drain: float = 30


@dataclass
class Guard:
    """Stand before an application; `hosts` are the names by which it may be addressed, or nothing for any."""

    app: Any
    limits: Limits
    hosts: tuple[str, ...]
    api_key: str | None
    answers: Counter

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in PATHS else "other"

        async def counted(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.answers.labels(path, message["status"]).inc()
            await send(message)

        try:
            self._check(path, Headers(scope=scope))
        except Refused as error:
            await refuse(error)(scope, receive, counted)
        else:
            await self.app(scope, self._bounded(receive), counted)

    def _check(self, path: str, headers: Headers) -> None:
        """Raise Refused for what the headers of a request rule out."""
        host = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
        if self.hosts and host.strip("[]") not in self.hosts:
            raise Refused(403, f"this server does not answer to the name {host[:100]!r}", "wrong_host")
        given = headers.get("authorization", "").removeprefix("Bearer ")
        if (
            self.api_key
            and path != "/health"
            and not hmac.compare_digest(given.encode("latin-1"), self.api_key.encode())
        ):
            raise Refused(401, "the API key is missing or wrong", "invalid_api_key")
        if (length := headers.get("content-length", "0")).isdecimal() and int(length) > self.limits.body:
            raise Refused(413, f"a body has at most {self.limits.body:,} bytes", "too_large")

    def _bounded(self, receive: Receive) -> Receive:
        """Return `receive` with a bound on the bytes of the body, and on how long it takes to come."""
        size, whole, deadline = 0, False, asyncio.get_running_loop().time() + self.limits.arrive

        async def bounded() -> Any:
            nonlocal size, whole
            try:
                async with asyncio.timeout_at(None if whole else deadline):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, "the body did not come in time") from None
            size, whole = size + len(message.get("body", b"")), not message.get("more_body")
            if size > self.limits.body:
                raise HTTPException(413, f"a body has at most {self.limits.body:,} bytes")
            return message

        return bounded
