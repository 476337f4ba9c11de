"""Writes that are still there after a loss of power."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress


def write_all(fd: int, data: bytes) -> None:
    """Write all the bytes, however few the system takes at a time."""
    written = os.write(fd, data)
    if written == len(data):
        return
    rest = memoryview(data)[written:]
    while rest:
        written = os.write(fd, rest)
        if written == 0:
            raise OSError("the system wrote nothing and told no error")
        rest = rest[written:]


def sync_folder(path: str) -> None:
    """Make the names in a folder durable. Windows has no way to, and no need."""
    if os.name == "nt":
        return
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_folders(path: str, location: str) -> None:
    """Make the names of a folder of the location durable, up to the location's own name.

    Whoever made the folders may have been killed before syncing them, so
    finding them there proves nothing.
    """
    path = os.path.abspath(path)
    while True:
        sync_folder(path)
        if path == location:
            break
        path = os.path.dirname(path)
    with suppress(PermissionError):  # the parent may belong to somebody else
        sync_folder(os.path.dirname(location))


def replace_file(path: str, data: Iterable[bytes], *, scratch: str) -> None:
    """Put the bytes at `path` atomically and durably; the caller excludes other writers.

    Args:
        path: The file to replace or create.
        data: What to write, piece by piece.
        scratch: A name in the same folder for the unfinished file. It is always
            the same, so that killed writers leave one file and not many.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    try:
        fd = os.open(scratch, flags, 0o644)
        try:
            for piece in data:
                write_all(fd, piece)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(scratch, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(scratch)
        raise
    sync_folder(os.path.dirname(path))
