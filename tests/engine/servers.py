"""Servers to ask: of a course model, of a small random one, and of an engine that says what a test gives it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import engines
import httpx
import torch
from openai import OpenAI

from fullstack_llm.engine import Engine
from fullstack_llm.engine.scheduler import Chunk
from fullstack_llm.engine.server import running
from fullstack_llm.engine.server.app import Served
from fullstack_llm.engine.server.guard import Limits


class Server:
    """A running server: its address, its insides, and clients for it."""

    def __init__(self, url: str, served: Served, server: running.Server) -> None:
        self.server = server
        self.url, self.served, self.engine, self.name = url, served, served.engine, served.name
        self.openai = OpenAI(base_url=f"{url}/v1", api_key=served.api_key or "none", max_retries=0, timeout=300)
        self.http = httpx.Client(base_url=url, timeout=300)

    def post(self, path: str = "/v1/completions", **fields: Any) -> httpx.Response:
        return self.http.post(path, json={"model": self.name, **fields})

    def settled(self) -> bool:
        """Whether nothing is open and no block is held, once what still runs has had the time to end."""
        return eventually(
            lambda: (
                not self.served.worker.open
                and not self.engine.sequences
                and self.engine.manager.room == self.engine.manager.blocks
            )
        )


def eventually(holds: Callable[[], bool], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not (met := holds()) and time.monotonic() < end:
        time.sleep(0.01)
    return met


@contextmanager
def server(engine: Engine, limits: Limits | None = None, api_key: str | None = None) -> Iterator[Server]:
    served = Served(engine, "sft", limits or Limits(), api_key, running.LOOPBACK)
    with running.running(served) as (url, started):
        found = Server(url, served, started)
        yield found
        found.http.close()
        found.openai.close()


class Scripted(Engine):
    """An engine whose model says the given ids, whatever it is asked, and then ends."""

    def __init__(self, script: Sequence[int], **options: Any) -> None:
        of = engines.served("llama")
        super().__init__(of.model, of.tokenizer, **{"blocks": 200, "block_size": 8, **options})
        self.script = script

    def _forward(self, chunks: list[Chunk]) -> list[torch.Tensor]:
        found = []
        for chunk in chunks:
            logits = torch.full((chunk.wanted, 512), -20.0)
            for row in range(chunk.wanted):
                at = chunk.end + len(chunk.drafts) - chunk.wanted + row + 1 - chunk.sequence.prompt
                logits[row, self.script[at] if 0 <= at < len(self.script) else 2] = 20.0
            found.append(logits)
        return found


def says(text: str, **options: Any) -> Scripted:
    """An engine that says a text."""
    return Scripted(engines.tokenizer()(text).input_ids, **options)
