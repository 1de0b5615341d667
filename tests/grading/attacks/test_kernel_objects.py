"""Each row of the table of kernel objects, at each kind of level: how many a worker could make, what stopped it."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from fullstack_llm.grading.isolation.sandbox import INODES, LIMITS, THREADS, Sandbox
from fullstack_llm.grading.machine import usage
from fullstack_llm.grading.machine.errors import DiskFull, GraderError, OutOfMemory, WorkerLost, memory_low
from fullstack_llm.grading.pool import pool as pools
from fullstack_llm.grading.pool import proxy
from fullstack_llm.grading.pool.pool import Pool
from fullstack_llm.grading.pool.proxy import WorkerProxy
from fullstack_llm.grading.probing import levels
from fullstack_llm.worker import codec
from fullstack_llm.worker.confine.syscalls import NUMBERS

DESCRIPTORS = LIMITS["NOFILE"]
SIGNALS = LIMITS["SIGPENDING"]
COUNT = """
import ctypes, errno, fcntl, mmap, os, select, signal, socket, threading, time
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    result = libc.syscall(*[ctypes.c_long(one) if isinstance(one, int) else one for one in arguments])
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def count(make, most):
    kept = []
    try:
        for number in range(most):
            kept.append(make(number))
    except (OSError, RuntimeError, MemoryError):
        pass
    return len(kept)
"""
X86 = platform.machine() == "x86_64"
TIMER_CREATE, SIGQUEUE, FALLOCATE = (222, 129, 285) if X86 else (107, 138, 47)
MLOCK, VMSPLICE, SPLICE, TEE = (149, 278, 275, 276) if X86 else (228, 75, 76, 77)
EXCLUSIVE = "import struct\nwhole = struct.pack('hhqqi', fcntl.F_WRLCK, 0, number, 1, 0)"


@dataclass(frozen=True)
class Try:
    """Code of a function `f` that returns how many it could make, and the most that may be; what may end the worker."""

    code: str
    most: int
    ends: type[Exception] | tuple[type[Exception], ...] = ()
    says: str = ""


TRIED = {
    # A lock that is held keeps another descriptor from the same lock; here both get it.
    "locks": Try(
        """
import struct
def f():
    held = 0
    for number in range(300):
        one, other = (os.open("locked", os.O_RDWR | os.O_CREAT) for _ in range(2))
        whole = struct.pack("hhqqi", fcntl.F_WRLCK, 0, number, 1, 0)
        for command in (37, 38, 6, 7):
            for fd in (one, other):
                call(FCNTL, fd, command, whole)
        for fd in (one, other):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(one), os.close(other)
    return held
