"""Wrong answers to lab 03, each with the hint that must name its mistake, and right answers written in other ways."""

from mutant import Mutant

GET_PAIRS = [
    Mutant(
        "get_pairs",
        "counts only what can be merged",
        "Overlapping places are skipped",
        """
def get_pairs(ids):
    counts, i = {}, 0
    last = {}
    for i in range(len(ids) - 1):
        pair = (ids[i], ids[i + 1])
        if last.get(pair) != i - 1 or pair[0] != pair[1]:
            counts[pair] = counts.get(pair, 0) + 1
            last[pair] = i
    return counts
""",
    ),
    Mutant(
        "get_pairs",
        "overwrites",
        "counted once however often",
        "def get_pairs(ids):\n    return {pair: 1 for pair in zip(ids, ids[1:])}",
    ),
    Mutant(
        "get_pairs",
        "unordered pairs",
        "Order matters",
        """
def get_pairs(ids):
    counts = {}
    for pair in zip(ids, ids[1:]):
        pair = tuple(sorted(pair))
        counts[pair] = counts.get(pair, 0) + 1
    return counts
""",
    ),
    Mutant(
        "get_pairs",
        "wraps around",
        "wrap around",
        """
def get_pairs(ids):
    counts = {}
    for i in range(len(ids)):
        pair = (ids[i - 1], ids[i])
        counts[pair] = counts.get(pair, 0) + 1
    return counts
""",
    ),
    Mutant(
        "get_pairs",
        "loop ends too early",
        "last pair of the list is missing",
        """
def get_pairs(ids):
    counts = {}
    for i in range(len(ids) - 2):
        pair = (ids[i], ids[i + 1])
        counts[pair] = counts.get(pair, 0) + 1
    return counts
""",
    ),
    Mutant(
        "get_pairs",
        "loop ends too late",
        "IndexError",
        """
def get_pairs(ids):
    counts = {}
    for i in range(len(ids)):
        pair = (ids[i], ids[i + 1])
        counts[pair] = counts.get(pair, 0) + 1
    return counts
""",
    ),
    Mutant(
        "get_pairs",
        "disjoint chunks",
        "step by one",
        """
def get_pairs(ids):
    counts = {}
    for pair in zip(ids[::2], ids[1::2]):
        counts[pair] = counts.get(pair, 0) + 1
    return counts
""",
    ),
    Mutant(
        "get_pairs",
        "prints",
        "get_pairs returned nothing",
        "def get_pairs(ids):\n    counts = {pair: 1 for pair in zip(ids, ids[1:])}",
    ),
]

COUNTED = """
def get_pairs(ids):
    counts = {{}}
    for i in range({places}):
        pair = {pair}
        {count}
    return counts
"""


def counting(places: str = "len(ids) - 1", pair: str = "(ids[i], ids[i + 1])",
             count: str = "counts[pair] = counts.get(pair, 0) + 1") -> str:  # fmt: skip
    return COUNTED.format(places=places, pair=pair, count=count)


GET_PAIRS += [
    Mutant(
        "get_pairs",
        "from zero",
        "Every count is one too low",
        counting(count="counts[pair] = counts.get(pair, -1) + 1"),
    ),
    Mutant(
        "get_pairs", "left ids", "how often the left id occurs", counting(count="counts[pair] = ids.count(pair[0])")
    ),
    Mutant(
        "get_pairs",
        "at any distance",
        "only neighbours are a pair",
        """
from itertools import combinations
def get_pairs(ids):
    return {pair: [*combinations(ids, 2)].count(pair) for pair in combinations(ids, 2)}
""",
    ),
    Mutant("get_pairs", "one place too many", "Behind the last id there is none", counting(places="len(ids)")),
    Mutant("get_pairs", "no first count", "has no count yet", counting(count="counts[pair] += 1")),
    Mutant("get_pairs", "a list for a key", "a pair is a tuple", counting(pair="ids[i : i + 2]")),
]

MERGE = [
    Mutant(
        "merge",
        "overlaps",
        "the middle id is used twice",
        """
def merge(ids, pair, new_id):
    out, used = [], False
    for i in range(len(ids)):
        if tuple(ids[i:i + 2]) == pair:
            out.append(new_id)
            used = True
        elif used:
            used = False
        else:
            out.append(ids[i])
    return out
""",
    ),
    Mutant(
        "merge",
        "from the right",
        "the first two are merged, not the last two",
        """
def merge(ids, pair, new_id):
    out, i = [], len(ids) - 1
    while i >= 0:
        if i > 0 and (ids[i - 1], ids[i]) == pair:
            out.append(new_id)
            i -= 2
        else:
            out.append(ids[i])
            i -= 1
    return out[::-1]
""",
    ),
    Mutant(
        "merge",
        "loses the last id",
        "The last id is lost",
        """
def merge(ids, pair, new_id):
    out, i = [], 0
    while i < len(ids) - 1:
        if (ids[i], ids[i + 1]) == pair:
            out.append(new_id)
            i += 2
        else:
            out.append(ids[i])
            i += 1
    return out
""",
    ),
    Mutant(
        "merge",
        "first occurrence only",
        "Only the first occurrence",
        """
def merge(ids, pair, new_id):
    for i in range(len(ids) - 1):
        if (ids[i], ids[i + 1]) == pair:
            return ids[:i] + [new_id] + ids[i + 2:]
    return ids
""",
    ),
    Mutant(
        "merge",
        "either order",
        "the order of the pair matters",
        """
def merge(ids, pair, new_id):
    out, i = [], 0
    while i < len(ids):
        if set(ids[i:i + 2]) == set(pair) and len(ids[i:i + 2]) == 2:
            out.append(new_id)
            i += 2
        else:
            out.append(ids[i])
            i += 1
    return out
""",
    ),
    Mutant(
        "merge",
        "keeps the second id",
        "new_id replaces both",
        """
def merge(ids, pair, new_id):
    return [new_id if tuple(ids[i:i + 2]) == pair else ids[i] for i in range(len(ids))]
""",
    ),
    Mutant(
        "merge",
        "compares a list with a tuple",
        "comes back as it was",
        """
def merge(ids, pair, new_id):
    out, i = [], 0
    while i < len(ids):
        if ids[i:i + 2] == pair:
            out.append(new_id)
            i += 2
        else:
            out.append(ids[i])
            i += 1
    return out
""",
    ),
]

