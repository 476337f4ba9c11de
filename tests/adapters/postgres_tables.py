"""A correct adapter over a database server: one PostgreSQL schema for each location.

`EVENTSTORE_POSTGRES` holds the connection string. The location's folder stays
empty; only its name counts. The suite runs the reference's recorder and cutover
over the lock, which is an advisory lock that a dead client's connection gives up.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import sql

from pytest_eventstore.ports import (
    MAX_SEQ_NR,
    SYSTEM_CUTOVER,
    AppendResult,
    ClosedError,
    DuplicateEventError,
    Event,
    InvalidEventError,
    LoadResult,
    LockTimeoutError,
    Ports,
    SeqNrExhaustedError,
    Snapshot,
    check_aware,
    check_seq_nr,
    instant,
)

TABLES = """
CREATE SCHEMA IF NOT EXISTS {schema};
CREATE TABLE IF NOT EXISTS {schema}.events (
    position bigserial PRIMARY KEY, id bytea UNIQUE NOT NULL, seq_nr bigint NOT NULL,
    micros bigint NOT NULL, is_cutover boolean NOT NULL, line bytea NOT NULL);
CREATE INDEX IF NOT EXISTS by_number ON {schema}.events (seq_nr, micros, position);
CREATE INDEX IF NOT EXISTS by_time ON {schema}.events (micros, position);
CREATE INDEX IF NOT EXISTS cutovers ON {schema}.events (position) WHERE is_cutover;
CREATE TABLE IF NOT EXISTS {schema}.snapshots (
    aggregate_type bytea PRIMARY KEY, seq_nr bigint NOT NULL, state bytea NOT NULL);
CREATE TABLE IF NOT EXISTS {schema}.counter (one int PRIMARY KEY, latest bigint NOT NULL);
INSERT INTO {schema}.counter VALUES (1, 0) ON CONFLICT DO NOTHING;
"""
LEGACY_END = "coalesce((SELECT min(position) FROM {schema}.events WHERE is_cutover), 0)"


def open_ports(location: Path) -> Ports:
    """Open the schema named after the location; the first statement makes its tables."""
    database = Database(location.name)
    return Ports(
        event_store=PostgresEventStore(database),
        snapshot_store=PostgresSnapshotStore(database),
        seq_allocator=PostgresSeqAllocator(database),
        lock=AdvisoryLock(Database(location.name)),
    )


def discard(location: Path) -> None:
    """Drop the schema of a location that is no longer needed."""
    with psycopg.connect(os.environ["EVENTSTORE_POSTGRES"], autocommit=True) as connection:
        connection.execute(
            sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(location.name))
        )


open_ports.discard = discard  # type: ignore[attr-defined]


class Database:
    """One connection, made on first use and made again in a forked child."""

    def __init__(self, schema: str) -> None:
        self.key = int.from_bytes(hashlib.sha256(schema.encode()).digest()[:8], signed=True)
        self._schema = sql.Identifier(schema)
        self._guard = threading.RLock()
        self._pid = os.getpid()
        self._connection: psycopg.Connection[Any] | None = None
        self._closed = False
        self._inherited: list[psycopg.Connection[Any]] = []

    def query(self, text: str) -> sql.Composed:
        """Return the statement with the schema's name filled in."""
        return sql.SQL(text.replace("{legacy_end}", LEGACY_END)).format(schema=self._schema)

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection[Any]]:
        """Give the calling thread the connection, in a transaction."""
        with self._guard:
            connection = self._connected()
            with connection.transaction():
                yield connection

    def _connected(self) -> psycopg.Connection[Any]:
        if self._closed:
            raise ClosedError("the store was closed")
        if self._connection is not None and self._pid != os.getpid():
            # The parent goes on talking over this socket, so it must not be closed here.
            self._inherited.append(self._connection)
            self._connection = None
        if self._connection is None or self._connection.broken:
            self._pid = os.getpid()
            connection = psycopg.connect(os.environ["EVENTSTORE_POSTGRES"], autocommit=True)
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (~self.key,))
                connection.execute("SET LOCAL client_min_messages = error")
                connection.execute(self.query(TABLES))
            self._connection = connection
        return self._connection

    def close(self) -> None:
        """Close the connection; a second call does nothing."""
        with self._guard:
            self._closed = True
            if self._connection is not None and self._pid == os.getpid():
                self._connection.close()
                self._connection = None


class AdvisoryLock:
    """Excludes all other handles on the schema; re-entrant in a thread."""

    def __init__(self, database: Database, timeout: float = 60.0) -> None:
        self._database = database
        self._timeout = timeout
        self._threads = threading.RLock()
        self._depth = 0

    def __enter__(self) -> Self:
        if not self._threads.acquire(timeout=self._timeout):
            raise LockTimeoutError(f"the lock was held for more than {self._timeout} s")
        try:
            if self._depth == 0:
                with self._database.transaction() as connection:
                    connection.execute(f"SET lock_timeout = '{self._timeout:.0f}s'")
                    connection.execute("SELECT pg_advisory_lock(%s)", (self._database.key,))
            self._depth += 1
        except psycopg.errors.LockNotAvailable as error:
            self._threads.release()
            raise LockTimeoutError(f"the lock was held for more than {self._timeout} s") from error
        except BaseException:
            self._threads.release()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._depth -= 1
        try:
            if self._depth == 0:
                with self._database.transaction() as connection:
                    connection.execute("SELECT pg_advisory_unlock(%s)", (self._database.key,))
        finally:
            self._threads.release()

    def close(self) -> None:
        """Close the lock's own connection."""
        self._database.close()


