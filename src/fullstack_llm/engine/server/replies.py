"""Send answers, whole or as a stream, and close the job of a client that leaves or does not read.

An answer that is no success has the form `{"error": {"message", "type", "param", "code"}}`.

>>> refuse(Refused(429, "try again later", wait=1)).headers["retry-after"]
'1'
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from starlette.responses import Response

from fullstack_llm.engine.requests import Piece
from fullstack_llm.engine.server.answers import Writer, merged
from fullstack_llm.engine.server.worker import Job, Refused, Worker

logger = logging.getLogger(__name__)
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
KINDS = {401: "authentication_error", 429: "rate_limit_error", 500: "server_error", 503: "server_error"}


class Reply(Response):
    """Send the answer to a job, whole or as a stream; if the client leaves, or does not read, the job is closed."""

    def __init__(self, worker: Worker, job: Job, writer: Writer, stall: float) -> None:
        self.worker, self.job, self.writer, self.stall, self.background = worker, job, writer, stall, None

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer, unless the client leaves before, and close the job in any case."""

        async def answer() -> None:
            if self.writer.asked.stream:
                await self._stream(send)
            else:
                await (await self._whole())(scope, receive, send)

        tasks = asyncio.ensure_future(answer()), asyncio.ensure_future(left(receive))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks[0].done():
                await tasks[0]
        except TimeoutError:
            logger.warning("a client has not read for %g s: its answer is given up", self.stall)
        finally:
            for task in tasks:
                task.cancel()
            self.worker.close(self.job)
            self.worker.metrics.whole.observe(time.monotonic() - self.job.begun)

    async def _whole(self) -> Response:
        """Return the answer when all of it is there."""
        parts: dict[tuple[int, int], list[Piece]] = {}
        try:
            async for piece in self._pieces():
                parts.setdefault((piece.request, piece.index), []).append(piece)
        except Refused as error:
            return refuse(error)
        choices = [self.writer.choice(merged(parts[key])) for key in sorted(parts)]
        return answered({**self.writer.head, "choices": choices, "usage": self.writer.usage})

    async def _stream(self, send: Send) -> None:
        """Send the answer as events, each as soon as the client has room for it."""
        head = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        async for event in self._events():
            async with asyncio.timeout(self.stall):
                await send({"type": "http.response.body", "body": f"data: {event}\n\n".encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _events(self) -> AsyncIterator[str]:
        """Yield the data of a stream's events."""
        asked, head = self.writer.asked, self.writer.head
        counted = asked.stream_options is not None and asked.stream_options.include_usage
        nothing = {"usage": None} if counted else {}
        try:
            async for piece in self._pieces():
                if (choice := self.writer.choice(piece)) is not None:
                    yield dumped({**head, "choices": [choice], **nothing})
        except Refused as error:
            yield dumped(described(error))
        else:
            if counted:
                yield dumped({**head, "choices": [], "usage": self.writer.usage})
        yield "[DONE]"

    async def _pieces(self) -> AsyncIterator[Piece]:
        """Yield the pieces of a job until all of its sequences have ended."""
        ended = 0
        while ended < self.job.size:
            news = await self.job.news.get()
            if isinstance(news, Refused):
                raise news
            for piece in news:
                ended += piece.finish is not None
                yield piece


async def left(receive: Receive) -> None:
    """Wait until the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def dumped(content: Any) -> str:
    """Return JSON that any reader can decode: a text that is no Unicode is escaped."""
    return json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def answered(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return an answer in JSON."""
    return Response(dumped(content), status, headers, "application/json")


def described(error: Refused) -> dict[str, Any]:
    """Return an error in OpenAI's form."""
    kind = KINDS.get(error.status, "invalid_request_error")
    return {"error": {"message": error.message, "type": kind, "param": error.param, "code": error.code}}


def refuse(error: Refused) -> Response:
    """Return the answer that says why there is none."""
    headers = {"retry-after": str(error.wait)} if error.wait else {}
    headers |= {"www-authenticate": "Bearer"} if error.status == 401 else {}
    return answered(described(error), error.status, headers)
