"""Recording: the calls of a traced process, turned into a log of operations with their data."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_eventstore.lab.faults.images import Image
from pytest_eventstore.lab.faults.oplog import (
    Create,
    Exchange,
    Log,
    MakeDirectory,
    Mark,
    Op,
    Remove,
    Rename,
    Resize,
    Symlink,
    Sync,
    SyncDirectory,
    SyncEverything,
    Write,
)
from pytest_eventstore.lab.faults.scenarios import Progress
from pytest_eventstore.lab.tracer import NAMES, OPENS, SIZES, SYNCS, WRITES, Stop, Tracer

_O_TMPFILE = getattr(os, "O_TMPFILE", 0o20200000)
_O_DSYNC, _O_APPEND = 0o10000, 0o2000
_RWF_DSYNC, _RWF_SYNC, _RWF_APPEND = 2, 4, 16
_KEEP_SIZE, _PUNCH, _ZERO = 1, 2, 16
_EXCHANGE = 2
_WORD = 2**64 - 1


@dataclass(frozen=True)
class _Place:
    """Where a write goes, known before it is made."""

    offset: int
    data: bytes | None
    synced: bool


class Recorder:
    """Stands at each call, lets it be made, and notes what it did.

    Args:
        path: The location, holding `start`.
        start: What lies there.
    """

    def __init__(self, path: Path, start: Image) -> None:
        self._root = os.path.realpath(path)
        self._start = start
        self._inodes: dict[tuple[int, int], int] = {}
        self._names: dict[str, int] = {}
        self._ops: list[Op] = []
        self._calls: list[str] = []
        self._doubts: dict[str, None] = {}
        self._next = 1
        for name in start.files:
            self._names[name] = self._adopt(os.stat(f"{self._root}/{name}"))
        self._first = dict(self._names)

    def hear(self, message: tuple[Any, ...]) -> None:
        """Note where a step began or ended."""
        kind = message[0]
        if kind in ("begun", "done", "raised") and isinstance(message[1], int):
            self._ops.append(Mark(step=message[1], phase=kind))

    def __call__(self, tracer: Tracer, stop: Stop, progress: Progress) -> None:  # noqa: ARG002
        """Let the call be made and note it."""
        if not stop.changes:
            tracer.resume(stop)
            return
        place = self._place(tracer, stop) if stop.name in WRITES else None
        result = tracer.finish(stop)
        self.note(tracer, stop, result, place)
        tracer.resume(stop)

    def refused(self, stop: Stop) -> None:
        """Note a call that was refused: only a failed sync leaves a trace."""
        if stop.name in ("fsync", "fdatasync") and not os.path.isdir(stop.path):
            inode = self._names.get(self._relative(stop.path))
            if inode is not None:
                self._ops.append(Sync(inode=inode, failed=True, call=stop.index))

    def log(self, calls: list[str]) -> Log:
        """Return what was noted."""
        return Log(self._start, self._first, tuple(self._ops), tuple(calls), tuple(self._doubts))

    def note(self, tracer: Tracer, stop: Stop, result: int, place: _Place | None) -> None:
        """Note what a call did, now that its result is known."""
        if stop.name == "mmap":
            self._mapped(stop)
        elif result < 0:
            if stop.name in ("fsync", "fdatasync") and -result != errno.EINTR:
                self.refused(stop)
        elif place is not None:
            self._written(tracer, stop, result, place)
        elif stop.name in OPENS:
            self._opened(tracer, stop, result)
        elif stop.name in SYNCS:
            self._synced(tracer, stop)
        elif stop.name in SIZES:
            self._resized(tracer, stop)
        elif stop.name in NAMES:
            self._named(stop)

    # -- data --------------------------------------------------------------------------------

    def _place(self, tracer: Tracer, stop: Stop) -> _Place:
        tracee, args = tracer.tracee(stop), stop.args
        fd = args[2] if stop.name in ("copy_file_range", "splice") else args[0]
        flags, position = _descriptor(stop.tid, fd)
        at: int | None = None
        per_call = args[5] if stop.name == "pwritev2" else 0
        if stop.name in ("pwrite64", "pwritev", "pwritev2") and args[3] != _WORD:
            at = args[3]
        elif stop.name in ("copy_file_range", "splice") and args[3]:
            at = int.from_bytes(tracee.read(args[3], 8), "little")
        if flags & _O_APPEND or per_call & _RWF_APPEND:
            at = os.stat(f"/proc/{stop.tid}/fd/{_fd(fd)}").st_size
        copies = stop.name in ("copy_file_range", "splice", "sendfile")
        return _Place(
            position if at is None else at,
            None if copies else tracer.data_of(stop),
            bool(flags & _O_DSYNC or per_call & (_RWF_DSYNC | _RWF_SYNC)),
        )

    def _written(self, tracer: Tracer, stop: Stop, result: int, place: _Place) -> None:
        fd = stop.args[2] if stop.name in ("copy_file_range", "splice") else stop.args[0]
        inode = self._inode(tracer, stop, fd)
        if inode is None or not result:
            return
        data = place.data
        if data is None:
            data = _read_back(stop.tid, fd, result, place.offset)
        self._ops.append(
            Write(inode=inode, offset=place.offset, data=data[:result], call=stop.index)
        )
        if place.synced:
            self._ops.append(Sync(inode=inode, call=stop.index))

    def _resized(self, tracer: Tracer, stop: Stop) -> None:
        if stop.name == "truncate":
            inode = self._names.get(self._relative(os.path.realpath(stop.path)))
            size = stop.args[1]
        else:
            inode = self._inode(tracer, stop, stop.args[0])
            size = stop.args[1]
        if inode is None:
            return
        if stop.name == "fallocate":
            self._allocated(stop, inode)
        else:
            self._ops.append(Resize(inode=inode, size=size, call=stop.index))

    def _allocated(self, stop: Stop, inode: int) -> None:
        _, mode, offset, length, *_ = stop.args
        now = os.stat(f"/proc/{stop.tid}/fd/{_fd(stop.args[0])}").st_size
        if mode & ~(_KEEP_SIZE | _PUNCH | _ZERO):
            self._doubt(f"fallocate with mode {mode:#x} cannot be replayed")
        elif mode & (_PUNCH | _ZERO):
            end = min(now, offset + length)
            if end > offset:
                data = bytes(end - offset)
                self._ops.append(Write(inode=inode, offset=offset, data=data, call=stop.index))
        elif not mode & _KEEP_SIZE and now == offset + length:
            self._ops.append(Resize(inode=inode, size=now, call=stop.index))

    def _synced(self, tracer: Tracer, stop: Stop) -> None:
        if stop.name in ("sync", "syncfs"):
            self._ops.append(SyncEverything(call=stop.index))
        elif stop.name in ("fsync", "fdatasync"):
            if os.path.isdir(stop.path):
                self._ops.append(SyncDirectory(path=self._relative(stop.path), call=stop.index))
            elif (inode := self._inode(tracer, stop, stop.args[0])) is not None:
                self._ops.append(Sync(inode=inode, call=stop.index))

    def _mapped(self, stop: Stop) -> None:
        # The index of a SQLite WAL is rebuilt by whoever opens it first after a crash.
        if not stop.path.endswith("-shm"):
            self._doubt(
                f"{self._relative(stop.path)} is mapped shared and writable: "
                "what is written there cannot be seen"
            )

    # -- names -------------------------------------------------------------------------------

    def _opened(self, tracer: Tracer, stop: Stop, fd: int) -> None:
        found = os.stat(f"/proc/{stop.tid}/fd/{_fd(fd)}")
        if not stat.S_ISREG(found.st_mode):
            return
        if stop.flags & _O_TMPFILE == _O_TMPFILE:
            self._adopt(found)
            return
        name = self._relative(tracer.tracee(stop).descriptor(fd))
        if name not in self._names:
            self._names[name] = self._adopt(found)
            self._ops.append(Create(path=name, inode=self._names[name], call=stop.index))
        elif stop.flags & os.O_TRUNC:
            self._ops.append(Resize(inode=self._names[name], size=0, call=stop.index))

    def _named(self, stop: Stop) -> None:
        name, new = self._relative(stop.path), self._relative(stop.path2)
        if stop.name in ("rename", "renameat", "renameat2"):
            self._renamed(stop, name, new)
        elif stop.name in ("link", "linkat"):
            found = os.stat(stop.path2)
            known = self._inodes.get((found.st_dev, found.st_ino))
            if known is None:
                self._came_in(stop, new)
            else:
                self._names[new] = known
                self._ops.append(Create(path=new, inode=known, call=stop.index))
        elif stop.name in ("symlink", "symlinkat"):
            self._ops.append(Symlink(path=name, target=os.readlink(stop.path), call=stop.index))
        elif stop.name in ("mkdir", "mkdirat"):
            self._ops.append(MakeDirectory(path=name, call=stop.index))
        else:
            self._names.pop(name, None)
            self._ops.append(Remove(path=name, call=stop.index))

    def _renamed(self, stop: Stop, name: str, new: str) -> None:
        from_outside, to_outside = name.startswith(".."), new.startswith("..")
        if from_outside:
            self._came_in(stop, new)
        elif to_outside:
            self._names.pop(name, None)
            self._ops.append(Remove(path=name, call=stop.index))
        elif stop.name == "renameat2" and stop.args[4] & _EXCHANGE:
            one, other = self._names.get(name, 0), self._names.get(new, 0)
            if not one or not other:
                self._doubt("an exchange of directories cannot be replayed")
                return
            self._names[name], self._names[new] = other, one
            self._ops.append(
                Exchange(path=name, new=new, inode=one, new_inode=other, call=stop.index)
            )
        else:
            inode = self._names.pop(name, 0)
            if inode:
                self._names[new] = inode
            else:
                self._names = {_moved(n, name, new): i for n, i in self._names.items()}
            self._ops.append(Rename(path=name, new=new, inode=inode, call=stop.index))

    def _came_in(self, stop: Stop, name: str) -> None:
        """A file made elsewhere: all its data is un-synced, for all that is known."""
        path = f"{self._root}/{name}"
        if not os.path.isfile(path):
            self._doubt(f"{name} came from outside of the location and is no file")
            return
        inode = self._names[name] = self._adopt(os.stat(path))
        with open(path, "rb") as file:
            data = file.read()
        self._ops.append(Create(path=name, inode=inode, call=stop.index))
        self._ops.append(Write(inode=inode, offset=0, data=data, call=stop.index))

    # -- small things ------------------------------------------------------------------------

    def _adopt(self, found: os.stat_result) -> int:
        # A number of an inode may come again after the file is gone: each creation is a new one.
        inode, self._next = self._next, self._next + 1
        self._inodes[found.st_dev, found.st_ino] = inode
        return inode

    def _inode(self, tracer: Tracer, stop: Stop, fd: int) -> int | None:
        found = os.stat(f"/proc/{stop.tid}/fd/{_fd(fd)}")
        inode = self._inodes.get((found.st_dev, found.st_ino))
        if inode is None and stat.S_ISREG(found.st_mode):
            name = self._relative(tracer.tracee(stop).descriptor(fd))
            if not name.startswith(".."):
                self._doubt(f"{name} was opened out of sight")
        return inode

    def _relative(self, path: str) -> str:
        return "" if path in ("", self._root) else os.path.relpath(path, self._root)

    def _doubt(self, reason: str) -> None:
        self._doubts[reason] = None


def _moved(path: str, old: str, new: str) -> str:
    return new + path[len(old) :] if path.startswith(f"{old}/") else path


def _fd(value: int) -> int:
    return value & 0xFFFFFFFF


def _descriptor(tid: int, fd: int) -> tuple[int, int]:
    """Return the flags and the position of an open descriptor."""
    flags = position = 0
    with open(f"/proc/{tid}/fdinfo/{_fd(fd)}", encoding="ascii") as lines:
        for line in lines:
            key, _, value = line.partition(":")
            if key == "pos":
                position = int(value)
            elif key == "flags":
                flags = int(value, 8)
    return flags, position


def _read_back(tid: int, fd: int, size: int, offset: int) -> bytes:
    mine = os.open(f"/proc/{tid}/fd/{_fd(fd)}", os.O_RDONLY)
    try:
        return os.pread(mine, size, offset)
    finally:
        os.close(mine)
