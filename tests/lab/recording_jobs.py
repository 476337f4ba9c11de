"""Programs whose recorded log is held against the disk they left; run in the tracing process."""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_eventstore.lab.faults.disks import State, build
from pytest_eventstore.lab.faults.images import Image
from pytest_eventstore.lab.faults.oplog import Log
from pytest_eventstore.lab.faults.recording import Recorder
from pytest_eventstore.lab.faults.scenarios import Progress
from pytest_eventstore.lab.faults.traced import counts
from pytest_eventstore.lab.tracer import CHANGES, Stop, Tracer

_EXCHANGE, _AT_FDCWD, _FOLLOW = 2, -100, 0x400


def appended() -> None:
    fd = os.open("old", os.O_WRONLY | os.O_APPEND)
    os.write(fd, b" and more")
    os.pwrite(fd, b" at the end all the same", 0)
    os.close(fd)


def truncated() -> None:
    os.close(os.open("old", os.O_WRONLY | os.O_TRUNC))
    fd = os.open("new", os.O_RDWR | os.O_CREAT)
    os.write(fd, b"0123456789")
    os.ftruncate(fd, 4)
    os.truncate("new", 7)


def vectored() -> None:
    fd = os.open("new", os.O_RDWR | os.O_CREAT)
    os.writev(fd, [b"one", b"", b"two"])
    os.pwritev(fd, [b"X", b"Y"], 1)


def duplicated() -> None:
    fd = os.open("new", os.O_RDWR | os.O_CREAT)
    other = os.dup(fd)
    os.write(fd, b"abc")
    os.write(other, b"def")
    os.rename("new", "newer")
    os.write(fd, b"ghi")
    os.link("newer", "kept")
    os.unlink("newer")
    os.write(other, b"jkl")
    os.unlink("old")


def allocated() -> None:
    fd = os.open("new", os.O_RDWR | os.O_CREAT)
    os.posix_fallocate(fd, 0, 100)
    os.pwrite(fd, b"x", 50)


def copied() -> None:
    source = os.open("old", os.O_RDONLY)
    target = os.open("new", os.O_RDWR | os.O_CREAT)
    os.write(target, b"before ")
    os.copy_file_range(source, target, 3)
    os.sendfile(target, source, 0, 2)


def named() -> None:
    os.mkdir("d")
    os.rename("old", "d/moved")
    os.link("d/moved", "second")
    os.symlink("second", "third")
    os.rename("d", "e")
    fd = os.open("e/moved", os.O_WRONLY | os.O_APPEND)
    os.write(fd, b"!")
    os.unlink("second")
    os.mkdir("f")
    os.rmdir("f")


def exchanged() -> None:
    fd = os.open("new", os.O_RDWR | os.O_CREAT)
    os.write(fd, b"other")
    libc = ctypes.CDLL(None, use_errno=True)
    assert not libc.renameat2(_AT_FDCWD, b"old", _AT_FDCWD, b"new", _EXCHANGE)
    os.write(fd, b" wise")


def nameless() -> None:
    fd = os.open(".", os.O_RDWR | os.O_TMPFILE, 0o600)
    os.write(fd, b"first nameless")
    libc = ctypes.CDLL(None, use_errno=True)
    name = f"/proc/self/fd/{fd}".encode()
    assert not libc.linkat(_AT_FDCWD, name, _AT_FDCWD, b"new", _FOLLOW)


def brought_in() -> None:
    outside = f"{os.getcwd()}.outside"
    Path(outside).write_bytes(b"from elsewhere")
    os.rename(outside, "new")
    os.rename("old", outside)


def synced_as_written() -> None:
    fd = os.open("new", os.O_RDWR | os.O_CREAT | os.O_DSYNC)
    os.write(fd, b"safe")


def mapped() -> None:
    fd = os.open("old", os.O_RDWR)
    with mmap.mmap(fd, 0) as view:
        view[0:1] = b"O"


def mapped_index() -> None:
    fd = os.open("db-shm", os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, 4096)
    mmap.mmap(fd, 4096).close()


def locked() -> None:
    fd = os.open("lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)


def record(name: str, path: str) -> tuple[Log, Image, Image]:
    """Run one of the programs; return its log, what it left, and what the log builds."""
    program: Callable[[], Any] = globals()[name]
    root = Path(path)
    (root / "old").write_bytes(b"old data")
    recorder = Recorder(root, Image.of(root))
    nothing = Progress.of(())

    def run() -> None:
        os.chdir(path)
        program()

    with Tracer(path, CHANGES, only=counts) as tracer:
        tracer.spawn(run)
        while isinstance(stop := tracer.wait(), Stop):
            recorder(tracer, stop, nothing)
        assert stop is not None
        assert stop.clean, stop.describe()
    log = recorder.log([])
    everything = State(len(log.ops), "kill", 0, tuple(range(len(log.ops))))
    return log, Image.of(root), build(log, everything)
