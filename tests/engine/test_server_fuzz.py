"""Bodies of all kinds: an answer or an error in OpenAI's form, never a failure, and a server that goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import engines
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servers import Server, server

from fullstack_llm.engine.server.guard import Limits
from fullstack_llm.engine.server.protocol import NEUTRAL, Chat, Completion

PATHS = ("/v1/completions", "/v1/chat/completions")
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
MESSAGE = {"role": st.sampled_from(["user", "assistant", "tool", "x"]), "content": st.text(max_size=9)}
TEXTS = st.lists(st.text(max_size=4), max_size=3)
# For each field, values that are often right.
LIKELY: dict[str, st.SearchStrategy[Any]] = {
    "model": st.just("sft"),
    "prompt": st.text(max_size=20) | st.lists(st.integers(-2, 600), max_size=9) | TEXTS,
    "messages": st.lists(st.fixed_dictionaries(MESSAGE), max_size=3),
    "max_tokens": st.integers(-1, 20),
    "max_completion_tokens": st.integers(-1, 20),
    "temperature": st.floats() | st.sampled_from([0, 1, 1e-9, 1e-5, 2]),
    "top_p": st.floats() | st.floats(0, 1),
    "min_p": st.floats(0, 1),
    "top_k": st.integers(-1, 600),
    "n": st.integers(-1, 5) | st.just(10**30),
    "seed": st.integers(),
    "stop": st.text(max_size=3) | st.lists(st.text(max_size=3), max_size=20),
    "stop_token_ids": st.lists(st.integers(-1, 2**65), max_size=3),
    "logprobs": st.integers(-1, 25) | st.booleans(),
    "top_logprobs": st.integers(-1, 25),
    "echo": st.booleans(),
    "stream": st.booleans(),
    "stream_options": st.fixed_dictionaries({"include_usage": st.booleans()}),
    "ignore_eos": st.booleans(),
}
FIELDS = sorted({*LIKELY, *NEUTRAL, "tools", "tool_choice", "user", "nonsense"})


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """A request whose fields are mostly right, some odd, some that nobody knows."""
    names = draw(st.lists(st.sampled_from(FIELDS), max_size=6, unique=True))
    odd = {name for name in names if name not in LIKELY or draw(st.integers(0, 7)) == 0}
    body = {name: draw(ANYTHING if name in odd else LIKELY[name]) for name in names}
    return {"model": "sft", "prompt": "a", "max_tokens": 3} | body if draw(st.booleans()) else body


@pytest.fixture(scope="module")
def found() -> Iterator[Server]:
    with server(engines.engine(engines.served("llama")), Limits(body=100_000)) as made:
        yield made


def checked(found: Server, path: str, content: bytes) -> int:
    """Send a body; the status, after a look at the answer's form."""
    got = found.http.post(path, content=content, headers={"content-type": "application/json"})
    assert got.status_code in (200, 400, 404, 413), (got.status_code, got.text)
    if got.status_code != 200:
        error = got.json()["error"]
        assert set(error) == {"message", "type", "param", "code"} and 5 < len(error["message"]) < 2000
    elif got.headers["content-type"].startswith("text/event-stream"):
        events = got.text.split("\n\n")
        assert events[-2:] == ["data: [DONE]", ""]
        assert all("choices" in json.loads(event.removeprefix("data: ")) for event in events[:-2])
    else:
        assert got.json()["choices"]
    return got.status_code


@settings(max_examples=150)
@given(st.sampled_from(PATHS), bodies())
def test_any_fields(found: Server, path: str, body: dict[str, Any]) -> None:
    if path.endswith("chat/completions") and "prompt" in body:
        body["messages"] = [{"role": "user", "content": str(body.pop("prompt"))}]
    checked(found, path, json.dumps(body).encode())


@settings(max_examples=60)
@given(st.sampled_from(PATHS), st.binary(max_size=60) | ANYTHING.map(lambda value: json.dumps(value).encode()))
def test_any_bytes(found: Server, path: str, content: bytes) -> None:
    assert checked(found, path, content) != 200


HOSTILE = {
    "deep": b"[" * 50_000,
    "deep and closed": b'{"model":"sft","prompt":' + b"[" * 900 + b"]" * 900 + b"}",
    "deep tools": b'{"model":"sft","messages":[{"role":"user","content":"a"}],"tools":[{"type":"function","function":'
    b'{"name":"f","parameters":' + b'{"a":' * 400 + b"1" + b"}" * 400 + b"}}]}",
    "surrogate": rb'{"model":"sft","prompt":"\ud800"}',
    "surrogate name": rb'{"model":"sft","prompt":"a","\ud800":1}',
    "surrogate model": rb'{"model":"\udfff","prompt":"a"}',
    "surrogate stop": rb'{"model":"sft","prompt":"a","stop":"\udfff"}',
    "nan": b'{"model":"sft","prompt":"a","temperature":NaN}',
    "infinity": b'{"model":"sft","prompt":"a","temperature":-Infinity}',
    "long number": b'{"model":"sft","prompt":"a","n":' + b"9" * 5000 + b"}",
    "long key": b'{"model":"sft","prompt":"a","' + b"k" * 50_000 + b'":1}',
    "many prompts": json.dumps({"model": "sft", "prompt": ["a"] * 9000}).encode(),
    "long prompt": json.dumps({"model": "sft", "prompt": "a" * 90_000}).encode(),
    "id too large": b'{"model":"sft","prompt":[512]}',
    "mixed ids": b'{"model":"sft","prompt":[1,"a",[2]]}',
    "no utf-8": b'{"model":"sft","prompt":"\xff"}',
    "nothing": b"",
    "null": b"null",
    "stop of bytes": json.dumps({"model": "sft", "prompt": "a", "stop": "x" * 50_000}).encode(),
    "roles": json.dumps({"model": "sft", "messages": [{"role": "user"}] * 2000}).encode(),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("path", PATHS)
def test_hostile_bodies_are_refused(found: Server, path: str, name: str) -> None:
    assert checked(found, path, HOSTILE[name]) in (400, 404)
    assert checked(found, PATHS[0], b'{"model":"sft","prompt":"a","max_tokens":1}') == 200


def test_every_field_is_tried() -> None:
    tried = {*LIKELY, "tools", "tool_choice", "user"}
    for kind in (Completion, Chat):
        assert set(kind.model_fields) <= tried


def test_control_a_failure_would_be_seen(found: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise KeyError("planted")

    monkeypatch.setattr(found.served, "encode", broken)
    with pytest.raises(AssertionError, match="500"):
        checked(found, PATHS[0], b'{"model":"sft","prompt":"a"}')