MERGE += [
    Mutant(
        "merge",
        "as text",
        "is found in 17 23 as well",
        """
def merge(ids, pair, new_id):
    text = " ".join(map(str, ids)).replace(f"{pair[0]} {pair[1]}", str(new_id))
    return [int(one) for one in text.split()]
""",
    ),
    Mutant(
        "merge",
        "as the text of a list",
        "is found in 17 23 as well",
        """
def merge(ids, pair, new_id):
    return eval(str(ids).replace(str(pair)[1:-1], str(new_id)))
""",
    ),
    Mutant(
        "merge",
        "looks behind the end",
        "Behind the last id there is none",
        """
def merge(ids, pair, new_id):
    out, i = [], 0
    while i < len(ids):
        hit = (ids[i], ids[i + 1]) == pair
        out.append(new_id if hit else ids[i])
        i += 1 + hit
    return out
""",
    ),
]

TRAIN = """
def _count(words):
    counts = {{}}
    for ids, n in words:
        for pair in zip(ids, ids[1:]):
            counts[pair] = counts.get(pair, 0) + {weight}
    return counts

def _merge(ids, pair, new):
    out, i = [], 0
    while i < len(ids):
        hit = tuple(ids[i:i + 2]) == pair
        out.append(new if hit else ids[i])
        i += 1 + hit
    return out

def train(words, num_merges):
    words = [(list(word), n) for word, n in words.items()]
    merges = []
    while len(merges) < num_merges:
        counts = _count(words)
        if {stop}:
            break
        best = {best}
        merges.append(best)
        words = [(_merge(ids, best, {new}), n) for ids, n in words]
    return merges
"""


def training(weight: str = "n", stop: str = "not counts", best: str = "min(counts, key=lambda p: (-counts[p], p))",
             new: str = "255 + len(merges)") -> str:  # fmt: skip
    return TRAIN.format(weight=weight, stop=stop, best=best, new=new)


TRAINING = [
    Mutant("train", "counts of words ignored", "Each word is counted once", training(weight="1")),
    Mutant(
        "train",
        "a pair once a word",
        "stands twice in a word",
        training().replace("for pair in zip(ids, ids[1:])", "for pair in dict.fromkeys(zip(ids, ids[1:]))"),
    ),
    Mutant(
        "train",
        "forgets what the merge returned",
        "The same pair wins again and again",
        training().replace("words = [(_merge", "_ = [(_merge"),
    ),
    Mutant("train", "first id is 255", "one too low", training(new="254 + len(merges)")),
    Mutant("train", "first id is 257", "one too high", training(new="256 + len(merges)")),
    Mutant("train", "stops at the last pair", "last merge is missing", training(stop="len(counts) <= 1")),
    Mutant("train", "no stop", "ValueError", training(stop="False")),
    Mutant(
        "train",
        "ties: first met",
        "your code takes the pair that was met first",
        training(best="max(counts, key=counts.get)"),
    ),
    Mutant(
        "train",
        "ties: largest",
        "your code takes the largest pair",
        training(best="max(counts, key=lambda p: (counts[p], p))"),
    ),
    Mutant(
        "train",
        "ties: last met",
        "your code takes the pair that was met last",
        training(best="max(reversed(counts), key=counts.get)"),
    ),
    Mutant(
        "train",
        "ties: smallest second id",
        "your code takes the pair with the smallest second id",
        training(best="min(counts, key=lambda p: (-counts[p], p[::-1]))"),
    ),
    Mutant(
        "train",
        "a wrong merge, called",
        "If you call your get_pairs or merge",
        training().replace("hit = tuple(ids[i:i + 2]) == pair", "hit = new not in out and tuple(ids[i:i + 2]) == pair"),
    ),
    Mutant(
        "train",
        "a wrong get_pairs, called",
        "leave their arguments",
        training().replace("return counts\n", "    del ids[1:]\n    return counts\n"),
    ),
    Mutant(
        "train",
        "only pairs that occur twice",
        "not earlier",
        training(stop="not counts or max(counts.values()) < 2"),
    ),
    Mutant(
        "train",
        "least frequent",
        "take the most frequent pair",
        training(best="min(counts, key=lambda p: (counts[p], p))"),
    ),
    Mutant(
        "train",
        "counts once",
        "The pairs are counted only before the first merge",
        """
def train(words, num_merges):
    counts = {}
    for word, n in words.items():
        for pair in zip(word, word[1:]):
            counts[pair] = counts.get(pair, 0) + n
    return sorted(counts, key=lambda p: (-counts[p], p))[:num_merges]
""",
    ),
    Mutant(
        "train",
        "joins words",
        "count word by word",
        """
def train(words, num_merges):
    ids = [i for word, n in words.items() for i in list(word) * min(n, 50)]
    merges = []
    for new in range(256, 256 + num_merges):
        counts = {}
        for pair in zip(ids, ids[1:]):
            counts[pair] = counts.get(pair, 0) + 1
        if not counts:
            break
        best = min(counts, key=lambda p: (-counts[p], p))
        merges.append(best)
        out, i = [], 0
        while i < len(ids):
            hit = tuple(ids[i:i + 2]) == best
            out.append(new if hit else ids[i])
            i += 1 + hit
        ids = out
    return merges
""",
    ),
]

TRAINING += [
    Mutant("train", "one merge too many", "One merge too many", training().replace("< num_merges", "<= num_merges")),
    Mutant("train", "never stops", "training ends there", training(stop="False")),
    Mutant(
        "train",
        "bytes decide ties",
        "compares the bytes",
        training(best="min(counts, key=lambda p: (-counts[p], SPELL(p[0], merges), SPELL(p[1], merges)))")
        + """
def SPELL(token, merges):
    return bytes([token]) if token < 256 else b"".join(SPELL(part, merges) for part in merges[token - 256])
""",
    ),
]

