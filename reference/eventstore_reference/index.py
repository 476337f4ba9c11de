"""The index of the log: where each event's line lies, by number, id and session.

It is a cache. Every row carries the checksum of its line, so a stale one is
noticed, and the whole is rebuilt from the log when it is missing or doubtful.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

from eventstore_reference.layout import ARCHIVE
from eventstore_reference.lines import Line
from eventstore_reference.sqlite_file import SqliteFile
from pytest_eventstore.ports import SYSTEM_CUTOVER, instant

_VERSION = 3
_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, inode INTEGER NOT NULL, marked INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS events (
    position INTEGER PRIMARY KEY, file INTEGER NOT NULL, start INTEGER NOT NULL,
    length INTEGER NOT NULL, crc INTEGER NOT NULL, number INTEGER NOT NULL,
    moment INTEGER NOT NULL, id_hash INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS by_number ON events (number, moment);
CREATE INDEX IF NOT EXISTS by_id ON events (id_hash);
CREATE TABLE IF NOT EXISTS passed_over (
    file INTEGER NOT NULL, start INTEGER NOT NULL, length INTEGER NOT NULL,
    damaged INTEGER NOT NULL, after INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS sessions (
    session TEXT PRIMARY KEY, event TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cutover (position INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS brought_up (boot TEXT NOT NULL)
"""
_TABLES = ("files", "events", "passed_over", "sessions", "cutover", "brought_up")
_MICROSECOND = timedelta(microseconds=1)
_NO_POSITION = 2**63 - 1
_PLACE = "position, file, start, length, crc"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one event's line lies."""

    position: int
    file: int
    start: int
    length: int
    crc: int


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """A file of the log as the index knows it.

    Args:
        id: Its number in the index.
        name: Its path below the location.
        inode: What it was when indexed.
        marked: Whether a line with marks was seen in it.
    """

    id: int
    name: str
    inode: int
    marked: bool

    @property
    def archived(self) -> bool:
        """Whether it is compressed and never appended to."""
        return self.name.startswith(ARCHIVE + "/")


