"""Restrict this process by Landlock: it reads granted paths alone, writes one folder, and signals no other process.

No privilege is needed. An access that the kernel's version of Landlock cannot restrict stays allowed; the probes of
`grading/probing` find it.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable

from .syscalls import PR_SET_NO_NEW_PRIVS, call, prctl

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REMOVE_DIR, REMOVE_FILE, MAKE_DIR, MAKE_REG, MAKE_SYM = 1 << 4, 1 << 5, 1 << 7, 1 << 8, 1 << 12
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
# Rights that a rule on a file may hold; the others are for folders alone.
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
GRANTS = {
    "list": READ_DIR,
    "read": READ_FILE | READ_DIR,
    "device": READ_FILE | WRITE_FILE,
    "write": READ_FILE | READ_DIR | WRITE_FILE | TRUNCATE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SYM
    | REFER,
}  # fmt: skip
# TCP: bind and connect. Scopes: abstract Unix sockets and signals.
TCP, SCOPES = 0b11, 0b11


def abi_version() -> int:
    """Return the version of the kernel's Landlock ABI; 0 where there is no Landlock."""
    try:
        return call("landlock_create_ruleset", None, ctypes.c_size_t(0), ctypes.c_uint(1))
    except OSError:
        return 0


def handled(abi: int) -> tuple[int, int, int]:
    """Return the masks of what this ABI version can restrict: rights on files, rights on TCP, and scopes.

    >>> [f"{mask:b}" for mask in handled(1)]
    ['1111111111111', '0', '0']
    >>> [f"{mask:b}" for mask in handled(6)]
    ['1111111111111111', '11', '11']
    """
    files = (1 << 13) - 1
    for since, right in ((2, REFER), (3, TRUNCATE), (5, IOCTL_DEV)):
        files |= right if abi >= since else 0
    return files, TCP if abi >= 4 else 0, SCOPES if abi >= 6 else 0


def restrict(grants: Iterable[tuple[str, str]]) -> None:
    """Restrict this process to the grants, each a path and a key of `GRANTS`; missing paths are skipped.

    Raises `OSError` where there is no Landlock.
    """
    abi = abi_version()
    if not abi:
        raise OSError("this kernel has no Landlock, or it is not switched on")
    rights = handled(abi)
    # `struct landlock_ruleset_attr` grew with the versions; a kernel refuses a longer one than it knows.
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    attributes = struct.pack("<QQQ", *rights)[:size]
    ruleset = call("landlock_create_ruleset", ctypes.c_char_p(attributes), ctypes.c_size_t(size), ctypes.c_uint(0))
    try:
        for path, grant in grants:
            _allow(ruleset, path, GRANTS[grant] & rights[0])
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        call("landlock_restrict_self", ctypes.c_int(ruleset), ctypes.c_uint(0))
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        path_fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError, NotADirectoryError):
        return
    try:
        if not stat.S_ISDIR(os.fstat(path_fd).st_mode):
            rights &= OF_FILES
        if rights:
            rule = struct.pack("<Qi", rights, path_fd)
            call("landlock_add_rule", ctypes.c_int(ruleset), ctypes.c_int(1), ctypes.c_char_p(rule), ctypes.c_uint(0))
    finally:
        os.close(path_fd)
