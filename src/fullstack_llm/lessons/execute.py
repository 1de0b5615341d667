"""Run every notebook once: the outputs go to the cache that the book reads, the measurements to the build's record."""

import concurrent.futures
import contextlib
import datetime
import hashlib
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from fullstack_llm.commands import Parser, in_sentences, whole
from fullstack_llm.expect import BENCHMARK
from fullstack_llm.lessons import safety, trouble
from fullstack_llm.lessons.closure import closure
from fullstack_llm.lessons.outputs import is_whole, keep
from fullstack_llm.lessons.stopping import Stopping
from fullstack_llm.lessons.usage import Usage
from fullstack_llm.presets import preset

CACHE, RECORD = "_build/.jupyter_cache", "_build/record.json"
VERSIONS = ("torch", "jax", "transformers", "tokenizers", "numpy", "matplotlib")
KEPT = ("seconds", "cpu_seconds", "pace", "peak_mib", "ran", "expectations")
TIMEOUT = 3600  # seconds for one cell: only a hang takes so long, on a busy machine too


def fingerprint(root: Path, cells: Iterable[str]) -> str:
    """Return the hash of what a notebook's outputs depend on besides its cells' own text.

    That is what its code imports from the package, the data which those modules read, the lock, the preset, the lane.
    """
    digest = hashlib.sha256(f"{preset().name} {os.environ.get(BENCHMARK, '')}".encode())
    for path in [*closure(root / "src" / "fullstack_llm", cells), root / "requirements.lock"]:
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def run(source: Path, root: Path, stopping: Stopping) -> dict[str, Any]:
    """Execute one notebook in a kernel with one thread; return its outputs, times, pace and peak memory (MiB).

    Raises nbclient's CellExecutionError, with the traceback, if a cell fails, and Stopped if the run is to stop.
    """
    from myst_nb.core.read import read_myst_markdown_notebook
    from nbclient import NotebookClient

    stopping.check()
    nb = read_myst_markdown_notebook(source.read_text(encoding="utf-8"), path=str(source))
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        # No timing in the cells' metadata: the cache would take the executed notebook for another one.
        client: Any = NotebookClient(nb, timeout=TIMEOUT, resources=resources, record_timing=False)
        client.extra_arguments = ["--log-level=ERROR"]
        with (
            client.setup_kernel(env=kernel_environment(root)),
            stopping.watch(client.km.provisioner.pid),
            Usage(client.km.provisioner.pid) as usage,
        ):
            for index, cell in enumerate(nb.cells):
                stopping.check()
                client.execute_cell(cell, index)
            stopping.check()
    seconds = time.perf_counter() - start
    pace = statistics.median(usage.paces)
    measured = {"seconds": seconds, "cpu_seconds": usage.cpu_seconds, "pace": pace, "peak_mib": usage.peak / 2**20}
    return {"nb": nb, **measured}


def kernel_environment(root: Path) -> dict[str, str]:
    """The kernel's environment: one thread, no network libraries calling out, figures without a window, no progress."""
    return os.environ | {
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "MPLBACKEND": "agg",
        "PYTHONHASHSEED": "0",
        # A page shows what came out, not how it got there.
        "TQDM_DISABLE": "1",
        "PYTHONWARNINGS": "ignore:IProgress",
        "PYTHONPATH": str(root / "src"),
    }


def execute(
    root: Path, sources: list[Path], workers: int, stopping: Stopping
) -> Iterator[tuple[Path, dict[str, Any] | Exception]]:
    """Run the notebooks that the cache lacks, `workers` at a time; yield each with its data or with its error.

    Those that took longest in the last run come first, so that no long one is left over at the end. When the run is
    stopped, what has finished is still yielded, and the others are not.
    """
    from jupyter_cache import get_cache
    from myst_nb.core.read import read_myst_markdown_notebook

    cache, keys, waiting = get_cache(str(root / CACHE)), {}, []
    for source in sources:
        nb = read_myst_markdown_notebook(source.read_text(encoding="utf-8"), path=str(source))
        try:
            keys[source] = fingerprint(root, [cell.source for cell in nb.cells if cell.cell_type == "code"])
            record = cache.match_cache_notebook(nb)
        except KeyError:
            record = None
        if record is not None and record.data.get("fingerprint") == keys[source] and is_whole(cache, record):
            yield source, record.data
        else:
            waiting.append(source)
    before = read_record(root).get("notebooks", {})
    cost = {source: before.get(source.relative_to(root).as_posix(), {}).get("cpu_seconds", 1e9) for source in waiting}
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        order = sorted(waiting, key=lambda one: -cost[one])
        futures = {pool.submit(run, source, root, stopping): source for source in order}
        try:
            for future in concurrent.futures.as_completed(futures):
                source = futures[future]
                try:
                    result = future.result()
                except Exception as error:  # one broken notebook must not hide the others
                    if not stopping.asked:
                        yield source, error
                else:
                    yield source, keep(cache, source, keys[source], result)
        except Exception:  # the cache cannot be written: nothing is gained by what still runs
            stopping.stop()
            raise


