"""Build and load the seccomp filter of a worker: no sockets, no new processes, no access to other processes.

The filter lists the system calls that it refuses, not those that it allows: Python, NumPy and PyTorch use some two
hundred, which change with every release. A call newer than those in `syscalls.py` fails with ENOSYS.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from .syscalls import LAST, MACHINE, NUMBERS, PR_SET_NO_NEW_PRIVS, PR_SET_PDEATHSIG, PR_SET_SECCOMP, call, prctl

Code = list[tuple[int, int, int, int]]

# Classic BPF opcodes, and offsets into `struct seccomp_data`.
LOAD, AND, JUMP, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x54, 0x05, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
ALLOW, KILL = 0x7FFF0000, 0x80000000
REFUSE, UNKNOWN, PRETEND = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS, 0x00050000
UNSUPPORTED = 0x00050000 | errno.EOPNOTSUPP
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32 = 0x40000000
CLONE_THREAD, CLONE_NEW = 0x00010000, 0x7E020000

# Calls that fail with EPERM. setsockopt could grow the buffers of a socket pair, which are kernel memory that no limit
# counts; so are seccomp filters and Landlock rules of a worker's own, and a thousand processes with stacked filters can
# stop a kernel. vmsplice, its kin and sendfile hold pages in pipes, huge ones too, which no process is charged for.
DENIED = """
socket connect bind listen accept accept4 sendmsg sendmmsg setsockopt
io_uring_setup io_uring_enter io_uring_register io_setup
unshare setns mount umount2 pivot_root chroot open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr
swapon swapoff quotactl quotactl_fd
fork vfork execve execveat tkill
ptrace process_vm_readv process_vm_writev process_madvise process_mrelease kcmp
pidfd_open pidfd_getfd pidfd_send_signal migrate_pages move_pages
sched_setscheduler sched_setparam sched_setattr setpriority ioprio_set
bpf perf_event_open userfaultfd keyctl add_key request_key kexec_load kexec_file_load
init_module finit_module delete_module reboot syslog acct settimeofday clock_settime clock_adjtime adjtimex
sethostname setdomainname iopl ioperm modify_ldt lookup_dcookie vhangup uselib personality
open_by_handle_at name_to_handle_at mknod mknodat fanotify_init fanotify_mark inotify_init inotify_init1
chown fchown lchown fchownat setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr truncate
memfd_create memfd_secret shmget shmat shmctl msgget msgsnd msgrcv msgctl semget semop semtimedop semctl
mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify
seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self
splice tee vmsplice sendfile
"""
# Calls that do nothing and return 0. Landlock cannot restrict them: the first line's act on every file of the same
# user, the second's keep every disk busy, or throw out of memory what neighbours read. They must not fail, since
# `shutil.copy2` copies mode and times, and many programs end a file with fsync. A lock would be kernel memory that no
# limit counts, and a worker has nobody to lock out; the CPUs of a worker are the grader's choice.
PRETENDED = """
chmod fchmod fchmodat utime utimes futimesat utimensat
sync syncfs fsync fdatasync sync_file_range msync fadvise64
flock sched_setaffinity
"""
# Calls that change folders: refused where neither namespaces nor Landlock confine them to the worker's own folder.
CHANGES = """
creat link linkat mkdir mkdirat rename renameat renameat2 rmdir symlink symlinkat unlink unlinkat openat2
"""
# O_WRONLY, O_RDWR, O_CREAT, O_TRUNC.
WRITING = 0o1 | 0o2 | 0o100 | 0o1000
# What fcntl may do: F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_GETOWN, F_GETSIG, F_GETOWN_EX,
# F_OFD_GETLK, F_GETLEASE, F_DUPFD_QUERY, F_DUPFD_CLOEXEC, F_GETPIPE_SZ, F_GET_SEALS. The rest would send signals to
# others, keep them waiting, or take kernel memory that no limit counts, such as larger pipes.
FCNTL_COMMANDS = (0, 1, 2, 3, 4, 5, 9, 11, 16, 36, 1025, 1027, 1030, 1032, 1034)
# F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW: as flock, they do nothing and return 0.
FCNTL_LOCKS = (6, 7, 37, 38)
# What ioctl may do: TCGETS, TIOCGPGRP, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX, FICLONE. The rest types into
# terminals (TIOCSTI), or is another name of a call that is refused: FIOSETOWN, or FS_IOC_RESVSP for fallocate.
IOCTL_COMMANDS = (0x5401, 0x540F, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451, 0x40049409)
# Huge pages are the machine's, and in no count of a process's memory.
MAP_HUGETLB = 0x40000


def _argument(index: int, high: bool = False) -> tuple[int, int, int, int]:
    return LOAD, 0, 0, ARGUMENTS + 8 * index + 4 * high


def _compare(values: tuple[int, ...], then: int) -> Code:
    # Each comparison is followed by its own return, so no jump skips more than one instruction.
    return [step for value in values for step in ((EQUAL, 0, 1, value), (RETURN, 0, 0, then))]


def _match(values: tuple[int, ...], then: int, otherwise: int) -> Code:
    return [*_compare(values, then), (RETURN, 0, 0, otherwise)]


def _allow_if(index: int, *values: int) -> Code:
    return [_argument(index), *_match(values, ALLOW, REFUSE)]


def _refuse_if(index: int, *values: int) -> Code:
    return [_argument(index), *_match(values, REFUSE, ALLOW)]


def _conditions(pid: int) -> dict[str, Code]:
    refused = (RETURN, 0, 0, REFUSE)
    return {
        # clone may start threads alone; glibc falls back to clone when clone3 fails with ENOSYS.
        "clone": [
            _argument(0),
            (ANY_BIT, 0, 1, CLONE_NEW),
            refused,
            (ANY_BIT, 1, 0, CLONE_THREAD),
            refused,
            (RETURN, 0, 0, ALLOW),
        ],
        "clone3": [(RETURN, 0, 0, UNKNOWN)],
        # asyncio needs a pair of stream sockets; a datagram socket of a pair could send to any address.
        "socketpair": [
            _argument(0),
            (EQUAL, 1, 0, 1),
            refused,
            _argument(1),
            (AND, 0, 0, 0xF),
            *_match((1,), ALLOW, REFUSE),
        ],
        "sendto": [_argument(4), (EQUAL, 1, 0, 0), refused, _argument(4, True), *_match((0,), ALLOW, REFUSE)],
        "kill": _allow_if(0, pid),
        "tgkill": _allow_if(0, pid),
        "rt_sigqueueinfo": _allow_if(0, pid),
        "rt_tgsigqueueinfo": _allow_if(0, pid),
        "prlimit64": _allow_if(0, 0, pid),
        "prctl": _refuse_if(0, PR_SET_PDEATHSIG, PR_SET_SECCOMP),
        "fcntl": [_argument(1), *_compare(FCNTL_LOCKS, PRETEND), *_match(FCNTL_COMMANDS, ALLOW, REFUSE)],
        # It ignores RLIMIT_FSIZE. glibc then writes to each block instead, which the limit bounds.
        "fallocate": [(RETURN, 0, 0, UNSUPPORTED)],
        "ioctl": _allow_if(1, *IOCTL_COMMANDS),
        "mmap": [_argument(3), (ANY_BIT, 0, 1, MAP_HUGETLB), refused, (RETURN, 0, 0, ALLOW)],
    }


def _read_only_conditions(pid: int) -> dict[str, Code]:
    refuse_writing = [(ANY_BIT, 0, 1, WRITING), (RETURN, 0, 0, REFUSE), (RETURN, 0, 0, ALLOW)]
    opening = {"open": [_argument(1), *refuse_writing], "openat": [_argument(2), *refuse_writing]}
    return _conditions(pid) | opening


def program(pid: int, writes: bool = True) -> Code:
    """Return the filter's instructions for the process `pid`, which may signal itself alone.

    Without `writes`, it cannot open a file for writing, nor change a folder.
    """
    code: Code = [
        (LOAD, 0, 0, ARCHITECTURE),
        *((EQUAL, 1, 0, AUDIT[MACHINE]), (RETURN, 0, 0, KILL)),
        (LOAD, 0, 0, NUMBER),
        # The x32 ABI has other numbers for the same calls.
        *((ANY_BIT, 0, 1, X32), (RETURN, 0, 0, KILL)),
        *((AT_LEAST, 0, 1, LAST + 1), (RETURN, 0, 0, UNKNOWN)),
    ]
    conditions = _conditions(pid) if writes else _read_only_conditions(pid)
    for names, action in ((DENIED, REFUSE), (PRETENDED, PRETEND), ("" if writes else CHANGES, REFUSE)):
        numbers = [NUMBERS[name] for name in names.split() if name in NUMBERS]
        code += [(EQUAL, len(numbers) - i, 0, number) for i, number in enumerate(numbers)]
        code += [(JUMP, 0, 0, 1), (RETURN, 0, 0, action)]
    for name, body in conditions.items():
        code += [(EQUAL, 0, len(body), NUMBERS[name]), *body] if name in NUMBERS else []
    return [*code, (RETURN, 0, 0, ALLOW)]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def load(writes: bool = True) -> None:
    """Load the filter for this process and all its threads, irrevocably.

    Raises `OSError` where the kernel has no seccomp, or the filter does not know the architecture.
    """
    if MACHINE not in AUDIT:
        raise OSError(f"there is no filter for {MACHINE}")
    code = program(os.getpid(), writes)
    packed = b"".join(struct.pack("<HBBI", *step) for step in code)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    # SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC
    if call("seccomp", ctypes.c_uint(1), ctypes.c_uint(1), ctypes.byref(_Program(len(code), packed))):
        raise OSError("a thread of the worker refused the filter")