class Index:
    """The rows of one location, in a file or, where none can be written, in memory."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    @classmethod
    def in_memory(cls) -> Index:
        """Return an empty index that only this handle sees."""
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        for statement in _SCHEMA.split(";"):
            connection.execute(statement)
        return cls(connection)

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection the rows are in."""
        return self._db

    @contextmanager
    def transaction(self, kind: str = "IMMEDIATE") -> Iterator[None]:
        """Make what is done inside visible to others at once, or not at all."""
        self._db.execute(f"BEGIN {kind}")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise

    def set_inode(self, file: int, inode: int) -> None:
        """Note that a file was replaced by another; inside a transaction."""
        self._db.execute("UPDATE files SET inode = ? WHERE id = ?", (inode, file))

    def forget_file(self, file: int) -> None:
        """Forget a file that has no rows any more; inside a transaction."""
        self._db.execute("DELETE FROM files WHERE id = ?", (file,))

    def move(self, file: int, start: int, end: int, *, to: int, shift: int) -> None:
        """Note that a stretch of a file lies elsewhere now; inside a transaction."""
        for table in ("events", "passed_over"):
            self._db.execute(
                f"UPDATE {table} SET file = ?, start = start + ?"  # noqa: S608
                " WHERE file = ? AND start >= ? AND start < ?",
                (to, shift, file, start, end),
            )

    def forget_duplicates(self, file: int, end: int) -> None:
        """Forget what was passed over undamaged before a place; inside a transaction."""
        self._db.execute(
            "DELETE FROM passed_over WHERE file = ? AND start < ? AND NOT damaged", (file, end)
        )

    def clear(self) -> None:
        """Forget everything; inside a transaction."""
        for table in _TABLES:
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own

    # What is written, inside a transaction

    def add_file(self, name: str, inode: int) -> IndexedFile:
        """Add a file that comes after all others in append order."""
        row = self._db.execute(
            "INSERT INTO files (name, inode, marked) VALUES (?, ?, 0) RETURNING id", (name, inode)
        ).fetchone()
        return IndexedFile(row[0], name, inode, marked=False)

    def mark_file(self, file: int) -> None:
        """Remember that marked lines have begun in a file."""
        self._db.execute("UPDATE files SET marked = 1 WHERE id = ?", (file,))

    def add_line(self, file: int, line: Line) -> None:
        """Add an event that comes after all others in append order."""
        event = line.event
        if event.type == SYSTEM_CUTOVER and not self.holds_cutover():
            self._db.execute("UPDATE events SET number = 0 WHERE number > 0")
            self._db.execute("INSERT INTO cutover VALUES (?)", (self.last_position() + 1,))
        self._db.execute(
            "INSERT INTO events (file, start, length, crc, number, moment, id_hash)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                file,
                line.start,
                line.length,
                line.crc,
                event.seq_nr,
                instant(event.timestamp) // _MICROSECOND,
                id_hash(event.id),
            ),
        )
        if event.session_id:
            self._db.execute(
                "INSERT OR REPLACE INTO sessions VALUES (?, ?)",
                (_storable(event.session_id), _storable(event.id)),
            )

    def add_passed_over(self, file: int, start: int, length: int, *, damaged: bool) -> None:
        """Add a stretch that holds no event of its own."""
        self._db.execute(
            "INSERT INTO passed_over SELECT ?, ?, ?, ?, coalesce(max(position), 0) FROM events",
            (file, start, length, damaged),
        )

    def note_boot(self, boot: str) -> None:
        """Remember in which run of the machine the index was brought up to the log."""
        self._db.execute("DELETE FROM brought_up")
        self._db.execute("INSERT INTO brought_up VALUES (?)", (boot,))

    # What is read

    def files(self) -> list[IndexedFile]:
        """Return the files in append order, which is that of their names."""
        rows = self._db.execute("SELECT id, name, inode, marked FROM files ORDER BY name")
        return [IndexedFile(row[0], row[1], row[2], bool(row[3])) for row in rows]

    def last_file(self) -> IndexedFile | None:
        """Return the last file in append order."""
        row = self._db.execute(
            "SELECT id, name, inode, marked FROM files ORDER BY name DESC LIMIT 1"
        ).fetchone()
        return None if row is None else IndexedFile(row[0], row[1], row[2], bool(row[3]))

    def last_place(self) -> Place | None:
        """Return the event last in append order."""
        row = self._db.execute(
            f"SELECT {_PLACE} FROM events ORDER BY position DESC LIMIT 1"  # noqa: S608
        ).fetchone()
        return None if row is None else Place(*row)

    def end_of(self, file: int) -> int:
        """Return up to where a file is indexed."""
        end = 0
        place = self.last_place()
        if place is not None and place.file == file:
            end = place.start + place.length
        row = self._db.execute(
            "SELECT max(start + length) FROM passed_over WHERE file = ?", (file,)
        ).fetchone()
        return max(end, row[0] or 0)

    def places_after(self, number: int) -> list[Place]:
        """Return the numbered events above a number, by number, then by time."""
        rows = self._db.execute(
            f"SELECT {_PLACE} FROM events WHERE number > ?"  # noqa: S608
            " ORDER BY number, moment, position",
            (number,),
        )
        return [Place(*row) for row in rows]

    def places_by_time(self, after: timedelta | None = None) -> list[Place]:
        """Return the events, or those later than a time, by time, then in append order."""
        condition, values = "", ()
        if after is not None:
            condition, values = "WHERE moment > ?", (after // _MICROSECOND,)  # type: ignore[assignment]
        rows = self._db.execute(
            f"SELECT {_PLACE} FROM events {condition} ORDER BY moment, position",  # noqa: S608
            values,
        )
        return [Place(*row) for row in rows]

    def places_of_ids(self, ids: Iterable[str]) -> list[Place]:
        """Return the events that may have one of the ids."""
        return [
            Place(*row)
            for one in ids
            for row in self._db.execute(
                f"SELECT {_PLACE} FROM events WHERE id_hash = ?",  # noqa: S608
                (id_hash(one),),
            )
        ]

    def first_staying(self, through: int, files: Sequence[int]) -> Place | None:
        """Return the first event in some files that an archive up to a number leaves there.

        Everything before it goes: events numbered up to `through`, and those
        without a number that come before one of these.
        """
        among = f"file IN ({','.join(map(str, files))})"
        above = self._one(
            f"SELECT min(position) FROM events WHERE number > ? AND {among}",  # noqa: S608
            through,
        )
        last = self._one(
            "SELECT max(position) FROM events WHERE number BETWEEN 1 AND ?"  # noqa: S608
            f" AND position < ? AND {among}",
            through,
            above or _NO_POSITION,
        )
        row = self._db.execute(
            f"SELECT {_PLACE} FROM events WHERE position > ? AND {among}"  # noqa: S608
            " ORDER BY position LIMIT 1",
            (last or 0,),
        ).fetchone()
        return None if row is None else Place(*row)

    def count_before(self, file: int, end: int) -> tuple[int, int]:
        """Return how many events lie in a file before a place, and their highest number."""
        row = self._db.execute(
            "SELECT count(*), max(number) FROM events WHERE file = ? AND start < ?", (file, end)
        ).fetchone()
        return row[0], row[1] or 0

    def duplicates(self, file: int, end: int) -> list[tuple[int, int]]:
        """Return the stretches before a place that repeat what is stored elsewhere."""
        rows = self._db.execute(
            "SELECT start, length FROM passed_over"
            " WHERE file = ? AND start < ? AND length > 0 AND NOT damaged ORDER BY start",
            (file, end),
        )
        return [(row[0], row[1]) for row in rows]

    def _one(self, statement: str, *values: int) -> int | None:
        found: int | None = self._db.execute(statement, values).fetchone()[0]
        return found

    def latest_number(self) -> int:
        """Return the highest number, or 0."""
        row = self._db.execute(
            "SELECT number FROM events WHERE number > 0 ORDER BY number DESC LIMIT 1"
        ).fetchone()
        return row[0] if row else 0

    def last_event_id(self, session: str) -> str:
        """Return the id of a session's last event, or nothing."""
        row = self._db.execute(
            "SELECT event FROM sessions WHERE session = ?", (_storable(session),)
        ).fetchone()
        return _restored(row[0]) if row else ""

    def holds_cutover(self) -> bool:
        """Return whether the cutover's event is indexed."""
        return self._db.execute("SELECT 1 FROM cutover").fetchone() is not None

    def boot(self) -> str:
        """Return in which run of the machine the index was brought up to the log."""
        row = self._db.execute("SELECT boot FROM brought_up").fetchone()
        return row[0] if row else ""

    def damaged_count(self, after: int = 0) -> int:
        """Return how many damaged lines come after so many events in append order."""
        row = self._db.execute(
            "SELECT count(*) FROM passed_over WHERE damaged AND after >= ?", (after,)
        ).fetchone()
        return int(row[0])

    def last_position(self) -> int:
        """Return the position of the event last in append order, or 0."""
        return self._one("SELECT max(position) FROM events") or 0


def id_hash(text: str) -> int:
    """Return 64 bits that stand for an id."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _storable(text: str) -> str | bytes:
    """Return the text as SQLite takes it: lone surrogates as a blob."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def _restored(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "surrogatepass")


def index_file(path: str) -> SqliteFile:
    """Return the file an index is kept in."""
    return SqliteFile(path, synchronous="NORMAL", schema=_SCHEMA, version=_VERSION)
