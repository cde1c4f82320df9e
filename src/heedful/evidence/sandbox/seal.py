"""What a process gives up for good before it runs a program: files, network, other processes, all beyond its limits."""

from __future__ import annotations

import ctypes
import os
import resource
import struct
from collections.abc import Iterable

# Numbers on x86-64 and aarch64 (asm-generic) of calls that Landlock does not judge.
_REFUSED = {
    "socket": (41, 198),
    "socketpair": (53, 199),
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "prlimit64": (302, 261),
    "setrlimit": (160, 164),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "chown": (92, None),
    "lchown": (94, None),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "memfd_create": (319, 279),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "semget": (64, 190),
    "semop": (65, 193),
    "semctl": (66, 191),
    "semtimedop": (220, 192),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "setpriority": (141, 140),
    "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
    "ioprio_set": (251, 30),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
}
# From 424 on numbers are the same everywhere; of these only close_range, openat2, faccessat2 and epoll_pwait2 pass, so
# that calls of later kernels are refused unseen (and clone3, for which libraries then take clone).
_FIRST_SHARED, _SHARED_ALLOWED = 424, (436, 437, 439, 441)
# Column above, audit number, and the two calls that are judged by what they are asked for.
_MACHINES = {"x86_64": (0, 0xC000003E, 56, 72), "aarch64": (1, 0xC00000B7, 220, 25)}
# By these of fcntl a file that becomes ready sends any signal to any process.
_OWNERS = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX
_EPERM, _ENOSYS = 1, 38
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_CLONE_THREAD = 0x10000
_PDEATHSIG, _NO_NEW_PRIVS, _SET_SECCOMP = 1, 38, 22
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_READ_FILE, _READ_FOLDER = 4, 8
_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache", "/usr/share/zoneinfo", "/dev/urandom")
LEAST_LANDLOCK = 3


class CannotSealError(Exception):
    """The kernel does not offer what a seal needs."""


def limit(seconds: int, memory: int, output: int) -> None:
    """Processor seconds, bytes of memory and of each file written; no core files. Dies with its parent."""
    _called(_libc().prctl(_PDEATHSIG, 9))
    caps = {"CPU": seconds, "AS": memory, "FSIZE": output, "NOFILE": 64, "CORE": 0}
    for name, most in caps.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))


def seal(readable: Iterable[str]) -> None:
    """From now on only `readable` paths and shared libraries can be opened, for reading; nothing else can be reached.

    Refused are writing, sockets, new processes (threads remain), other programs, signals, other limits, changes of
    owner, mode, times and attributes. Raises CannotSealError where the kernel has no Landlock of version 3 (Linux
    6.2) or no filters of system calls.
    """
    machine = os.uname().machine
    if machine not in _MACHINES:
        raise CannotSealError(f"no table of system calls for {machine}")
    _called(_libc().prctl(_NO_NEW_PRIVS, 1, 0, 0, 0))
    _close_files([*readable, *_LIBRARIES])
    _drop_capabilities(machine)
    _filter_calls(machine)


def _close_files(readable: Iterable[str]) -> None:
    version = _libc().syscall(_long(_CREATE_RULESET), None, _long(0), _long(1))
    if version < LEAST_LANDLOCK:
        raise CannotSealError(f"Landlock of version {max(version, 0)}, not {LEAST_LANDLOCK}: it comes with Linux 6.2")
    handled = (1 << (15 if version < 5 else 16)) - 1
    rules = _called(_libc().syscall(_long(_CREATE_RULESET), struct.pack("=Q", handled), _long(8), _long(0)))
    for path in readable:
        if not os.path.exists(path):  # noqa: PTH110 - pathlib would cost more than the rest of the seal
            continue
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
        rights = _READ_FILE | (_READ_FOLDER if os.path.isdir(path) else 0)  # noqa: PTH112
        beneath = struct.pack("=Qi", rights, opened)
        _called(_libc().syscall(_long(_ADD_RULE), _long(rules), _long(1), beneath, _long(0)))
        os.close(opened)
    _called(_libc().syscall(_long(_RESTRICT_SELF), _long(rules), _long(0)))
    os.close(rules)


def _drop_capabilities(machine: str) -> None:
    number = 126 if machine == "x86_64" else 91
    _called(_libc().syscall(_long(number), struct.pack("=Ii", 0x20080522, 0), bytes(24)))


def _filter_calls(machine: str) -> None:
    column, audit, clone, fcntl = _MACHINES[machine]
    refuse, unknown = _ERRNO | _EPERM, _ERRNO | _ENOSYS
    steps = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, audit), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    for numbers in _REFUSED.values():
        if (number := numbers[column]) is not None:
            steps += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, refuse)]
    for number in _SHARED_ALLOWED:
        steps += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    steps += [(_AT_LEAST, 0, 1, _FIRST_SHARED), (_RETURN, 0, 0, unknown)]
    steps += [(_EQUAL, 0, 4, clone), (_LOAD, 0, 0, 16), (_ANY_BIT, 1, 0, _CLONE_THREAD), (_RETURN, 0, 0, refuse)]
    steps += [(_RETURN, 0, 0, _ALLOW)]
    steps += [(_EQUAL, 0, 1 + 2 * len(_OWNERS), fcntl), (_LOAD, 0, 0, 24)]
    for command in _OWNERS:
        steps += [(_EQUAL, 0, 1, command), (_RETURN, 0, 0, refuse)]
    steps += [(_RETURN, 0, 0, _ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    _called(_libc().prctl(_SET_SECCOMP, 2, struct.pack("@HP", len(steps), ctypes.addressof(code)), 0, 0))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _long(number: int) -> ctypes.c_long:
    """System calls read whole registers; a plain number would be passed as half of one."""
    return ctypes.c_long(number)


def _called(result: int) -> int:
    if result < 0:
        raise CannotSealError(os.strerror(ctypes.get_errno()))
    return result
