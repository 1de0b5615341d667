"""Mutants and alternatives of the toy lab."""

from mutant import Mutant

MUTANTS = [
    Mutant("double", "squares", "That squares.", "def double(xs):\n    return [x * x for x in xs]"),
    Mutant("double", "tuple", "The type is not", "def double(xs):\n    return tuple(2 * x for x in xs)"),
    Mutant("double", "raises", "ZeroDivisionError", "def double(xs):\n    return [2 * x / 0 for x in xs]"),
    Mutant("double", "not written", "later", "def double(xs):\n    raise NotImplementedError('double: later')"),
    Mutant("count", "stops early", "The last one", "def count(text, letter):\n    return text[:-1].count(letter)"),
    Mutant("count", "index", "ValueError", "def count(text, letter):\n    return text.index(letter) and 1"),
    Mutant("count", "float", "The type is not", "def count(text, letter):\n    return float(text.count(letter))"),
]
ALTERNATIVES = {
    "sums": {
        "double": "def double(xs):\n    return [x + x for x in xs]",
        "count": "def count(text, letter):\n    return sum(one == letter for one in text)",
    },
    "subclasses": {
        "double": "class L(list): pass\ndef double(xs):\n    return L(2 * x for x in xs)",
        "count": "from collections import Counter\ndef count(text, letter):\n    return Counter(text)[letter]",
    },
    "numpy": {
        "double": "def double(xs):\n    return list(np.array(xs, int) * 2)",
        "count": "def count(text, letter):\n    return (np.array(list(text)) == letter).sum()",
    },
}
