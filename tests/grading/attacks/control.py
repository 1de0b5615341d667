"""One attack with one of its obstacles taken away: `python control.py NAME`, inside a sandbox that bounds the damage.

`python control.py cell CODE` runs a cell without a process of its own. Prints what was seen; nothing is printed if the
attack has ended it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from scene import scene  # noqa: E402
from submissions import COUNT, RIGHT, TOY, TWICE, save  # noqa: E402
from table import ATTACKS, FORGERIES, Attack  # noqa: E402

from fullstack_llm.checks import registry  # noqa: E402
from fullstack_llm.checks.notebook import Lab  # noqa: E402
from fullstack_llm.grading import cells, judge  # noqa: E402
from fullstack_llm.grading.levels import CANDIDATES  # noqa: E402
from fullstack_llm.grading.workers import Workers  # noqa: E402


def processes() -> int:
    return sum(name.name.isdigit() for name in Path("/proc").iterdir())


def same_process(attack: Attack) -> dict[str, object]:
    """The judge and the attack in one process, as in a notebook."""
    lab = Lab(registry.find("00_toy", TOY))
    namespace: dict[str, object] = {}
    cells.run(attack.code, "cell 1", namespace)
    return {"earned": lab(namespace["double"]).earned}  # type: ignore[arg-type]


def weakened(attack: Attack) -> dict[str, object]:
    """The grader at level B, without what the attack's control takes away."""
    changes = {name: {} if name == "limits" else False for name in attack.without}
    workers = Workers(replace(CANDIDATES["B"][0], **changes))  # type: ignore[arg-type]
    before = processes()
    judge.CELL_SECONDS = 20.0
    with scene() as one, tempfile.TemporaryDirectory() as folder:
        path = save(Path(folder) / "a.ipynb", [one.code(attack.code), *RIGHT[:1], TWICE, RIGHT[2], COUNT])
        result = judge.grade(path, registry.find("00_toy", TOY), workers)
        left = processes() - before
        return {"problems": result.problems, "canary": one.unharmed, "left": left}


if __name__ == "__main__":
    chosen = next(one for one in [*ATTACKS, *FORGERIES] if one.name == sys.argv[1])
    if sys.argv[1] == "cell":
        cells.run(sys.argv[2], "cell 1", {})
        print("survived", flush=True)
        os._exit(0)
    print(json.dumps((same_process if "process" in chosen.without else weakened)(chosen)), flush=True)
    os._exit(0)
