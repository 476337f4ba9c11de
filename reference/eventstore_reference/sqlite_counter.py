"""The counter of sequence numbers: one row in a SQLite file."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any

from eventstore_reference.durable import sync_folders
from eventstore_reference.forks import tell_forks
from eventstore_reference.locking import LocationLock
from eventstore_reference.sqlite_file import SqliteFile
from pytest_eventstore.ports import (
    MAX_SEQ_NR,
    ClosedError,
    CorruptionError,
    SeqNrExhaustedError,
    check_seq_nr,
)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY CHECK (id = 0), last INTEGER NOT NULL);
INSERT OR IGNORE INTO counter VALUES (0, 0)
"""
_NEXT = """
UPDATE counter SET last = max(last, :floor) + 1 WHERE max(last, :floor) < :most RETURNING last
"""
_RAISE = "UPDATE counter SET last = max(last, :floor) RETURNING last"


class SqliteSeqCounter:
    """Hands out each number once, durably: what it returned is never returned again.

    Args:
        path: The SQLite file; made when the first number is asked for.
        lock: Excludes other processes; by default a lock file beside `path`.
        floor: Gives a number that is in use at least; the next one is above it,
            also when the file was lost.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        lock: AbstractContextManager[Any] | None = None,
        floor: Callable[[], int] | None = None,
    ) -> None:
        path = os.path.abspath(path)
        self._file = SqliteFile(path, synchronous="FULL", schema=_SCHEMA)
        self._lock = lock if lock is not None else LocationLock(path + ".lock")
        self._floor = floor if floor is not None else _nothing
        self._may_start_anew = floor is not None
        self._synced_for: sqlite3.Connection | None = None
        self._closed = False
        self.after_fork()
        tell_forks(self)

    def after_fork(self) -> None:
        """In a forked child: a thread of the parent may have held this for ever."""
        self._threads = threading.RLock()

    def alloc_seq_nr(self) -> int:
        """Return a number above every one handed out before, by whatever process."""
        self._check_open()
        with self._lock, self._threads:
            floor = self._floor()
            row = self._write(_NEXT, {"floor": floor, "most": MAX_SEQ_NR})
        if row is None:
            raise SeqNrExhaustedError(f"no sequence number is left above {MAX_SEQ_NR}")
        return int(row[0])

    def latest_seq_nr(self) -> int:
        """Return the highest number in use, or 0; allocates nothing."""
        self._check_open()
        return max(self.stored_seq_nr(), self._floor())

    def stored_seq_nr(self) -> int:
        """Return the number in the counter's own file, or 0."""
        with self._threads:
            try:
                connection = self._file.open(create=False)
                if connection is None:
                    return 0
                row = connection.execute("SELECT last FROM counter").fetchone()
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError as error:
                if self._may_start_anew:
                    return 0
                raise CorruptionError(f"{self._file.path}: {error}") from error
        return int(row[0]) if row else 0

    def initialize_at(self, start_at: int) -> None:
        """Make the next number at least `start_at + 1`; never moves back."""
        self._check_open()
        check_seq_nr(start_at, "start_at")
        with self._lock, self._threads:
            if self.stored_seq_nr() < start_at:
                self._write(_RAISE, {"floor": start_at})

    def close(self) -> None:
        """Close the file and refuse every later call; closing again does nothing."""
        self._closed = True
        with self._threads:
            self._synced_for = None
            self._file.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("the counter is closed")

    def _write(self, statement: str, values: dict[str, int]) -> tuple[int] | None:
        try:
            return self._write_once(statement, values)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            if not self._may_start_anew:
                raise CorruptionError(f"{self._file.path}: {error}") from error
        # The file is not a database any more: as good as lost, and the log knows.
        self._file.delete()
        return self._write_once(statement, values)

    def _write_once(self, statement: str, values: dict[str, int]) -> tuple[int] | None:
        connection = self._file.open(create=True)
        assert connection is not None
        if self._synced_for is not connection:
            folder = os.path.dirname(self._file.path)
            sync_folders(folder, os.path.dirname(folder))
            self._synced_for = connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            row: tuple[int] | None = connection.execute(statement, values).fetchone()
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        return row


def _nothing() -> int:
    return 0
