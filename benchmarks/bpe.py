"""Train BPE three ways on one megabyte: naive, incremental, and the `tokenizers` library.

Naive means what `tests/oracles.py` does: for every merge, count every pair of every chunk of the corpus afresh and
rewrite every chunk, repeats included, in pure Python. All three must learn the same merges. Times are CPU times of this
process, which a busy machine disturbs little; only their ratios are kept.

Run from the repository: `python -m benchmarks.bpe` (--merges 20: a small part; --record: replace the recorded run).
"""

import argparse
import hashlib
import os
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

from fullstack_llm import corpus, recorded
from fullstack_llm.tokenization import bpe
from tests.tokenization.oracles import library_merges, library_tokenizer, naive_merges

RECORD = "bpe-1mb"
COUNTS = [10, 20, 50, 100, 200, 500, 1000]
FLOOR = 20.0  # of the speed-up at 1,000 merges


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--merges", type=int, default=1000, help="how many merges to learn (default: 1000)")
    arguments.add_argument("--record", action="store_true", help=f"write the recorded run {RECORD}")
    options = arguments.parse_args()
    if options.record and options.merges != COUNTS[-1]:
        arguments.error(f"a record needs all {COUNTS[-1]} merges; leave out --merges")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    counts = sorted({n for n in COUNTS if n < options.merges} | {options.merges})
    values = measure(corpus.megabyte(), counts)
    speedup = values["incremental_over_naive"][str(options.merges)]
    if options.merges == COUNTS[-1]:
        assert speedup >= FLOOR, f"incremental is {speedup:.1f} times as fast as naive, expected at least {FLOOR}"
    if options.record:
        recorded.write(RECORD, "python -m benchmarks.bpe --record", values, ["tokenizers"])
    else:
        compare(values, recorded.load(RECORD)["values"])


def measure(text: str, counts: list[int]) -> dict:
    """Learn max(counts) merges naively once, and each count of merges with the two others, best of three."""
    start = time.process_time()
    chunks = bpe.pretokenize(text)
    naive, naive_seconds = [], {}
    for pair in islice(naive_merges(chunks), counts[-1]):
        naive.append(pair)
        if len(naive) in counts:
            naive_seconds[len(naive)] = time.process_time() - start
            print(f"naive: {len(naive):5,} merges", flush=True)

    speedup, against_library = {}, {}
    print("merges  incremental is faster than naive by  tokenizers is faster than incremental by")
    for n in counts:
        incremental, ours = best_of_three(lambda n=n: bpe.train(text, n))
        tokenizer, library = best_of_three(lambda n=n: library_tokenizer([text], n))
        assert incremental == naive[:n], f"incremental and naive differ within {n} merges"
        assert library_merges(tokenizer) == naive[:n], f"tokenizers and naive differ within {n} merges"
        speedup[str(n)] = round(naive_seconds[n] / ours, 2)
        against_library[str(n)] = round(ours / library, 2)
        print(f"{n:6,}  {speedup[str(n)]:34.1f}x  {against_library[str(n)]:40.2f}x")

    encoded = len(text.encode())
    tokens = {str(n): len(bpe.encode(text, naive[:n])) for n in counts}
    return {
        "text_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "bytes": encoded,
        "chunks": len(chunks),
        "distinct_chunks": len(set(chunks)),
        "incremental_over_naive": speedup,
        "tokenizers_over_incremental": against_library,
        "tokens": tokens,
        "tokens_per_byte": {n: round(count / encoded, 6) for n, count in tokens.items()},
        "merges_sha256": {str(n): hashlib.sha256(repr(naive[:n]).encode()).hexdigest() for n in counts},
    }


def best_of_three(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return the result and the least CPU seconds of three runs."""
    seconds = []
    for _ in range(3):
        start = time.process_time()
        result = work()
        seconds.append(time.process_time() - start)
    return result, min(seconds)


def compare(values: dict, recorded: dict) -> None:
    """Assert that what does not depend on the machine is as recorded."""
    for key in ("text_sha256", "bytes", "chunks", "distinct_chunks"):
        assert values[key] == recorded[key], f"{key} is {values[key]}, recorded {recorded[key]}"
    for key in ("tokens", "merges_sha256"):
        for n in values[key].keys() & recorded[key].keys():
            assert values[key][n] == recorded[key][n], f"{key} after {n} merges differs from the recorded run"
    print("merges and token counts are as recorded")


if __name__ == "__main__":
    main()
