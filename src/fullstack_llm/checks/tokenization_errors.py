"""Errors that answers to lab 03 raise: the mistake that is behind each, found by what the error says."""

LEFT_OVER = "Behind the last id there is none: where does your loop end, and what does it look at?"

# Python says what did not work; a hint says which thought did not. Matched by regular expressions.
ERRORS = {
    "get_pairs": {
        r"IndexError": LEFT_OVER,
        r"KeyError": "A pair that is met for the first time has no count yet.",
        r"unhashable": "A list can be no key of a dict: a pair is a tuple.",
    },
    "merge": {r"IndexError": LEFT_OVER},
    "train": {
        r"empty": "No pair is left where every word is one id long, or where there is no word: training ends there.",
        r"KeyError": "A pair that is met for the first time has no count yet.",
    },
    "encode": {
        r"UnicodeEncodeError|codec can't encode": "Few characters are in ASCII or Latin-1: take the bytes of UTF-8.",
        r"empty": "A text of one byte, or of none, has no pair.",
        r"IndexError": LEFT_OVER,
    },
    "decode": {
        r"UnicodeDecodeError|codec can't decode": "A model may emit bytes that are no UTF-8: a sign stands for them.",
        r"range\(0, 256\)|range\(256\)": "What a merge joined can be merged tokens: their ids are no bytes yet.",
    },
    "render_chat": {r"IndexError": "One of the two is longer: where the shorter one ends, nothing is left to compare."},
    "extend_vocabulary": {
        r"NoneType": "Tied matrices are one: unembedding is None, and there is nothing to extend.",
        r"at least one array|zero-size|dimensions": "There may be no new token, or one of no parts.",
    },
    "viterbi": {
        r"RecursionError": "One level of recursion for each character is too deep: fill the table by a loop.",
        r"KeyError": "Not every piece is a key of log_probs: single characters are pieces all the same.",
        r"NoneType": "An entry of the table that no piece has reached yet was used: can every end be reached?",
    },
}
