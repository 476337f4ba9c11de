"""An image: everything under a location, held in memory, put back as often as wanted."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

LIMIT = 256 * 2**20
"""How many bytes an image may hold."""


class ImageTooLargeError(Exception):
    """The location holds more than `LIMIT`, so that it cannot be put back over and over."""


@dataclass(frozen=True)
class Image:
    """Directories, files and symbolic links, by path relative to the location.

    Hard links come back as files of their own; sockets and pipes are left out.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    directories: frozenset[str] = frozenset()
    symlinks: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Path) -> Image:
        """Read what lies under a directory; raises `ImageTooLargeError`."""
        files: dict[str, bytes] = {}
        directories: set[str] = set()
        symlinks: dict[str, str] = {}
        total = 0
        for entry, name in _walk(os.fspath(root), ""):
            if entry.is_symlink():
                symlinks[name] = os.readlink(entry.path)
            elif entry.is_dir():
                directories.add(name)
            elif entry.is_file():
                total += entry.stat().st_size
                if total > LIMIT:
                    raise ImageTooLargeError(f"the location holds more than {LIMIT >> 20} MiB")
                with open(entry.path, "rb") as file:
                    files[name] = file.read()
        return cls(files, frozenset(directories), symlinks)

    def put(self, root: Path) -> None:
        """Make the directory hold this and nothing else.

        A file that is there already is overwritten, not replaced: stores may know
        their files by inode, and would take a new one for a change from outside.
        """
        base = os.fspath(root)
        os.makedirs(base, exist_ok=True)
        self._clear(base)
        for name in sorted(self.directories):
            os.makedirs(f"{base}/{name}", exist_ok=True)
        for name, data in self.files.items():
            _overwrite(f"{base}/{name}", data)
        for name, target in self.symlinks.items():
            os.symlink(target, f"{base}/{name}")

    def _clear(self, base: str) -> None:
        """Remove whatever is not a file or directory of this image."""
        for entry, name in list(_walk(base, "")):
            if entry.is_dir(follow_symlinks=False):
                if name not in self.directories:
                    shutil.rmtree(entry.path, ignore_errors=True)
            elif (
                name not in self.files
                or not entry.is_file(follow_symlinks=False)
                or entry.stat().st_nlink > 1
            ):
                with contextlib.suppress(FileNotFoundError):  # gone with its directory
                    os.unlink(entry.path)

    @cached_property
    def digest(self) -> bytes:
        """Equal for equal images only."""
        total = hashlib.blake2b(digest_size=16)
        for name in sorted(self.directories):
            total.update(b"d%s\0" % os.fsencode(name))
        for name, target in sorted(self.symlinks.items()):
            total.update(b"l%s\0%s\0" % (os.fsencode(name), os.fsencode(target)))
        for name, data in sorted(self.files.items()):
            total.update(b"f%s\0%d\0" % (os.fsencode(name), len(data)))
            total.update(data)
        return total.digest()

    def with_file(self, name: str, data: bytes | None) -> Image:
        """Return the image with one file changed, or taken away."""
        files = {key: value for key, value in self.files.items() if key != name}
        if data is not None:
            files[name] = data
        return Image(files, self.directories, self.symlinks)

    def changed_files(self, later: Image) -> frozenset[str]:
        """Return the files that a later image has otherwise, or anew, or no more."""
        names = {*self.files, *later.files}
        return frozenset(n for n in names if self.files.get(n) != later.files.get(n))

    def describe(self) -> dict[str, Any]:
        """Return sizes and beginnings of the files, JSON-able."""
        return {
            name: {"size": len(data), "end": data[-96:].decode("ascii", "backslashreplace")}
            for name, data in sorted(self.files.items())
        }

    def lines(self) -> list[str]:
        """Return one line for each file."""
        shown = [f"{name}  {len(data)} bytes" for name, data in sorted(self.files.items())]
        return shown or ["no file"]


def _walk(base: str, prefix: str) -> Iterator[tuple[os.DirEntry[str], str]]:
    with os.scandir(base) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            name = prefix + entry.name
            yield entry, name
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, f"{name}/")


def _overwrite(path: str, data: bytes) -> None:
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        size = os.fstat(fd).st_size
        if size == len(data) and os.pread(fd, size, 0) == data:
            return
        os.ftruncate(fd, len(data))
        at = 0
        while at < len(data):
            at += os.pwrite(fd, data[at:], at)
    finally:
        os.close(fd)
