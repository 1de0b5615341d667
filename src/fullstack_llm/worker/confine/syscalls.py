"""Hold numbers of Linux system calls, and make the calls that Python's standard library lacks."""

from __future__ import annotations

import ctypes
import os
import platform
from pathlib import Path

# Name, number on x86-64, number on aarch64; a dash where the architecture has no such call.
TABLE = """
accept 43 202 | accept4 288 242 | acct 163 89 | add_key 248 217 | adjtimex 159 171 | bind 49 200 | bpf 321 280
capset 126 91 | chmod 90 - | chown 92 - | chroot 161 51 | clock_adjtime 305 266 | clock_settime 227 112 | clone 56 220
clone3 435 435 | connect 42 203 | creat 85 - | delete_module 176 106 | execve 59 221 | execveat 322 281
fadvise64 221 223 | fallocate 285 47 | fanotify_init 300 262 | fanotify_mark 301 263 | fchmod 91 52 | fchmodat 268 53
fchown 93 55 | fchownat 260 54 | fcntl 72 25 | fdatasync 75 83 | finit_module 313 273 | flock 73 32 | fork 57 -
fremovexattr 199 16 | fsconfig 431 431 | fsetxattr 190 7 | fsmount 432 432 | fsopen 430 430 | fspick 433 433
fsync 74 82 | futimesat 261 - | init_module 175 105 | inotify_init 253 - | inotify_init1 294 26 | io_setup 206 0
io_uring_enter 426 426 | io_uring_register 427 427 | io_uring_setup 425 425 | ioctl 16 29 | ioperm 173 - | iopl 172 -
ioprio_set 251 30 | kcmp 312 272 | kexec_file_load 320 294 | kexec_load 246 104 | keyctl 250 219 | kill 62 129
landlock_add_rule 445 445 | landlock_create_ruleset 444 444 | landlock_restrict_self 446 446 | lchown 94 - | link 86 -
linkat 265 37 | listen 50 201 | lookup_dcookie 212 18 | lremovexattr 198 15 | lsetxattr 189 6 | memfd_create 319 279
memfd_secret 447 447 | migrate_pages 256 238 | mkdir 83 - | mkdirat 258 34 | mknod 133 - | mknodat 259 33 | mmap 9 222
modify_ldt 154 - | mount 165 40 | mount_setattr 442 442 | move_mount 429 429 | move_pages 279 239 | mq_notify 244 184
mq_open 240 180 | mq_timedreceive 243 183 | mq_timedsend 242 182 | mq_unlink 241 181 | msgctl 71 187 | msgget 68 186
msgrcv 70 188 | msgsnd 69 189 | msync 26 227 | name_to_handle_at 303 264 | open 2 - | open_by_handle_at 304 265
open_tree 428 428 | openat 257 56 | openat2 437 437 | perf_event_open 298 241 | personality 135 92
pidfd_getfd 438 438 | pidfd_open 434 434 | pidfd_send_signal 424 424 | pivot_root 155 41 | prctl 157 167
prlimit64 302 261 | process_madvise 440 440 | process_mrelease 448 448 | process_vm_readv 310 270
process_vm_writev 311 271 | ptrace 101 117 | quotactl 179 60 | quotactl_fd 443 443 | reboot 169 142
removexattr 197 14 | rename 82 - | renameat 264 38 | renameat2 316 276 | request_key 249 218 | rmdir 84 -
rt_sigqueueinfo 129 138 | rt_tgsigqueueinfo 297 240 | sched_setaffinity 203 122 | sched_setattr 314 274
sched_setparam 142 118 | sched_setscheduler 144 119 | seccomp 317 277 | semctl 66 191 | semget 64 190 | semop 65 193
semtimedop 220 192 | sendfile 40 71 | sendmmsg 307 269 | sendmsg 46 211 | sendto 44 206 | setdomainname 171 162
sethostname 170 161 | setns 308 268 | setpriority 141 140 | setsockopt 54 208 | settimeofday 164 170 | setxattr 188 5
shmat 30 196 | shmctl 31 195 | shmget 29 194 | socket 41 198 | socketpair 53 199 | splice 275 76 | swapoff 168 225
swapon 167 224 | symlink 88 - | symlinkat 266 36 | sync 162 81 | sync_file_range 277 84 | syncfs 306 267
syslog 103 116 | tee 276 77 | tgkill 234 131 | tkill 200 130 | truncate 76 45 | umount2 166 39 | unlink 87 -
unlinkat 263 35 | unshare 272 97 | uselib 134 - | userfaultfd 323 282 | utime 132 - | utimensat 280 88 | utimes 235 -
vfork 58 - | vhangup 153 58 | vmsplice 278 75
"""
# The last call of Linux 6.1 on both architectures; newer calls were not considered when the names were chosen.
LAST = 450
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 24, 38
MACHINES = ("x86_64", "aarch64")
MACHINE = platform.machine()


def _numbers() -> dict[str, int]:
    if MACHINE not in MACHINES:
        return {}
    rows = [entry.split() for entry in TABLE.replace("\n", "|").split("|") if entry.strip()]
    column = 1 + MACHINES.index(MACHINE)
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}


NUMBERS = _numbers()
_LIBC = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> int:
    """Make the system call of this name; return its result, or raise `OSError`."""
    if name not in NUMBERS:
        raise OSError(f"{name} is not known on {MACHINE}")
    result = int(_LIBC.syscall(ctypes.c_long(NUMBERS[name]), *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return result


def prctl(option: int, *values: int) -> int:
    """Call prctl(2); raise `OSError` if the kernel refuses."""
    return call("prctl", ctypes.c_int(option), *(ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]))


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """Call mount(2); raise `OSError` if the kernel refuses."""
    texts = [ctypes.c_char_p(os.fsencode(text)) for text in (source, target, kind)]
    try:
        call("mount", *texts, ctypes.c_ulong(flags), ctypes.c_char_p(os.fsencode(options)))
    except OSError as error:
        raise OSError(error.errno, f"mounting {kind or source} on {target}: {error.strerror}") from None


def thread_count() -> int:
    """Return the number of threads of this process."""
    try:
        return int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[17])
    except OSError:
        return 1
