"""The table of system calls: each number is the one that libseccomp, which the table is not made from, knows."""

from __future__ import annotations

import ctypes

import pytest

from fullstack_llm.worker.confine import syscalls

# Tokens of audit architectures, from linux/audit.h.
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
UNKNOWN = -1


@pytest.fixture(scope="module")
def resolve() -> ctypes._CFuncPtr:
    """libseccomp's own table: an architecture and a name to a number, negative where there is no such call."""
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        pytest.skip("no libseccomp: sudo apt-get install libseccomp2")
    function = library.seccomp_syscall_resolve_name_arch
    function.argtypes, function.restype = [ctypes.c_uint32, ctypes.c_char_p], ctypes.c_int
    return function


def rows() -> list[list[str]]:
    return [entry.split() for entry in syscalls.TABLE.replace("\n", "|").split("|") if entry.strip()]


@pytest.mark.parametrize("machine", syscalls.MACHINES)
def test_numbers_are_those_of_libseccomp(resolve: ctypes._CFuncPtr, machine: str) -> None:
    column = 1 + syscalls.MACHINES.index(machine)
    wrong, unknown = {}, []
    for row in rows():
        number = resolve(ARCHITECTURES[machine], row[0].encode())
        if number == UNKNOWN:
            unknown.append(row[0])
        elif (row[column] == "-") != (number < 0) or (number >= 0 and int(row[column]) != number):
            wrong[row[0]] = (row[column], number)
    assert wrong == {}
    # A library older than a call does not know its name.
    assert len(unknown) <= 3, unknown
    assert len(rows()) >= 158


def test_control_a_wrong_number_is_seen(resolve: ctypes._CFuncPtr) -> None:
    assert resolve(ARCHITECTURES["x86_64"], b"socket") == 41 != resolve(ARCHITECTURES["aarch64"], b"socket") == 198
    assert resolve(ARCHITECTURES["x86_64"], b"no_such_call") == UNKNOWN
    assert resolve(ARCHITECTURES["aarch64"], b"fork") < UNKNOWN