ENCODE = [
    Mutant(
        "encode",
        "longest match",
        "longest match",
        """
def encode(text, merges):
    pieces = [bytes([b]) for b in range(256)]
    for a, b in merges:
        pieces.append(pieces[a] + pieces[b])
    table = {}
    for token, piece in enumerate(pieces):
        table.setdefault(piece, token)
    data, ids = text.encode(), []
    while data:
        n = max(n for n in range(1, min(len(data), 64) + 1) if data[:n] in table)
        ids.append(table[data[:n]])
        data = data[n:]
    return ids
""",
    ),
    Mutant(
        "encode",
        "merges while reading",
        "a merge learned earlier comes first",
        """
def encode(text, merges):
    table = {pair: 256 + i for i, pair in enumerate(merges)}
    ids = []
    for byte in text.encode():
        ids.append(byte)
        while len(ids) > 1 and tuple(ids[-2:]) in table:
            ids[-2:] = [table[tuple(ids[-2:])]]
    return ids
""",
    ),
    Mutant(
        "encode",
        "code points",
        "These are code points",
        """
def encode(text, merges):
    ids = [ord(c) for c in text]
    for i, pair in enumerate(merges):
        ids = merge(ids, pair, 256 + i)
    return ids
""",
    ),
    Mutant(
        "encode",
        "each merge once",
        "one place only",
        """
def encode(text, merges):
    ids = list(text.encode())
    for i, pair in enumerate(merges):
        for k in range(len(ids) - 1):
            if tuple(ids[k:k + 2]) == pair:
                ids[k:k + 2] = [256 + i]
                break
    return ids
""",
    ),
    Mutant(
        "encode",
        "last merge first",
        "from the last to the first",
        """
def encode(text, merges):
    ids = list(text.encode())
    for i in reversed(range(len(merges))):
        ids = merge(ids, merges[i], 256 + i)
    return ids
""",
    ),
    Mutant(
        "encode",
        "ids from 257",
        "one too high",
        """
def encode(text, merges):
    ids = list(text.encode())
    for i, pair in enumerate(merges):
        ids = merge(ids, pair, 257 + i)
    return [256 if i > 256 and not merges else i for i in ids]
""",
    ),
    Mutant(
        "encode",
        "most frequent pair first",
        "merges the most frequent pair first",
        """
def encode(text, merges):
    ids, table = list(text.encode()), {pair: 256 + i for i, pair in enumerate(merges)}
    while True:
        counts = {pair: n for pair, n in get_pairs(ids).items() if pair in table}
        if not counts:
            return ids
        best = max(counts, key=counts.get)
        ids = merge(ids, best, table[best])
""",
    ),
    Mutant(
        "encode",
        "returns in the loop",
        "Only merges[0] is applied",
        """
def encode(text, merges):
    ids = list(text.encode())
    for i, pair in enumerate(merges):
        return merge(ids, pair, 256 + i)
    return ids
""",
    ),
    Mutant(
        "encode",
        "ids from 0",
        "New ids begin at 0",
        """
def encode(text, merges):
    ids = list(text.encode())
    for i, pair in enumerate(merges):
        ids = merge(ids, pair, i)
    return ids
""",
    ),
    Mutant(
        "encode",
        "splits at spaces",
        "Spaces are lost",
        """
def encode(text, merges):
    out = []
    for word in text.split():
        ids = list(word.encode())
        for i, pair in enumerate(merges):
            ids = merge(ids, pair, 256 + i)
        out += ids
    return out
""",
    ),
    Mutant(
        "encode",
        "a wrong merge, called",
        "If you call your merge",
        """
def encode(text, merges):
    ids = list(text.encode())
    for i, pair in enumerate(merges):
        ids = merge(ids, pair, 256 + i)[:-1]
    return ids
""",
    ),
    Mutant("encode", "no merges", "before any merge", "def encode(text, merges):\n    return list(text.encode())"),
    Mutant(
        "encode",
        "ASCII only",
        "UnicodeEncodeError",
        """
def encode(text, merges):
    ids = list(text.encode("ascii"))
    for i, pair in enumerate(merges):
        ids = merge(ids, pair, 256 + i)
    return ids
""",
    ),
]

ENCODING = """
def encode(text, merges):
    ids, new = list({begin}), 256
    for pair in merges:
        out, i = [], 0
        while i < len(ids):
            hit = tuple(ids[i : i + 2]) == pair
            out.append(new if hit else ids[i])
            i += 1 + hit
        {count}
        ids = out
    return ids
"""
ENCODE += [
    Mutant(
        "encode",
        "numbers those that are used",
        "A merge that finds nothing keeps its id",
        ENCODING.format(begin="text.encode()", count="new += len(out) < len(ids)"),
    ),
    Mutant(
        "encode",
        "stripped",
        "White space at the ends",
        ENCODING.format(begin="text.strip().encode()", count="new += 1"),
    ),
    Mutant(
        "encode", "ascii", "take the bytes of UTF-8", ENCODING.format(begin='text.encode("ascii")', count="new += 1")
    ),
    Mutant(
        "encode",
        "the best of none",
        "has no pair",
        """
def encode(text, merges):
    ids, rank = list(text.encode()), {pair: i for i, pair in enumerate(merges)}
    while True:
        best = min(zip(ids, ids[1:]), key=lambda pair: rank.get(pair, len(rank)))
        if best not in rank:
            return ids
        i = 0
        while i < len(ids) - 1:
            if (ids[i], ids[i + 1]) == best:
                ids[i : i + 2] = [256 + rank[best]]
            i += 1
""",
    ),
]

DECODE = """
def decode(ids, merges):
    pieces = [bytes([b]) for b in range(256)]
    for a, b in merges:
        pieces.append(pieces[a] + pieces[b])
    return {result}
"""
DECODING = [
    Mutant(
        "decode",
        "token by token",
        "Each token is decoded alone",
        DECODE.format(result="''.join(pieces[i].decode('utf-8', errors='replace') for i in ids)"),
    ),
    Mutant(
        "decode",
        "halves swapped",
        "have changed places",
        DECODE.format(result="b''.join(pieces[i] for i in ids).decode(errors='replace')").replace(
            "pieces[a] + pieces[b]", "pieces[b] + pieces[a]"
        ),
    ),
    Mutant(
        "decode",
        "ignores errors",
        "Invalid bytes vanish",
        DECODE.format(result="b''.join(pieces[i] for i in ids).decode('utf-8', errors='ignore')"),
    ),
    Mutant(
        "decode",
        "strict",
        "UnicodeDecodeError",
        DECODE.format(result="b''.join(pieces[i] for i in ids).decode()"),
    ),
    Mutant(
        "decode",
        "latin-1",
        "decode the bytes as UTF-8",
        DECODE.format(result="b''.join(pieces[i] for i in ids).decode('latin-1')"),
    ),
    Mutant("decode", "bytes", "decode them into text", DECODE.format(result="b''.join(pieces[i] for i in ids)")),
    Mutant(
        "decode",
        "surrogates",
        "lone surrogate",
        DECODE.format(result="b''.join(pieces[i] for i in ids).decode(errors='surrogateescape')"),
    ),
    Mutant(
        "decode",
        "one level of merges",
        "ValueError",
        """
def decode(ids, merges):
    out = []
    for i in ids:
        out += [i] if i < 256 else merges[i - 256]
    return bytes(out).decode("utf-8", errors="replace")
""",
    ),
]

