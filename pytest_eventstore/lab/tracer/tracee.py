"""What can be seen of a traced process: memory, paths, descriptors, whether it waits."""

from __future__ import annotations

import contextlib
import os
import stat
import struct

from pytest_eventstore.lab.tracer.syscalls import INPUT_WAITS, LOCK_WAITS, Table

_PAGE = 4096
_PATH_MAX = 4096
_AT_FDCWD = -100
_IOVEC = struct.Struct("QQ")


class Tracee:
    """One thread of a traced process, seen through /proc.

    Every method raises `OSError` if the thread was killed meanwhile.
    """

    def __init__(self, tid: int, pid: int) -> None:
        self.tid = tid
        self.pid = pid
        self._memory: int | None = None
        self._directories: dict[str, str] = {}

    def close(self) -> None:
        """Let go of the memory descriptor; another is opened when one is needed."""
        if self._memory is not None:
            os.close(self._memory)
            self._memory = None

    def read(self, address: int, size: int) -> bytes:
        """Return up to `size` bytes of the memory, fewer at the end of a mapping."""
        return os.pread(self._memory_fd(), size, address)

    def write(self, address: int, data: bytes) -> None:
        """Put bytes into the memory."""
        os.pwrite(self._memory_fd(), data, address)

    def text(self, address: int) -> str:
        """Return the NUL-terminated path at the address."""
        found = b""
        while len(found) < _PATH_MAX:
            piece = self.read(address, _PAGE - address % _PAGE)
            head, end, _ = piece.partition(b"\0")
            found += head
            if end:
                break
            address += len(piece)
        return os.fsdecode(found)

    def vectors(self, address: int, count: int) -> list[tuple[int, int]]:
        """Return the buffers of a vectored call, as address and length."""
        return list(_IOVEC.iter_unpack(self.read(address, count * _IOVEC.size)))

    def descriptor(self, fd: int) -> str:
        """Return the path that a descriptor is open on, or such as ``socket:[1234]``."""
        try:
            path = os.readlink(f"/proc/{self.tid}/fd/{_signed(fd)}")
        except OSError:
            return ""
        return path.removesuffix(" (deleted)")

    def is_socket(self, fd: int) -> bool:
        """Whether the descriptor is a socket."""
        try:
            return stat.S_ISSOCK(os.stat(f"/proc/{self.tid}/fd/{_signed(fd)}").st_mode)
        except OSError:
            return False

    def resolve(self, path: str, directory_fd: int | None = None) -> str:
        """Return the absolute path of a path argument, links in its directories followed."""
        if not path.startswith("/"):
            relative_to_cwd = directory_fd is None or _signed(directory_fd) == _AT_FDCWD
            if relative_to_cwd:
                base = os.readlink(f"/proc/{self.tid}/cwd")
            else:
                assert directory_fd is not None
                base = self.descriptor(directory_fd)
            path = os.path.join(base, path)
        directory, name = os.path.split(os.path.normpath(path))
        if directory not in self._directories:
            self._directories[directory] = os.path.realpath(directory)
        return os.path.join(self._directories[directory], name)

    def _memory_fd(self) -> int:
        if self._memory is None:
            self._memory = os.open(f"/proc/{self.tid}/mem", os.O_RDWR | os.O_CLOEXEC)
        return self._memory


def owner_of(tid: int) -> tuple[int, int]:
    """Return the process a thread belongs to, and that process's parent."""
    process = parent = 0
    with open(f"/proc/{tid}/status", encoding="utf-8", errors="replace") as status:
        for line in status:
            key, _, value = line.partition(":")
            if key == "Tgid":
                process = int(value)
            elif key == "PPid":
                parent = int(value)
                break
    return process, parent


def input_output(pid: int) -> tuple[int, ...]:
    """Return the bytes and calls of reading and writing so far; empty where not counted."""
    try:
        with open(f"/proc/{pid}/io", "rb") as file:
            return tuple(int(line.rpartition(b":")[2]) for line in file)
    except OSError:
        return ()


def waiting_call(pid: int, table: Table) -> str | None:
    """Return the call that a process sleeps in, if every one of its threads sleeps.

    A call that waits for a lock is preferred to one that waits for input. None
    if a thread runs, waits for the disk, or is stopped by the tracer.
    """
    calls: set[str] = set()
    with contextlib.suppress(OSError, ValueError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/stat", "rb") as file:
                state = file.read().rpartition(b") ")[2][:1]
            if state != b"S":
                return None
            with open(f"/proc/{pid}/task/{task}/syscall", encoding="ascii") as file:
                word = file.read().split(None, 1)[0]
            if word == "running":
                return None
            calls.add(table.names.get(int(word), ""))
        for known in (LOCK_WAITS, INPUT_WAITS):
            if found := sorted(calls & known):
                return found[0]
    return None


def _signed(fd: int) -> int:
    """The kernel takes a descriptor from the low 32 bits of its register."""
    fd &= 0xFFFFFFFF
    return fd - 2**32 if fd >= 2**31 else fd
