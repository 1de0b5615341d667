"""Answers that attack the judge: what they do, what is said of them, and what they would get without one guarantee.

`$steal` writes a frame of one's own as the reply to the call that is being made. `without` names a function of
`weaken.py`; `seen` is what the control must show then: a kind of outcome, or one of the words that `control.py` prints.
"""

from __future__ import annotations

from dataclasses import dataclass

STEAL = """
import os, struct, sys, time
def steal(content, pause=0):
    # The worker's own frames hold the nonce of the request and the pipe of the replies.
    frame = sys._getframe()
    while not {'nonce', 'pipe'} <= set(frame.f_locals):
        frame = frame.f_back
    data = struct.pack('<16sI', frame.f_locals['nonce'], len(content)) + content
    while data:
        written = os.write(frame.f_locals['pipe'].replies, data[:1] if pause else data)
        data = data[written:]
        time.sleep(pause)
    os._exit(0)
VALUE = b't' + struct.pack('<I', 2) + b's' + struct.pack('<I', 5) + b'value'
"""


def stolen(content: str, pause: float = 0) -> str:
    """Code that replies with a frame of its own."""
    return f"{STEAL}def double(xs):\n    steal({content}, {pause})"


@dataclass(frozen=True)
class Answer:
    """`kind` is what the report says of `double`; nothing else is to be harmed."""

    code: str
    kind: str
    without: str
    seen: str


ANSWERS = {
    "8 slow calls": Answer(
        "def double(xs):\n    import time; time.sleep(1.9)\n    return [2 * x for x in xs]",
        "timeout",
        "budget",
        "right",
    ),
    "17 a frame of two million elements": Answer(
        stolen("VALUE + b'l' + struct.pack('<I', 2 * 10**6) + b'N' * 2 * 10**6"), "refused", "bounds", "wrong"
    ),
    "25 garbage as a frame": Answer(stolen("os.urandom(5000)"), "refused", "pickle", "check failed"),
    "27 slow drip": Answer(stolen("VALUE + b'i' + struct.pack('<IB', 1, 0)", 0.25), "timeout", "patience", "wrong"),
    "28 deep frame": Answer(stolen("VALUE + b'l\\1\\0\\0\\0' * 200_000"), "refused", "bounds", "check failed"),
    "31 a pickle as a frame": Answer(
        STEAL
        + "import pickle\nclass P:\n    def __reduce__(self): return exec, (\"open($canary, 'w').write('100')\",)\n"
        "def double(xs):\n    steal(pickle.dumps(P()))",
        "refused",
        "pickle",
        "canary",
    ),
    "35 reply after the deadline": Answer(
        "def double(xs):\n    import time; time.sleep(0 if xs else 4.5)\n    return [2 * x for x in xs]",
        "timeout",
        "deadline",
        "right",
    ),
    "38 empties its input": Answer("def double(xs):\n    xs.clear()\n    return []", "wrong", "copies", "right"),
    "65 an empty array that grows": Answer(
        stolen("VALUE + b'a\\x02\\x02' + struct.pack('<QQ', 0, 1 << 33)"), "refused", "shapes", "check failed"
    ),
    "66 surrogate in a frame": Answer(
        stolen("VALUE + b's' + struct.pack('<I', 3) + b'\\xed\\xa0\\x80'"), "refused", "surrogates", "not printable"
    ),
    "67 integer in a frame": Answer(
        stolen("VALUE + b'i' + struct.pack('<I', 4000) + b'\\1' * 4000"), "refused", "bounds", "check failed"
    ),
    "68 no twin in NumPy": Answer(
        stolen("VALUE + b'x\\x0d\\1' + struct.pack('<Q', 1) + bytes(2)"), "wrong", "numpy", "check failed"
    ),
    # Numbers have the hash of their remainder by 2**61 - 1: each key is compared with all before it.
    "80 keys with one hash": Answer(
        stolen(
            "VALUE + b'd' + struct.pack('<I', 300)"
            " + b''.join(b'i' + struct.pack('<I', 12) + (k * (2**61 - 1)).to_bytes(12, 'little') + b'N'"
            " for k in range(300))"
        ),
        "refused",
        "hashes",
        "wrong",
    ),
    # A number is looked for at places i, 5 i + 1, 5 (5 i + 1) + 1 ...: keys that lie there are in a later one's way.
    # These are few enough that reading them without the bound takes no harm.
    "80 keys laid along one way": Answer(
        stolen(
            """VALUE + b'd' + struct.pack('<I', 12_000) + b''.join(
        b'i' + struct.pack('<I', 9) + key.to_bytes(9, 'little') + b'N' for key in along(12_000))"""
        )
        + """
def along(count, size=1 << 15):
    key = 1
    for number in range(count):
        yield key if number < count // 2 else size * (number - count // 2 + 1)
        key = (5 * key + 1) % size
""",
        "refused",
        "keys",
        "wrong",
    ),
    "17 a million empty tensors": Answer(
        stolen("VALUE + b'l' + struct.pack('<I', 20_000) + (b'x\\x02\\1' + bytes(8)) * 20_000"),
        "refused",
        "arrays",
        "wrong",
    ),
    "75 well at first, badly later": Answer(
        "def double(xs, calls=[]):\n    calls.append(1)\n    if len(calls) > 1: import os; os._exit(0)\n    return []",
        "died",
        "restart",
        "no count",
    ),
}