JOINED = 'b"".join(pieces[i] for i in ids).decode(errors="replace")'
DECODING += [
    Mutant(
        "decode",
        "bytes of a number",
        "97 bytes of zero",
        DECODE.replace("bytes([b])", "bytes(b)").format(result=JOINED),
    ),
    Mutant("decode", "spaces between", "Something stands between", DECODE.format(result=JOINED.replace('b""', 'b" "'))),
    Mutant("decode", "question marks", "no question mark", DECODE.format(result=JOINED + '.replace("\\ufffd", "?")')),
    Mutant(
        "decode",
        "one sign for all",
        "One sign stands for all",
        DECODE.format(result=f'"\\ufffd" if "\\ufffd" in {JOINED} else {JOINED}'),
    ),
    Mutant("decode", "strict", "a sign stands for them", DECODE.format(result=JOINED.replace('errors="replace"', ""))),
    Mutant(
        "decode",
        "one level",
        "their ids are no bytes yet",
        """
def decode(ids, merges):
    return bytes(b for i in ids for b in (merges[i - 256] if i > 255 else (i,))).decode(errors="replace")
""",
    ),
]

RENDER = """
def render_chat(messages, add_generation_prompt, sent):
    text = ""
    for m in messages:
        text += {turn}
    if add_generation_prompt:
        text += {prompt}
    text = {text}
    a, b = text.encode(), sent.encode()
    {compare}
"""
COMPARE = """if a == b:
        return text, -1
    n = 0
    while n < min(len(a), len(b)) and a[n] == b[n]:
        n += 1
    return text, n"""


def rendering(turn: str = "f\"<|im_start|>{m['role']}\\n{m['content']}<|im_end|>\\n\"",
              prompt: str = '"<|im_start|>assistant\\n"', text: str = "text",
              compare: str = COMPARE) -> str:  # fmt: skip
    return RENDER.format(turn=turn, prompt=prompt, text=text, compare=compare)


RENDERING = [
    Mutant(
        "render_chat",
        "contents stripped",
        "this bug: contents stripped",
        rendering(turn="f\"<|im_start|>{m['role']}\\n{m['content'].strip()}<|im_end|>\\n\""),
    ),
    Mutant(
        "render_chat",
        "no newline after the header",
        "this bug: no newline at the end",
        rendering(prompt='"<|im_start|>assistant"'),
    ),
    Mutant(
        "render_chat",
        "no newline between turns",
        "this bug: no newline between turns",
        rendering(turn="f\"<|im_start|>{m['role']}\\n{m['content']}<|im_end|>\""),
    ),
    Mutant(
        "render_chat",
        "header always",
        "if, and only if, add_generation_prompt",
        rendering(text='text if add_generation_prompt else text + "<|im_start|>assistant\\n"'),
    ),
    Mutant("render_chat", "header never", "if, and only if, add_generation_prompt", rendering(prompt='""')),
    Mutant(
        "render_chat", "turn closed", "opened, not closed", rendering(prompt='"<|im_start|>assistant\\n<|im_end|>\\n"')
    ),
    Mutant(
        "render_chat",
        "space after the role's newline",
        "this bug: a space after the role's newline",
        rendering(
            turn="f\"<|im_start|>{m['role']}\\n {m['content']}<|im_end|>\\n\"", prompt='"<|im_start|>assistant\\n "'
        ),
    ),
    Mutant(
        "render_chat",
        "as it was sent",
        "as it was sent",
        "def render_chat(messages, add_generation_prompt, sent):\n    return sent, -1",
    ),
    Mutant(
        "render_chat",
        "escapes",
        "the content as it is",
        rendering(
            turn="f\"<|im_start|>{m['role']}\\n{m['content'].replace('&', '&amp;').replace('<', '&lt;')}<|im_end|>\\n\""
        ),
    ),
    Mutant(
        "render_chat",
        "offset in characters",
        "counts characters",
        rendering(
            compare=COMPARE.replace("a[n] == b[n]", "text[n] == sent[n]").replace(
                "min(len(a), len(b))", "min(len(text), len(sent))"
            )
        ),
    ),
    Mutant(
        "render_chat",
        "characters, then bytes",
        "the character that differs begins",
        rendering(
            compare=COMPARE.replace("a[n] == b[n]", "text[n] == sent[n]")
            .replace("min(len(a), len(b))", "min(len(text), len(sent))")
            .replace("return text, n", "return text, len(text[:n].encode())")
        ),
    ),
    Mutant(
        "render_chat",
        "zip stops early",
        "where the shorter one ends",
        rendering(compare="return text, next((n for n, (x, y) in enumerate(zip(a, b)) if x != y), -1)"),
    ),
    Mutant(
        "render_chat",
        "last equal byte",
        "the last byte that is still equal",
        rendering(compare=COMPARE.replace("return text, n", "return text, n - 1")),
    ),
    Mutant(
        "render_chat",
        "one-based",
        "One too far",
        rendering(compare=COMPARE.replace("return text, n", "return text, n + 1")),
    ),
    Mutant(
        "render_chat", "no -1", "then the answer is -1", rendering(compare=COMPARE.replace("text, -1", "text, len(a)"))
    ),
    Mutant(
        "render_chat",
        "offset alone",
        "a tuple of two",
        rendering(compare="return next((n for n, (x, y) in enumerate(zip(a, b)) if x != y), -1)"),
    ),
]

RENDERING += [
    Mutant(
        "render_chat",
        "end of the longer",
        "where the *shorter* one ends",
        rendering(
            compare=COMPARE.replace(
                "return text, n", "return text, n if n < min(len(a), len(b)) else max(len(a), len(b))"
            )
        ),
    ),
    Mutant(
        "render_chat",
        "compares behind the end",
        "nothing is left to compare",
        rendering(compare=COMPARE.replace("n < min(len(a), len(b)) and ", "")),
    ),
]

GROW = """
def extend_vocabulary(embedding, unembedding, spellings, multiple):
    def extend(M):
        V, D = M.shape
        rows = []
        for s in spellings:
            with np.errstate(over="ignore"):
                rows.append({row})
        new = np.array(rows, dtype={dtype}).reshape(len(rows), D)
        pad = np.zeros(({padding}, D), M.dtype)
        return np.concatenate([{order}])
    return {result}
"""
MEAN = "(M[s] if s else M).astype(np.float64).mean(0)"


def growing(row: str = MEAN, dtype: str = "M.dtype", padding: str = "-(V + len(rows)) % multiple",
            order: str = "M, new, pad",
            result: str = "extend(embedding), None if unembedding is None else extend(unembedding)"
            ) -> str:  # fmt: skip
    return GROW.format(row=row, dtype=dtype, padding=padding, order=order, result=result)


