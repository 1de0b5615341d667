"""Run every notebook once: the outputs go to the cache that the book reads, the measurements to the build's record."""

import argparse
import concurrent.futures
import contextlib
import datetime
import hashlib
import importlib.metadata
import json
import os
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from fullstack_llm.expect import BENCHMARK
from fullstack_llm.presets import preset

CACHE, RECORD = "_build/.jupyter_cache", "_build/record.json"
VERSIONS = ("torch", "jax", "transformers", "tokenizers", "numpy", "matplotlib")
UNSEEN = ("checks", "grading", "labs", "lessons")  # parts of the package that no notebook's output depends on
TIMEOUT = 600  # seconds for one cell; far above any limit on a whole notebook, so that a hang ends


def fingerprint(root: Path) -> str:
    """What a notebook's output depends on besides its own cells: the package, the lock, the preset, the lane.

    The cache of the book ignores imported modules, so it is emptied when this changes.
    """
    digest = hashlib.sha256(f"{preset().name} {os.environ.get(BENCHMARK, '')}".encode())
    package = root / "src" / "fullstack_llm"
    files = [p for p in package.rglob("*") if p.is_file() and p.relative_to(package).parts[0] not in UNSEEN]
    for path in [*sorted(files), root / "requirements.lock"]:
        if "__pycache__" not in path.parts:
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def run(source: Path, root: Path) -> dict[str, Any]:
    """Execute one notebook in a kernel with one thread; return its outputs, seconds, CPU seconds and peak memory (MiB).

    Raises nbclient's CellExecutionError, with the traceback, if a cell fails.
    """
    from myst_nb.core.read import read_myst_markdown_notebook
    from nbclient import NotebookClient

    nb = read_myst_markdown_notebook(source.read_text(encoding="utf-8"), path=str(source))
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        # No timing in the cells' metadata: the cache would take the executed notebook for another one.
        client = NotebookClient(nb, timeout=TIMEOUT, resources=resources, record_timing=False)
        client.extra_arguments = ["--log-level=ERROR"]
        with client.setup_kernel(env=kernel_environment(root)), Usage(client) as usage:
            for index, cell in enumerate(nb.cells):
                client.execute_cell(cell, index)
    seconds = time.perf_counter() - start
    return {"nb": nb, "seconds": seconds, "cpu_seconds": usage.cpu_seconds, "peak_mib": usage.peak / 2**20}


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


class Usage:
    """Watch a client's kernel and its children while the block runs: peak memory (bytes, resident), CPU seconds."""

    def __init__(self, client: Any) -> None:
        self.peak, self.cpu_seconds = 0, 0.0
        self._process, self._done = psutil.Process(client.km.provisioner.pid), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Usage":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        last = False
        while not last:
            last = self._done.wait(0.2)  # one more reading after the last cell, while the kernel still lives
            with contextlib.suppress(psutil.Error):  # a child may end between the listing and the reading
                family = [self._process, *self._process.children(recursive=True)]
                self.peak = max(self.peak, sum(p.memory_info().rss for p in family))
                times = self._process.cpu_times()  # of the kernel, and of the children that it has waited for
                self.cpu_seconds = times.user + times.system + times.children_user + times.children_system


def expectations(nb: Any) -> list[dict[str, Any]]:
    """The records that `expect` and `note` left in a notebook's outputs, in order."""
    outputs = (output for cell in nb.cells for output in cell.get("outputs", []))
    found = (output.get("metadata", {}).get("fullstack_llm") for output in outputs)
    return [dict(record) for record in found if record]


