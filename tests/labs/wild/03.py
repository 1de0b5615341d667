"""Answers to lab 03 as solvers write them: right ones, and wrong ones with a part of the hint that names them."""

RIGHT = [
    (
        "learn_merges",
        """
import numpy as np
def learn_merges(words, num_merges, longest):
    # -1 stands between words, and the count of its word beside each id.
    ids = np.array([i for word in words for i in [*word, -1]], dtype=np.int64)
    counts = np.array([n for word, n in words.items() for _ in [*word, -1]], dtype=np.int64)
    size, merges = np.ones(256 + num_merges, dtype=np.int64), []
    for new in range(256, 256 + num_merges):
        left, right = ids[:-1], ids[1:]
        inside = (left >= 0) & (right >= 0) & (size[left] + size[right] <= longest)
        if not inside.any():
            break
        codes, where = np.unique(left[inside] * 100_000 + right[inside], return_inverse=True)
        code = codes[np.bincount(where, weights=counts[:-1][inside]).argmax()]
        merges.append((code // 100_000, code % 100_000))
        size[new] = size[merges[-1][0]] + size[merges[-1][1]]
        keep, i = [], 0
        while i < len(ids):
            keep.append(i)
            hit = tuple(ids[i : i + 2]) == merges[-1]
            ids[i] = new if hit else ids[i]
            i += 1 + hit
        ids, counts = ids[keep], counts[keep]
    return merges
""",
    ),
    (
        "extend_vocabulary",
        """
def extend_vocabulary(embedding, unembedding, spellings, multiple):
    if unembedding is not None:
        first, _ = extend_vocabulary(embedding, None, spellings, multiple)
        second, _ = extend_vocabulary(unembedding, None, spellings, multiple)
        return first, second
    V, D = embedding.shape
    new = [np.average(embedding[s if s else range(V)].astype("float64"), axis=0) for s in spellings]
    new += [np.zeros(D)] * (-(V + len(new)) % multiple)
    return np.append(embedding, np.reshape(new, (-1, D)).astype(embedding.dtype), axis=0), None
""",
    ),
]

SEGMENT = """
def segment(text, log_probs):
    unknown = min(log_probs.values()) - 10
    best, back = [0.0] + [float("-inf")] * len(text), [0] * (len(text) + 1)
    for end in range(1, len(text) + 1):
        for start in range(max(0, end - max(map(len, log_probs))), end):
            score = best[start] + SCORE
            if score > best[end]:
                best[end], back[end] = score, start
    pieces, end = [], len(text)
    while end:
        pieces.insert(0, text[back[end] : end])
        end = back[end]
    return pieces
"""
COUNT = """
def count_pairs(words):
    counts = {}
    for ids, times in words:
        for pair in zip(ids, ids[1:]):
            counts[pair] = counts.get(pair, 0) + times
    return RESULT
"""
WRONG = [
    ("count_pairs", COUNT.replace("RESULT", "counts"), "not a dict"),
    ("count_pairs", COUNT.replace("RESULT", "sorted((*p, n) for p, n in counts.items())"), "not sorted"),
    # Counts of what can be merged: no hint may name another cause.
    ("count_pairs", COUNT.replace("zip(ids, ids[1:])", "zip(ids[::2], ids[1::2])").replace("RESULT", "counts"), ""),
    (
        "merge_pair",
        "def merge_pair(ids, pair, new_id, skip):\n    text = ' '.join(map(str, ids))\n"
        "    return [int(i) for i in text.replace(f'{pair[0]} {pair[1]}', str(new_id)).split()]",
        "merged too",
    ),
    ("segment", SEGMENT.replace("SCORE", "log_probs.get(text[start:end], unknown)"), "longer ones are too"),
    ("segment", SEGMENT.replace("SCORE", "log_probs.get(text[start:end], -1e9)"), "Of equal sums"),
]
