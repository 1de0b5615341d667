"""Keep what a notebook printed and measured in the cache that the book reads, and know whether it is there."""

import datetime
from pathlib import Path
from typing import Any


def keep(cache: Any, source: Path, fingerprint: str, result: dict[str, Any]) -> dict[str, Any]:
    """Put an executed notebook into the cache; return what the record says of it."""
    from jupyter_cache.base import CacheBundleIn

    data = {
        "fingerprint": fingerprint,
        "execution_seconds": result["seconds"],
        "seconds": round(result["seconds"], 1),
        "cpu_seconds": round(result["cpu_seconds"], 1),
        "pace": round(result["pace"], 2),
        "peak_mib": round(result["peak_mib"]),
        "ran": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "expectations": expectations(result["nb"]),
    }
    bundle = CacheBundleIn(result["nb"], str(source), data=data)
    cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
    return data


def is_whole(cache: Any, record: Any) -> bool:
    """Return whether the cache has all of a notebook: a full disk leaves an entry without its file, or half of it."""
    try:
        cache.get_cache_bundle(record.pk)
    except Exception:  # absent, cut off or no notebook: each means that it has to run again
        return False
    return True


def expectations(nb: Any) -> list[dict[str, Any]]:
    """The records that `expect` and `note` left in a notebook's outputs, in order."""
    outputs = (output for cell in nb.cells for output in cell.get("outputs", []))
    found = (output.get("metadata", {}).get("fullstack_llm") for output in outputs)
    return [dict(record) for record in found if record]