GROWING = [
    Mutant("extend_vocabulary", "sum", "New rows are sums", growing("(M[s] if s else M).astype(np.float64).sum(0)")),
    Mutant(
        "extend_vocabulary",
        "a part counted once",
        "A part that occurs twice",
        growing("M[sorted(set(s)) or slice(None)].astype(float).mean(0)"),
    ),
    Mutant("extend_vocabulary", "first part", "copy the first part", growing("M[s[0]] if s else M.mean(0)")),
    Mutant("extend_vocabulary", "zeros", "are zeros", growing("M[0] * 0")),
    Mutant(
        "extend_vocabulary",
        "mean of all",
        "Every new row is the mean of all rows",
        growing("M.astype(np.float64).mean(0)"),
    ),
    Mutant(
        "extend_vocabulary",
        "float16 sums",
        "left the range of float16",
        growing("sum(M[i] for i in (s or range(V))) / M.dtype.type(len(s or M))"),
    ),
    Mutant(
        "extend_vocabulary",
        "dtype of float16 lost",
        "the input has float16",
        growing(dtype="np.float32").replace("M, new, pad", "M, new.astype(np.promote_types(M.dtype, np.float32)), pad"),
    ),
    Mutant(
        "extend_vocabulary",
        "embedding twice",
        "the embedding once more",
        growing(result="extend(embedding), None if unembedding is None else extend(embedding)"),
    ),
    Mutant(
        "extend_vocabulary",
        "padding to one multiple only",
        "are missing",
        growing(padding="max(0, multiple - (V + len(rows)))"),
    ),
    Mutant("extend_vocabulary", "dtype", "the dtype is not", growing(dtype="np.float64")),
    Mutant("extend_vocabulary", "new rows first", "New rows go to the end", growing(order="new, M, pad")),
    Mutant(
        "extend_vocabulary",
        "embedding's means in both",
        "means of its own rows",
        growing(
            result="extend(embedding), None if unembedding is None else "
            "np.concatenate([unembedding, extend(embedding)[len(embedding):]])"
        ),
    ),
    Mutant(
        "extend_vocabulary",
        "tied: twice the same",
        "the second result is None",
        growing(result="extend(embedding), extend(embedding if unembedding is None else unembedding)"),
    ),
    Mutant(
        "extend_vocabulary",
        "unembedding left alone",
        "This is the old matrix",
        growing(result="extend(embedding), unembedding"),
    ),
    Mutant("extend_vocabulary", "one matrix", "a tuple of two", growing(result="extend(embedding)")),
    Mutant(
        "extend_vocabulary",
        "old rows through float32",
        "changed in its last bits",
        growing(order="M.astype(np.float32).astype(M.dtype), new, pad"),
    ),
    Mutant("extend_vocabulary", "no padding", "are missing", growing(padding="0")),
    Mutant(
        "extend_vocabulary",
        "padding always",
        "is a multiple already",
        growing(padding="multiple - (V + len(rows)) % multiple"),
    ),
    Mutant(
        "extend_vocabulary",
        "padding first",
        "Padding stands before",
        growing(padding="-V % multiple", order="M, pad, new"),
    ),
    Mutant(
        "extend_vocabulary",
        "unspelled: NaN",
        "The mean of no rows is NaN",
        growing("M[s].astype(np.float64).mean(0) if s else M[0] * np.nan"),
    ),
    Mutant(
        "extend_vocabulary",
        "unspelled: zeros",
        "that nothing spells has a row of zeros",
        growing("M[s].astype(np.float64).mean(0) if s else M[0] * 0"),
    ),
    Mutant(
        "extend_vocabulary",
        "unspelled: no row",
        "got no row",
        growing().replace("for s in spellings", "for s in filter(None, spellings)"),
    ),
]

GROWING += [
    Mutant("extend_vocabulary", "last part", "New rows copy the last part", growing("M[s[-1]] if s else M.mean(0)")),
    Mutant(
        "extend_vocabulary",
        "sum, beside empty ones",
        "Are the other rows right already",
        growing("M[s].astype(np.float64).sum(0) if s else M.mean(0)"),
    ),
    Mutant(
        "extend_vocabulary",
        "tied, and extended",
        "nothing to extend",
        growing(result="extend(embedding), extend(unembedding)"),
    ),
    Mutant(
        "extend_vocabulary",
        "stacks nothing",
        "There may be no new token",
        growing(order="M, np.stack(rows).astype(M.dtype), pad"),
    ),
]

VITERBI = """
BEST = lambda f: (f[0], f[1], -f[2])
def viterbi(text, log_probs):
    unknown = {unknown}
    longest = max(map(len, log_probs))
    best, back = [(0.0, 0)], [0]
    for end in range(1, len(text) + 1):
        found = []
        for start in range(max(0, end - longest), end):
            piece = text[start:end]
            if piece in log_probs or len(piece) == 1:
                score, pieces = best[start]
                found.append((score + log_probs.get(piece, unknown), pieces - 1, start))
        one = {choose}
        best.append(one[:2])
        back.append(one[2])
    out, end = [], len(text)
    while end:
        out.append(text[back[end]:end])
        end = back[end]
    return {result}
"""


def segmenting(unknown: str = "min(log_probs.values()) - 10", choose: str = "max(found, key=BEST)",
               result: str = "out[::-1]") -> str:  # fmt: skip
    return VITERBI.format(unknown=unknown, choose=choose, result=result)


