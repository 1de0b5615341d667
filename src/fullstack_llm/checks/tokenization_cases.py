"""Inputs of lab 03: the edges that always occur, and what is drawn afresh for each class."""

from itertools import pairwise

from fullstack_llm.checks import Draw
from fullstack_llm.checks import tokenization_oracles as oracle
from fullstack_llm.checks.tokenization_oracles import Pair

# One of every trap of UTF-8: 1 to 4 bytes, a combining mark, a joined emoji, a flag, white space that is not ASCII.
CHARACTERS = [*"aaadddsso 12.,\n", "é", "ß", "e\u0301", "न", "ि", "京", "\u2009", "🙂", "👩\u200d🔬", "🇫🇷"]


def draw_text(draw: Draw, length: int) -> str:
    """`length` characters (a joined emoji counts as one) of one to four bytes each."""
    return "".join(draw.choice(CHARACTERS) for _ in range(length))


def draw_words(draw: Draw, alphabet: str, num: int, highest: int) -> dict[bytes, int]:
    """`num` different words over `alphabet`, 2 to 7 characters long, each with a count of 1 to `highest`."""
    drawn: dict[bytes, int] = {}
    while len(drawn) < num:
        word = "".join(draw.choice(alphabet) for _ in range(draw.randint(2, 7)))
        drawn[word.encode()] = draw.randint(1, highest)
    return drawn


def draw_words_without_ties(draw: Draw, alphabet: str, num: int, num_merges: int) -> tuple[dict[bytes, int], int]:
    """Words whose first `num_merges` merges are the same under every rule for ties, and `num_merges`."""
    while True:
        drawn = draw_words(draw, alphabet, num, 9_973)
        want = oracle.train(drawn, num_merges)
        if all(oracle.train(drawn, num_merges, choose) == want for choose in oracle.OTHER_TIES.values()):
            return drawn, num_merges


def draw_merges(draw: Draw, sample: str, num_merges: int) -> list[Pair]:
    """Merges of pairs drawn from `sample`, whatever their counts: their order matters more than a trained one does."""
    drawn: list[Pair] = []
    for _ in range(num_merges):
        drawn.append(draw.choice(list(pairwise(oracle.encode(sample, drawn)))))
    return drawn


def draw_log_probs(draw: Draw, sample: str, longest: int, unit: float) -> dict[str, float]:
    """Every character and many longer pieces of `sample`; values are multiples of `unit`, a power of two."""
    pieces = {sample[i : i + n] for i in range(len(sample)) for n in range(1, longest + 1) if i + n <= len(sample)}
    # Sorted before the draw: a set has another order in each process, and all must meet the same vocabulary.
    kept = [piece for piece in sorted(pieces) if len(piece) == 1 or draw.random() < 0.6]
    return {piece: -unit * draw.randint(int(1 / unit), int(9 / unit)) for piece in kept}


def draw_unlike(draw: Draw, alphabet: str, length: int) -> str:
    """A text of which each character differs from the three before it.

    In a repetition the same pieces fit in another order, and "d" + "dd" scores what "dd" + "d" does.
    """
    text = ""
    while len(text) < length:
        text += draw.choice([char for char in alphabet if char not in text[-3:]])
    return text


def draw_without_ties(draw: Draw, alphabet: str, length: int) -> tuple[str, dict[str, float]]:
    """A text and a vocabulary of pieces of it, with one best segmentation."""
    while True:
        text = draw_unlike(draw, alphabet, length)
        log_probs = draw_log_probs(draw, text, 5, 2**-16)
        # Where two last pieces tie, these two rules part, so that one best segmentation is all there is.
        longest = oracle.viterbi(text, log_probs, lambda score, lengths: (score, lengths[0]))
        if oracle.viterbi(text, log_probs, lambda score, lengths: (score, -lengths[0])) == longest:
            return text, log_probs


Merging = tuple[list[int], Pair, int]
Training = tuple[dict[bytes, int], int]
Encoding = tuple[str, list[Pair]]
Decoding = tuple[list[int], list[Pair]]
Segmenting = tuple[str, dict[str, float]]


def get_pairs(draw: Draw) -> list[tuple[list[int]]]:
    """Nothing, one id, runs of one id, large ids, a long list."""
    drawn = [draw.randrange(5) for _ in range(47)]
    large = [draw.choice([7, 256, 100_003]) for _ in range(19)]
    return [(ids,) for ids in ([], [7], [7, 7], [1, 2, 1, 2, 1], [5, 5, 5, 5, 5], drawn, large)]


