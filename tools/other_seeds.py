"""Run notebooks with other seeds of everything that they leave unseeded, and say what failed and what changed.

    python tools/other_seeds.py --runs 20 [notebooks/04c_variants.md ...]

A cell that draws without a seed is a lottery that the ordinary run happens to win: torch begins with a constant seed.
Each run here sets the global generators of torch, NumPy and `random`, and the hash seed of strings, to its own number.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from fullstack_llm.commands import Parser, in_sentences, whole

ROOT = Path(__file__).resolve().parents[1]
FIRST = "import random as _r, numpy as _n, torch as _t\n_r.seed({0}); _n.random.seed({0}); _t.manual_seed({0})"


def run(source: Path, seed: int) -> tuple[dict[str, Any], str]:
    """Execute one notebook under a seed; return its deterministic records by name, and its failure, empty if none."""
    from myst_nb.core.read import read_myst_markdown_notebook
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError
    from nbformat.v4 import new_code_cell

    from fullstack_llm.lessons.execute import kernel_environment
    from fullstack_llm.lessons.outputs import expectations

    nb = read_myst_markdown_notebook(source.read_text(encoding="utf-8"), path=str(source))
    nb.cells.insert(0, new_code_cell(FIRST.format(seed)))
    failure = ""
    with tempfile.TemporaryDirectory() as folder:
        client: Any = NotebookClient(nb, timeout=3600, resources={"metadata": {"path": folder}})
        client.extra_arguments = ["--log-level=ERROR"]
        with client.setup_kernel(env=kernel_environment(ROOT) | {"PYTHONHASHSEED": str(seed)}):
            try:
                for index, cell in enumerate(nb.cells):
                    client.execute_cell(cell, index)
            except CellExecutionError as error:
                failure = f"{error.ename}: {error.evalue}"
    return {one["name"]: one["value"] for one in expectations(nb) if one["kind"] != "timing"}, failure


def changed(runs: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return the records whose values are not the same in all runs that reached them.

    >>> changed([{"a": 1, "b": 2}, {"a": 1, "b": 3}, {"a": 1}])
    {'b': [2, 3]}
    """
    values = defaultdict[str, list[Any]](list)
    for one in runs:
        for name, value in one.items():
            values[name].append(value)
    return {name: found for name, found in values.items() if len(set(map(str, found))) > 1}


@in_sentences
def main(arguments: list[str] | None = None) -> int:
    """Run the notebooks; return 1 if a run failed, else 0."""
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="sources to run (default: all of notebooks/)")
    parser.add_argument(
        "--runs", type=whole(2), default=2, help="runs of each (default 2, which shows what is unseeded)"
    )
    options = parser.parse_args(arguments)
    failures = 0
    for source in options.notebooks or sorted((ROOT / "notebooks").glob("*.md")):
        if not os.path.isfile(source):  # noqa: PTH113 (a name that is too long is no file, and no error)
            parser.error(f"There is no {source}; sources are the .md files in notebooks/.")
        found = [run(source.resolve(), seed) for seed in range(1, options.runs + 1)]
        for name, values in changed([records for records, _ in found]).items():
            print(f"{source.name}: {name} is unseeded: {min(values)} to {max(values)} in {len(values)} runs")
        for seed, (_, failure) in enumerate(found, start=1):
            if failure:
                failures += 1
                print(f"{source.name}: seed {seed} failed: {failure[:300]}")
    print(f"{failures} runs failed")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
