"""Exercise 8 of lab 03: the best segmentation of a text by a Unigram vocabulary."""

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m03_tokenization.inputs import FORBIDDEN, draw_log_probs, draw_unlike, variant


# A plain table that tries every beginning for every end takes under 2 s of CPU for the long text.
@exercise(minutes=35, difficulty=4, seconds=30.0, review=FORBIDDEN)
def segment(text, log_probs):
    # For every prefix the best list of pieces, whole: its score and its lengths, last piece first.
    unknown = min(log_probs.values()) - 10
    longest = max(map(len, log_probs))
    best = [(0.0, ())]
    for end in range(1, len(text) + 1):
        found = []
        for length in range(1, min(end, longest) + 1):
            piece = text[end - length : end]
            if piece in log_probs or length == 1:
                score, lengths = best[end - length]
                found.append((score + log_probs.get(piece, unknown), (length, *lengths)))
        best.append(max(found, key=lambda f: (f[0], -len(f[1]), f[1])))
    out, end = [], len(text)
    for length in best[-1][1]:
        out.append(text[end - length : end])
        end -= length
    return out[::-1]


@segment.right
def every_beginning(text, log_probs):
    # Tries pieces of any length: n * n / 2 of them.
    unknown, best = min(log_probs.values()) - 10, [(0.0, 0, 0)]
    for end in range(1, len(text) + 1):
        found = []
        for start in range(end):
            piece = text[start:end]
            if piece in log_probs or len(piece) == 1:
                found.append((best[start][0] + log_probs.get(piece, unknown), best[start][1] - 1, -start))
        best.append(max(found))
    pieces, end = [], len(text)
    while end:
        start = -best[end][2]
        pieces.insert(0, text[start:end])
        end = start
    return pieces


def draw_without_ties(draw: Draw, alphabet: str, length: int):
    longest = variant(segment, "(f[0], -len(f[1]), f[1]) => (f[0], f[1])")
    shortest = variant(segment, "(f[0], -len(f[1]), f[1]) => (f[0], [-k for k in f[1]])")
    while True:
        text = draw_unlike(draw, alphabet, length)
        log_probs = draw_log_probs(draw, text, 5, 2**-16)
        if longest(text, log_probs) == shortest(text, log_probs):
            return text, log_probs


@segment.part(5, "The best of text[:j] is the best of some text[:i], then the piece text[i:j]: try every i.")
def without_ties(draw: Draw):
    yield "", {"a": -1.0}
    yield "a", {"a": -1.0, "ad": -0.5}
    # Each declared mistake but those about ties and unknown characters gives other pieces here.
    yield "aadass", {"a": -1.0, "d": -7.0, "s": -3.0, "aa": -2.5, "ss": -4.5, "ass": -2.0, "das": -6.5}
    yield "adds", {"a": -2.0, "ad": -1.5, "d": -1.0, "dds": -1.25, "s": -2.0}
    yield "adds", {"a": -1.0, "d": -1.0, "s": -1.0, "adds": -4.5, "ad": -0.5}
    # A piece can be longer than any length that one would think enough.
    yield f"a{'sad' * 23}a", {"a": -1.0, "d": -1.0, "s": -1.0, "sad": -2.5, "sad" * 23: -2.0}
    yield draw_without_ties(draw, "adnorst", 17)
    yield draw_without_ties(draw, "aé京🙂s\u0301", 29)


@segment.part(3, "Of the best sums the fewest pieces win; of those, the longest last piece, and so on.", "ties")
def with_ties(draw: Draw):
    # In the first case products, and in one of these every other rule for ties, give other pieces.
    rest = {"ad": -3.0, "aa": -2.0, "ads": -4.0, "saa": -3.0, "sd": -3.0}
    yield "saaaadsd", {"a": -1.0, "d": -2.0, "s": -1.0, **rest}
    yield "dadada", {"a": -1.0, "d": -2.0, "ad": -3.0, "da": -3.0, "ada": -3.0}
    rest = {"da": -2.0, "das": -4.0, "dds": -3.0, "ddsd": -4.0, "dsd": -3.0, "s": -2.0, "sd": -3.0, "sda": -3.0}
    yield "ddsdasds", {"a": -1.0, "d": -1.0, **rest}
    yield "add", {"a": -1.0, "d": -1.0, "ad": -2.0, "dd": -2.0, "add": -3.0}
    for length in (7, 19, 31):
        text = "".join(draw.choice("ad") for _ in range(length))
        pieces = draw_log_probs(draw, text, 4, 0.5)
        yield text, {piece: -float(len(piece)) for piece in pieces}
        yield text, {piece: -float(round(1 - value / 3)) for piece, value in pieces.items()}


