"""Start a server: in a thread, for a notebook or a test; or as the process that a command is.

>>> from openai import OpenAI
>>> from fullstack_llm.models import load
>>> with serving(*load("sft"), name="sft") as url:
...     client = OpenAI(base_url=f"{url}/v1", api_key="none")
...     talk = [{"role": "user", "content": "What is 12 + 34?"}]
...     answer = client.chat.completions.create(model="sft", messages=talk, temperature=0)
>>> answer.choices[0].finish_reason
'stop'
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import uvicorn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from fullstack_llm.engine.engine import Engine
from fullstack_llm.engine.server.app import Served, build
from fullstack_llm.engine.server.guard import Limits

DEFAULT = Limits()
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Server(uvicorn.Server):
    """Run an application; the first signal to end lets what runs go on for a while, and the second does not."""

    def __init__(self, served: Served, ready: Callable[[], None] = lambda: None, **options: Any) -> None:
        super().__init__(
            uvicorn.Config(
                build(served), http="h11", ws="none", access_log=False, timeout_graceful_shutdown=1, **options
            )
        )
        self.served, self.ready, self.deadline = served, ready, float("inf")

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say so: from now on a signal is no accident."""
        await super().startup(sockets)
        self.ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Refuse new requests from now on, and end when none is left or time is up."""
        if self.deadline < float("inf"):
            self.should_exit = True
        self.served.worker.draining = True
        self.deadline = time.monotonic() + self.served.limits.drain

    async def on_tick(self, counter: int) -> bool:
        """Return whether it is time to end."""
        drained = self.deadline < float("inf") and not self.served.worker.open
        if drained or time.monotonic() > self.deadline:
            self.served.worker.stop()
            return True
        return await super().on_tick(counter)


@contextmanager
def running(served: Served) -> Iterator[tuple[str, Server]]:
    """Run a server in a thread, on a free port of this machine alone; yield its address and the server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(served, log_level="warning", lifespan="on")
        thread = threading.Thread(target=server.run, args=([listener],), name="server", daemon=True)
        thread.start()
        try:
            while not server.started:
                if not thread.is_alive():
                    raise RuntimeError("the server did not start")
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", server
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def serving(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    name: str = "model",
    *,
    blocks: int | None = None,
    limits: Limits = DEFAULT,
    api_key: str | None = None,
    **options: Any,
) -> Iterator[str]:
    """Serve a model for a while from a notebook, and yield the address; `options` are those of `Engine`.

    The model is the server's own meanwhile: do not run it from another thread.
    """
    engine = Engine(model, tokenizer, blocks or enough(model, **options), **options)
    with running(Served(engine, name, limits, api_key, LOOPBACK)) as (url, _):
        yield url


def enough(model: PreTrainedModel, megabytes: int = 256, block_size: int = 16, rows: int = 64, **_: Any) -> int:
    """Return how many blocks let all rows be as long as the model can read, or fill some megabytes.

    >>> from fullstack_llm.models import load
    >>> enough(load("sft")[0]), enough(load("sft")[0], megabytes=16)
    (2048, 512)
    """
    config = model.config
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    stored = 2 * config.num_hidden_layers * config.num_key_value_heads * width * next(model.parameters()).element_size()
    longest = -(-config.max_position_embeddings // block_size)
    return max(min(rows * longest, megabytes * 2**20 // (stored * block_size)), 1)