def read_record(root: Path) -> dict[str, Any]:
    """Return the last build's record, empty where there is none; a damaged one is written anew."""
    with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
        return dict(json.loads((root / RECORD).read_text(encoding="utf-8")))
    return {}


def write_record(root: Path, notebooks: dict[str, dict[str, Any]], whole: bool) -> None:
    """Write the build's record, from which pages say when, where and with what they ran.

    Where only some notebooks were asked for, the others keep what the last record says of them.
    """
    versions = {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in VERSIONS}
    old = read_record(root)
    runs = {name: {key: data[key] for key in KEPT} for name, data in notebooks.items()}
    if not whole:
        runs = {**old.get("notebooks", {}), **runs}
    record = {
        "built": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": device(),
        "preset": preset().name,
        "versions": {name: version.split("+")[0] for name, version in versions.items()},
        "notebooks": dict(sorted(runs.items())),
    }
    text = json.dumps(record, indent=1, default=float)
    # An unchanged record keeps its date, and so the book its pages.
    if {**old, "built": ""} != {**json.loads(text), "built": ""}:
        safety.write(root / RECORD, text + "\n")


def device() -> str:
    """What the notebooks ran on, in words."""
    if preset().name == "gpu":
        import torch

        return torch.cuda.get_device_name()
    return f"{os.cpu_count()} CPU cores ({platform.machine()})"


@in_sentences
@trouble.told
def main(arguments: list[str] | None = None) -> int:
    """Execute what changed; return the exit status: 0 all ran, 1 one failed, 2 nothing to run, 130 stopped."""
    parser = Parser(prog="python -m fullstack_llm.lessons.execute", description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, help="sources to run (default: all of notebooks/)")
    parser.add_argument("--workers", type=whole(1, 1000), default=2, help="notebooks at a time (default 2)")
    options = parser.parse_args(arguments)
    root = Path.cwd()
    sources = sorted(root / path for path in options.notebooks) or sorted((root / "notebooks").glob("*.md"))
    if not sources:
        print(f"{root} has no notebooks/*.md: go to the course's repository.", file=sys.stderr)
        return 2
    if missing := [str(path) for path in sources if not os.path.isfile(path)]:  # noqa: PTH113
        print(f"No such notebook: {', '.join(missing)}. Sources are the .md files in notebooks/.", file=sys.stderr)
        return 2
    with Stopping().on_interrupt() as stopping:
        (root / CACHE).parent.mkdir(exist_ok=True)
        done, failed = show(root, sources, options.workers, stopping)
        write_record(root, done, whole=not (options.notebooks or stopping.asked))
    if stopping.asked:
        print(f"Stopped: {len(done)} of {len(sources)} notebooks are done. {trouble.KEPT}", file=sys.stderr)
        return 130
    return 1 if failed else 0


def show(root: Path, sources: list[Path], workers: int, stopping: Stopping) -> tuple[dict[str, dict[str, Any]], int]:
    """Execute notebooks and print a line about each; return the data of those that ran, and how many failed."""
    from tqdm import tqdm

    done: dict[str, dict[str, Any]] = {}
    failed = 0
    with tqdm(total=len(sources), unit="notebook", desc="notebooks") as bar:
        for source, data in execute(root, sources, workers, stopping):
            name = source.relative_to(root).as_posix()
            if isinstance(data, Exception):
                failed += 1
                bar.write(f"{name} failed:\n{trouble.sentence(data, Path(tempfile.gettempdir())) or data}")
            else:
                done[name] = data
                measured = f"{data['seconds']:.0f} s, {data['peak_mib']:,} MiB"
                bar.write(f"{name}: {measured}, {len(data['expectations'])} records")
            bar.update()
    return done, failed


if __name__ == "__main__":
    sys.exit(main())
