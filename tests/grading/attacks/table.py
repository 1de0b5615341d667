"""Attacks on the sandbox: hostile code, what the report says of it, and what shows that it works without a sandbox.

Names with a dollar stand for things of the scene: a file that is not the submission's, the grader's process, and so on.
`without` says which means the control takes away: fields of `Sandbox`, or a judge of another kind: in the same process
("process"), one that looks at the exit status ("status"), imports its asserts ("asserts"), or runs them as cells.
"""

from __future__ import annotations

from dataclasses import dataclass

SOCKET = "import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect({})\ns.send(b'x')"
CALL = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    if libc.syscall(*arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
"""
# Without arguments it is invalid, if it is there at all.
CLONE3 = (
    CALL
    + """
try:
    call(435, 0, 0)
except OSError as error:
    assert error.errno == 22, 'no clone3'
"""
)
FILL = """
import os
for number in range(40):
    with open(f'{}/fill{{number}}', 'wb') as file:
        os.posix_fallocate(file.fileno(), 0, 7 << 20)
import time
time.sleep(1)
"""
BOTH = ("seccomp", "landlock")
# A lock that is kept is seen through another description of the file.
LOCK = """
import fcntl, os, struct
files = [open(os.__file__, 'rb') for _ in range(2)]
fcntl.fcntl(files[0], {}, struct.pack('hhqqi4x', 0, 0, 0, 1, 0))
asked = fcntl.fcntl(files[1], 36, struct.pack('hhqqi4x', 1, 0, 0, 1, 0))
assert struct.unpack('hhqqi4x', asked)[0] != 2, 'no lock is kept'
"""
GIVE = (
    CALL
    + """
buffer, (reads, writes) = ctypes.create_string_buffer(4096), os.pipe()
call($vmsplice, writes, (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 4096), 1, 0)
"""
)
CROWD = "import os, time\nfor number in range(20_001): os.close(os.open(f'x{number}', 65))\ntime.sleep(1)"
TIMERS = """
import ctypes
for _ in range(2000):
    assert not ctypes.CDLL(None).timer_create(0, None, ctypes.byref(ctypes.c_void_p())), 'no more timers'
"""
MOVE = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
assert len(os.sched_getaffinity(0)) == 1, 'stays where it is'
"""
HIDE = """
import os, time
os.mkdir('closed', 0o300)
for number in range(20):
    with open(f'closed/{number}', 'wb') as file:
        file.write(bytes(7 << 20))
time.sleep(1)
"""
# FALLOC_FL_KEEP_SIZE, and FS_IOC_RESVSP: a file of no size with room. Most file systems let it have any amount.
KEEP = CALL + "file = open('x', 'wb')\ncall($fallocate, file.fileno(), 1, ctypes.c_long(0), ctypes.c_long(4 << 20))"
RESERVE = """
import fcntl, struct
with open('x', 'wb') as file:
    fcntl.ioctl(file, 0x4030582A, struct.pack('hhqqiI16x', 1, 0, 0, 4 << 20, 0, 0))
"""


@dataclass(frozen=True)
class Attack:
    """`cause` is a pattern that the report must match; `proof` what the control must show.

    Proofs: "ran" (to its end, without an error), "canary" (the file is changed or gone), "died" (the grader did),
    "left" (processes are), "hangs" (so does grading), "paid" (a wrong answer was).
    """

    name: str
    code: str
    cause: str
    without: tuple[str, ...]
    proof: str = "ran"


ATTACKS = [
    Attack(
        "11 allocate 8 GB",
        "import numpy\nx = numpy.empty(8 << 30, 'uint8')",
        "Unable to allocate|MemoryError",
        ("limits",),
    ),
    Attack("11 shared memory", "import mmap\nx = mmap.mmap(-1, 8 << 30)", "OSError|Cannot allocate", ("limits",)),
    Attack(
        "12 fork bomb",
        "import os, time\nfor _ in range(40):\n    if os.fork() == 0:\n        time.sleep(99)",
        "PermissionError",
        ("seccomp",),
        "left",
    ),
    Attack(
        "13 thread bomb",
        "import threading, time\nthreading.stack_size(1 << 16)\n"
        "for _ in range(400): threading.Thread(target=time.sleep, args=(99,)).start()\ntime.sleep(1)",
        "threads|start new thread",
        ("watched",),
    ),
    Attack("14 fill /tmp", FILL.format("/tmp"), "Read-only|PermissionError", ("landlock",)),
    Attack("14 fill /dev/shm", FILL.format("/dev/shm"), "No space|PermissionError", ("landlock",)),
    Attack("14 fill /dev", FILL.format("/dev"), "Read-only|PermissionError", ("landlock",)),
    Attack("14 fill its folder", FILL.format("."), "No space|files of more than", ("watched",)),
    Attack(
        "15 memfd", "import os\nos.posix_fallocate(os.memfd_create('x'), 0, 1 << 20)", "PermissionError", ("seccomp",)
    ),
    Attack("15 System V memory", CALL + "call($shmget, 0, 1 << 20, 0o1600)", "not permitted", ("seccomp",)),
    Attack(
        "15 buffers of sockets",
        "import socket\na, b = socket.socketpair()\na.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 30)",
        "PermissionError",
        ("seccomp",),
    ),
    Attack("18 descriptors", "import os\nx = [os.dup(0) for _ in range(900)]", "Too many open files", ("limits",)),
    Attack(
        "19 a child that stays",
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(99)",
        "PermissionError",
        ("seccomp",),
        "left",
    ),
    Attack("20 sparse file", "open('x', 'wb').truncate(1 << 40)", "File too large", ("limits",)),
    Attack("32 write the gradebook", "open($canary, 'w').write('100')", "Error", ("landlock",), "canary"),
    Attack("41 read the checks", "print(open($checks).read())", "Error", ("landlock",)),
    Attack("41 read the judge", "print(open($judge).read())", "Error", ("landlock",)),
    Attack("41 read another submission", "print(open($canary).read())", "Error", ("landlock",)),
    Attack("42 loopback", "import socket\nsocket.create_connection(('127.0.0.1', $port), 2)", "Error", BOTH),
    Attack(
        "42 raw packets",
        "import socket\nsocket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
        "PermissionError",
        ("seccomp",),
    ),
    Attack("43 kill the grader", "import os\nos.kill($grader, 9)", "PermissionError", BOTH, "died"),
    Attack("43 kill(-1)", "import os\nos.kill(-1, 9)", "PermissionError", BOTH, "died"),
    Attack("43 kill(0)", "import os\nos.kill(0, 9)", "PermissionError", ("seccomp",), "gone"),
    Attack(
        "43 limits of others",
        "import resource\nresource.prlimit($grader, resource.RLIMIT_CORE, (0, 0))",
        "PermissionError",
        ("seccomp",),
    ),
    Attack("44 ptrace", CALL + "call($ptrace, 0x4206, $grader, 0, 0)", "not permitted", BOTH),
    Attack("45 environments", "print(open('/proc/$grader/environ').read())", "Error", ("landlock",)),
    Attack("45 memory of others", "open('/proc/$grader/mem', 'rb')", "Error", ("landlock",)),
    Attack("46 delete what is not its own", "import shutil\nshutil.rmtree($folder)", "Error", ("landlock",), "canary"),
    Attack("46 close what is not its own", "import os\nos.truncate($canary, 0)", "Error", BOTH, "canary"),
    Attack("50 abstract socket", SOCKET.format("'\\0' + $abstract"), "PermissionError", BOTH),
    Attack("73 pathname socket", SOCKET.format("$socket"), "PermissionError", ("seccomp",)),
    Attack(
        "73 a pair that sends elsewhere",
        "import socket\na, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\na.sendto(b'x', $datagrams)",
        "PermissionError",
        ("seccomp",),
    ),
    Attack(
        "74 io_uring",
        CALL + "import ctypes\ncall(425, 4, ctypes.create_string_buffer(120))",
        "not permitted",
        ("seccomp", "limits"),
    ),
    Attack(
        "74 memfd and exec",
        "import os\nfd = os.memfd_create('x')\nos.write(fd, b'#!/bin/true')",
        "PermissionError",
        ("seccomp",),
    ),
    Attack("74 clone3", CLONE3, "no clone3", ("seccomp",)),
    Attack("74 user namespace", CALL + "call($unshare, 0x10000000)", "not permitted", ("seccomp",)),
    # Each asks for no memory: many filters can stop the kernel of the machine that tries it.
    Attack(
        "79 filters of its own", CALL + "call($seccomp, 2, 0, (ctypes.c_uint32 * 1)())", "not permitted", ("seccomp",)
    ),
    Attack("79 rules of its own", CALL + "call($landlock_create_ruleset, 0, 0, 1)", "not permitted", ("seccomp",)),
    Attack(
        "79 leases",
        "import fcntl\nfile = open('x', 'w')\nfcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)",
        "PermissionError",
        ("seccomp",),
    ),
    *(
        Attack(f"86 locks by command {one}", LOCK.format(one), "no lock is kept", ("seccomp",))
        for one in (6, 7, 37, 38)
    ),
    Attack("86 pages in pipes", GIVE, "not permitted", ("seccomp",)),
    Attack("86 empty files", CROWD, "No space|more than 20,000 files", ("watched",)),
    Attack("86 timers", TIMERS, "no more timers", ("limits",)),
    Attack("87 another CPU", MOVE, "stays where it is", ("seccomp",)),
    Attack("88 a folder that cannot be listed", HIDE, "No space|cannot be listed|wrote files of more", ("watched",)),
    Attack("90 room without a size", KEEP, "not supported", ("seccomp",)),
    Attack("90 the same by another call", RESERVE, "PermissionError", ("seccomp",)),
]

FLOOD = "for _ in range(200): print('x' * (1 << 20))"
# A seed has 64 digits. In one process with the judge it stands in a caller's frame.
SEARCH = """
def double(xs):
    import os, re, sys
    frame, seen = sys._getframe(), [repr(dict(os.environ))]
    while frame:
        if frame.f_code.co_name != '<module>':
            seen += [repr(one) for one in frame.f_locals.values() if type(one) in (str, dict, tuple)]
        frame = frame.f_back
    raise ValueError(re.findall('[0-9a-f]{64}', ' '.join(seen)))
"""
LEAVE = """
import contextlib, ctypes, os
for place in (".", "..", "/tmp", "/dev/shm", "/var/tmp", "/dev/mqueue", os.environ["TMPDIR"]):
    with contextlib.suppress(OSError):
        open(os.path.join(place, "left"), "w").write("x")
ctypes.CDLL(None).shmget(4242, 4096, 0o1666)
"""
FIND = """
import ctypes, os
places = (".", "..", "/tmp", "/dev/shm", "/var/tmp", "/dev/mqueue", os.environ["TMPDIR"])
assert not [place for place in places if os.path.exists(os.path.join(place, "left"))]
assert ctypes.CDLL(None).shmget(4242, 4096, 0) < 0
"""

# A wrong answer that wants to be paid. The judge compares what `kinds.alike` makes of a value, and is elsewhere.
REPLACE = "lambda got, want: want"
FORGERIES = [
    Attack(
        "22 patched comparison",
        f"import sys\nsys.modules['fullstack_llm.checks.kinds'].alike = {REPLACE}\ndef double(xs): return 0",
        "KeyError",
        ("process",),
        "paid",
    ),
    Attack(
        "33 frames of the caller",
        f"""
def double(xs):
    import sys
    frame = sys._getframe()
    while frame:
        if 'kinds' in frame.f_globals: frame.f_globals['kinds'].alike = {REPLACE}
        frame = frame.f_back
    return 0
""",
        "Twice each",
        ("process",),
        "paid",
    ),
    Attack(
        "34 search of the memory",
        f"""
def double(xs):
    import gc
    for one in gc.get_objects():
        if type(one) is dict and 'alike' in one and 'differ' in one: one['alike'] = {REPLACE}
    return 0
""",
        "Twice each",
        ("process",),
        "paid",
    ),
    Attack(
        "36 poisoned library",
        f"""
def double(xs):
    from fullstack_llm.checks import kinds
    kinds.alike = {REPLACE}
    return 0
""",
        "Twice each",
        ("process",),
        "paid",
    ),
    Attack(
        "23 swallowed failures",
        """
import os, sys, traceback
sys.excepthook = lambda *error: os._exit(0)
traceback.print_exc = traceback.format_exception = lambda *error, **more: []
""",
        "Twice each",
        ("status",),
        "paid",
    ),
    Attack(
        "24 import hook that drops asserts",
        """
from importlib import _bootstrap_external as machinery
machinery.SourceLoader.source_to_code = lambda self, data, path, **more: compile(data, path, 'exec', optimize=1)
""",
        "Twice each",
        ("asserts",),
        "paid",
    ),
    Attack(
        "24 trace that steps over asserts",
        """
import linecache, sys
def step(frame, event, argument):
    if event == 'line' and 'assert' in linecache.getline(frame.f_code.co_filename, frame.f_lineno):
        frame.f_lineno += 1
    return step
sys.settrace(step)
""",
        "Twice each",
        ("asserts",),
        "paid",
    ),
    Attack(
        "24 AST transformer that drops asserts",
        """
import ast
class Drop(ast.NodeTransformer):
    def visit_Assert(self, node): return ast.Pass()
get_ipython().ast_transformers.append(Drop())
""",
        "Twice each",
        ("cells",),
        "paid",
    ),
]
