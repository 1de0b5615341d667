"""Serve a model as OpenAI's API does: `python -m fullstack_llm.engine serve sft`."""

from __future__ import annotations

import argparse
import functools
import gc
import logging
import socket
import sys
from pathlib import Path
from typing import Any

from fullstack_llm.commands import Parser, refused, whole

LOOPBACK = "127.0.0.1"


def address(text: str) -> str:
    """Return the name or number of an address. Nothing, or 0, would be all of this machine's."""
    if not text.strip() or text.isdigit() or not (text.isascii() and text.isprintable()):
        raise argparse.ArgumentTypeError(f"{text!r} is no address")
    return text


def parser() -> argparse.ArgumentParser:
    """Return the argument parser, with help for the command."""
    top = Parser(prog="python -m fullstack_llm.engine", description=__doc__)
    one = top.add_subparsers(dest="command", required=True).add_parser("serve", help="answer over HTTP until Ctrl-C")
    one.add_argument("model", help="a checkpoint of the course, or a folder with one and its tokenizer")
    one.add_argument("--name", help="what clients call the model (as it was given)")
    one.add_argument(
        "--host", type=address, default=LOOPBACK, help="an address of this machine (%(default)s: for itself alone)"
    )
    one.add_argument("--port", type=whole(0, 65535), default=8000, help="0 takes a free one (%(default)s)")
    one.add_argument("--api-key", help="what clients must know (nothing)")
    one.add_argument("--megabytes", type=whole(1), default=256, help="for keys and values (%(default)s)")
    one.add_argument("--block-size", type=whole(1, 4096), default=16, help="tokens in a block (%(default)s)")
    one.add_argument("--budget", type=whole(1), default=512, help="tokens in a step (%(default)s)")
    one.add_argument("--rows", type=whole(1, 4096), default=64, help="sequences in a step (%(default)s)")
    one.add_argument("--drafts", type=whole(0, 64), default=0, help="tokens guessed ahead, if greedy (%(default)s)")
    one.add_argument("--no-prefix-cache", action="store_true", help="read each prompt anew")
    one.add_argument("--queue", type=whole(0), default=192, help="sequences that may wait (%(default)s)")
    one.add_argument("--drain", type=whole(0, 3600), default=30, help="seconds to finish in at the end (%(default)s)")
    one.add_argument("--device", default="cpu", help="where the model runs (%(default)s)")
    one.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], default="float32", help="(%(default)s)")
    one.add_argument("--threads", type=whole(1, 1024), default=1, help="of torch (%(default)s)")
    return top


def load(given: argparse.Namespace) -> tuple[Any, Any]:
    """Return the model and its tokenizer; ValueError or OSError if there is none that writes text."""
    import torch

    from fullstack_llm.models import store

    torch.set_num_threads(given.threads)
    dtype = getattr(torch, given.dtype)
    if given.model in store.names():
        model, tokenizer = store.load(given.model, dtype=dtype, device=given.device)
    elif (Path(given.model) / "config.json").is_file():
        from transformers import AutoModelForCausalLM, AutoTokenizer

        # Nothing is fetched, and no code of a checkpoint is run.
        options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        model = AutoModelForCausalLM.from_pretrained(given.model, dtype=dtype, **options).to(given.device)
        tokenizer = AutoTokenizer.from_pretrained(given.model, **options)
    else:
        names = ", ".join(store.names())
        raise ValueError(f"{given.model!r} is neither a checkpoint ({names}) nor a folder with a config.json")
    if not model.can_generate():
        raise ValueError(f"{given.model!r} writes no text")
    return model, tokenizer


def main(arguments: list[str] | None = None) -> int:
    """Run the command `serve`; returns the exit code."""
    given = parser().parse_args(arguments)
    # To look for garbage among what is being imported takes a quarter of the time.
    gc.disable()
    try:
        with socket.create_server((given.host, given.port)) as listener:
            return serve(given, listener)
    except (KeyError, ValueError, RuntimeError, OSError) as error:
        return refused(error, "error: ")
    except KeyboardInterrupt:
        return 130


def serve(given: argparse.Namespace, listener: socket.socket) -> int:
    """Load a model and serve it at an address that is taken already, so that a wrong one is known at once."""
    from fullstack_llm.engine import Engine
    from fullstack_llm.engine.server import running
    from fullstack_llm.engine.server.app import Served

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    model, tokenizer = load(given)
    blocks = running.enough(model, given.megabytes, given.block_size, given.rows)
    engine = Engine(
        model,
        tokenizer,
        blocks,
        given.block_size,
        given.budget,
        given.rows,
        prefix_cache=not given.no_prefix_cache,
        drafts=given.drafts,
    )
    limits = running.Limits(sequences=given.rows + given.queue, drain=given.drain)
    hosts = running.LOOPBACK if given.host in running.LOOPBACK else ()
    served = Served(engine, given.name or given.model, limits, given.api_key, hosts)
    host, port = listener.getsockname()[:2]
    if not hosts:
        guarded = "with the key" if given.api_key else "WITHOUT A KEY"
        logging.warning("other machines can reach %s and ask %s, over HTTP that anybody may read", host, guarded)
    gc.freeze()
    gc.enable()
    where = f"{served.name} answers at http://{host}:{port}/v1 ({blocks} blocks); Ctrl-C ends it"
    ready = functools.partial(print, where, flush=True)
    running.Server(served, ready, log_level="warning", log_config=None).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
