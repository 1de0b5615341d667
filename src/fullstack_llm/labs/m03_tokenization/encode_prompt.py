"""Exercise 4 of lab 03: a prompt to ids, special tokens first, then all merges in order."""

import re

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m03_tokenization.inputs import FORBIDDEN, draw_merges, draw_text, merged


@exercise(minutes=20, difficulty=3, review=FORBIDDEN, uses=(merged,))
def encode_prompt(text, merges, special):
    names = sorted(special, key=len, reverse=True)
    parts = re.split(f"({'|'.join(map(re.escape, names))})", text) if names else [text]
    out = []
    for part in parts:
        if part in special:
            out.append(special[part])
            continue
        ids = list(part.encode("utf-8"))
        for i, pair in enumerate(merges):
            ids = merged(ids, pair, 256 + i)
        out += ids
    return out


@encode_prompt.right
def characters(text, merges, special):
    # One character for each id, so that str.replace merges; no merge holds the character of a special token.
    spelled = ""
    while text:
        name = max((name for name in special if text.startswith(name)), key=len, default="")
        spelled += chr(0x10000 + special[name]) if name else text[0].encode().decode("latin-1")
        text = text[len(name or text[0]) :]
    for i, (left, right) in enumerate(merges):
        spelled = spelled.replace(chr(left) + chr(right), chr(256 + i))
    return [ord(char) % 0x10000 for char in spelled]


CHAT = {"<|im_start|>": 1_001, "<|im_end|>": 1_000, "<|end|>": 1_002}
AD, DS = (97, 100), (100, 115)


@encode_prompt.part(7, "Special tokens first; between them UTF-8 bytes; for each merge in turn, its pair everywhere.")
def any_order(draw: Draw):
    # In the first case each mistake about text, bytes and ids gives other ids.
    yield " é\nadds <|end|>dssadé addsad<|im_end|> \n", [(115, 115), (120, 120), AD, (258, 100), (195, 169)], CHAT
    yield "ad", [AD], CHAT
    yield "", [], {}
    yield "", [AD], CHAT
    yield "<|end|>", [], CHAT
    yield "a<|end|>d<|im_start|><|im_end|>ad", [AD], CHAT
    yield "éé<|end|>é", [(0xC3, 0xA9), (256, 256)], CHAT
    yield "👩\u200d🔬", [(0xF0, 0x9F), (0xE2, 0x80)], {"🔬": 300}
    yield "e\u0301é", [(0xCC, 0x81), (101, 256)], {"x": 999}
    yield "aaaaa", [(97, 97), (256, 256)], {"aaaaaa": 258}
    yield draw_text(draw, 31) + "<|im_end|>\n" + draw_text(draw, 7), [], CHAT


@encode_prompt.part(4, "Finish a merge everywhere before the next one starts: merges[0], then merges[1], ...", "order")
def order(draw: Draw):
    # In the first case each other order of merging gives other ids.
    yield "<|end|>dssasdsassssaas<|end|>", [(97, 97), (115, 115), (115, 257), (97, 115)], CHAT
    yield "dads<|end|>dads", [DS, AD], CHAT
    yield "adsads<|im_end|>", [AD, DS, (256, 115)], CHAT
    yield "<|im_start|>adds", [(100, 100), AD, DS], CHAT
    yield "aaaa<|end|>aaa", [(97, 97), (97, 256), (256, 97)], CHAT
    sample = "".join(draw.choice("ads é") for _ in range(211))
    for num in (5, 13, 23):
        yield f"{draw_text(draw, 41)}<|im_end|>{sample}", draw_merges(draw, sample, num), CHAT
    long = "".join(draw.choice(["a", "d", "s", " ", "é", "<|end|>"]) for _ in range(2_003))
    yield long, draw_merges(draw, sample, 43), CHAT


@encode_prompt.part(
    3, "From left to right, of those that begin at one place the longest; no merge reaches across.", "special tokens"
)
def special_tokens(draw: Draw):
    yield "aad<s>>ad<s>d<sad", [AD, (60, 115), (62, 97)], {"<s>": 700, "<s>>": 500, "<s": 600}
    yield "abcd", [], {"bcd": 300, "ab": 301, "cd": 302}
    yield "ad.*ad+ad", [AD], {".*": 400, "+": 300}
    yield "«fin»ad«fin»", [AD], {"«fin»": 258, "«": 257}
    names = {"<s>": 900, "</s>": 901, "<s>>": 902, "s>": 903, "da": 904, "add": 905}
    text = "".join(draw.choice([*names, *"ads<> "]) for _ in range(97))
    yield text, draw_merges(draw, text, 11), names


encode_prompt.mistakes("""
These are code points, not bytes: begin with the UTF-8 bytes of the text.
    list(part.encode("utf-8")) => list(map(ord, part))
These are the bytes before any merge: apply the merges too.
    ids = merged(ids, pair, 256 + i) => pass
merges[i] makes the id 256 + i, whatever the text, and whichever merges found nothing.
    256 + i => 257 + i
    256 + i) => i)
White space is lost: it is bytes too.
    list(part.encode => list(part.strip().encode
    list(part.encode => list("".join(part.split()).encode
Only merges[0] is applied: does a loop return, or begin anew, too soon?
    enumerate(merges) => enumerate(merges[:1])
Special tokens are encoded as ordinary text: look for them first (in a regular expression, escape their signs).
    part in special => False
    map(re.escape, names) => names
Special tokens are lost: each becomes its id from `special`.
    out.append(special[part]) => pass
Of special tokens that begin at one place the longest wins, in whatever order `special` holds them.
    sorted(special, key=len, reverse=True) => list(special)
""")


@encode_prompt.mistake("Special tokens are found from left to right: here a longer one further on is taken first.")
def longest_first(text, merges, special):
    for name in sorted(special, key=len, reverse=True):
        if name in text:
            left, _, right = text.partition(name)
            return [*longest_first(left, merges, special), special[name], *longest_first(right, merges, special)]
    return encode_prompt(text, merges, {})


@encode_prompt.mistake("Merging while reading gives these ids: an earlier merge comes first, wherever it stands.")
def reading(text, merges, special):
    table, out = {pair: 256 + i for i, pair in reversed(list(enumerate(merges)))}, []
    for i in encode_prompt(text, [], special):
        out.append(i)
        while tuple(out[-2:]) in table:
            out[-2:] = [table[tuple(out[-2:])]]
    return out


@encode_prompt.mistake("Longest match gives these ids: BPE applies its merges in the order learned.")
def longest_match(text, merges, special):
    tokens = [(byte,) for byte in range(256)]
    for a, b in merges:
        tokens.append(tokens[a] + tokens[b])
    ids, out = encode_prompt(text, [], special), []
    while ids:
        fits = [i for i, token in enumerate(tokens) if tuple(ids[: len(token)]) == token]
        out.append(max(fits, key=lambda i: len(tokens[i]), default=ids[0]))
        ids = ids[len(tokens[out[-1]]) if fits else 1 :]
    return out
