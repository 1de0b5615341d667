"""Exercise 4 of lab 11: keys of blocks, chained, that know of adapters, salts and images; hits in a small cache."""

import hashlib

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m11_vllm.inputs import LIBRARIES


@exercise(minutes=25, difficulty=3, review=LIBRARIES)
def prefix_hashes(requests, block_size, room):
    keys, hits, cache = [], [], []
    for one in requests:
        tokens = one["tokens"]
        parent, mine = one["salt"] + "/" + one["adapter"], []
        for begin in range(0, len(tokens) - block_size + 1, block_size):
            end = begin + block_size
            parts = [parent, " ".join(str(token) for token in tokens[begin:end])]
            for first, last, name in one["images"]:
                if first < end and last > begin:
                    parts.append(name)
            parent = hashlib.sha256("|".join(parts).encode()).hexdigest()
            mine.append(parent)
        keys.append(mine)
        found = 0
        for key in mine[: (len(tokens) - 1) // block_size]:
            if key not in cache:
                break
            found += 1
        hits.append(found * block_size)
        # From the one that was used longest ago to the newest.
        for key in reversed(mine):
            if key in cache:
                cache.remove(key)
            cache.append(key)
        while len(cache) > room:
            cache.pop(0)
    return keys, hits


@prefix_hashes.right
def with_clocks(requests, block_size, room):
    # Each key's last use as a number; what is oldest goes.
    used, clock, out = {}, 0, ([], [])
    for request in requests:
        ids, mine = request["tokens"], []
        for i in range(len(ids) // block_size):
            places = set(range(i * block_size, (i + 1) * block_size))
            text = f"{mine[-1] if mine else request['salt'] + '/' + request['adapter']}|"
            text += " ".join(map(str, ids[i * block_size : (i + 1) * block_size]))
            text += "".join(f"|{name}" for a, b, name in request["images"] if places & set(range(a, b)))
            mine.append(hashlib.sha256(bytes(text, "utf-8")).hexdigest())
        known = [key in used for key in mine] + [False]
        out[0].append(mine)
        out[1].append(min(known.index(False), max(0, len(ids) - 1) // block_size) * block_size)
        for key in mine[::-1]:
            clock += 1
            used[key] = clock
        used = dict(sorted(used.items(), key=lambda item: -item[1])[:room])
    return out


def ask(tokens: list[int], salt: str = "", adapter: str = "", images: tuple = ()):
    """Return a request as the exercise has it; an image is (first place, place behind the last, name)."""
    return {"tokens": tokens, "salt": salt, "adapter": adapter, "images": list(images)}


def some(draw: Draw, count: int):
    """Draw tokens."""
    return [draw.randrange(97) for _ in range(count)]


@prefix_hashes.part(
    6, "Write the text of the first block down, part by part, and then that of the second.", "keys", items=(0,)
)
def keys(draw: Draw):
    yield [ask(some(draw, 11)), ask(some(draw, 9), "s", "fr"), ask(some(draw, 4), "", "fr"), ask(some(draw, 7), "t")], 3, 90  # fmt: skip
    # Images: inside of one block, over three, two in one block, one that ends with its block; equal tokens in two blocks.
    yield [ask(some(draw, 19), images=((5, 6, "cat"),)), ask(some(draw, 22), images=((2, 11, "sea"), (13, 16, "cow")))], 4, 90  # fmt: skip
    yield [ask([7] * 17, "s", "de", ((1, 3, "cat"), (3, 4, "dog"), (10, 15, "sea")))], 5, 90
    yield [ask([]), ask([4]), ask([4, 4]), ask([4, 4, 4, 4])], 2, 90
    yield [ask(some(draw, draw.randint(5, 30)), draw.choice("ab"), draw.choice(("", "fr"))) for _ in range(4)], 5, 90


@prefix_hashes.part(
    6, "How many blocks from the beginning are known, and which token has to go through the model in any case?", "hits",
    items=(1,),
)  # fmt: skip
def hits(draw: Draw):
    head, tail = some(draw, 12), some(draw, 7)
    other = [100, *head[1:]]
    # A prompt that comes again; one that shares three blocks and a half; one whose first token differs.
    yield [ask(head + tail), ask(head + tail), ask(head + tail[:2] + [99]), ask(other + tail), ask(head), ask([*head, 5])], 4, 90  # fmt: skip
    yield [ask(head), ask(head, "x"), ask(head, "", "fr"), ask(head, "x"), ask(head, "", "fr"), ask(head[:9])], 3, 90
    pictures = [((2, 6, "cat"),), ((2, 6, "dog"),), ((2, 6, "cat"),), ((7, 9, "cat"),), ()]
    yield [ask([1, 1] + [0] * 10 + tail, images=images) for images in pictures], 3, 90
    yield [ask(head[:k]) for k in (5, 4, 3, 8, 12, 12, 1)], 4, 90
    yield [ask([]), ask([]), ask([3]), ask([3])], 1, 90


@prefix_hashes.part(
    4, "Write down what is in the cache after each request, the newest last. Which key goes when it is full?", "eviction",
    items=(1,),
)  # fmt: skip
def eviction(draw: Draw):
    a, b, c = some(draw, 13), some(draw, 10), some(draw, 7)
    yield [ask(one) for one in (a, b, a, c, a, b, a, c, c, b)], 3, 7
    yield [ask(one) for one in (a, b, a, c, b, a)], 3, 8
    yield [ask(one) for one in (b, c, a, a[:7], b, c, a[:7], a)], 2, 6
    # More blocks than there is room for; room for none.
    yield [ask(one) for one in (a, a, b, a)], 3, 3
    yield [ask(one) for one in (c, c)], 2, 0
    texts = [some(draw, draw.randint(5, 12)) for _ in range(4)]
    yield [ask(draw.choice(texts)[: draw.randint(4, 12)]) for _ in range(19)], 2, 9


ROOT = 'parent, mine = one["salt"] + "/" + one["adapter"], []'
IMAGE, TOKENS = "if first < end and last > begin:", '" ".join(str(token) for token in tokens[begin:end])'
BLOCKS = "range(0, len(tokens) - block_size + 1, block_size)"
USED = "if key in cache:\\n                cache.remove(key)\\n            cache.append(key)"
prefix_hashes.mistakes(f"""
Hits are counted in tokens: block_size for each block.
    hits.append(found * block_size) => hits.append(found)
The last token has to go through the model, since its logits are wanted: its block is no hit.
    mine[: (len(tokens) - 1) // block_size] => mine
The block of the last token is no hit; others are, and those that are whole in front of a part too.
    mine[: (len(tokens) - 1) // block_size] => mine[:-1]
    mine[: (len(tokens) - 1) // block_size] => mine[: max(0, len(tokens) // block_size - 1)]
    hits.append(found * block_size) => hits.append(max(0, min(found * block_size, len(tokens) - 1))) && mine[: (len(tokens) - 1) // block_size] => mine
A request is looked up before it is stored: it is no hit of itself.
    found = 0 => cache += [key for key in mine if key not in cache]\\n        found = 0
What requests have stored stays for those after them.
    found = 0 => cache = []\\n        found = 0
All whole blocks of a request are stored, that of its last token among them.
    in reversed(mine): => in reversed(mine[: (len(tokens) - 1) // block_size]):
A request's last block is used first, and its first block last: the blocks behind go first, as they are worth nothing without those before.
    in reversed(mine): => in mine:
A block that is found is used, and moves to the end: here only the time at which it was stored counts.
    {USED} => if key not in cache: cache.append(key)
The cache is full: what was used longest ago goes, and the new blocks are stored. Here new ones go, or are not stored.
    cache.pop(0) => cache.pop()
    while len(cache) > room: => while len(cache) > room and room:\\n            cache.pop(-2)\\n        while len(cache) > room:
    for key in reversed(mine): => for key in [k for k in reversed(mine) if k in cache or len(cache) < room]:
The cache holds `room` blocks, each counted: here it holds more.
    while len(cache) > room: => while False:
    while len(cache) > room: => while len(cache) > room + 1:
    while len(cache) > room: => while len(cache) > room * block_size:
The cache holds `room` blocks, each counted: here it holds fewer.
    while len(cache) > room: => while len(cache) >= room and cache:
    while len(cache) > room: => while len(cache) * block_size > room:
    while len(cache) > room:\\n            cache.pop(0) => if len(cache) > room:\\n            cache = []
    while len(cache) > room:\\n            cache.pop(0) => if len(cache) > room:\\n            cache = list(reversed(mine))
Each key depends on the one before it, so that it stands for all tokens up to its end: here a block stands alone.
    parts = [parent, => parts = [one["salt"] + "/" + one["adapter"],
    parent = hashlib.sha256("|".join(parts).encode()).hexdigest()\\n            mine.append(parent) => mine.append(hashlib.sha256("|".join(parts).encode()).hexdigest())
    parts = [parent, => parts = ["",
    parts = [parent, => parts = [
Only whole blocks have a key: the tokens behind the last one have none.
    {BLOCKS} => range(0, len(tokens), block_size)
A last block that is full has a key too.
    {BLOCKS} => range(0, len(tokens) - block_size, block_size)
A block's text has its own tokens, and its parent stands for those before: here those are in it again.
    {TOKENS} => " ".join(str(token) for token in tokens[:end])
The first block's parent is salt, a slash and adapter, also where one of them is empty: here the salt is left out.
    {ROOT} => parent, mine = "/" + one["adapter"], []
    {ROOT} => parent, mine = one["adapter"], []
The first block's parent is salt, a slash and adapter, also where one of them is empty: here the adapter is left out.
    {ROOT} => parent, mine = one["salt"] + "/", []
    {ROOT} => parent, mine = one["salt"], []
The first block's parent is salt, a slash and adapter, also where one of them is empty.
    {ROOT} => parent, mine = "", []
    {ROOT} => parent, mine = one["salt"] + "/" + one["adapter"] if one["salt"] or one["adapter"] else "", []
    {ROOT} => parent, mine = one["adapter"] + "/" + one["salt"], []
    {ROOT} => parent, mine = one["salt"] + one["adapter"], []
    {ROOT} => parent, mine = "/".join(filter(None, [one["salt"], one["adapter"]])), []
    {ROOT} => parent, mine = hashlib.sha256((one["salt"] + "/" + one["adapter"]).encode()).hexdigest(), []
Salt and adapter stand in the first block's text: the others have them by way of their parent.
    parts = [parent, => parts = [parent if begin == 0 else one["salt"] + "/" + one["adapter"] + "|" + parent,
    parts = [parent, => parts = [parent if begin == 0 else parent + "|" + one["salt"] + "/" + one["adapter"],
The text of a block names the images that it holds a part of: here images are left out.
    {IMAGE} => if False:
An image is named by the blocks that hold a part of it, and by no others.
    {IMAGE} => if True:
    {IMAGE} => if first < end:
    {IMAGE} => if last > begin:
An image that goes on from the block before is named again, and so is one that ends behind this block.
    {IMAGE} => if begin <= first < end:
    {IMAGE} => if begin < last <= end:
    {IMAGE} => if begin <= first and last <= end:
    {IMAGE} => if first <= begin and last >= end:
An image ends before its second place: that one is no part of it.
    {IMAGE} => if first < end and last >= begin:
An image that begins where this block ends is none of its own.
    {IMAGE} => if first <= end and last > begin:
Parent, tokens and each name are parts of their own, with a bar between two, and none at the end.
    "|".join(parts).encode() => ("|".join(parts) + "|").encode()
    "|".join(parts).encode() => "".join(parts).encode()
    "|".join(parts).encode() => " ".join(parts).encode()
    parts.append(name) => parts[-1] += " " + name
    parts.append(name) => parts[-1] += name
The names come behind the tokens, in the order of the list.
    parts.append(name) => parts.insert(2, name)
    parts.append(name) => parts.insert(1, name)
The tokens are written with one space between two.
    {TOKENS} => ",".join(str(token) for token in tokens[begin:end])
    {TOKENS} => str(tokens[begin:end])
    {TOKENS} => ", ".join(str(token) for token in tokens[begin:end])
    {TOKENS} => "".join(str(token) for token in tokens[begin:end])
A key is the hexadecimal digest, a text.
    keys.append(mine) => keys.append([bytes.fromhex(key) for key in mine])
    keys.append(mine) => keys.append([int(key, 16) for key in mine])
    keys.append(mine) => keys.append([key[:16] for key in mine])
    .hexdigest() => .hexdigest()[:16]
    keys.append(mine) => keys.append([key.upper() for key in mine])
The keys are those of SHA-256.
    hashlib.sha256( => hashlib.md5(
    hashlib.sha256( => hashlib.sha1(
    hashlib.sha256( => hashlib.blake2b(
Lists of keys first, then the hits, as a tuple.
    return keys, hits => return hits, keys
    return keys, hits => return [keys, hits]
""")
