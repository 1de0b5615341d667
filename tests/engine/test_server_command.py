"""The command: how soon it answers, and how it ends."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from fullstack_llm.engine.__main__ import main


def seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command, and the address that it tells."""
    command = [sys.executable, "-m", "fullstack_llm.engine", "serve", "sft", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+?(?=/v1)", process.stdout.readline())
            assert found, process.stderr and process.stderr.read()
            yield process, found.group()
        finally:
            process.kill()


def test_it_answers_soon_and_ends_when_told_to() -> None:
    """Within about the time that the imports of the model alone take, which no server can do without."""
    code = "import time; from transformers import LlamaForCausalLM; print(time.process_time())"
    alone = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    with started() as (process, url), httpx.Client(base_url=url, timeout=300) as client:
        asked = {"model": "sft", "messages": [{"role": "user", "content": "What is 12 + 34?"}], "temperature": 0}
        assert client.post("/v1/chat/completions", json=asked).json()["choices"][0]["finish_reason"] == "stop"
        assert seconds(psutil.Process(process.pid)) < 1.6 * float(alone.stdout) + 0.5
        # A signal while a request runs: it is answered, and the process ends well.
        answers = list[httpx.Response]()
        long = {"model": "sft", "prompt": "Ada", "max_tokens": 400, "ignore_eos": True, "n": 8}
        thread = threading.Thread(
            target=lambda: answers.append(httpx.post(f"{url}/v1/completions", json=long, timeout=300))
        )
        thread.start()
        while "engine_running 8.0" not in client.get("/metrics").text:
            assert thread.is_alive()
        process.send_signal(signal.SIGTERM)
        thread.join()
        assert answers[0].json()["usage"]["completion_tokens"] == 3200
        assert process.wait(timeout=120) == 0
        assert process.stderr is not None and process.stderr.read() == ""


def test_it_says_whom_it_lets_in() -> None:
    with started("--host", "0.0.0.0", "--drafts", "2", "--no-prefix-cache") as (process, url):
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=120) == 0 and process.stderr is not None
        assert "WITHOUT A KEY" in process.stderr.read() and "0.0.0.0" in url


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "neither a checkpoint (base, "),
        (["reward"], "writes no text"),
        (["sft", "--host", "256.1.1.1"], "error: "),
        (["sft", "--rows", "9", "--budget", "5"], "cannot give each of 9"),
        (["sft", "--device", "abacus"], "abacus"),
    ],
)
def test_what_cannot_be_served_is_a_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--port", "0", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_a_folder_with_a_model_is_served(tmp_path: Path) -> None:
    from fullstack_llm.engine.__main__ import load, parser
    from fullstack_llm.models import store

    model, tokenizer = store.load("draft")
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again, read = load(parser().parse_args(["serve", str(tmp_path)]))
    assert type(again) is type(model) and len(read) == len(tokenizer)
    assert again.lm_head.weight.equal(model.lm_head.weight)
