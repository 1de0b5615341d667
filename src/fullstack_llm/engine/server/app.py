"""Answer over HTTP as OpenAI's API does: what there is to ask, and who is refused before the engine hears of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from prometheus_client import generate_latest
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response

from fullstack_llm.engine.engine import Engine
from fullstack_llm.engine.server.answers import Spelling, Writer
from fullstack_llm.engine.server.guard import Guard, Limits
from fullstack_llm.engine.server.metrics import Metrics
from fullstack_llm.engine.server.protocol import Chat, Completion
from fullstack_llm.engine.server.replies import Reply, answered, refuse
from fullstack_llm.engine.server.worker import Refused, Worker

# Tokens by which chat templates end a turn; a model that was tuned writes them, and its configuration may not say so.
TURNS = ("<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|end|>")


@dataclass
class Served:
    """Hold a model on offer: its engine and name, and who may ask how much.

    `hosts` are the names by which the server may be addressed, or nothing for any. A page in a browser can make a name
    of its own point at this machine; then it asks for that name.
    """

    engine: Engine
    name: str
    limits: Limits = field(default_factory=Limits)
    api_key: str | None = None
    hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Set up what is measured, and the ids that end a turn."""
        self.metrics, self.spelling = Metrics(self.engine), Spelling(self.engine.tokenizer)
        known = self.engine.tokenizer.added_tokens_encoder
        self.turns = tuple(known[name] for name in TURNS if name in known)
        self.created = int(time.time())
        self.worker: Worker

    @property
    def longest(self) -> int:
        """Return how many tokens a prompt and its answer may be; the last one is never put through the model."""
        manager = self.engine.manager
        return min(self.engine.model.config.max_position_embeddings, manager.blocks * manager.block_size) + 1

    def encode(self, asked: Completion | Chat) -> tuple[list[list[int]], list[str]]:
        """Return the prompts as ids and, for an echo, as texts; refuse what a template cannot render."""
        tokenizer = self.engine.tokenizer
        if isinstance(asked, Completion):
            try:
                ids = [list(tokenizer(each).input_ids) if isinstance(each, str) else each for each in asked.prompts]
                texts = [each if isinstance(each, str) else str(tokenizer.decode(each)) for each in asked.prompts]
            except Exception as error:
                raise Refused(400, f"the prompt cannot be read: {error}", param="prompt") from None
            return ids, texts
        if not tokenizer.chat_template:
            raise Refused(400, f"{self.name} has no chat template: ask /v1/completions", param="messages")
        if asked.tools and "tools" not in str(tokenizer.chat_template):
            raise Refused(400, f"the chat template of {self.name} takes no tools", param="tools")
        try:
            # What is spelled like a special token inside a message stays text, and ends no turn.
            row = tokenizer.apply_chat_template(
                [message.plain() for message in asked.messages],
                tools=[tool.model_dump() for tool in asked.tools] if asked.calls else None,
                add_generation_prompt=True,
                sanitize_control_tokens=True,
                return_dict=False,
            )
        except Exception as error:
            raise Refused(400, f"the chat template cannot render this: {error}", param="messages") from None
        return [list(row)], []

    async def answer(self, asked: Completion | Chat) -> Response:
        """Hand a request to the engine, and return the answer that is to be sent."""
        if asked.model != self.name:
            raise Refused(404, f"there is no model {asked.model!r}; there is {self.name!r}", "model_not_found", "model")
        prompts, texts = await asyncio.to_thread(self.encode, asked)
        try:
            settings = asked.settings(self.turns, self.longest - len(prompts[0]))
        except ValueError as error:
            raise Refused(400, str(error)) from None
        job = await self.worker.submit(prompts, settings)
        writer = Writer(asked, prompts, texts, self.spelling, self.engine.ends | {*self.turns})
        return Reply(self.worker, job, writer, self.limits.stall)


def build(served: Served) -> FastAPI:
    """Return the application."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        served.worker = Worker(served.engine, served.metrics, served.limits.sequences)
        yield
        served.worker.stop()

    # Without the pages that load their scripts from elsewhere.
    app = FastAPI(title="fullstack_llm.engine", lifespan=life, docs_url=None, redoc_url=None)
    app.add_middleware(
        Guard, limits=served.limits, hosts=served.hosts, api_key=served.api_key, answers=served.metrics.answers
    )
    model = {"id": served.name, "object": "model", "created": served.created, "owned_by": "fullstack_llm"}
    model["max_model_len"] = served.longest

    @app.post("/v1/completions")
    async def completions(asked: Completion) -> Response:
        return await served.answer(asked)

    @app.post("/v1/chat/completions")
    async def chat(asked: Chat) -> Response:
        return await served.answer(asked)

    @app.get("/v1/models")
    async def models() -> Response:
        return answered({"object": "list", "data": [model]})

    @app.get("/v1/models/{name:path}")
    async def one(name: str) -> Response:
        if name != served.name:
            raise Refused(404, f"there is no model {name!r}; there is {served.name!r}", "model_not_found", "model")
        return answered(model)

    @app.get("/health")
    async def health() -> Response:
        if served.worker.draining or not served.worker.thread.is_alive():
            raise Refused(503, "the server is shutting down")
        return answered({"status": "ok"})

    @app.get("/metrics")
    async def metrics() -> Response:
        return PlainTextResponse(generate_latest(served.metrics.registry))

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> Response:
        return refuse(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        # The first fault, without the value: it may be large, or no text.
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"][1:])
        text = fault["msg"].removeprefix("Value error, ")
        return refuse(Refused(400, f"{where[:200]}: {text}" if where else text, param=where[:200] or None))

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> Response:
        return refuse(Refused(error.status_code, str(error.detail)))

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> Response:
        return refuse(Refused(500, "the server failed", "server_error"))

    return app