def merge(draw: Draw) -> list[Merging]:
    """The pair nowhere, once, often, at both ends, the wrong way round."""
    drawn = [draw.randrange(3) for _ in range(53)]
    small: list[list[int]] = [[], [1], [2, 1], [1, 2], [1, 2, 3, 1, 2, 3], [1, 1, 2, 2, 1]]
    large = ([256, 257, 256, 256, 257], (256, 257), 100_003)
    # One id ends as the first of the pair does, and another begins as the second one.
    digits = ([17, 23, 7, 2, 7, 25, 17, 2], (7, 2), 256)
    return [*((ids, (1, 2), 256) for ids in small), large, (drawn, (0, 1), 257), (drawn, (2, 0), 3), digits]


def merge_overlaps(draw: Draw) -> list[Merging]:
    """Runs of every length from 2 to 7, and many runs."""
    drawn = [draw.choice([9, 9, 9, 4]) for _ in range(61)]
    runs = [*([9] * length for length in range(2, 8)), [4, 9, 9, 9, 4, 9, 9], drawn]
    return [(ids, (9, 9), 256) for ids in runs]


def train(draw: Draw) -> list[Training]:
    """Counts, ends of words, runs, characters of several bytes, nothing to merge; never a tie."""
    return [
        ({}, 5),
        ({b"a": 5, b"d": 2}, 5),
        ({b"ada": 2, b"adds": 3, b"dad": 2}, 0),
        ({b"ad": 3}, 5),
        ({b"da": 4, b"ad": 5}, 1),
        ({b"sa": 4, b"aa": 3, b"ad": 2}, 2),
        ({b"aaaa": 1}, 9),
        ({b"aaaa": 5, b"dd": 11}, 1),
        ({"é".encode(): 3, "été".encode(): 1}, 1),
        *(draw_words_without_ties(draw, *shape) for shape in (("ads", 13, 5), ("ado", 17, 7), ("aé🙂", 11, 2))),
    ]


def train_ties(draw: Draw) -> list[Training]:
    """Small counts, trained to the end."""
    # In the first case every rule for ties takes another pair, so that the hint names the rule.
    small = [
        ({b"cd": 2, b"az": 2, b"zb": 2, b"ba": 2, b"de": 2}, 1),
        ({b"ada": 2, b"adds": 3, b"dad": 2, b"a": 1}, 4),
        ({b"dcba": 1}, 3),
    ]
    return small + [(draw_words(draw, alphabet, 7, 3), 31) for alphabet in ("ads", "abcdefg", "न京é")]


def encode(draw: Draw) -> list[Encoding]:
    """No text, no merges, every kind of character, chains of merges."""
    return [
        ("", []),
        ("", [(97, 100)]),
        ("d", [(97, 100)]),
        ("Ada adds.", []),
        (draw_text(draw, 31), []),
        ("adds dad", [(97, 100)]),
        (" ad\n", [(97, 100)]),
        # Here the last merge first, and the first merge alone, give different ids.
        ("addss", [(97, 100), (256, 100), (115, 115)]),
        ("éé", [(0xC3, 0xA9), (256, 256)]),
        ("👩\u200d🔬", [(0xF0, 0x9F), (0xE2, 0x80)]),
        ("e\u0301é", [(0xCC, 0x81), (101, 256)]),
        ("adda", [(97, 100), (256, 100), (257, 97)]),
        ("aaaaa", [(97, 97), (256, 256)]),
    ]


def encode_order(draw: Draw) -> list[Encoding]:
    """Merges that take each other's bytes, up to a text of 2,003 characters."""
    sample = "".join(draw.choice("ads é") for _ in range(211))
    # In the first case each mistake that is known gives other ids, so that the hint names it.
    return [
        ("dadadadss", [(100, 97), (256, 100), (256, 257), (115, 115)]),
        ("dads", [(100, 115), (97, 100)]),
        ("adsads", [(97, 100), (100, 115), (256, 115)]),
        ("adds", [(100, 100), (97, 100), (100, 115)]),
        ("aaaa", [(97, 97), (97, 256), (256, 97)]),
        *((draw_text(draw, 41) + sample, draw_merges(draw, sample, num)) for num in (5, 13, 23)),
        ("".join(draw.choice("ads é") for _ in range(2_003)), draw_merges(draw, sample, 43)),
    ]


def decode(draw: Draw) -> list[Decoding]:
    """No ids, merges of merges, characters in several tokens."""
    sample = draw_text(draw, 151)
    merges = draw_merges(draw, sample, 37)
    return [
        ([], []),
        ([], merges),
        ([97], []),
        ([97, 256, 115], [(100, 100)]),
        ([258], [(97, 100), (256, 100), (257, 115)]),
        ([*"é न🙂".encode()], []),
        ([0xF0, 256, 0x82], [(0x9F, 0x99)]),
        (oracle.encode(sample, merges), merges),
    ]


