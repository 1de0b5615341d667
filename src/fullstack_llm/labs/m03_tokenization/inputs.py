"""Draw inputs for lab 03: texts, words, merges and log-probabilities."""

from itertools import pairwise
from typing import Any

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import Exercise

Pair = tuple[int, int]

# The lab says so in *What you may use*.
FORBIDDEN = ("tokenizers", "transformers", "tiktoken", "sentencepiece", "fullstack_llm.tokenization")

# UTF-8 of 1 to 4 bytes, a combining mark, a joined emoji, a flag, and white space that is not ASCII.
CHARACTERS = [*"aaadddsso 12.,\n", "é", "ß", "e\u0301", "न", "ि", "京", "\u2009", "🙂", "👩\u200d🔬", "🇫🇷"]


def merged(ids, pair, new_id):
    """Merge a pair wherever it stands: what the oracles of training and encoding use."""
    found, i = [], 0
    while i < len(ids):
        hit = tuple(ids[i : i + 2]) == pair
        found.append(new_id if hit else ids[i])
        i += 1 + hit
    return found


def variant(exercise: Exercise, edits: str):
    """Return an oracle with edits in it: draws on which it gives the right answer have no tie, if ties are edited."""
    names: dict[str, Any] = {}
    exec(exercise.edited(edits), names)
    return names[exercise.name]


def draw_text(draw: Draw, length: int) -> str:
    """Draw `length` characters of one to four bytes each; a joined emoji counts as one."""
    return "".join(draw.choice(CHARACTERS) for _ in range(length))


def draw_words(draw: Draw, alphabet: str, num: int, highest: int) -> dict[bytes, int]:
    """Draw `num` different words of 2 to 7 characters, each with a count of 1 to `highest`."""
    words: dict[bytes, int] = {}
    while len(words) < num:
        word = "".join(draw.choice(alphabet) for _ in range(draw.randint(2, 7)))
        words[word.encode()] = draw.randint(1, highest)
    return words


def draw_merges(draw: Draw, sample: str, num_merges: int) -> list[Pair]:
    """Draw merges of pairs that stand in a text, whatever their counts, so that the order of the merges matters."""
    merges: list[Pair] = []
    spelled = sample.encode().decode("latin-1")
    for number in range(num_merges):
        left, right = draw.choice(list(pairwise(spelled)))
        merges.append((ord(left), ord(right)))
        spelled = spelled.replace(left + right, chr(256 + number))
    return merges


def draw_log_probs(draw: Draw, sample: str, longest: int, unit: float) -> dict[str, float]:
    """Draw every character and many longer pieces of a text; values are multiples of `unit`, a power of two."""
    pieces = {sample[i : i + n] for i in range(len(sample)) for n in range(1, longest + 1) if i + n <= len(sample)}
    # Sorted before the draw: a set has another order in each process, and all must meet the same vocabulary.
    kept = [piece for piece in sorted(pieces) if len(piece) == 1 or draw.random() < 0.6]
    return {piece: -unit * draw.randint(int(1 / unit), int(9 / unit)) for piece in kept}


def draw_unlike(draw: Draw, alphabet: str, length: int) -> str:
    """Draw a text of which each character differs from the three before it.

    In a repetition the same pieces fit in another order, and "d" + "dd" scores what "dd" + "d" does.
    """
    text = ""
    while len(text) < length:
        text += draw.choice([char for char in alphabet if char not in text[-3:]])
    return text