""".replace("FCNTL", str(NUMBERS.get("fcntl", 72))),
        0,
    ),
    "leases": Try(
        "def f():\n    fd = os.open('leased', os.O_RDONLY | os.O_CREAT)\n"
        "    return sum(count(lambda _: fcntl.fcntl(fd, one, 0), 1) for one in (1024, 1026, 8, 10))"
        " + count(lambda _: fcntl.fcntl(fd, 1040, bytes(8)), 1)",
        0,
    ),
    "pipes": Try(
        "def f():\n    one = os.pipe()\n    grown = count(lambda _: fcntl.fcntl(one[0], 1031, 1 << 20), 1)\n"
        "    return count(lambda _: os.pipe(), 999) + 1000 * grown",
        DESCRIPTORS // 2,
    ),
    "pages": Try(
        f"def f():\n    reads, writes = os.pipe()\n"
        f"    return count(lambda n: call(({VMSPLICE}, {SPLICE}, {TEE})[n], writes, 0, 0, 0, 0, 0), 1) + "
        f"count(lambda n: call({SPLICE}, reads, None, writes, None, 1, 0), 1) + "
        f"count(lambda n: call({TEE}, reads, writes, 1, 0), 1) + "
        f"count(lambda n: os.sendfile(writes, os.open(os.__file__, 0), 0, 4096), 1)",
        0,
    ),
    "descriptors": Try(
        "def f():\n    return count(lambda n: (select.epoll, lambda: call(EVENT, 0, 0))[n % 2](), 999)".replace(
            "EVENT", "290" if X86 else "19"
        ),
        DESCRIPTORS,
    ),
    "sockets": Try(
        "def f():\n    one = socket.socketpair()\n"
        "    grown = count(lambda _: one[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 30), 1)\n"
        "    return count(lambda _: socket.socketpair(), 999) + 1000 * grown",
        DESCRIPTORS // 2,
    ),
    "timers": Try(
        f"def f():\n    place = ctypes.create_string_buffer(8)\n"
        f"    return count(lambda _: call({TIMER_CREATE}, 1, None, place), 20_000)",
        SIGNALS,
    ),
    "signals": Try(
        f"def f():\n    signal.pthread_sigmask(signal.SIG_BLOCK, [40])\n    info = ctypes.create_string_buffer(128)\n"
        f"    ctypes.memmove(info, (ctypes.c_int * 3)(40, 0, -1), 12)\n"
        f"    return count(lambda _: call({SIGQUEUE}, os.getpid(), 40, info), 20_000)",
        SIGNALS,
    ),
    "mappings": Try(
        "def f():\n    kinds = (mmap.PROT_READ, mmap.PROT_WRITE)\n"
        "    return count(lambda n: mmap.mmap(-1, 4096, prot=kinds[n % 2]), MOST)",
        0,  # set below, from this machine's own number
    ),
    "huge": Try(
        "def f():\n    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000\n"
        "    return count(lambda _: mmap.mmap(-1, 2 << 20, flags), 9)",
        0,
    ),
    "locked": Try(
        f"def f():\n    memory = mmap.mmap(-1, 1 << 20)\n    place = ctypes.c_char.from_buffer(memory)\n"
        f"    return count(lambda _: call({MLOCK}, ctypes.c_void_p(ctypes.addressof(place)), 1 << 20), 1)",
        0,
    ),
    "files": Try(
        "def f():\n    made = count(lambda n: os.close(os.open(f'empty{n}', os.O_CREAT)), 60_000)\n    time.sleep(1)\n"
        "    return made",
        10_000,
        WorkerLost,
        "more than 20,000 files|wrote files of more than",
    ),
    "nameless": Try(
        "def f():\n    def make(_):\n        with open('x', 'w+b') as file:\n            file.write(b'1' * (7 << 20))\n"
        "            file.flush()\n            os.remove('x')\n            return mmap.mmap(file.fileno(), 4096)\n"
        "    made = count(make, 40)\n    time.sleep(1)\n    return made",
        (128 << 20) // (7 << 20),
        DiskFull,
    ),
    "closed": Try(
        "def f():\n    os.mkdir('closed', 0o300)\n    def make(n):\n        with open(f'closed/{n}', 'wb') as file:\n"
        "            file.write(b'1' * (7 << 20))\n        return n\n    made = count(make, 40)\n    time.sleep(1)\n"
        "    return made",
        (128 << 20) // (7 << 20),
        WorkerLost,
        "cannot be listed|wrote files of more than",
    ),
    "blocks": Try(
        f"def f():\n    file = open('blocks', 'wb')\n"
        f"    return count(lambda _: call({FALLOCATE}, file.fileno(), 1, 0, 64 << 20), 1) + "
        f"count(lambda _: os.posix_fallocate(file.fileno(), 0, 64 << 20), 1) + "
        f"count(lambda _: fcntl.ioctl(file, 0x4030582A, bytes(16) + (4 << 20).to_bytes(8, 'little') + bytes(24)), 1)",
        0,
    ),
    "threads": Try(
        "def f():\n    threading.stack_size(1 << 16)\n"
        "    made = count(lambda _: threading.Thread(target=time.sleep, args=(9,), daemon=True).start(), 2_000)\n"
        "    time.sleep(1)\n    return made",
        3 * THREADS,
        WorkerLost,
        "threads",
    ),
    "processes": Try(
        "def f():\n    return count(lambda n: (os.fork, lambda: os.posix_spawn('/bin/true', ['true'], {}), "
        "lambda: call(UNSHARE, 0x10000000))[n](), 1) + count(lambda _: call(UNSHARE, 0x10000000), 1)".replace(
            "UNSHARE", str(NUMBERS.get("unshare", 272))
        ),
        0,
    ),
    "terminals": Try(
        "def f():\n    return count(lambda _: os.open('/dev/ptmx', os.O_RDWR), 999)",
        DESCRIPTORS,
    ),
    "refused": Try(
        "def f():\n    return [name for name, number in NAMES.items() if not refused(number)]\n"
        "def refused(number):\n    try:\n        call(number, 0, 0, 0, 0, 0, 0)\n    except OSError as error:\n"
        "        return error.errno in (1, 38)\n",
        0,
    ),
}
REFUSED = (
    *("add_key", "request_key", "keyctl", "bpf", "perf_event_open", "userfaultfd", "seccomp"),
    *("landlock_create_ruleset", "io_uring_setup", "io_setup", "inotify_init1", "fanotify_init", "memfd_create"),
    *("memfd_secret", "shmget", "msgget", "semget", "mq_open", "pidfd_open", "open_by_handle_at"),
)
ROWS = yaml.safe_load((Path(__file__).parents[3] / "book" / "_data" / "kernel_objects.yml").read_text("utf-8"))
SANDBOXES = {
    "A warm": levels.CANDIDATES["A"][0],
    "A cold": levels.CANDIDATES["A"][1],
    "B root": levels.CANDIDATES["B"][0],
    "B plain": replace(levels.CANDIDATES["B"][0], user=False),
}


@pytest.fixture(scope="module", params=SANDBOXES)
def workers(request: pytest.FixtureRequest) -> Iterator[Pool]:
    sandbox: Sandbox = SANDBOXES[request.param]
    if request.param == "B root" and os.geteuid():
        pytest.skip("only root can give workers a user of their own")
    try:
        levels.level(sandbox.level)
    except GraderError as error:
        pytest.skip(str(error))
    pool = Pool(sandbox)
    yield pool
    pool.close()


def made(workers: Pool, one: Try, code: str) -> Any:
    worker = workers.take()
    try:
        worker.ask(("define", "cell 1", COUNT + code, ["f"]), 60)
        return codec.decode(worker.ask(("call", "f", codec.encode(())), 100))
    finally:
        worker.close()


@pytest.mark.attack(86)
@pytest.mark.parametrize("row", [row for row in ROWS if row["tried"] != "anything"], ids=lambda row: row["tried"])
def test_an_object_is_bounded(workers: Pool, row: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    one, code = TRIED[row["tried"]], TRIED[row["tried"]].code
    most = one.most
    if row["tried"] == "mappings":
        most = int(Path("/proc/sys/vm/max_map_count").read_text())
        code = code.replace("MOST", str(most + 10))
    if row["tried"] == "refused":
        code += f"NAMES = { {name: NUMBERS[name] for name in REFUSED if name in NUMBERS} }\n"
    itself = os.geteuid() == 0 and workers.sandbox.uid() is None and not workers.sandbox.namespaces
    if row["tried"] == "locked" and itself:
        most = 1  # root itself may lock memory; a plain user, for whom this sandbox is, may not
    if row["tried"] in ("nameless", "closed"):
        monkeypatch.setattr(proxy, "DISK", 150 << 20)
    try:
        reply = made(workers, one, code)
    except (WorkerLost, DiskFull) as ended:
        assert one.ends and isinstance(ended, one.ends), ended
        assert not one.says or any(part in str(ended) for part in one.says.split("|")), ended
        return
    assert reply[0] == "value", reply
    if row["tried"] == "refused":
        assert reply[1] == []
    else:
        assert reply[1] <= most, (reply, most)


def test_the_table_and_the_code_have_the_same_rows() -> None:
    assert {row["tried"] for row in ROWS} == {*TRIED, "anything"}
    assert all({*row} == {"object", "tried", "bound"} and row["bound"].endswith(".") for row in ROWS)


LOCK = """
import struct
def f():
    fds = [os.open("locked", os.O_RDWR | os.O_CREAT) for _ in range(2)]
    whole = struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 1, 0)
    for fd in fds:
        call(FCNTL, fd, 37, whole)
    return 1
