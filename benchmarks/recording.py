"""What the benchmarks behind recorded runs share: the option --record, one thread of a CPU, rows in files."""

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from fullstack_llm import recorded

# A measurement, given where to say how far it has come.
Measure = Callable[[Callable[[str], None]], dict[str, Any]]


def parser(doc: str | None, name: str) -> argparse.ArgumentParser:
    """Return a parser with the option --record, which writes the recorded run `name`."""
    arguments = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--record", action="store_true", help=f"write the recorded run {name}")
    return arguments


def one_thread() -> None:
    """Compute on the CPU with one thread, as every recorded run does: more threads give other last digits."""
    os.environ["FULLSTACK_LLM_PRESET"] = "cpu"
    torch.set_num_threads(1)


def measure(doc: str | None, module: str, prefix: str, measures: Mapping[str, Measure]) -> None:
    """Run the measurement that the command line names; with --record, write the recorded run PREFIX-NAME."""
    arguments = parser(doc, f"{prefix}-NAME")
    arguments.add_argument("name", metavar="NAME", choices=measures, help=f"which runs: {', '.join(measures)}")
    options = arguments.parse_args()
    one_thread()
    began = time.process_time()
    values = measures[options.name](lambda line: print(line, flush=True))
    print(f"{time.process_time() - began:.0f} CPU seconds")
    if options.record:
        command = f"python -m benchmarks.{module} {options.name} --record"
        recorded.write(f"{prefix}-{options.name}", command, values, ["torch", "transformers"], seed=0)


def kept(place: Path, make: Callable[[], dict[str, Any]], *silent: str) -> dict[str, Any]:
    """Return the row that a file holds, or make it, write the file, and print the row without its `silent` entries."""
    if not place.exists():
        row = make()
        place.write_text(json.dumps(row), encoding="utf-8")
        print(place.stem, {key: value for key, value in row.items() if key not in silent}, flush=True)
    found: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    return found