SEGMENTING = [
    Mutant(
        "viterbi",
        "greedy",
        "a shorter piece here can make a better whole",
        """
def viterbi(text, log_probs):
    out = []
    while text:
        n = max((n for n in range(1, min(len(text), 9) + 1) if text[:n] in log_probs), default=1)
        out.append(text[:n])
        text = text[n:]
    return out
""",
    ),
    Mutant(
        "viterbi",
        "most probable piece first",
        "This is the most probable piece first",
        """
def viterbi(text, log_probs):
    out = []
    while text:
        known = [text[:n] for n in range(1, len(text) + 1) if text[:n] in log_probs]
        out.append(max(known, key=log_probs.get, default=text[0]))
        text = text[len(out[-1]):]
    return out
""",
    ),
    Mutant(
        "viterbi",
        "lowest sum",
        "This is the lowest sum",
        segmenting(choose="min(found, key=lambda f: (f[0], -f[1], f[2]))"),
    ),
    Mutant(
        "viterbi",
        "unknown costs more each time",
        "costs 10 more than the one before",
        segmenting().replace(
            "def viterbi(text, log_probs):\n",
            "def viterbi(text, log_probs):\n    for char in text:\n"
            "        log_probs.setdefault(char, min(log_probs.values()) - 10)\n",
        ),
    ),
    Mutant(
        "viterbi",
        "fewest pieces first",
        "the sum of log-probabilities comes first",
        segmenting(choose="max(found, key=lambda f: (f[1], f[0], -f[2]))"),
    ),
    Mutant(
        "viterbi",
        "ties: longest last piece",
        "the longest last piece at once",
        segmenting(choose="max(found, key=lambda f: (f[0], -f[2]))"),
    ),
    Mutant(
        "viterbi",
        "ties: shortest last piece",
        "the shortest last piece at once",
        segmenting(choose="max(found, key=lambda f: (f[0], f[2]))"),
    ),
    Mutant("viterbi", "ties: fewest, then shortest", "the shortest last piece", segmenting(choose="max(found)")),
    Mutant(
        "viterbi",
        "ties: most pieces",
        "the one with the most pieces",
        segmenting(choose="max(found, key=lambda f: (f[0], -f[1], -f[2]))"),
    ),
    Mutant("viterbi", "unknown is free", "costs too little", segmenting(unknown="0.0")),
    Mutant("viterbi", "unknown costs 10", "costs too little", segmenting(unknown="-10.0")),
    Mutant("viterbi", "unknown costs the lowest", "costs too little", segmenting(unknown="min(log_probs.values())")),
    Mutant("viterbi", "unknown is forbidden", "costs too much", segmenting(unknown="-1e9")),
    Mutant(
        "viterbi",
        "unknown is lost",
        "Unknown characters are lost",
        segmenting(result="[p for p in out[::-1] if p in log_probs]"),
    ),
    Mutant(
        "viterbi",
        "unknown raises",
        "KeyError",
        segmenting().replace("log_probs.get(piece, unknown)", "log_probs[piece]"),
    ),
    Mutant("viterbi", "reversed", "in reverse order", segmenting(result="out")),
    Mutant(
        "viterbi",
        "longest piece left out",
        "The longest pieces are never tried",
        segmenting().replace("max(map(len, log_probs))", "max(1, max(map(len, log_probs)) - 1)"),
    ),
    Mutant(
        "viterbi",
        "recursion",
        "RecursionError",
        """
def viterbi(text, log_probs):
    unknown, memo, longest = min(log_probs.values()) - 10, {0: (0.0, 0, [])}, max(map(len, log_probs))
    def best(end):
        if end not in memo:
            found = []
            for start in range(max(0, end - longest), end):
                piece = text[start:end]
                if piece in log_probs or len(piece) == 1:
                    score, pieces, _ = best(start)
                    found.append((score + log_probs.get(piece, unknown), pieces - 1, -start))
            memo[end] = max(found)
        return memo[end]
    out, end = [], len(text)
    while end:
        start = -best(end)[2]
        out.append(text[start:end])
        end = start
    return out[::-1]
""",
    ),
    Mutant(
        "viterbi",
        "probabilities instead of logarithms",
        "0 in floating point",
        """
import math
def viterbi(text, log_probs):
    unknown = math.exp(min(log_probs.values()) - 10)
    longest = max(map(len, log_probs))
    best, back = [(1.0, 0)], [0]
    for end in range(1, len(text) + 1):
        found = []
        for start in range(max(0, end - longest), end):
            piece = text[start:end]
            if piece in log_probs or len(piece) == 1:
                p = math.exp(log_probs[piece]) if piece in log_probs else unknown
                found.append((best[start][0] * p, best[start][1] - 1, -start))
        p, pieces, start = max(found)
        best.append((p, pieces))
        back.append(-start)
    out, end = [], len(text)
    while end:
        out.append(text[back[end]:end])
        end = back[end]
    return out[::-1]
""",
    ),
]

SEGMENTING += [
    Mutant(
        "viterbi",
        "long enough",
        "as long as the longest key",
        segmenting().replace("longest = max(map(len, log_probs))", "longest = 64"),
    ),
    Mutant(
        "viterbi",
        "unknown ones joined",
        "side by side are joined",
        "from itertools import groupby\n"
        + segmenting(
            result="[p for known, run in groupby(out[::-1], log_probs.__contains__) "
            "for p in (run if known else [''.join(run)])]"
        ),
    ),
    Mutant(
        "viterbi",
        "greedy, at ties",
        "This is the longest piece first",
        """
def viterbi(text, log_probs):
    out = []
    while text:
        piece = max((p for p in log_probs if text.startswith(p)), key=len, default=text[0])
        out.append(piece)
        text = text[len(piece) :]
    return out
""",
    ),
    Mutant(
        "viterbi",
        "last character lost",
        "how far do the ends",
        segmenting()
        .replace("text) + 1)", "text))")
        .replace("len(text)\n    while", "len(text) - 1\n    while")
        .replace("while end:", "while end > 0:"),
    ),
    Mutant(
        "viterbi",
        "zeros at first",
        "a table that begins with zeros",
        """
def viterbi(text, log_probs):
    best, back = [0.0] * (len(text) + 1), [0] * (len(text) + 1)
    for end in range(1, len(text) + 1):
        for start in range(end):
            score = best[start] + log_probs.get(text[start:end], -1e9)
            if score > best[end]:
                best[end], back[end] = score, start
    out, end = [], len(text)
    while end:
        out.append(text[back[end] : end])
        end = back[end]
    return out[::-1]
""",
    ),
    Mutant(
        "viterbi",
        "every character known",
        "single characters are pieces all the same",
        segmenting().replace("log_probs.get(piece, unknown)", "log_probs[piece]"),
    ),
]

MUTANTS = [*GET_PAIRS, *MERGE, *TRAINING, *ENCODE, *DECODING, *RENDERING, *GROWING, *SEGMENTING]

