"""How fast the town writes: megabytes a second of CPU time for each kind of document and for the default mixture.

Run from the repository: `python -m benchmarks.tinytown` (--megabytes 0.2: a small part). The promise is 1 MB/s for the
mixture on one quiet core; the command fails below it.
"""

import argparse
import sys
import time
from collections.abc import Iterator

from fullstack_llm.tinytown import mixture
from fullstack_llm.tinytown.chance import stream
from fullstack_llm.tinytown.documents import Document
from fullstack_llm.tinytown.world import town

PROMISE = 1.0


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--megabytes", type=float, default=2.0, help="how much to write of each (default: 2)")
    size = int(arguments.parse_args().megabytes * 1e6)
    world = town()
    for kind, source in mixture.GENERATORS.items():
        print(f"{kind:12} {speed(source(world, stream(0, kind)), size):6.1f} MB/s")
    whole = speed(mixture.documents(world), size)
    print(f"{'mixture':12} {whole:6.1f} MB/s")
    if whole < PROMISE:
        sys.exit(f"The mixture was written at {whole:.2f} MB/s; {PROMISE} MB/s is promised.")


def speed(source: Iterator[Document], size: int) -> float:
    """Megabytes of UTF-8 a second of CPU time."""
    start, total = time.process_time(), 0
    for document in source:
        total += len(document.text.encode())
        if total >= size:
            break
    return total / (time.process_time() - start) / 1e6


if __name__ == "__main__":
    main()
