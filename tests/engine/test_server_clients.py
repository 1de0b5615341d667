"""Clients that leave, stall, ask too much or at the end; steps that fail; and many of all of them at once."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import engines
import httpx
import openai
import pytest
import torch
from servers import Server, eventually, says, server

from fullstack_llm.engine import Engine
from fullstack_llm.engine.scheduler import Chunk
from fullstack_llm.engine.server.answers import Spelling, Writer
from fullstack_llm.engine.server.guard import Limits
from fullstack_llm.engine.server.protocol import Completion
from fullstack_llm.engine.server.replies import Reply
from fullstack_llm.engine.server.worker import Worker

LONG: dict[str, Any] = {"prompt": "a", "max_tokens": 240, "ignore_eos": True}


def slow(engine: Engine, seconds: float = 0.02) -> Engine:
    """Let each step of an engine take a while, so that there is time to do something meanwhile."""
    step = engine.step

    def later() -> Any:
        time.sleep(seconds)
        return step()

    engine.step = later  # type: ignore[method-assign]
    return engine


def llama(**options: Any) -> Engine:
    return engines.engine(engines.served("llama"), **options)


@pytest.fixture
def unhurried() -> Iterator[Server]:
    with server(slow(llama(prefix_cache=False)), Limits(sequences=6, body=2000, arrive=1)) as found:
        yield found


def request(body: dict[str, Any]) -> bytes:
    content = json.dumps({"model": "sft", **body}).encode()
    head = ("POST /v1/completions HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json")
    return "\r\n".join([*head, f"Content-Length: {len(content)}", "", ""]).encode() + content


def connect(found: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(found.url.rpartition(":")[2])), timeout=120)


@pytest.mark.parametrize("stream", [False, True])
def test_who_leaves_frees_the_blocks(unhurried: Server, stream: bool) -> None:
    """Long before the answer would have ended: 240 steps of 20 ms each."""
    blocks = unhurried.engine.manager.blocks
    with connect(unhurried) as client:
        client.sendall(request({**LONG, "stream": stream, "n": 2}))
        assert eventually(lambda: unhurried.engine.manager.room < blocks - 3)
        if stream:
            assert client.recv(10) == b"HTTP/1.1 2"
    before = unhurried.engine.counts.steps
    assert unhurried.settled() and unhurried.engine.manager.room == blocks
    assert unhurried.engine.counts.steps < before + 60
    unhurried.engine.manager.check([])
    assert unhurried.post(prompt="a", max_tokens=2).status_code == 200


def test_who_leaves_the_queue_is_forgotten() -> None:
    with server(slow(llama(rows=2)), Limits(sequences=8)) as found:
        with connect(found) as first, connect(found) as second:
            first.sendall(request({**LONG, "n": 2}))
            assert eventually(lambda: len(found.engine.scheduler.running) == 2)
            second.sendall(request({**LONG, "n": 2}))
            assert eventually(lambda: len(found.engine.scheduler.waiting) == 1)
            second.close()
            assert eventually(lambda: not found.engine.scheduler.waiting)
            assert len(found.engine.scheduler.running) == 2
        assert found.settled()


def test_overload_is_429_with_a_time_to_wait(unhurried: Server) -> None:
    with connect(unhurried) as client:
        client.sendall(request({**LONG, "n": 5}))
        assert eventually(lambda: len(unhurried.engine.sequences) == 5)
        refused = unhurried.post(prompt=["a", "b"])
        assert refused.status_code == 429 and int(refused.headers["retry-after"]) >= 1
        assert refused.json()["error"]["type"] == "rate_limit_error"
        with pytest.raises(openai.RateLimitError):
            unhurried.openai.completions.create(model="sft", prompt=["a", "b"])
        assert unhurried.post(prompt="a", max_tokens=1).status_code == 200
        assert unhurried.http.get("/health").status_code == unhurried.http.get("/metrics").status_code == 200
    assert unhurried.settled()
    never = unhurried.post(prompt=["a"] * 7)
    assert never.status_code == 400 and "at most 6" in never.json()["error"]["message"]
    # The client of OpenAI tries again by itself.
    with connect(unhurried) as client:
        client.sendall(request({**LONG, "n": 6, "max_tokens": 30}))
        assert eventually(lambda: len(unhurried.engine.sequences) == 6)
        patient = unhurried.openai.with_options(max_retries=9)
        assert patient.completions.create(model="sft", prompt="a", max_tokens=1).choices[0].text


def test_a_body_is_bounded_in_bytes_and_in_time(unhurried: Server) -> None:
    assert unhurried.post(prompt="a" * 3000).status_code == 413
    chunked = unhurried.http.post("/v1/completions", content=(b"x" * 500 for _ in range(9)))
    assert chunked.status_code == 413 and set(chunked.json()["error"]) == {"message", "type", "param", "code"}
    with connect(unhurried) as client:
        client.sendall(request({"prompt": "a"})[:-3])
        assert client.recv(12) == b"HTTP/1.1 408"
    with connect(unhurried) as client:
        client.sendall(request({"prompt": "a", "max_tokens": 1}))
        assert client.recv(12) == b"HTTP/1.1 200"


def test_a_key_and_a_name_are_asked_for() -> None:
    with server(says("x"), api_key="sesame é") as found:
        key = {"authorization": "Bearer sesame é".encode()}
        assert found.http.get("/v1/models", headers=key).status_code == 200
        for wrong in ({}, {"authorization": "Bearer sesame"}, {"authorization": "sesame é".encode()[:-1]}):
            refused = found.http.get("/v1/models", headers=wrong)
            assert refused.status_code == 401 and refused.json()["error"]["code"] == "invalid_api_key"
            assert found.http.get("/metrics", headers=wrong).status_code == 401
        assert found.http.get("/health").status_code == 200
        for name, status in (("localhost", 200), ("localhost:99", 200), ("[::1]:99", 200), ("evil.example", 403)):
            assert found.http.get("/health", headers={"host": name}).status_code == status
    with server(says("x"), api_key="sesame") as found:
        assert found.openai.models.list().data[0].id == "sft"


def test_a_page_elsewhere_cannot_ask_through_a_browser(unhurried: Server) -> None:
    """What a browser sends without asking first is no JSON by its type; and it is told nothing of other origins."""
    body = json.dumps({"model": "sft", "prompt": "a"})
    plain = unhurried.http.post("/v1/completions", content=body, headers={"content-type": "text/plain"})
    asked = unhurried.http.options("/v1/completions", headers={"origin": "http://evil.example"})
    assert plain.status_code == 400 and asked.status_code == 405
    assert not any(name.startswith("access-control") for name in [*plain.headers, *asked.headers])


class Broken:
    """Make the model's numbers NaN for prompts that hold a certain id, or let the step that has it raise."""

    def __init__(self, engine: Engine, how: str, token: int = 77) -> None:
        self.forward, self.engine, self.how, self.token = engine._forward, engine, how, token
        engine._forward = self  # type: ignore[method-assign]

    def __call__(self, chunks: list[Chunk]) -> Any:
        bad = [at for at, chunk in enumerate(chunks) if self.token in chunk.sequence.tokens]
        if bad and self.how == "raise":
            raise ArithmeticError("planted")
        found = [logits.clone() for logits in self.forward(chunks)]
        for at in bad:
            found[at][:] = torch.nan
            blocks = chunks[at].sequence.table.blocks[-1:]
            self.engine.cache.values[:, blocks] = torch.nan
        return found