@segment.part(2, "A single character that is no key is a piece too, 10 below the lowest log-probability.", "unknown")
def with_unknown(draw: Draw):
    yield "🙂", {"a": -1.0}
    yield "a??b🙂🙂🙂", {"a": -1.0, "b": -2.0, "ab🙂": -1.5}
    yield "a?b?", {"a": -1.0, "b": -2.0, "?b": -50.0}
    yield "add", {"a": -2.0, "dd": -14.0, "ad": -1.0}
    yield "ab", {"ab": -20.0, "b": -5.5, "c": -5.0}
    yield "abcd", {"ab": -40.0, "cd": -40.0, "bcd": -1.0}
    yield "abc", {"ab": -1.0, "bc": -5.0}
    # Every character is known, and a piece of two that is no key would be the best if there were one.
    yield "ad", {"a": -9.0, "d": -9.0, "xyz": -5.0}
    text = "".join(draw.choice("ads京 ") for _ in range(37))
    pieces = draw_log_probs(draw, text, 3, 2**-16)
    yield text, {piece: value for piece, value in pieces.items() if piece not in "d京"}


@segment.part(2, "The same rules on a long text: if this part alone fails, has a number become 0?", "long", named=False)
def long(draw: Draw):
    text = draw_unlike(draw, "abcdefghijklmnopqrstuvwxyz", 3_001)
    yield text, draw_log_probs(draw, text[:601], 5, 2**-16)


segment.mistakes("""
Sums of log-probabilities are exact here, products of probabilities are not: add the values as they are.
    (0.0, ()) => (1.0, ()) && unknown = min => from math import exp\\n    unknown = min && score + log_probs.get(piece, unknown) => score * exp(log_probs.get(piece, unknown))
Of equal sums the fewest pieces win, then the longest last piece, then the longest last but one: here it is not so.
    (f[0], -len(f[1]), f[1]) => (f[0], f[1])
    (f[0], -len(f[1]), f[1]) => (f[0], -len(f[1]), [-k for k in f[1]])
    (f[0], -len(f[1]), f[1]) => (f[0], [-k for k in f[1]])
The log-probability of an unknown character lies 10 below the lowest given one: another value gives these pieces.
    min(log_probs.values()) - 10 => -10.0
    - 10 =>
    min(log_probs.values()) - 10 => -1e9
Only a single character may be a piece without being a key: here longer ones are too.
    or length == 1 =>  or True
This is the lowest sum: log-probabilities are negative, and the highest sum is the one nearest to 0.
    (f[0], -len => (-f[0], -len
This has the fewest pieces: the sum of log-probabilities comes first.
    (f[0], -len(f[1]), => (-len(f[1]), f[0],
The whole text is one piece here, whether or not it is a key: has any sum replaced what the table began with?
    return out[::-1] => return [text] if text else []
The longest pieces are never tried: a piece can be as long as the longest key.
    max(map(len, log_probs)) => max(1, max(map(len, log_probs)) - 1)
    max(map(len, log_probs)) => min(16, max(map(len, log_probs)))
Not every piece is a key of log_probs: single characters are pieces all the same.
    log_probs.get(piece, unknown) => log_probs[piece]
""")


@segment.mistake("Taking the longest piece first, again and again, gives this: a shorter one can be better.")
def greedy(text, log_probs):
    out = []
    while text:
        out.append(max((p for p in log_probs if text.startswith(p)), key=len, default=text[0]))
        text = text[len(out[-1]) :]
    return out