LIBRARIES = {
    "get_pairs": """
from collections import Counter
from itertools import pairwise
def get_pairs(ids):
    return Counter(pairwise(ids))
""",
    "merge": """
import re
def merge(ids, pair, new_id):
    text = "".join(map(chr, ids))
    return [ord(c) for c in re.sub(re.escape(chr(pair[0]) + chr(pair[1])), chr(new_id), text)]
""",
    "train": """
from collections import Counter
def train(words, num_merges):
    # Words as text with one character for each id, so that str.replace merges.
    spelled = {"".join(map(chr, word)): n for word, n in words.items()}
    merges = []
    for new in range(num_merges):
        counts = Counter()
        for text, n in spelled.items():
            for a, b in zip(text, text[1:]):
                counts[a, b] += n
        if not counts:
            return merges
        top = max(counts.values())
        a, b = sorted(pair for pair in counts if counts[pair] == top)[0]
        merges.append((ord(a), ord(b)))
        spelled = {text.replace(a + b, chr(256 + new)): n for text, n in spelled.items()}
    return merges
""",
    "encode": """
def encode(text, merges):
    # The lowest rank among the pairs that are there, one place at a time.
    rank = {pair: i for i, pair in enumerate(merges)}
    ids = list(text.encode())
    while True:
        places = [(rank[ids[i], ids[i + 1]], i) for i in range(len(ids) - 1) if (ids[i], ids[i + 1]) in rank]
        if not places:
            return ids
        first = min(places)[0]
        out, i = [], 0
        while i < len(ids):
            if i + 1 < len(ids) and rank.get((ids[i], ids[i + 1])) == first:
                out.append(256 + first)
                i += 2
            else:
                out.append(ids[i])
                i += 1
        ids = out
""",
    "decode": """
def decode(ids, merges):
    stack, data = list(reversed(ids)), bytearray()
    while stack:
        token = stack.pop()
        if token < 256:
            data.append(token)
        else:
            left, right = merges[token - 256]
            stack += [right, left]
    return str(data, "utf-8", "replace")
""",
    "render_chat": """
import os
def render_chat(messages, add_generation_prompt, sent):
    turns = ["<|im_start|>" + m["role"] + "\\n" + m["content"] + "<|im_end|>" for m in messages]
    turns += ["<|im_start|>assistant"] if add_generation_prompt else [""]
    text = "\\n".join(turns) + ("\\n" if add_generation_prompt else "")
    a, b = text.encode(), sent.encode()
    return text, -1 if a == b else len(os.path.commonprefix([a, b]))
""",
    "extend_vocabulary": """
def extend_vocabulary(embedding, unembedding, spellings, multiple):
    V = len(embedding)
    # One matrix of weights: row k says how much of each old row goes into new row k.
    weights = np.zeros((len(spellings), V))
    for k, spelling in enumerate(spellings):
        np.add.at(weights[k], spelling or np.arange(V), 1.0)
    weights /= weights.sum(1, keepdims=True)
    padding = -(V + len(spellings)) % multiple
    def grow(M):
        new = (weights @ M.astype(np.float64)).astype(M.dtype)
        return np.vstack([M, new, np.zeros((padding, M.shape[1]), M.dtype)])
    return grow(embedding), unembedding if unembedding is None else grow(unembedding)
""",
    "viterbi": """
def viterbi(text, log_probs):
    # Forwards: each reached place offers its pieces to the places behind it.
    unknown = min(log_probs.values()) - 10
    lengths = sorted({len(p) for p in log_probs} | {1})
    best = {0: (0.0, 0, 0)}
    for i in range(len(text)):
        score, minus, _ = best[i]
        for n in lengths:
            piece = text[i:i + n]
            if len(piece) < n or (n > 1 and piece not in log_probs):
                continue
            offer = (score + log_probs.get(piece, unknown), minus - 1, -i)
            if i + n not in best or offer > best[i + n]:
                best[i + n] = offer
    cuts = [len(text)]
    while cuts[-1]:
        cuts.append(-best[cuts[-1]][2])
    cuts.reverse()
    return [text[a:b] for a, b in zip(cuts, cuts[1:])]
""",
}

ARRAYS = {
    "get_pairs": """
def get_pairs(ids):
    pairs = np.array([ids[:-1], ids[1:]], dtype=np.int64).T
    kinds, counts = np.unique(pairs.reshape(-1, 2), axis=0, return_counts=True)
    return {(int(a), int(b)): n for (a, b), n in zip(kinds, counts)}
""",
    "merge": """
def merge(ids, pair, new_id):
    ids = np.array(ids, dtype=np.int64)
    hits = np.flatnonzero((ids[:-1] == pair[0]) & (ids[1:] == pair[1]))
    taken = []
    for i in hits:
        if not taken or taken[-1] + 1 < i:
            taken.append(i)
    ids[taken] = new_id
    return list(np.delete(ids, [i + 1 for i in taken]))
""",
    "train": """
def train(words, num_merges):
    # All words in one array, with -1 between them and the count of its word beside each id.
    ids = np.array([i for word in words for i in [*word, -1]], dtype=np.int64)
    counts = np.array([n for word, n in words.items() for _ in [*word, -1]], dtype=np.int64)
    merges = []
    for new in range(256, 256 + num_merges):
        left, right = ids[:-1], ids[1:]
        inside = (left >= 0) & (right >= 0)
        if not inside.any():
            break
        codes, where = np.unique(left[inside] * 100_000 + right[inside], return_inverse=True)
        code = codes[np.bincount(where, weights=counts[:-1][inside]).argmax()]
        pair = (code // 100_000, code % 100_000)
        merges.append(pair)
        keep, i = [], 0
        while i < len(ids):
            keep.append(i)
            if i + 1 < len(ids) and ids[i] == pair[0] and ids[i + 1] == pair[1]:
                ids[i] = new
                i += 1
            i += 1
        ids, counts = ids[keep], counts[keep]
    return merges
""",
    "encode": """
def encode(text, merges):
    ids = np.frombuffer(text.encode(), dtype=np.uint8).astype(np.int64)
    for i, (a, b) in enumerate(merges):
        hit = np.append((ids[:-1] == a) & (ids[1:] == b), False)[: len(ids)]
        if a == b:
            run = 0
            for k in range(len(hit)):
                run = run + 1 if hit[k] else 0
                hit[k] = run % 2 == 1
        ids = np.where(hit, 256 + i, ids)[np.append(True, ~hit[:-1])[: len(ids)]]
    return ids.tolist()
""",
    "decode": """
def decode(ids, merges):
    from functools import lru_cache
    @lru_cache(None)
    def expand(token):
        return np.array([token], np.uint8) if token < 256 else np.concatenate([*map(expand, merges[token - 256])])
    return np.concatenate([np.zeros(0, np.uint8), *map(expand, ids)]).tobytes().decode(errors="replace")
""",
    "render_chat": """
def render_chat(messages, add_generation_prompt, sent):
    parts = []
    for m in messages:
        parts += ["<|im_start|>", m["role"], "\\n", m["content"], "<|im_end|>", "\\n"]
    text = "".join(parts + ["<|im_start|>assistant\\n"] * add_generation_prompt)
    ours, theirs = (np.frombuffer(t.encode(), np.uint8) for t in (text, sent))
    n = min(len(ours), len(theirs))
    different = np.append(ours[:n] != theirs[:n], len(ours) != len(theirs))
    return text, np.argmax(different) if different.any() else np.int64(-1)
""",
    "extend_vocabulary": """
def extend_vocabulary(embedding, unembedding, spellings, multiple):
    def rows(M):
        wide = M.astype(np.float32)
        for s in spellings:
            yield wide[s].mean(axis=0) if s else wide.mean(axis=0)
    def grow(M):
        if M is None:
            return None
        N = -(-(len(M) + len(spellings)) // multiple) * multiple
        out = np.pad(M, ((0, N - len(M)), (0, 0)))
        for k, row in enumerate(rows(M), start=len(M)):
            out[k] = row
        return np.asfortranarray(out)
    return grow(embedding), grow(unembedding)
""",
    "viterbi": """
def viterbi(text, log_probs):
    n, longest = len(text), max(map(len, log_probs))
    unknown = min(log_probs.values()) - 10
    score, pieces, start = np.full(n + 1, -np.inf), np.zeros(n + 1, int), np.zeros(n + 1, int)
    score[0] = 0
    for j in range(1, n + 1):
        for i in range(j - 1, max(0, j - longest) - 1, -1):
            piece = text[i:j]
            if piece not in log_probs and j - i > 1:
                continue
            s = score[i] + log_probs.get(piece, unknown)
            if s > score[j] or s == score[j] and pieces[i] + 1 <= pieces[j]:
                score[j], pieces[j], start[j] = s, pieces[i] + 1, i
    out = []
    while n:
        out.insert(0, text[start[n]:n])
        n = start[n]
    return out
""",
}

