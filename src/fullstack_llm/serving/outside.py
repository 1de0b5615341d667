"""Serve with vLLM, which lives in an environment of its own: `make serving-env`.

vLLM 0.32 wants other versions of `transformers` and FastAPI than the course. So a process of that environment holds it,
and is sent requests as JSON, a load in a line; it answers with a line of what became of each. It runs this file:

    PYTHONPATH=src .venv-serving/bin/python -m fullstack_llm.serving.outside FOLDER float32 128 32 256 64

with the folder of a checkpoint, as `save_pretrained` writes it, and what `VLLM` takes.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fullstack_llm.serving.arrivals import Request
from fullstack_llm.serving.drive import Tokens, Trace, drive

# One process and one thread, as the course's engine runs.
VARIABLES = {
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
}


class VLLM:
    """Answer requests with vLLM's engine, step by step, greedily and to the length that each asks for.

    The prefix cache is off: it would remember the prompts of one load in the next.
    """

    def __init__(self, folder: str, dtype: str, blocks: int, block_size: int, budget: int, rows: int) -> None:
        vllm: Any = importlib.import_module("vllm")
        self.sampling: Any = vllm.SamplingParams
        self.engine: Any = vllm.LLM(
            folder,
            dtype=dtype,
            block_size=block_size,
            num_gpu_blocks_override=blocks,
            max_num_batched_tokens=budget,
            max_num_seqs=rows,
            enforce_eager=dtype == "float32",  # on a GPU it may use its graphs
            enable_prefix_caching=False,
        ).llm_engine
        self.known = dict[str, int]()

    def add(self, request: Request) -> None:
        """Take a request."""
        sampling = self.sampling(temperature=0, max_tokens=request.answer, ignore_eos=True)
        name = str(request.number)
        self.known[name] = 0
        self.engine.add_request(name, {"prompt_token_ids": list(request.prompt)}, sampling)

    def busy(self) -> bool:
        """Return whether a request is not answered yet."""
        return bool(self.engine.has_unfinished_requests())

    def step(self) -> Tokens:
        """Run one step of the engine."""
        brought = []
        for out in self.engine.step():
            tokens = list(out.outputs[0].token_ids)
            brought.append((int(out.request_id), tokens[self.known[out.request_id] :]))
            self.known[out.request_id] = len(tokens)
        return brought


class Outside:
    """Send loads to a process that holds vLLM."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.about = self._read()

    def drive(self, requests: Sequence[Request]) -> list[Trace]:
        """Send requests, and return what became of each, by that process's clock."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([asdict(one) for one in requests]) + "\n")
        self.process.stdin.flush()
        rows = self._read()
        return [Trace(one, *rows[str(one.number)]) for one in requests]

    def _read(self) -> Any:
        """Read the process's next line of JSON; it may print other lines before."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("JSON "):
                return json.loads(line[5:])
        raise RuntimeError(
            "vLLM's process ended; run it by hand to see why (the command is in this file's first lines)"
        )


@contextmanager
def outside(python: Path, source: Path, folder: Path, dtype: str, *options: int) -> Iterator[Outside]:
    """Start a process with vLLM for a checkpoint, and end it afterwards; `options` are those of `VLLM`."""
    command = [str(python), "-m", __name__, str(folder), dtype, *map(str, options)]
    environment = os.environ | VARIABLES | {"PYTHONPATH": str(source)}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True)
    try:
        yield Outside(process)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.wait(60)


def main() -> None:
    """Hold vLLM, and answer a load in each line of standard input."""
    folder, dtype, *sizes = sys.argv[1:]
    server = VLLM(folder, dtype, *map(int, sizes))
    threads = importlib.import_module("torch").get_num_threads()
    versions = {name: importlib.import_module(name).__version__ for name in ("vllm", "torch", "transformers")}
    print("JSON " + json.dumps({"threads": threads, **versions}), flush=True)
    for line in sys.stdin:
        requests = [Request(**{**row, "prompt": tuple(row["prompt"])}) for row in json.loads(line)]
        found = {trace.request.number: (trace.tokens, trace.times) for trace in drive(server, requests)}
        print("JSON " + json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