""".replace("FCNTL", str(NUMBERS.get("fcntl", 72)))


@pytest.mark.control(86)
def test_without_the_filter_a_lock_is_held_and_pages_go_into_pipes() -> None:
    unfiltered = Pool(replace(levels.CANDIDATES["B"][0], landlock=False, seccomp=False, warm=False, user=False))
    try:
        reply = made(unfiltered, TRIED["locks"], LOCK)
        assert reply[0] == "raised" and "unavailable" in str(reply), "the second lock of one place is refused"
        assert made(unfiltered, TRIED["pipes"], TRIED["pipes"].code)[1] >= 1000, "a pipe can be made larger"
    finally:
        unfiltered.close()
    unbounded = replace(levels.CANDIDATES["B"][0], limits={**LIMITS, "SIGPENDING": 5_000}, user=False)
    more = Pool(unbounded)
    try:
        assert made(more, TRIED["timers"], TRIED["timers"].code)[1] > SIGNALS
    finally:
        more.close()


@pytest.mark.attack(86)
def test_a_machine_with_hardly_any_memory_left_ends_the_worker(workers: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    # What is in no row of the table: the kernel holds it, and no count of the process says so.
    worker = workers.take()
    monkeypatch.setattr(usage, "free_memory", lambda: proxy.FREE - 1)
    with pytest.raises(OutOfMemory, match="hardly any memory left"):
        worker.ask(("define", "cell 1", "import time\ntime.sleep(5)", []), 60)
    # Where no worker can start, one submission is left ungraded, and the batch goes on.
    monkeypatch.setattr(pools, "PATIENCE", 0.0)
    monkeypatch.setattr(WorkerProxy, "_watch", lambda self: (_ for _ in ()).throw(memory_low()))
    monkeypatch.setattr(WorkerProxy, "ready", WorkerProxy._watch)
    with pytest.raises(OutOfMemory):
        workers.take()
    monkeypatch.undo()
    assert made(workers, TRIED["pipes"], "def f():\n    time.sleep(0.5)\n    return 1")[1] == 1


def test_free_memory_is_that_of_the_machine() -> None:
    assert 0 < usage.free_memory() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert usage.total_memory() // 16 > proxy.FREE


def test_limits_are_those_of_the_worker(workers: Pool) -> None:
    code = "import resource\ndef f():\n    return [resource.getrlimit(n)[1] for n in NAMES]\n"
    names = [resource.RLIMIT_MEMLOCK, resource.RLIMIT_SIGPENDING, resource.RLIMIT_MSGQUEUE]
    assert made(workers, TRIED["pipes"], code + f"NAMES = {[int(n) for n in names]}\n")[1] == [0, SIGNALS, 0]


def as_plain_user(action: Callable[[Path], bool]) -> bool:
    """Whether the action, of a user who is not root, is true of a folder of that user's."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))
    folder.chmod(0o777)
    pid = os.fork()
    if pid == 0:
        code = 2
        try:
            if os.geteuid() == 0:
                os.setresuid(61000, 61000, 61000)
            code = 0 if action(folder) else 1
        finally:
            os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    shutil.rmtree(folder, ignore_errors=True)
    assert status in (0, 1)
    return status == 0