class PostgresEventStore:
    """The log, a row an event; writers queue, so positions become visible in order."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.close = database.close

    def append(self, *events: Event) -> AppendResult:
        for event in events:
            event.validate()
        rows = [
            (_key(e.id), e.seq_nr, _micros(e.timestamp), e.type == SYSTEM_CUTOVER, _line(e))
            for e in events
        ]
        if not rows:
            return AppendResult(bytes_written=0)
        written = 0
        query = self._database.query
        with self._database.transaction() as connection:
            connection.execute(query("LOCK TABLE {schema}.events IN EXCLUSIVE MODE"))
            for row in rows:
                stored = connection.execute(
                    query("SELECT line FROM {schema}.events WHERE id = %s"), row[:1], binary=True
                ).fetchone()
                if stored is None:
                    connection.execute(
                        query(
                            "INSERT INTO {schema}.events (id, seq_nr, micros, is_cutover, line)"
                            " VALUES (%s, %s, %s, %s, %s)"
                        ),
                        row,
                    )
                    written += len(row[-1])
                elif Event.from_json_line(stored[0]) != Event.from_json_line(row[-1]):
                    raise DuplicateEventError(f"event id {events[rows.index(row)].id!r} is stored")
        return AppendResult(bytes_written=written)

    def load_all(self) -> LoadResult:
        return self._load("TRUE ORDER BY micros, position", ())

    def load_since(self, after: datetime) -> LoadResult:
        check_aware(after, "after")
        return self._load("micros > %s ORDER BY micros, position", (_micros(after),))

    def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
        check_seq_nr(after_seq_nr, "after_seq_nr")
        return self._load(
            "seq_nr > %s AND position >= {legacy_end} ORDER BY seq_nr, micros, position",
            (after_seq_nr,),
        )

    def latest_seq_nr(self) -> int:
        with self._database.transaction() as connection:
            row = connection.execute(
                self._database.query(
                    "SELECT coalesce(max(seq_nr), 0) FROM {schema}.events"
                    " WHERE position >= {legacy_end}"
                )
            ).fetchone()
        assert row is not None
        return int(row[0])

    def _load(self, condition: str, values: tuple[int, ...]) -> LoadResult:
        with self._database.transaction() as connection:
            rows = connection.execute(
                self._database.query("SELECT line FROM {schema}.events WHERE " + condition),
                values,
                binary=True,
            ).fetchall()
        return LoadResult(events=[Event.from_json_line(line) for (line,) in rows])


class PostgresSnapshotStore:
    """One row for each kind of projection."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.close = database.close

    def save(self, aggregate_type: str, seq_nr: int, state: bytes) -> None:
        check_seq_nr(seq_nr, "seq_nr")
        with self._database.transaction() as connection:
            connection.execute(
                self._database.query(
                    "INSERT INTO {schema}.snapshots AS s VALUES (%s, %s, %s)"
                    " ON CONFLICT (aggregate_type) DO UPDATE"
                    " SET seq_nr = excluded.seq_nr, state = excluded.state"
                    " WHERE s.seq_nr <= excluded.seq_nr"
                ),
                (_name(aggregate_type), seq_nr, bytes(state)),
            )

    def load(self, aggregate_type: str) -> Snapshot | None:
        with self._database.transaction() as connection:
            row = connection.execute(
                self._database.query(
                    "SELECT seq_nr, state FROM {schema}.snapshots WHERE aggregate_type = %s"
                ),
                (_name(aggregate_type),),
                binary=True,
            ).fetchone()
        if row is None:
            return None
        return Snapshot(aggregate_type=aggregate_type, seq_nr=row[0], state=bytes(row[1]))


class PostgresSeqAllocator:
    """A counter in a row of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.close = database.close

    def alloc_seq_nr(self) -> int:
        with self._database.transaction() as connection:
            row = connection.execute(
                self._database.query(
                    "UPDATE {schema}.counter SET latest = latest + 1 WHERE latest < %s"
                    " RETURNING latest"
                ),
                (MAX_SEQ_NR,),
            ).fetchone()
        if row is None:
            raise SeqNrExhaustedError("there is no number above 2**63 - 1")
        return int(row[0])

    def latest_seq_nr(self) -> int:
        with self._database.transaction() as connection:
            row = connection.execute(
                self._database.query("SELECT latest FROM {schema}.counter")
            ).fetchone()
        assert row is not None
        return int(row[0])

    def initialize_at(self, start_at: int) -> None:
        check_seq_nr(start_at, "start_at")
        with self._database.transaction() as connection:
            connection.execute(
                self._database.query(
                    "UPDATE {schema}.counter SET latest = greatest(latest, %s::bigint)"
                ),
                (start_at,),
            )


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _line(event: Event) -> bytes:
    return event.to_json_line().encode()


def _micros(moment: datetime) -> int:
    return instant(moment) // timedelta(microseconds=1)


def _name(aggregate_type: str) -> bytes:
    if not isinstance(aggregate_type, str) or not aggregate_type:
        raise InvalidEventError(f"an aggregate type must not be empty, got {aggregate_type!r}")
    return aggregate_type.encode("utf-8", "surrogatepass")