@pytest.mark.parametrize("how", ["nan", "raise"])
@pytest.mark.parametrize("prefix_cache", [False, True])
def test_a_step_that_fails_costs_only_whom_it_concerns(
    how: str, prefix_cache: bool, caplog: pytest.LogCaptureFixture
) -> None:
    of = engines.served("llama")
    made = slow(engines.engine(of, prefix_cache=prefix_cache), 0.005)
    Broken(made, how)
    prompts = [prompt for prompt in of.prompts if 77 not in prompt][:12]
    with server(made) as found, ThreadPoolExecutor(16) as pool, caplog.at_level(logging.ERROR):

        def ask(prompt: list[int]) -> httpx.Response:
            return found.post(prompt=prompt, max_tokens=engines.NEW, temperature=0, logprobs=0)

        good = [pool.submit(ask, prompt) for prompt in prompts]
        bad = [pool.submit(ask, [*prompt, 77, 5]) for prompt in prompts[:4]]
        failed = [each.result() for each in bad]
        answers = [each.result() for each in good]
        assert [each.status_code for each in failed] == [500] * 4
        assert {each.json()["error"]["type"] for each in failed} == {"server_error"}
        assert [each.status_code for each in answers] == [200] * 12
        names = [Spelling(of.tokenizer).name(token) for token in range(512)]
        for answer, prompt in zip(answers, prompts, strict=True):
            want = of.answers[of.prompts.index(prompt)]
            assert answer.json()["choices"][0]["logprobs"]["tokens"] == [names[token] for token in want]
        assert found.settled() and found.http.get("/health").status_code == 200
        # Every block that held NaN may be handed out again.
        assert made.cache.values.isfinite().all()
        streamed = found.post(prompt=[77], max_tokens=3, stream=True).text
        assert '"model_error"' in streamed and streamed.endswith("data: [DONE]\n\n")
        again, before = (each.json()["choices"][0]["text"] for each in (ask(prompts[0]), answers[0]))
        assert again == before
    assert ("planted" in caplog.text) == (how == "raise")