def closed_folder(folder: Path) -> None:
    """Make a file of a megabyte in a folder that can be entered and not be listed."""
    (folder / "closed").mkdir(parents=True)
    (folder / "closed" / "file").write_bytes(bytes(1 << 20))
    (folder / "closed").chmod(0o300)


@pytest.mark.attack(88)
def test_what_cannot_be_listed_ends_the_worker_and_is_removed() -> None:
    def action(folder: Path) -> bool:
        own = folder / "own"
        closed_folder(own)
        fault = usage.folder_fault(str(own), 1 << 30, INODES)
        usage.remove_folder(str(own))
        return fault == "made a folder that cannot be listed" and not own.exists()

    assert as_plain_user(action)


@pytest.mark.control(88)
def test_control_a_walk_passes_over_it() -> None:
    def action(folder: Path) -> bool:
        closed_folder(folder)
        return [name for _, _, names in os.walk(folder) for name in names] == []

    assert as_plain_user(action)


def test_free_memory_is_that_of_the_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "CGROUP", tmp_path)
    machine = usage.free_memory()
    assert 0 < machine < 1 << 50
    sizes = {"memory.max": "9000", "memory.current": "7000", "memory.stat": "anon 1\ninactive_file 500"}
    for name, text in sizes.items():
        (tmp_path / name).write_text(f"{text}\n")
    assert usage.free_memory() == 2500
    (tmp_path / "memory.max").write_text("max\n")
    assert abs(usage.free_memory() - machine) < 4 << 30


@pytest.mark.attack(90)
def test_blocks_are_written_and_not_asked_for(workers: Pool) -> None:
    assert made(workers, TRIED["blocks"], TRIED["blocks"].code)[1] == 0
    within = "def f():\n    file = open('x', 'wb')\n    os.posix_fallocate(file.fileno(), 0, 1 << 20)\n"
    within += "    return os.stat('x').st_size"
    assert made(workers, TRIED["blocks"], within)[1] == 1 << 20, "a file within the limits can still be made so"


@pytest.mark.control(90)
def test_without_the_filter_blocks_come_in_one_call_whatever_the_limit() -> None:
    unfiltered = Pool(replace(levels.CANDIDATES["B"][0], landlock=False, seccomp=False, warm=False, user=False))
    try:
        code = f"def f():\n    file = open('x', 'wb')\n    call({FALLOCATE}, file.fileno(), 1, 0, 16 << 20)\n"
        assert made(unfiltered, TRIED["blocks"], code + "    return os.stat('x').st_blocks * 512")[1] == 16 << 20
    finally:
        unfiltered.close()
