"""The files of the log: which there are, reading ranges of them, appending."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import BinaryIO

from eventstore_reference.durable import sync_folders, write_all
from eventstore_reference.layout import ARCHIVE, EVENTS, Layout
from eventstore_reference.locking import LocationLock
from pytest_eventstore.ports import CorruptionError, Event, instant

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file of the log, as found now.

    Args:
        name: Its path below the location.
        path: Its whole path.
        inode: Its identity; another file under the same name has another.
        size: Its size in bytes, as it lies on disk.
    """

    name: str
    path: str
    inode: int
    size: int

    @property
    def archived(self) -> bool:
        """Whether it is compressed and never changes in place."""
        return self.name.startswith(ARCHIVE + "/")


class LogFiles:
    """The files of one location; append order is that of `all`, then of bytes."""

    def __init__(
        self,
        layout: Layout,
        lock: LocationLock,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._layout = layout
        self._now = now
        self._lock = lock
        self._last_name: str | None = None
        self._seen: tuple[int, tuple[int, int]] | None = None

    def all(self) -> list[LogFile]:
        """Return the archived files, then the active ones, each by name."""
        return [
            *self._list(self._layout.archive, ARCHIVE, ".jsonl.gz"),
            *self._list(self._layout.events, EVENTS, ".jsonl"),
        ]

    def named(self, name: str) -> LogFile | None:
        """Return a file by its path below the location, or None."""
        path = os.path.join(self._layout.location, name)
        try:
            status = os.stat(path)
        except FileNotFoundError:
            return None
        return LogFile(name, path, status.st_ino, status.st_size)

    def last_name(self) -> str | None:
        """Return the name of the active file that comes last."""
        try:
            # The lock's stamp tells what happens within one tick of the folder's clock.
            seen = (os.stat(self._layout.events).st_mtime_ns, self._lock.stamp())
            if seen != self._seen:
                self._last_name = self._list_last()
                self._seen = seen
        except FileNotFoundError:
            return None
        return self._last_name

    def _list_last(self) -> str | None:
        names = [name for name in os.listdir(self._layout.events) if name.endswith(".jsonl")]
        return f"{EVENTS}/{max(names)}" if names else None

    def name_for(self, events: Iterable[Event], last: str | None) -> str:
        """Return the file that a batch goes to: its newest day's, but none after today's.

        Nor one before the last file there is: in it, the batch would come too
        early in append order.
        """
        now = self._now()
        today = f"{EVENTS}/{now.astimezone(UTC).date().isoformat()}.jsonl"
        if last is not None and last >= today:
            return last
        newest = max(instant(event.timestamp) for event in events)
        day = min(newest, instant(now)).days
        name = f"{EVENTS}/{date.fromordinal(max(day, 0) + 1).isoformat()}.jsonl"
        return name if last is None else max(name, last)

    @contextmanager
    def open(self, file: LogFile) -> Iterator[BinaryIO]:
        """Give a file's bytes, uncompressed, as a stream."""
        if not file.archived:
            with open(file.path, "rb") as plain:
                yield plain
            return
        with gzip.open(file.path, "rb") as unzipped:
            try:
                yield unzipped  # type: ignore[misc]
            except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                raise CorruptionError(f"{file.path}: {error}") from error

    def is_whole(self, file: LogFile) -> bool:
        """Return whether a compressed file's own checksums are right."""
        try:
            with self.open(file) as stream:
                while stream.read(_PIECE):
                    pass
        except CorruptionError:
            return False
        return True

    def sync(self, name: str, *, folders: bool) -> None:
        """Make a file durable, and its name too."""
        fd = os.open(os.path.join(self._layout.location, name), os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        if folders:
            self.sync_names()

    def sync_names(self) -> None:
        """Make the names of the active files durable."""
        sync_folders(self._layout.events, self._layout.location)

    def append(self, name: str, size: int, payload: bytes, *, new: bool) -> LogFile:
        """Write the payload at the end of a file of known size, durably or not at all.

        Whatever fails, the file is cut back to that size, and the error raised.
        """
        path = os.path.join(self._layout.location, name)
        if new:
            os.makedirs(self._layout.events, exist_ok=True)
            self._lock.change_stamp()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        fd = os.open(path, flags, 0o644)
        try:
            if new:
                self._lock.change_stamp()
            try:
                write_all(fd, payload)
                os.fsync(fd)
                if new:
                    self.sync_names()
            except BaseException:
                # Cut back even after a failed fsync: the kernel may drop the pages
                # and let the next fsync succeed, so they must be written anew.
                with suppress(OSError):
                    os.ftruncate(fd, size)
                    os.fsync(fd)
                raise
            return LogFile(name, path, os.fstat(fd).st_ino, size + len(payload))
        finally:
            os.close(fd)

    def cut(self, name: str, size: int) -> None:
        """Cut a file back to a size, durably."""
        fd = os.open(os.path.join(self._layout.location, name), os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.ftruncate(fd, size)
            os.fsync(fd)
        finally:
            os.close(fd)

    def _list(self, folder: str, below: str, ending: str) -> list[LogFile]:
        try:
            with os.scandir(folder) as entries:
                names = sorted(entry.name for entry in entries if entry.name.endswith(ending))
        except FileNotFoundError:
            return []
        found = (self.named(f"{below}/{name}") for name in names if not name.startswith("."))
        return [file for file in found if file is not None]