def decode_invalid(draw: Draw) -> list[Decoding]:
    """Cut characters, stray bytes, forbidden codes, random ids."""
    merges = draw_merges(draw, "न京🙂é" * 3, 11)
    stray = ([0xFF], [0x80, 97], [97, 0xC3], [0xC3, 97], [0xF0, 0x9F, 0x99], [0xC0, 0x80], [0xED, 0xA0, 0x80])
    return [
        *((ids, []) for ids in stray),
        ([256], [(0x9F, 0x99)]),
        ([draw.randrange(256) for _ in range(97)], []),
        ([draw.randrange(256 + len(merges)) for _ in range(59)], merges),
    ]


def viterbi(draw: Draw) -> list[Segmenting]:
    """Nothing, one character, traps for the greedy, characters outside ASCII; one best answer each."""
    return [
        ("", {"a": -1.0}),
        ("a", {"a": -1.0, "ad": -0.5}),
        # Each mistake that is known gives other pieces here, so that the hint names it.
        ("aadass", {"a": -1.0, "d": -7.0, "s": -3.0, "aa": -2.5, "ss": -4.5, "ass": -2.0, "das": -6.5}),
        ("adds", {"a": -2.0, "ad": -1.5, "d": -1.0, "dds": -1.25, "s": -2.0}),
        ("adds", {"a": -1.0, "d": -1.0, "s": -1.0, "adds": -4.5, "ad": -0.5}),
        # A piece can be longer than any length that one would think enough.
        (f"a{'sad' * 23}a", {"a": -1.0, "d": -1.0, "s": -1.0, "sad": -2.5, "sad" * 23: -2.0}),
        draw_without_ties(draw, "adnorst", 17),
        draw_without_ties(draw, "aé京🙂s\u0301", 29),
    ]


def viterbi_ties(draw: Draw) -> list[Segmenting]:
    """Log-probabilities that depend on the length of a piece alone, or on little more."""
    # In the first case each other rule for ties but one, in the second that one too, gives other pieces.
    rest = {"da": -2.0, "das": -4.0, "dds": -3.0, "ddsd": -4.0, "dsd": -3.0, "s": -2.0, "sd": -3.0, "sda": -3.0}
    cases: list[Segmenting] = [
        ("dadada", {"a": -1.0, "d": -2.0, "ad": -3.0, "da": -3.0, "ada": -3.0}),
        ("ddsdasds", {"a": -1.0, "d": -1.0, **rest}),
        ("add", {"a": -1.0, "d": -1.0, "ad": -2.0, "dd": -2.0, "add": -3.0}),
    ]
    for length in (7, 19, 31):
        text = "".join(draw.choice("ad") for _ in range(length))
        pieces = draw_log_probs(draw, text, 4, 0.5)
        cases.append((text, {piece: -float(len(piece)) for piece in pieces}))
        cases.append((text, {piece: -float(round(1 - value / 3)) for piece, value in pieces.items()}))
    return cases


def viterbi_unknown(draw: Draw) -> list[Segmenting]:
    """Unknown characters alone, inside pieces, and where their price decides."""
    text = "".join(draw.choice("ads京 ") for _ in range(37))
    pieces = draw_log_probs(draw, text, 3, 2**-16)
    return [
        ("🙂", {"a": -1.0}),
        ("a??b🙂🙂🙂", {"a": -1.0, "b": -2.0}),
        ("a?b?", {"a": -1.0, "b": -2.0, "?b": -50.0}),
        ("add", {"a": -2.0, "dd": -14.0, "ad": -1.0}),
        ("ab", {"ab": -20.0, "b": -5.5, "c": -5.0}),
        ("abcd", {"ab": -40.0, "cd": -40.0, "bcd": -1.0}),
        ("abc", {"ab": -1.0, "bc": -5.0}),
        (text, {piece: value for piece, value in pieces.items() if piece not in "d京"}),
    ]


def viterbi_long(draw: Draw) -> list[Segmenting]:
    """3,001 characters: more than Python's recursion goes deep, in a notebook too."""
    text = draw_unlike(draw, "abcdefghijklmnopqrstuvwxyz", 3_001)
    return [("ada", {"ad": -1.0, "a": -1.0, "d": -3.0}), (text, draw_log_probs(draw, text[:601], 5, 2**-16))]
