"""Read and write recorded runs: results that ship with the course, with their command and a hash of their values."""

import datetime
import functools
import hashlib
import importlib.metadata
import importlib.resources
import json
import os
import platform
from pathlib import Path
from typing import Any


@functools.cache
def load(name: str) -> dict[str, Any]:
    """Return a recorded run that ships with the course: its command, seed, device, date, versions and values.

    Raises FileNotFoundError that lists the runs there are, and ValueError if the values do not match their hash.
    """
    folder = importlib.resources.files("fullstack_llm") / "data" / "recorded"
    path = folder / f"{name}.json"
    if not path.is_file():
        have = ", ".join(sorted(p.name.removesuffix(".json") for p in folder.iterdir() if p.name.endswith(".json")))
        raise FileNotFoundError(f"There is no recorded run {name!r}; there are: {have or 'none yet'}.")
    run = json.loads(path.read_text(encoding="utf-8"))
    if run["sha256"] != fingerprint(run["values"]):
        advice = f"Make it again with: {run['command']}"
        raise ValueError(f"The recorded run {name!r} was edited: its values do not match their hash. {advice}")
    return run


def write(name: str, command: str, values: dict[str, Any], packages: list[str], seed: int | None = None) -> None:
    """Write a recorded run into the package: its values, its command, the device, and the packages' versions."""
    versions = {package: importlib.metadata.version(package).partition("+")[0] for package in packages}
    run = {
        "command": command,
        "seed": seed,
        "device": f"CPU, {os.cpu_count()} cores",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "versions": {"python": platform.python_version()} | versions,
        "values": values,
        "sha256": fingerprint(values),
    }
    path = Path(str(importlib.resources.files("fullstack_llm"))) / "data" / "recorded" / f"{name}.json"
    path.write_text(json.dumps(run) + "\n", encoding="utf-8")
    print(f"wrote {path}")


def fingerprint(values: dict[str, Any]) -> str:
    """Return the SHA-256 of a recorded run's values in canonical JSON.

    >>> fingerprint({"ratio": 20})[:8]
    'ec5520fb'
    """
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()
