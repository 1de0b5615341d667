"""Exercise 5 of lab 03: ids to text, special tokens shown or skipped."""

import codecs

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m03_tokenization.inputs import FORBIDDEN, draw_merges, draw_text


def token_bytes(token, merges):
    if token < 256:
        return bytes([token])
    left, right = merges[token - 256]
    return token_bytes(left, merges) + token_bytes(right, merges)


@exercise(minutes=10, difficulty=2, review=FORBIDDEN, uses=(token_bytes,))
def decode_prompt(ids, merges, special, skip_special):
    names = {number: name for name, number in special.items()}
    pieces = []
    for token in ids:
        if token not in names:
            pieces.append(token_bytes(token, merges))
        elif not skip_special:
            pieces.append(names[token].encode("utf-8"))
    return b"".join(pieces).decode("utf-8", errors="replace")


@decode_prompt.right
def incremental(ids, merges, special, skip_special):
    tokens = {byte: bytes([byte]) for byte in range(256)}
    for number, (left, right) in enumerate(merges, start=256):
        tokens[number] = tokens[left] + tokens[right]
    tokens |= {number: b"" if skip_special else name.encode() for name, number in special.items()}
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    return "".join(decoder.decode(tokens[token]) for token in ids) + decoder.decode(b"", final=True)


CHAT = {"<|im_start|>": 1_001, "<|im_end|>": 1_000, "<|end|>": 1_002}


@decode_prompt.part(6, "Join the bytes of all ids, with those of special tokens unless they are skipped; decode once.")
def valid(draw: Draw):
    # In the first two cases each declared mistake gives another text.
    merges = [(97, 100), (256, 115), (257, 256)]
    yield [1_001, 97, 258, 1_000, 0xC3, 0xA9, 256, 10, 1_002, 257], merges, CHAT, False
    yield [1_001, 97, 258, 0xC3, 0xA9, 0xC3, 1_000, 0xA9, 256, 10, 1_002], merges, CHAT, True
    yield [], [], {}, False
    yield [97], [], {}, True
    yield [1_002], [], CHAT, False
    yield [1_002], [], CHAT, True
    yield [*"é न🙂".encode(), 1_000], [], CHAT, False
    yield [0xF0, 256, 300, 0x82], [(0x9F, 0x99)], {"<pad>": 300}, True
    sample = draw_text(draw, 151)
    merges = draw_merges(draw, sample, 37)
    for skip_special in (False, True):
        ids = [*sample.encode()]
        for number, pair in enumerate(merges[:20], start=256):
            places = [i for i in range(len(ids) - 1) if tuple(ids[i : i + 2]) == pair]
            for i in reversed(places[:: 2 if pair[0] == pair[1] else 1]):
                ids[i : i + 2] = [number]
        yield [1_001, *ids, 1_002, *ids, 1_000], merges, CHAT, skip_special


@decode_prompt.part(4, "Bytes that are not UTF-8 become U+FFFD: see the argument `errors` of decode.", "invalid bytes")
def invalid(draw: Draw):
    yield [97, 0xC3, 1_000, 0xA9, 0xFF, 0xFF, 98, 256], [(0x9F, 0x99)], CHAT, False
    yield [97, 0xC3, 1_000, 0xA9, 0xFF, 98, 256], [(0x9F, 0x99)], CHAT, True
    for ids in ([0xFF], [0x80, 97], [0xC3, 97], [0xF0, 0x9F, 0x99], [0xC0, 0x80], [0xED, 0xA0, 0x80]):
        yield [*ids, 1_002], [], CHAT, draw.random() < 0.5
    yield [draw.randrange(256) for _ in range(97)], [], {}, True
    merges = draw_merges(draw, "न京🙂é" * 3, 11)
    for skip_special in (False, True):
        yield draw.choices([*range(256 + len(merges)), *CHAT.values()], k=59), merges, CHAT, skip_special


decode_prompt.mistakes("""
Special tokens are shown here although skip_special is true.
    elif not skip_special => else
Special tokens are skipped only where skip_special is true.
    elif not skip_special => elif False
The two halves of a merged token have changed places: merges[i][0] comes first.
    token_bytes(left, merges) + token_bytes(right, merges) => token_bytes(right, merges) + token_bytes(left, merges)
Each byte became one character: decode the bytes as UTF-8.
    .decode("utf-8", errors="replace") => .decode("latin-1")
bytes(97) is 97 bytes of zero: a byte is made from a list with one number in it.
    bytes([token]) => bytes(token)
Decoding each token alone gives this: a character can begin in one and end in the next, so join the bytes first.
    b"".join(pieces).decode("utf-8", errors="replace") => "".join(piece.decode("utf-8", errors="replace") for piece in pieces)
The parts of a merged token can be merged tokens themselves: their ids are no bytes yet.
    token_bytes(left, merges) + token_bytes(right, merges) => bytes([left, right])
Invalid bytes vanish: each must leave a U+FFFD, as errors="replace" does.
    errors="replace" => errors="ignore"
A model may emit bytes that are no UTF-8: U+FFFD stands for them, and nothing is raised.
    , errors="replace" =>
Is a special token an id of `special`? Its text stands there, not in the merges.
    token not in names => True
""")


@decode_prompt.mistake(
    "Two halves of a character can stand on both sides of a skipped token: decode all bytes at once."
)
def by_stretch(ids, merges, special, skip_special):
    names, text, data = {number: name for name, number in special.items()}, "", b""
    for token in ids:
        if token in names:
            text += data.decode(errors="replace") + names[token] * (not skip_special)
            data = b""
        else:
            data += token_bytes(token, merges)
    return text + data.decode(errors="replace")
