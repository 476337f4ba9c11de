"""A SQLite file that may be deleted, damaged, or inherited through a fork, at any time."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress

BUSY_TIMEOUT_MS = 30_000

_abandoned: list[sqlite3.Connection] = []
"""Connections that must not be closed: the parent's after a fork, and those on
deleted files, whose closing would delete the log of the file that took their place."""


class SqliteFile:
    """One connection to a file, reopened when the file was replaced or the process forked.

    Args:
        path: The database file.
        synchronous: ``FULL`` for what must survive a loss of power, else ``NORMAL``.
        schema: Statements that make the tables; run on a new file.
        version: Of the schema. A file of another is not opened.
    """

    def __init__(self, path: str, *, synchronous: str, schema: str, version: int = 1) -> None:
        self.path = path
        self._synchronous = synchronous
        self._schema = schema
        self._version = version
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._pid = 0

    def current(self) -> sqlite3.Connection | None:
        """Return the connection if it is to the file that lies at the path now."""
        connection = self._connection
        if connection is None:
            return None
        if self._pid != os.getpid() or self._identity != _identity(self.path):
            self._abandon()
            return None
        return connection

    def open(self, *, create: bool) -> sqlite3.Connection | None:
        """Return a connection to the file at the path; None if missing and not to create.

        With `create` the caller holds the location's lock.
        """
        connection = self.current()
        if connection is not None:
            return connection
        if create:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            if _identity(self.path) is None:
                self._unlink_companions()  # of a database that was deleted alone
        elif _identity(self.path) is None:
            return None
        mode = "rwc" if create else "rw"
        uri = "file:" + _quoted(self.path) + "?mode=" + mode
        connection = sqlite3.connect(
            uri, uri=True, isolation_level=None, check_same_thread=False, timeout=0
        )
        try:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            found = connection.execute("PRAGMA user_version").fetchone()[0]
            if found == 0 and create:
                # A failure to change the mode is no error to SQLite, and the old
                # mode does not survive a loss of power.
                if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
                    raise sqlite3.OperationalError(f"{self.path} cannot have a write-ahead log")
                self._make_tables(connection)
            elif found != self._version:
                raise sqlite3.DatabaseError(f"{self.path} has the schema {found}")
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        self._identity = _identity(self.path)
        self._pid = os.getpid()
        return connection

    def _make_tables(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in self._schema.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {self._version}")
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise

    def delete(self) -> None:
        """Remove the file; the caller holds the location's lock."""
        self._abandon()
        with suppress(FileNotFoundError, IsADirectoryError):
            os.unlink(self.path)
        self._unlink_companions()

    def close(self) -> None:
        """Close the connection, if it is ours to close."""
        connection = self.current()
        self._connection = None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def _abandon(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            _abandoned.append(connection)

    def _unlink_companions(self) -> None:
        for suffix in ("-wal", "-shm", "-journal"):
            with suppress(FileNotFoundError):
                os.unlink(self.path + suffix)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_dev, status.st_ino


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