def execute(root: Path, sources: list[Path], workers: int) -> Iterator[tuple[Path, dict[str, Any] | Exception]]:
    """Run the notebooks that the cache lacks, `workers` at a time; yield each with its data or with its error."""
    from jupyter_cache import get_cache
    from jupyter_cache.base import CacheBundleIn
    from myst_nb.core.read import read_myst_markdown_notebook

    cache, key = get_cache(str(root / CACHE)), fingerprint(root)
    waiting = []
    for source in sources:
        try:
            nb = read_myst_markdown_notebook(source.read_text(encoding="utf-8"), path=str(source))
            record = cache.match_cache_notebook(nb)
        except KeyError:
            record = None
        if record is not None and record.data.get("fingerprint") == key:
            yield source, record.data
        else:
            waiting.append(source)
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        futures = {pool.submit(run, source, root): source for source in waiting}
        for future in concurrent.futures.as_completed(futures):
            source = futures[future]
            try:
                result = future.result()
            except Exception as error:  # one broken notebook must not hide the others
                yield source, error
                continue
            data = {
                "fingerprint": key,
                "execution_seconds": result["seconds"],
                "seconds": round(result["seconds"], 1),
                "cpu_seconds": round(result["cpu_seconds"], 1),
                "peak_mib": round(result["peak_mib"]),
                "ran": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                "expectations": expectations(result["nb"]),
            }
            bundle = CacheBundleIn(result["nb"], str(source), data=data)
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
            yield source, data


def write_record(root: Path, notebooks: dict[str, dict[str, Any]]) -> None:
    """Write the build's record, from which pages say when, where and with what they ran."""
    versions = {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in VERSIONS}
    kept = ("seconds", "cpu_seconds", "peak_mib", "ran", "expectations")
    record = {
        "built": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": device(),
        "preset": preset().name,
        "versions": {name: version.split("+")[0] for name, version in versions.items()},
        "notebooks": {name: {key: data[key] for key in kept} for name, data in sorted(notebooks.items())},
    }
    text = json.dumps(record, indent=1, default=float)
    path = root / RECORD
    old: dict[str, Any] = {}
    with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):  # a damaged one is written anew
        old = json.loads(path.read_text(encoding="utf-8"))
    # An unchanged record keeps its date, and so the book its pages.
    if {**old, "built": ""} != {**json.loads(text), "built": ""}:
        path.write_text(text + "\n", encoding="utf-8")


def device() -> str:
    """What the notebooks ran on, in words."""
    if preset().name == "gpu":
        import torch

        return torch.cuda.get_device_name()
    return f"{os.cpu_count()} CPU cores ({platform.machine()})"


def main(arguments: list[str] | None = None) -> int:
    """Execute what changed; return the exit status: 0 all ran, 1 one failed, 2 there is nothing to run."""
    from tqdm import tqdm

    parser = argparse.ArgumentParser(prog="python -m fullstack_llm.lessons.execute", description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, help="sources to run (default: all of notebooks/)")
    parser.add_argument("--workers", type=int, default=2, help="notebooks at a time (default 2)")
    options = parser.parse_args(arguments)
    root = Path.cwd()
    sources = sorted(root / path for path in options.notebooks) or sorted((root / "notebooks").glob("*.md"))
    if not sources:
        print(f"{root} has no notebooks/*.md: go to the course's repository.", file=sys.stderr)
        return 2
    if missing := [str(path) for path in sources if not path.is_file()]:
        print(f"No such notebook: {', '.join(missing)}. Sources are the .md files in notebooks/.", file=sys.stderr)
        return 2
    (root / CACHE).parent.mkdir(exist_ok=True)
    done: dict[str, dict[str, Any]] = {}
    failed = 0
    with tqdm(total=len(sources), unit="notebook", desc="notebooks") as bar:
        for source, data in execute(root, sources, options.workers):
            name = source.relative_to(root).as_posix()
            if isinstance(data, Exception):
                failed += 1
                bar.write(f"{name} failed:\n{data}")
            else:
                done[name] = data
                measured = f"{data['seconds']:.0f} s, {data['peak_mib']:,} MiB"
                bar.write(f"{name}: {measured}, {len(data['expectations'])} records")
            bar.update()
    if not options.notebooks:
        write_record(root, done)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