def test_sixty_four_clients_some_of_whom_leave() -> None:
    """Those who stay get what the engine gives them alone, whatever the others do."""
    of = engines.served("llama")
    made = slow(engines.engine(of, blocks=24, rows=16, drafts=2), 0.002)
    with server(made, Limits(sequences=200)) as found, ThreadPoolExecutor(64) as pool:

        def client(number: int) -> bool:
            rng = random.Random(number)
            at = rng.randrange(36)
            fields: dict[str, Any] = {"prompt": of.prompts[at], "max_tokens": engines.NEW, "temperature": 0}
            time.sleep(rng.random() * 0.3)
            if number % 4 == 0:
                with connect(found) as leaver:
                    leaver.sendall(request({**fields, "stream": number % 8 == 0, "n": rng.choice([1, 3])}))
                    time.sleep(rng.random() * 0.2)
                return True
            name = Spelling(of.tokenizer).name
            if number % 4 == 1:
                chunks = list(found.openai.completions.create(model="sft", stream=True, logprobs=0, **fields))
                parts = [chunk.choices[0].logprobs for chunk in chunks]
                got = [token for part in parts if part for token in part.tokens or []]
            else:
                whole = found.openai.completions.create(model="sft", logprobs=0, **fields).choices[0].logprobs
                got = (whole and whole.tokens) or []
            return got == [name(token) for token in of.answers[at]]

        assert all(pool.map(client, range(64)))
        assert found.settled()
    made.manager.check([])
    assert made.counts.preempted > 0


def test_open_connections_that_say_nothing_stop_nobody(unhurried: Server) -> None:
    """Two hundred of them: some silent, some with half a head, some in the middle of a body."""
    with ThreadPoolExecutor(1):
        idle = [connect(unhurried) for _ in range(200)]
        for at, client in enumerate(idle):
            client.sendall([b"", b"POST /v1/compl", request({"prompt": "a"})[:-5]][at % 3])
        assert unhurried.post(prompt="a", max_tokens=3).status_code == 200
        for client in idle:
            client.close()
    assert unhurried.settled()


def test_a_reader_that_stalls_is_given_up() -> None:
    """After a while without room to send, and what is not fetched meanwhile is bounded by the request."""
    made = llama(prefix_cache=False)

    async def stalls() -> int:
        from fullstack_llm.engine.server.metrics import Metrics

        worker, asked = Worker(made, Metrics(made), 8), Completion(model="sft", prompt="a", stream=True, max_tokens=99)
        sent = list[Any]()

        async def send(message: Any) -> None:
            sent.append(message)
            if len(sent) > 3:
                await asyncio.Event().wait()

        async def receive() -> Any:
            await asyncio.Event().wait()

        job = await worker.submit([[5]], asked.settings((), 99))
        writer = Writer(asked, [[5]], ["a"], Spelling(made.tokenizer), frozenset())
        await Reply(worker, job, writer, stall=0.2)({}, receive, send)
        assert not worker.open
        worker.stop()
        return job.news.qsize()

    assert asyncio.run(stalls()) < 99
    assert made.manager.room == made.manager.blocks


def test_draining_finishes_what_runs_and_refuses_what_is_new() -> None:
    with server(slow(llama()), Limits(drain=60)) as found, ThreadPoolExecutor(2) as pool:
        runs = pool.submit(found.post, prompt="a", max_tokens=60, ignore_eos=True)
        assert eventually(lambda: len(found.engine.scheduler.running) == 1)
        found.server.handle_exit(15, None)
        late, health = found.post(prompt="a"), found.http.get("/health")
        assert late.status_code == health.status_code == 503 and late.headers["retry-after"]
        assert late.json()["error"]["code"] == "shutting_down"
        assert runs.result().json()["usage"]["completion_tokens"] == 60
        assert eventually(lambda: not found.served.worker.thread.is_alive())


@pytest.mark.parametrize("stream", [False, True])
def test_draining_has_an_end(stream: bool) -> None:
    with server(slow(llama(), 0.1), Limits(drain=0.3)) as found, ThreadPoolExecutor(2) as pool:
        runs = pool.submit(found.post, **LONG, stream=stream)
        assert eventually(lambda: len(found.engine.scheduler.running) == 1)
        found.server.handle_exit(15, None)
        answer = runs.result()
        assert answer.status_code == (200 if stream else 503) and "shutting_down" in answer.text
        assert eventually(lambda: not found.served.worker.thread.is_alive())
        assert found.engine.counts.steps < 100


def test_no_thread_is_left() -> None:
    before = threading.active_count()
    with server(says("x")) as found:
        assert found.post(prompt="a", max_tokens=1).status_code == 200
        assert threading.active_count() > before
    assert eventually(lambda: not any(thread.name in ("engine", "server") for thread in threading.enumerate()))
