"""The seccomp filter, run by a small interpreter with the numbers of both architectures: what it allows, what not."""

from __future__ import annotations

import errno
import signal
import struct

import pytest

from fullstack_llm.worker.confine import seccomp, syscalls

OWN = 4242
ALLOWED, REFUSED, UNKNOWN, PRETENDED, KILLED = "allowed", errno.EPERM, errno.ENOSYS, 0, "killed"
# What Python, NumPy and PyTorch cannot do without: the number on x86-64 and on aarch64, from the kernel's headers.
NEEDED = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "mmap": (9, 222),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "madvise": (28, 233),
    "futex": (202, 98),
    "getdents64": (217, 61),
    "exit_group": (231, 94),
    "newfstatat": (262, 79),
    "epoll_pwait": (281, 22),
    "pipe2": (293, 59),
    "getrandom": (318, 278),
}
THREAD = 0x3D0F00  # what glibc's pthread_create asks of clone


def run(code: seccomp.Code, machine: str, number: int, arguments: tuple[int, ...] = ()) -> object:
    """The filter's answer to a call: classic BPF has an accumulator, and jumps forward only."""
    six = [one & (1 << 64) - 1 for one in (*arguments, 0, 0, 0, 0, 0, 0)[:6]]
    data = struct.pack("<iIQ6Q", number, seccomp.AUDIT[machine], 0, *six)
    at = accumulator = 0
    while True:
        kind, yes, no, value = code[at]
        at += 1
        if kind == seccomp.LOAD:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif kind == seccomp.AND:
            accumulator &= value
        elif kind == seccomp.JUMP:
            at += value
        elif kind == seccomp.RETURN:
            break
        else:
            compared = {
                seccomp.EQUAL: accumulator == value,
                seccomp.AT_LEAST: accumulator >= value,
                seccomp.ANY_BIT: bool(accumulator & value),
            }
            at += yes if compared[kind] else no
    if value == seccomp.ALLOW:
        return ALLOWED
    return KILLED if value == seccomp.KILL else value & 0xFFFF


