"""The system calls that matter to a store: their numbers by machine, and what their arguments are.

The groups at the end are what sweeps pass as `calls`. `Table` knows the
numbers of one machine; a call that a machine lacks (aarch64 has no `rename`,
only `renameat2`) is simply never seen there.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Signature:
    """Which argument of a call is what; None where the call has no such argument.

    Args:
        fd: The descriptor that the call acts on, or writes to.
        fd2: The descriptor that it reads from besides.
        path: A path; relative to `dirfd`, or to the working directory.
        path2: The second path: the new name.
        flags: The flags of an open, the kind of a lock.
        length: The number of bytes to write.
        vector: The array of buffers, its length in the argument after it.
    """

    fd: int | None = None
    fd2: int | None = None
    path: int | None = None
    dirfd: int | None = None
    path2: int | None = None
    dirfd2: int | None = None
    flags: int | None = None
    length: int | None = None
    vector: int | None = None


SIGNATURES: Mapping[str, Signature] = {
    "open": Signature(path=0, flags=1),
    "openat": Signature(path=1, dirfd=0, flags=2),
    "openat2": Signature(path=1, dirfd=0),
    "creat": Signature(path=0),
    "close": Signature(fd=0),
    "read": Signature(fd=0),
    "pread64": Signature(fd=0),
    "readv": Signature(fd=0),
    "preadv": Signature(fd=0),
    "preadv2": Signature(fd=0),
    "lseek": Signature(fd=0),
    "write": Signature(fd=0, length=2),
    "pwrite64": Signature(fd=0, length=2),
    "writev": Signature(fd=0, vector=1),
    "pwritev": Signature(fd=0, vector=1),
    "pwritev2": Signature(fd=0, vector=1),
    "sendfile": Signature(fd=0, fd2=1, length=3),
    "copy_file_range": Signature(fd=2, fd2=0, length=4),
    "splice": Signature(fd=2, fd2=0, length=4),
    "fsync": Signature(fd=0),
    "fdatasync": Signature(fd=0),
    "sync_file_range": Signature(fd=0),
    "syncfs": Signature(fd=0),
    "sync": Signature(),
    "msync": Signature(),
    "truncate": Signature(path=0),
    "ftruncate": Signature(fd=0),
    "fallocate": Signature(fd=0),
    "rename": Signature(path=0, path2=1),
    "renameat": Signature(path=1, dirfd=0, path2=3, dirfd2=2),
    "renameat2": Signature(path=1, dirfd=0, path2=3, dirfd2=2),
    "link": Signature(path=0, path2=1),
    "linkat": Signature(path=1, dirfd=0, path2=3, dirfd2=2),
    "symlink": Signature(path=1),
    "symlinkat": Signature(path=2, dirfd=1),
    "unlink": Signature(path=0),
    "unlinkat": Signature(path=1, dirfd=0),
    "mkdir": Signature(path=0),
    "mkdirat": Signature(path=1, dirfd=0),
    "rmdir": Signature(path=0),
    "mmap": Signature(fd=4),
    "flock": Signature(fd=0, flags=1),
    "fcntl": Signature(fd=0),
    "connect": Signature(fd=0),
    "sendto": Signature(fd=0),
    "sendmsg": Signature(fd=0),
    "recvfrom": Signature(fd=0),
    "recvmsg": Signature(fd=0),
    "nanosleep": Signature(),
    "clock_nanosleep": Signature(),
    "select": Signature(),
    "pselect6": Signature(),
    "poll": Signature(),
    "ppoll": Signature(),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """A call stops only if the argument has one of the values, or one of the bits."""

    argument: int
    one_of: tuple[int, ...] = ()
    any_bit_of: int = 0


_PROT_WRITE, _MAP_SHARED = 2, 1
_LOCK_COMMANDS = (6, 7, 37, 38)  # F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW

_CONDITIONS: Mapping[str, tuple[Condition, ...]] = {
    # Writable shared mappings only: the others cannot change a file.
    "mmap": (Condition(2, any_bit_of=_PROT_WRITE), Condition(3, any_bit_of=_MAP_SHARED)),
    # Locks only: descriptor flags touch no location.
    "fcntl": (Condition(1, one_of=_LOCK_COMMANDS),),
    # Plain sleeps only: with descriptors it is input and output that is waited for.
    "select": (Condition(0, one_of=(0,)),),
    "pselect6": (Condition(0, one_of=(0,)),),
    "poll": (Condition(1, one_of=(0,)),),
    "ppoll": (Condition(1, one_of=(0,)),),
}

_X86_64 = {
    "read": 0, "write": 1, "open": 2, "close": 3, "poll": 7, "lseek": 8, "mmap": 9, "pread64": 17,
    "pwrite64": 18, "readv": 19, "writev": 20, "select": 23, "msync": 26, "nanosleep": 35,
    "sendfile": 40, "connect": 42, "accept": 43, "sendto": 44, "recvfrom": 45, "sendmsg": 46,
    "recvmsg": 47, "wait4": 61, "fcntl": 72, "flock": 73, "fsync": 74, "fdatasync": 75,
    "truncate": 76, "ftruncate": 77, "rename": 82, "mkdir": 83, "rmdir": 84, "creat": 85,
    "link": 86, "unlink": 87, "symlink": 88, "sync": 162, "tkill": 200, "futex": 202,
    "clock_nanosleep": 230,
    "epoll_wait": 232, "waitid": 247, "openat": 257, "mkdirat": 258, "unlinkat": 263,
    "renameat": 264, "linkat": 265, "symlinkat": 266, "pselect6": 270, "ppoll": 271, "splice": 275,
    "sync_file_range": 277, "epoll_pwait": 281, "fallocate": 285, "accept4": 288, "preadv": 295,
    "pwritev": 296, "syncfs": 306, "renameat2": 316, "copy_file_range": 326, "preadv2": 327,
    "pwritev2": 328, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
    "openat2": 437, "epoll_pwait2": 441,
}  # fmt: skip

_AARCH64 = {
    "epoll_pwait": 22, "fcntl": 25, "flock": 32, "mkdirat": 34, "unlinkat": 35, "symlinkat": 36,
    "linkat": 37, "renameat": 38, "truncate": 45, "ftruncate": 46, "fallocate": 47, "openat": 56,
    "close": 57, "lseek": 62, "read": 63, "write": 64, "readv": 65, "writev": 66, "pread64": 67,
    "pwrite64": 68, "preadv": 69, "pwritev": 70, "sendfile": 71, "pselect6": 72, "ppoll": 73,
    "splice": 76, "sync": 81, "fsync": 82, "fdatasync": 83, "sync_file_range": 84, "waitid": 95,
    "futex": 98, "nanosleep": 101, "clock_nanosleep": 115, "tkill": 130, "accept": 202,
    "connect": 203,
    "sendto": 206, "recvfrom": 207, "sendmsg": 211, "recvmsg": 212, "mmap": 222, "msync": 227,
    "accept4": 242, "wait4": 260, "syncfs": 267, "renameat2": 276, "copy_file_range": 285,
    "preadv2": 286, "pwritev2": 287, "io_uring_setup": 425, "io_uring_enter": 426,
    "io_uring_register": 427, "openat2": 437, "epoll_pwait2": 441,
}  # fmt: skip

NUMBERS: Mapping[str, Mapping[str, int]] = {"x86_64": _X86_64, "aarch64": _AARCH64}


class Table:
    """The calls of one machine, by name and by number."""

    bypasses = ("io_uring_setup", "io_uring_enter", "io_uring_register")

    def __init__(self, machine: str) -> None:
        self.numbers: Mapping[str, int] = NUMBERS[machine]
        self.names: Mapping[int, str] = {number: name for name, number in self.numbers.items()}

    def conditions(self, name: str) -> tuple[Condition, ...]:
        """Return what must hold of the arguments for the call to matter."""
        return _CONDITIONS.get(name, ())


@cache
def table() -> Table:
    """Return the table of this machine; raise `KeyError` on one that is not known."""
    return Table(platform.machine())


OPENS = frozenset({"open", "openat", "openat2", "creat"})
READS = frozenset({"read", "pread64", "readv", "preadv", "preadv2"})
WRITES = frozenset(
    {"write", "pwrite64", "writev", "pwritev", "pwritev2", "sendfile", "copy_file_range", "splice"}
)
SYNCS = frozenset({"fsync", "fdatasync", "sync_file_range", "syncfs", "sync"})
SIZES = frozenset({"truncate", "ftruncate", "fallocate"})
NAMES = frozenset(
    {
        *("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"),
        *("unlink", "unlinkat", "mkdir", "mkdirat", "rmdir"),
    }
)
LOCKS = frozenset({"flock", "fcntl"})
MAPS = frozenset({"mmap"})
SOCKETS = frozenset({"connect", "sendto", "sendmsg", "recvfrom", "recvmsg"})
SLEEPS = frozenset({"nanosleep", "clock_nanosleep", "select", "pselect6", "poll", "ppoll"})

CHANGES = OPENS | WRITES | SYNCS | SIZES | NAMES | MAPS
"""Every call that may change what is stored, or make a change durable."""

LOCK_WAITS = frozenset({"flock", "fcntl", "futex"})
"""Calls that sleep until another process or thread lets go of something."""

INPUT_WAITS = frozenset(
    {
        *("read", "readv", "recvfrom", "recvmsg", "connect", "accept", "accept4", "wait4"),
        *("waitid", "epoll_wait", "epoll_pwait", "epoll_pwait2", *SLEEPS),
    }
)
"""Calls that sleep until somebody sends something, or until a time."""
