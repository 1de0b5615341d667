"""Guess the next tokens by looking them up: what followed the last tokens when they stood in the row before.

This is prompt lookup (Saxena 2023, https://github.com/apoorvumang/prompt-lookup-decoding): speculative decoding whose
draft costs no model. The engine runs the guesses through the model in one step and keeps those that it would have
chosen itself, so that greedy output does not change.
"""

from __future__ import annotations

from collections.abc import Sequence


def propose(tokens: Sequence[int], count: int, longest: int = 3) -> list[int]:
    """Return up to `count` tokens that followed the latest earlier occurrence of the row's end.

    The end is first taken `longest` tokens long, then shorter; a single token that stood there before is enough.

    >>> propose([1, 2, 3, 9, 4, 2, 3], 2), propose([1, 2, 3], 2)
    ([9, 4], [])
    """
    for size in range(min(longest, len(tokens) - 1), 0, -1):
        end = tokens[-size:]
        for start in range(len(tokens) - size - 1, -1, -1):
            if tokens[start : start + size] == end:
                return list(tokens[start + size : start + size + count])
    return []


def accepted(drafts: Sequence[int], chosen: Sequence[int]) -> int:
    """Return how many drafts the model chose itself; `chosen[i]` is its choice where drafts[i] was guessed.

    >>> accepted([5, 6, 7], [5, 6, 8, 9])
    2
    """
    return next(
        (at for at, (draft, token) in enumerate(zip(drafts, chosen, strict=False)) if draft != token), len(drafts)
    )