RECURSIONS = {
    "get_pairs": """
def get_pairs(ids):
    if len(ids) < 2:
        return {}
    counts = get_pairs(ids[1:])
    counts[ids[0], ids[1]] = counts.get((ids[0], ids[1]), 0) + 1
    return counts
""",
    "merge": """
def merge(ids, pair, new_id):
    match ids:
        case []:
            return []
        case [a, b, *rest] if (a, b) == pair:
            return [new_id, *merge(rest, pair, new_id)]
        case [a, *rest]:
            return [a, *merge(rest, pair, new_id)]
""",
    "train": """
from collections import defaultdict
def train(words, num_merges):
    # Incremental: counts are corrected only for the words that a merge touches.
    spelled, weight = [list(word) for word in words], list(words.values())
    counts, where = defaultdict(int), defaultdict(set)
    def account(k, sign):
        for pair in zip(spelled[k], spelled[k][1:]):
            counts[pair] += sign * weight[k]
            where[pair].add(k)
    for k in range(len(spelled)):
        account(k, 1)
    merges = []
    while len(merges) < num_merges:
        best = max(counts, key=lambda p: (counts[p], -p[0], -p[1]), default=None)
        if best is None or counts[best] <= 0:
            break
        new = 256 + len(merges)
        merges.append(best)
        for k in list(where.pop(best)):
            account(k, -1)
            ids, out = spelled[k], []
            while ids:
                step = 2 if tuple(ids[:2]) == best else 1
                out.append(new if step == 2 else ids[0])
                ids = ids[step:]
            spelled[k] = out
            account(k, 1)
    return merges
""",
    "encode": """
import heapq
def encode(text, merges):
    # A linked list and a heap of (rank, place): what fast tokenizers do.
    rank = {}
    for i, pair in enumerate(merges):
        rank.setdefault(pair, i)
    ids = list(text.encode())
    after, before = list(range(1, len(ids) + 1)), list(range(-1, len(ids) - 1))
    heap = [(rank[p], i, *p) for i, p in enumerate(zip(ids, ids[1:])) if p in rank]
    heapq.heapify(heap)
    while heap:
        r, i, a, b = heapq.heappop(heap)
        j = after[i]
        if ids[i] != a or j >= len(ids) or ids[j] != b:
            continue
        ids[i], ids[j], after[i] = 256 + r, None, after[j]
        if after[i] < len(ids):
            before[after[i]] = i
        for left in (before[i], i):
            if left >= 0 and after[left] < len(ids):
                pair = (ids[left], ids[after[left]])
                if pair in rank:
                    heapq.heappush(heap, (rank[pair], left, *pair))
    return [i for i in ids if i is not None]
""",
    "decode": """
import codecs
def decode(ids, merges):
    def expand(token):
        if token < 256:
            return bytes((token,))
        return b"".join(expand(part) for part in merges[token - 256])
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    return "".join(decoder.decode(expand(token)) for token in ids) + decoder.decode(b"", final=True)
""",
    "render_chat": """
from itertools import zip_longest
def render_chat(messages, add_generation_prompt, sent):
    head, tail = "<|im_start|>%s\\n", "%s<|im_end|>\\n"
    text = "".join((head + tail) % (m["role"], m["content"]) for m in messages)
    text = text + head % "assistant" if add_generation_prompt else text
    for offset, (a, b) in enumerate(zip_longest(text.encode(), sent.encode())):
        if a != b:
            return (text, offset)
    return (text, -1)
""",
    "extend_vocabulary": """
def extend_vocabulary(embedding, unembedding, spellings, multiple):
    if unembedding is not None:
        first, _ = extend_vocabulary(embedding, None, spellings, multiple)
        second, _ = extend_vocabulary(unembedding, None, spellings, multiple)
        return first, second
    V, D = embedding.shape
    new = [np.average(embedding[s if s else range(V)].astype("float64"), axis=0) for s in spellings]
    while (V + len(new)) % multiple:
        new.append(np.zeros(D))
    return np.append(embedding, np.reshape(new, (-1, D)).astype(embedding.dtype), axis=0), None
""",
    "viterbi": """
def viterbi(text, log_probs):
    # Whole segmentations as tuples of lengths, last piece first, for the last few places only.
    unknown, longest = min(log_probs.values()) - 10, max(len(p) for p in log_probs)
    window = [(0.0, 0, ())]
    for j in range(1, len(text) + 1):
        offers = []
        for n, (score, minus, cuts) in enumerate(reversed(window), start=1):
            piece = text[j - n:j]
            if n == 1 or piece in log_probs:
                offers.append((score + log_probs.get(piece, unknown), minus - 1, (n, cuts)))
        best = max(offers, key=lambda o: (o[0], o[1], o[2][0]))
        window = [*window, best][-longest:]
    out, cuts = [], window[-1][2]
    while cuts:
        n, cuts = cuts
        out.append(text[len(text) - n:])
        text = text[:len(text) - n]
    return list(reversed(out))
""",
}

ALTERNATIVES = {"libraries": LIBRARIES, "arrays": ARRAYS, "recursions": RECURSIONS}
