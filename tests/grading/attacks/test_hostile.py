"""Exits, hangs, floods and forgeries: the honest score, a named cause, and neighbours unharmed.

What the sandbox alone withstands is in `table.py`: these hold for any process of one's own.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable

import numpy as np
import pytest
from numbered import numbered
from outer import control
from submissions import COUNT, RIGHT, TWICE
from table import FLOOD

from fullstack_llm.checks.verdict import Verdict
from fullstack_llm.grading.judge import session
from fullstack_llm.grading.judge.grade import Result
from fullstack_llm.grading.pool import proxy

Graded = Callable[..., Result]
IGNORE = "import signal\nfor s in set(signal.Signals) - {9, 19}: signal.signal(s, signal.SIG_IGN)\n"
SEGFAULT = "import ctypes; ctypes.string_at(0)"

CELLS = {
    "1 sys.exit": ("import sys; sys.exit()", "SystemExit"),
    "2 os._exit": ("import os; os._exit(0)", "ended itself"),
    "3 infinite loop": ("while True: pass", "it took more than 3 s"),
    "4 loop that ignores signals": (f"{IGNORE}while True: pass", "it took more than 3 s"),
    "5 SIGSTOP itself": ("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", "it took more than 3 s"),
    "6 segfault": (SEGFAULT, "SIGSEGV"),
    "7 recursion": ("import sys; sys.setrecursionlimit(10**9)\ndef f(): f()\nf()", "cell 1: "),
    "9 hang in C": ("'a' * 40 == __import__('re').match('(a*)*b', 'a' * 40)", "it took more than 3 s"),
    "10 hang at exit": ("import atexit, time; atexit.register(time.sleep, 999); import sys; sys.exit()", "SystemExit"),
    "10 hang in a finalizer": ("class D:\n  def __del__(s):\n    while True: pass\nD()", "it took more than 3 s"),
    "16 output": (FLOOD, ""),
    "closed pipes": ("import os; os.closerange(3, 100)", "ended"),
    "abort": ("import os; os.abort()", "SIGABRT"),
    "a signal without a name": ("import os; os.kill(os.getpid(), 40)", "signal 40"),
    "interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "84 an error of line ends": ("raise ValueError('\\n' * 5000)", "cell 1: "),
    "exception that cannot be printed": ("class E(Exception):\n  def __str__(s): 1/0\nraise E", "E"),
}


# "16 output" harms no process but the one that keeps it.
ENDS = [name for name in CELLS if name[0].isdigit() and not name.startswith("16")]


@pytest.mark.parametrize(("cell", "cause"), numbered(CELLS))
def test_a_cell_that_ends_or_hangs_costs_nothing_else(
    graded: Graded, cell: str, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "took more" in cause:
        monkeypatch.setattr(session, "CELL_SECONDS", 3.0)
    result = graded([cell, *RIGHT])
    assert result.earned == 100
    assert cause in "\n".join(result.problems)


@pytest.mark.parametrize("name", numbered({name: name for name in ENDS}, "control"))
def test_in_the_graders_own_process_it_would_end_or_hang(name: str) -> None:
    run = control("cell", CELLS[name][0], hangs=2)
    assert "begun" in run.stdout and "survived" not in run.stdout, run


def test_a_harmless_cell_survives_there() -> None:
    assert control("cell", "x = 1").stdout.split() == ["begun", "survived"]


DEADLY = {
    "2 os._exit": ("import os; os._exit(0)", "died"),
    "1 sys.exit": ("raise SystemExit", "raised"),
    "3 infinite loop": ("while True: pass", "timeout"),
    "4 loop that ignores signals": (IGNORE.replace("\n", "\n    ") + "while True: pass", "timeout"),
    "5 SIGSTOP itself": ("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", "timeout"),
    "6 segfault": (SEGFAULT, "died"),
    "7 recursion": ("return double(xs)", "raised"),
    "8 slow calls": ("import time; time.sleep(1.9)\n    return [2 * x for x in xs]", "timeout"),
    "17 giant return": ("return [0] * 10_000_000", "refused"),
    "17 giant string": ("return 'x' * (65 << 20)", "refused"),
    "21 equal to anything": ("class A:\n        def __eq__(s, o): return True\n    return A()", "refused"),
    "28 deep value": ("x = []\n    for _ in range(10**5): x = [x]\n    return x", "refused"),
    "29 NaN": ("return [float('nan') for x in xs]", "wrong"),
    "64 NaN in an array": ("return np.array([float('nan') for x in xs])", "wrong"),
    "30 list that lies": (
        "class L(list):\n        def __len__(s): return 3\n        def __eq__(s, o): return True\n    return L()",
        "wrong",
    ),
    "31 pickle": ("class P:\n        def __reduce__(s): return print, (1,)\n    return [P()]", "refused"),
    "35 reply after the deadline": ("import time; time.sleep(4.5); return [2 * x for x in xs]", "timeout"),
    "37 broadcast": ("return np.array([[2 * x for x in xs]])", "wrong"),
    "66 surrogate": ("return '\\ud800'", "refused"),
    "67 integer": ("return 10 ** 5000", "refused"),
    "65 empty": ("return np.empty((0, 1 << 30))", "refused"),
    "63 empty": ("return []", "wrong"),
    "raises what cannot be printed": (
        "class E(Exception):\n        def __str__(s): raise SystemExit\n    raise E",
        "raised",
    ),
    "raises a megabyte": ("raise ValueError('x' * (1 << 20))", "raised"),
}


# What a judge that compares objects in one process would take for right: the body of `double`, and its comparison.
NAIVE = {
    "21 equal to anything": "got == want",
    "29 NaN": "not max(abs(a - b) for a, b in zip(got, want)) > 1e-6",
    "64 NaN in an array": "not abs(got - np.array(want)).max() > 1e-6",
    "30 list that lies": "got == want",
    "37 broadcast": "(got == np.array(want)).all()",
    "63 empty": "bool(np.all(np.array(got) == np.array([6])))",
}


@pytest.mark.parametrize(
    ("name", "comparison"), numbered({name: (name, how) for name, how in NAIVE.items()}, "control")
)
def test_a_plain_comparison_would_have_paid(name: str, comparison: str) -> None:
    space: dict[str, object] = {"np": np}
    exec(f"def double(xs):\n    {DEADLY[name][0]}", space)
    assert eval(comparison, space | {"got": space["double"]([3]), "want": [6]})  # type: ignore[operator]


def of(result: Result, exercise: str) -> Verdict:
    return next(verdict for verdict in result.verdicts if verdict.exercise == exercise)


@pytest.mark.parametrize(("body", "kind"), numbered(DEADLY))
def test_a_call_that_goes_wrong_costs_its_own_check(graded: Graded, body: str, kind: str) -> None:
    result = graded([TWICE, f"def double(xs):\n    {body}", COUNT])
    assert (of(result, "double").earned, of(result, "count").earned) == (0, 60)
    assert of(result, "double").outcomes[0].kind == kind
    assert len(str(of(result, "double"))) < 20_000


def test_a_reply_that_is_taken_back_is_waited_for(graded: Graded, monkeypatch: pytest.MonkeyPatch) -> None:
    read, times = os.read, itertools.count()

    def sometimes(fd: int, size: int) -> bytes:
        if size == proxy.READ_BYTES and next(times) % 2 == 0:
            raise BlockingIOError
        return read(fd, size)

    monkeypatch.setattr("fullstack_llm.grading.pool.proxy.os.read", sometimes)
    result = graded(RIGHT)
    assert (result.earned, result.fault) == (100, False)


@pytest.mark.attack(75)
def test_a_call_that_goes_wrong_later(graded: Graded) -> None:
    code = "def count(t, c, n=[]):\n    n.append(1)\n    if len(n) > 2: import os; os._exit(0)\n    return t.count(c)"
    result = graded([*RIGHT, code])
    assert [one.earned for one in of(result, "count").outcomes] == [0, 20]
    assert of(result, "double").earned == 40


FRAMES = """
import os, stat, struct, fcntl
def ends(fd):
    try:
        return stat.S_ISFIFO(os.fstat(fd).st_mode) and fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_WRONLY
    except OSError:
        return False
