"""Rows from parquet and JSON Lines, from a file, a folder, the hub's cache, or the hub.

The rows are read with pyarrow and json, not with `datasets`: the hub serves plain files, and one reader for local,
fetched and streamed files can name the row that is wrong, and saves a dependency.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from huggingface_hub import HfApi, HfFileSystem, hf_hub_download
from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

from fullstack_llm.hub.sources import BadData, Source, Unavailable, needs, part_of

SUFFIXES = (".parquet", ".jsonl")


@dataclass(frozen=True)
class Row:
    """Hold one row of a file and its number, counted from 1 as lines are."""

    file: str
    number: int
    values: Mapping[str, Any]

    def wrong(self, complaint: str) -> BadData:
        """Build the error that names file and row."""
        return BadData(f"{self.file}, row {self.number}, {complaint}.")


def read(source: Source, split: str, path: str | Path | None, download: bool) -> Iterator[Row]:
    """Yield the checked rows of a split: from `path`, else from the hub's cache, or with `download` from the hub.

    Raises ValueError for another split, `Unavailable` for what is not at hand, `BadData` for a row that does not fit.
    """
    part_of(source, split)
    if path is not None:
        files = iter(local_files(source, split, Path(path)))
    elif source.streamed:
        yield from _streamed(source, split, download)
        return
    else:
        files = (fetch(source, split, file, download) for file in part_of(source, split).files)
    for file in files:
        yield from rows(source, str(file), file)


def local_files(source: Source, split: str, path: Path) -> list[Path]:
    """Return the files that hold a split: the given file, or the files of a folder whose names are those of the split.

    A name fits if it is the one on the hub, or begins with the split's name ("test-2.parquet"). In a folder without a
    name that fits, all files belong to the split. Raises `Unavailable` if there is no file.
    """
    part = part_of(source, split)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise needs(source, split, f"is not at {path}, where there is no file or folder")
    same = dict.fromkeys([path / name for name in part.files] + [path / Path(name).name for name in part.files])
    if any(file.is_file() for file in same):
        return [file for file in same if file.is_file()]
    found = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)
    splits = {split, part.split} - {""}
    others = {name for key, other in source.parts.items() for name in (key, other.split)} | {"train", "test", "valid"}
    named = any(file.name.startswith(tuple(others)) for file in found)
    chosen = [file for file in found if file.name.startswith(tuple(splits))] if named else found
    if not chosen:
        raise needs(source, split, f"has no file of the split {split!r} in {path}")
    return chosen


def fetch(source: Source, split: str, file: str, download: bool) -> Path:
    """Return the path of one of a source's files in the hub's cache; fetch it into the cache if `download` allows it.

    Raises `Unavailable` if it is not in the cache and may not or cannot be fetched.
    """
    kind = "model" if source.kind == "model" else "dataset"
    place: dict[str, Any] = {"repo_type": kind, "revision": source.revision}
    try:
        return Path(hf_hub_download(source.hub_id, file, local_files_only=True, **place))
    except LocalEntryNotFoundError:
        pass
    if not download:
        raise needs(source, split, "is not on this machine")
    try:
        # Without a network this fails at once, where the download tries again for twenty seconds.
        HfApi().repo_info(source.hub_id, timeout=10, **place)
        return Path(hf_hub_download(source.hub_id, file, **place))
    # The library raises its own errors, those of its HTTP client and those of the disk: a reader needs one sentence.
    except Exception as error:
        raise needs(source, split, f"could not be fetched ({_why(error)})") from None


def _streamed(source: Source, split: str, download: bool) -> Iterator[Row]:
    if not download:
        raise needs(source, split, "is not on this machine")
    try:
        for name in part_of(source, split).files:
            place = f"datasets/{source.hub_id}@{source.revision or 'main'}/{name}"
            with HfFileSystem().open(place, "rb") as file:
                yield from rows(source, f"{source.hub_id}/{name}", file)
    except (BadData, Unavailable):
        raise
    # As above; here also in the midst of reading, when the network goes away.
    except Exception as error:
        raise needs(source, split, f"could not be fetched ({_why(error)})") from None


def _why(error: Exception) -> str:
    return "HF_HUB_OFFLINE is set" if isinstance(error, OfflineModeIsEnabled) else type(error).__name__


def rows(source: Source, name: str, file: Path | IO[bytes]) -> Iterator[Row]:
    """Yield the rows of a parquet or JSON Lines file, each with all of the source's fields, of the right types.

    Raises `BadData` for another ending of the name, for a file that cannot be read, and for a row that lacks a field.
    """
    if not name.endswith(SUFFIXES):
        raise BadData(f"{name} is neither parquet nor JSON Lines: its name has to end in {' or '.join(SUFFIXES)}.")
    found = _parquet(source, name, file) if name.endswith(".parquet") else _json_lines(name, file)
    for row in found:
        for field, kind in source.fields.items():
            value = row.values.get(field)
            if value is None:
                raise row.wrong(f"lacks the field {field!r}; it has {', '.join(row.values) or 'none'}")
            if not isinstance(value, kind):
                expected = " or ".join(each.__name__ for each in (kind if isinstance(kind, tuple) else (kind,)))
                raise row.wrong(f"has {type(value).__name__} in the field {field!r}, where {expected} belongs")
        yield row


def _json_lines(name: str, file: Path | IO[bytes]) -> Iterator[Row]:
    with file.open("rb") if isinstance(file, Path) else file as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = Row(name, number, json.loads(line))
            except ValueError:
                raise Row(name, number, {}).wrong("is not JSON") from None
            if not isinstance(row.values, dict):
                raise row.wrong("is not an object with fields")
            yield row


def _parquet(source: Source, name: str, file: Path | IO[bytes]) -> Iterator[Row]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise Unavailable(f"{name} is parquet, which needs a package: pip install pyarrow.") from None
    number = 0
    # From a file on the disk an OSError is damage; from the hub it is the network.
    damage = (pyarrow.ArrowException, OSError) if isinstance(file, Path) else (pyarrow.ArrowException,)
    try:
        with parquet.ParquetFile(file) as table:
            names = table.schema_arrow.names
            # All columns of a file that lacks one, so that the complaint can list them.
            wanted = list(source.fields) if set(source.fields) <= set(names) else names
            # Group by group: asked for all groups at once, pyarrow reads the whole file before it gives the first row.
            for group in range(table.num_row_groups):
                for batch in table.iter_batches(256, row_groups=[group], columns=wanted):
                    for values in batch.to_pylist():
                        number += 1
                        yield Row(name, number, values)
    except damage:
        raise BadData(f"{name} is not a parquet file, or is damaged after row {number}.") from None
