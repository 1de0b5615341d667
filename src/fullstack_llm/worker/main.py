"""Start a worker, or the fork server (zygote) that forks workers. The grader runs this file in an empty folder.

python main.py PLAN REQUESTS REPLIES    worker: confine this process and serve one submission
python main.py PLAN CONTROL             zygote: import the lab's modules, and fork a worker for each request

PLAN is JSON (see `grading/isolation/sandbox.py`); the other arguments are fds of two pipes, or of one Unix socket.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
from pathlib import Path

from fullstack_llm.worker import serve, zygote
from fullstack_llm.worker.confine import confine


def main() -> None:
    """Import the modules that the plan names; then confine this process and serve, or become a zygote."""
    # Garbage collection takes a fifth of the time of importing torch, and frees nothing. Frozen objects are not written
    # to by later collections either, so their pages stay shared between the forks of a zygote.
    gc.disable()
    plan, fds = json.loads(sys.argv[1]), [int(text) for text in sys.argv[2:]]
    serve.stub_checks()
    confine.end_with_parent()
    if plan["cpus"]:
        os.sched_setaffinity(0, plan["cpus"])
    for name in plan["answers"]:
        sys.modules[f"fullstack_llm.{name}"] = None  # type: ignore[assignment]
    if len(fds) == 2:
        confine.confine(plan, str(Path.cwd()))
    for name in plan["modules"]:
        importlib.import_module(name)
    gc.freeze()
    gc.enable()
    if len(fds) == 2:
        serve.serve(serve.Pipe(*fds))
    else:
        zygote.main(plan, fds[0])


if __name__ == "__main__":
    main()