def double(xs):
    reply = next(fd for fd in range(3, 64) if ends(fd))
    {}
    import time; time.sleep(2)
"""
FORGED = {
    "25 garbage": "os.write(reply, os.urandom(5000))",
    "26 a reply written in advance": "os.write(reply, struct.pack('<16sI', b'0' * 16, 1) + b'N')",
    "27 slow drip": "[(os.write(reply, b'x'), __import__('time').sleep(.2)) for _ in range(9)]",
    "a length without content": "os.write(reply, struct.pack('<16sI', b'0' * 16, 1 << 31))",
    "closed": "os.close(reply)",
}


@pytest.mark.parametrize("line", numbered(FORGED))
def test_forged_frames_earn_nothing(graded: Graded, line: str) -> None:
    result = graded([FRAMES.format(line), COUNT])
    assert (of(result, "double").earned, of(result, "count").earned) == (0, 60)
    assert of(result, "double").outcomes[0].kind in ("died", "timeout")


@pytest.mark.control(26)
def test_with_a_nonce_that_can_be_guessed_the_reply_in_advance_counts(
    graded: Graded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fullstack_llm.grading.pool.proxy.secrets.token_bytes", lambda count: b"0" * count)
    result = graded([FRAMES.format(FORGED["26 a reply written in advance"]), COUNT])
    assert of(result, "double").outcomes[0].kind == "refused"


@pytest.mark.attack(22)
@pytest.mark.attack(36)
@pytest.mark.attack(38)
def test_poisoned_libraries_and_changed_inputs_change_no_verdict(graded: Graded) -> None:
    poison = "import random\nrandom.Random.random = lambda self: 0.5\n"
    poison += "np.array_equal = np.allclose = lambda *a, **k: True"
    wrong = "def double(xs):\n    xs[:] = [0] * 99\n    return xs"
    result = graded(["import numpy as np", poison, wrong, COUNT])
    assert (of(result, "double").earned, of(result, "count").earned) == (0, 60)


@pytest.mark.attack(41)
def test_the_worker_has_no_checks_and_no_key(graded: Graded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLASS_KEY", "secret")
    spy = """
import os, sys
assert "CLASS_KEY" not in os.environ
assert os.listdir(".") == [] and sys.path[0] != ""
import fullstack_llm.checks
assert not [name for name in sys.modules if name.startswith("fullstack_llm.checks.") and "judge" in name]
try:
    import fullstack_llm.checks.compare
except ImportError:
    pass
else:
    raise AssertionError
"""
    result = graded([spy, *RIGHT])
    assert not result.problems
