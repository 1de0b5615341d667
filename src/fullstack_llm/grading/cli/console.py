"""Print sentences that may hold a stranger's text: each stays one line, and acts on no terminal."""

from __future__ import annotations

from fullstack_llm.checks.show import one_line

MAX_LINES = 20


def say(sentence: str) -> None:
    """Print one line, whatever line ends and control characters the sentence holds."""
    print(one_line(sentence, 2_000))


def say_some(sentences: list[str]) -> None:
    """Print at most a screen of sentences of one kind, and how many more there are."""
    for sentence in sentences[:MAX_LINES]:
        say(sentence)
    if len(sentences) > MAX_LINES:
        say(f"{sentences[0].partition(':')[0]}: and {len(sentences) - MAX_LINES} more")