class Filter:
    """The program of a machine, and the numbers of its calls."""

    def __init__(self, machine: str, writes: bool, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(syscalls, "MACHINE", machine)
        patch.setattr(seccomp, "MACHINE", machine)
        self.numbers = syscalls._numbers()
        patch.setattr(seccomp, "NUMBERS", self.numbers)
        self.machine, self.code = machine, seccomp.program(OWN, writes)

    def __call__(self, name: str, *arguments: int) -> object:
        return run(self.code, self.machine, self.numbers[name], arguments)


@pytest.fixture(params=syscalls.MACHINES)
def filtered(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Filter:
    return Filter(request.param, True, monkeypatch)


@pytest.fixture(params=syscalls.MACHINES)
def reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Filter:
    return Filter(request.param, False, monkeypatch)


def test_what_a_worker_needs_is_allowed(filtered: Filter) -> None:
    column = syscalls.MACHINES.index(filtered.machine)
    for name, numbers in NEEDED.items():
        assert run(filtered.code, filtered.machine, numbers[column]) == ALLOWED, name


def test_each_refused_call_is_refused(filtered: Filter) -> None:
    for names, answer in ((seccomp.DENIED, REFUSED), (seccomp.PRETENDED, PRETENDED)):
        there = [name for name in names.split() if name in filtered.numbers]
        assert len(there) >= 5
        assert {name: filtered(name, OWN) for name in there} == dict.fromkeys(there, answer)
    for name in ("socket", "execve", "ptrace", "memfd_create", "io_uring_setup", "unshare", "setns", "mount", "bpf"):
        assert filtered(name) == REFUSED, name


@pytest.mark.parametrize(
    ("name", "arguments", "answer"),
    [
        ("clone", (THREAD,), ALLOWED),
        ("clone", (signal.SIGCHLD,), REFUSED),
        ("clone", (THREAD | 0x10000000,), REFUSED),
        ("clone", (0x4000 | 0x100,), REFUSED),
        ("clone3", (0, 88), UNKNOWN),
        ("kill", (OWN, 15), ALLOWED),
        ("kill", (0, 9), REFUSED),
        ("kill", (-1, 9), REFUSED),
        ("kill", (1, 9), REFUSED),
        ("tgkill", (OWN, OWN, 6), ALLOWED),
        ("tgkill", (1, OWN, 6), REFUSED),
        ("rt_sigqueueinfo", (1, 9), REFUSED),
        ("prlimit64", (0, 7), ALLOWED),
        ("prlimit64", (1, 7), REFUSED),
        ("sched_setaffinity", (0, 8), PRETENDED),
        ("flock", (3, 2), PRETENDED),
        ("fcntl", (3, 6), PRETENDED),
        ("fcntl", (3, 37), PRETENDED),
        ("fcntl", (3, 5), ALLOWED),
        ("fallocate", (3, 1), errno.EOPNOTSUPP),
        ("vmsplice", (3,), REFUSED),
        ("socketpair", (1, 1), ALLOWED),
        ("socketpair", (1, 1 | 0o2000000 | 0o4000), ALLOWED),
        ("socketpair", (1, 2), REFUSED),
        ("socketpair", (1, 5), REFUSED),
        ("socketpair", (2, 1), REFUSED),
        ("sendto", (5, 0, 0, 0, 0), ALLOWED),
        ("sendto", (5, 0, 0, 0, 0x7FFF0000), REFUSED),
        ("sendto", (5, 0, 0, 0, 1 << 40), REFUSED),
        ("prctl", (1, 0), REFUSED),
        ("prctl", (15,), ALLOWED),
        ("prctl", (22, 2), REFUSED),
        ("seccomp", (1, 0), REFUSED),
        ("fcntl", (3, 3), ALLOWED),
        ("fcntl", (3, 8, 1), REFUSED),
        ("fcntl", (3, 1031, 1 << 20), REFUSED),
        ("fcntl", (3, 1024, 0), REFUSED),
        ("fcntl", (3, 1030, 3), ALLOWED),
        ("fcntl", (3, 5), ALLOWED),
        ("fcntl", (3, 6), PRETENDED),
        ("fcntl", (3, 7), PRETENDED),
        ("fcntl", (3, 37), PRETENDED),
        ("fcntl", (3, 38), PRETENDED),
        ("fcntl", (3, 1040), REFUSED),
        ("fcntl", (3, 4242), REFUSED),
        ("mmap", (0, 4096, 3, 0x22), ALLOWED),
        ("mmap", (0, 2 << 20, 3, 0x22 | 0x40000), REFUSED),
        ("mmap", (0, 2 << 20, 3, 0x22 | 0x40000 | 21 << 26), REFUSED),
        ("fallocate", (3, 0, 0, 4096), errno.EOPNOTSUPP),
        ("ioctl", (3, 0x4030582A), REFUSED),
        ("ioctl", (3, 0x40305828), REFUSED),
        ("ioctl", (3, 0x5401), ALLOWED),
        ("ioctl", (3, 0x5412), REFUSED),
        ("openat", (0, 0, 0o102), ALLOWED),
        ("unlinkat", (0, 0), ALLOWED),
    ],
)
def test_arguments_decide(filtered: Filter, name: str, arguments: tuple[int, ...], answer: object) -> None:
    assert filtered(name, *arguments) == answer


def test_a_worker_that_may_not_write_opens_to_read(reading: Filter) -> None:
    assert reading("openat", 0, 0, 0o2000000) == ALLOWED
    for flags in (0o1, 0o2, 0o100, 0o1000, 0o20200002):
        assert reading("openat", 0, 0, flags) == REFUSED, oct(flags)
    for name in seccomp.CHANGES.split():
        assert name not in reading.numbers or reading(name) == REFUSED, name


def test_what_came_later_does_not_exist(filtered: Filter) -> None:
    for number in (syscalls.LAST + 1, 1000, 0x3FFFFFFF):
        assert run(filtered.code, filtered.machine, number) == UNKNOWN


def test_other_interfaces_to_the_same_calls_end_the_process(filtered: Filter) -> None:
    other = next(machine for machine in syscalls.MACHINES if machine != filtered.machine)
    assert run(filtered.code, other, 1) == KILLED
    # The x32 interface, and a number below zero.
    assert run(filtered.code, filtered.machine, 0x40000000 | 41) == KILLED
    assert run(filtered.code, filtered.machine, -1) == KILLED


def test_the_interpreter_tells_a_filter_that_lacks_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seccomp, "DENIED", seccomp.DENIED.replace(" ptrace ", " ").replace("ptrace ", ""))
    one = Filter("aarch64", True, monkeypatch)
    assert one("ptrace") == ALLOWED


def test_the_two_columns_are_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    # Since 5.1 a call has one number everywhere; before that the two tables have nothing in common but by chance.
    rows = [row.split() for row in syscalls.TABLE.replace("\n", "|").split("|") if row.strip()]
    for name, x86, aarch64 in rows:
        if x86.isdigit() and int(x86) >= 424:
            assert x86 == aarch64, name
        assert x86 != "-" and (aarch64 == "-" or int(aarch64) <= syscalls.LAST), name
    for column in (1, 2):
        numbers = [row[column] for row in rows if row[column] != "-"]
        assert len(set(numbers)) == len(numbers)
