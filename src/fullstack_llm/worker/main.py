"""Start a worker, or the zygote whose forks are workers. The grader runs this file in an empty folder.

python main.py PLAN REQUESTS REPLIES    a worker: confine this process and serve one submission
python main.py PLAN CONTROL             a zygote: load the lab's modules, and fork a worker for each order
"""

from __future__ import annotations

import gc
import importlib
import json
import sys
from pathlib import Path

from fullstack_llm.worker import serve, zygote
from fullstack_llm.worker.confine import confine


def main() -> None:
    """Load what the plan names, confine this process or become a zygote, and serve."""
    # A fifth of the time that torch takes to load went into collecting what stays. What is never collected is never
    # written to either, and stays shared between the forks of a zygote.
    gc.disable()
    plan, fds = json.loads(sys.argv[1]), [int(one) for one in sys.argv[2:]]
    serve.without_checks()
    confine.end_with_parent()
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
