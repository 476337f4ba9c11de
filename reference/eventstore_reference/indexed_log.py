"""The log with its index: brings the index up to the log, and reads through it.

The log is the truth. Whoever holds the location's lock may bring the index up
to date; a writer does so before it acknowledges. A reader needs the lock only
for bytes that are not indexed yet. If somebody else has it, those bytes are not
acknowledged, and the index as it stands is the answer.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from zlib import crc32

from eventstore_reference.content import same_content
from eventstore_reference.forks import tell_forks
from eventstore_reference.index import Index, IndexedFile, Place, index_file
from eventstore_reference.layout import Layout, boot_id
from eventstore_reference.lines import Line
from eventstore_reference.locking import DEFAULT_TIMEOUT, LocationLock
from eventstore_reference.log_files import LogFile, LogFiles
from eventstore_reference.scanner import PassedOver, Scanner
from pytest_eventstore.ports import (
    SYSTEM_CUTOVER,
    CorruptionError,
    Event,
    InvalidEventError,
    LockTimeoutError,
)

_POLL = 0.002
_LONGEST_READ = 8 << 20


@dataclass(slots=True)
class Tail:
    """The end of the log, as seen under the lock: where the next line goes.

    Args:
        index: The index, up to date.
        file: The last file of the log; None if there is none.
        indexed: The same file as the index knows it.
        terminated: Whether the file's last line has its line feed.
        hold: During which hold of the lock this was found true.
        latest: The highest number.
        damaged: How many damaged lines there are.
        last_ids: The last event of sessions that were asked for.
    """

    index: Index
    file: LogFile | None
    indexed: IndexedFile | None
    terminated: bool
    hold: int
    latest: int
    damaged: int
    last_ids: dict[str, str] = field(default_factory=dict)

    def last_event_id(self, session_id: str) -> str:
        """Return the id of a session's last event, or nothing."""
        found = self.last_ids.get(session_id)
        if found is None:
            found = self.last_ids[session_id] = self.index.last_event_id(session_id)
        return found


class IndexedLog:
    """One handle's view of the log of a location."""

    def __init__(self, layout: Layout, lock: LocationLock, files: LogFiles) -> None:
        self.files = files
        self._torn = False
        self._lock = lock
        self._disk = index_file(layout.index)
        self._trusted: sqlite3.Connection | None = None
        self._memory: Index | None = None
        self._tail: Tail | None = None
        self._settled = 0
        self.after_fork()
        tell_forks(self)

    def after_fork(self) -> None:
        """In a forked child: a thread of the parent may have held this for ever."""
        self.threads = threading.RLock()  # taken after the location's lock, never before

    def close(self) -> None:
        """Close the index."""
        with self.threads:
            self._tail = self._trusted = self._memory = None
            self._disk.close()

    # For readers

    def view(self) -> Index:
        """Return an index that holds every acknowledged event."""
        if self._lock.hold:
            with self.threads:
                return self.tail().index
        with self.threads:
            index = self._published()
            if index is not None and self._is_current(index):
                return index
            if not self.files.all():
                return self._memory_index(anew=True)
        return self._view_behind()

    def view_under_lock(self) -> Index:
        """Return the index after checking it against the files; for readers in doubt."""
        try:
            with self._lock, self.threads:
                self._trusted = None
                return self._catch_up()
        except OSError:
            if self._can_lock():
                raise
            with self.threads:
                return self._catch_up_in_memory()

    @contextmanager
    def held_still(self) -> Iterator[None]:
        """Keep the files where they are; where nobody can take the lock, nobody moves them."""
        if self._can_lock():
            with self._lock:
                yield
        else:
            yield

    def _view_behind(self) -> Index:
        deadline = time.monotonic() + DEFAULT_TIMEOUT
        while True:
            try:
                if self._lock.try_acquire():
                    try:
                        with self.threads:
                            return self._catch_up()
                    finally:
                        self._lock.release()
            except OSError:
                if self._can_lock():
                    raise
                with self.threads:
                    return self._catch_up_in_memory()
            with self.threads:
                index = self._published()
            if index is not None:
                return index
            if time.monotonic() > deadline:
                raise LockTimeoutError("another process kept the log locked for too long")
            time.sleep(_POLL)

    def _can_lock(self) -> bool:
        try:
            with self._lock:
                return True
        except OSError:
            return False

    def _published(self) -> Index | None:
        try:
            connection = self._disk.open(create=False)
            if connection is None:
                return None
            index = Index(connection)
            if self._trusted is not connection:
                # After a loss of power the index may lack what is acknowledged.
                if index.boot() != boot_id() or not self._fits_files(index):
                    return None
                self._trusted = connection
        except sqlite3.Error:
            return None
        return index

    def _is_current(self, index: Index) -> bool:
        indexed = index.last_file()
        name = self.files.last_name()
        if indexed is None or name is None:
            return indexed is None and name is None
        if indexed.name != name:
            return False
        file = self.files.named(name)
        if file is None or file.inode != indexed.inode:
            return False
        end = index.end_of(indexed.id)
        return file.size == end or file.size == end + 1 > 1  # the last line's line feed

    # For writers, under the lock

    def tail(self) -> Tail:
        """Return where to append, after bringing the index up and repairing what was torn."""
        tail = self._tail
        hold = self._lock.hold
        if tail is not None and (tail.hold == hold or self._still_is(tail)):
            tail.hold = hold
            return tail
        index = self._catch_up()
        indexed = index.last_file()
        if indexed is not None and indexed.archived:
            indexed = None
        file = None if indexed is None else self.files.named(indexed.name)
        terminated = True
        if file is not None and indexed is not None:
            if self._torn:
                self.files.cut(file.name, self._settled)
                self._torn = False
                file = self.files.named(indexed.name)
                assert file is not None
            terminated = file.size == 0 or self._last_byte(file) == b"\n"
        latest, damaged = index.latest_number(), index.damaged_count()
        self._tail = Tail(index, file, indexed, terminated, hold, latest, damaged)
        return self._tail

    def own_tail(self) -> Tail | None:
        """Return the end of the log if this thread holds the lock, so that it stays the end."""
        hold = self._lock.hold
        if not hold:
            return None
        tail = self._tail
        if tail is not None and tail.hold == hold:
            return tail
        with self.threads:
            return self.tail()

    def publish(self, tail: Tail, file: LogFile, lines: Sequence[Line]) -> None:
        """Put lines that were just written into the index, or drop the index."""
        index = tail.index
        self._tail = None
        try:
            with index.transaction():
                indexed = tail.indexed
                if indexed is None or indexed.name != file.name:
                    indexed = index.add_file(file.name, file.inode)
                if not indexed.marked:
                    index.mark_file(indexed.id)
                    indexed = IndexedFile(indexed.id, indexed.name, indexed.inode, marked=True)
                for line in lines:
                    index.add_line(indexed.id, line)
        except sqlite3.Error:
            # Readers must not take an index for complete that misses these lines.
            self.drop_index()
            return
        if self._memory is index:
            self._disk.delete()  # somebody else's would not have these lines
            return
        tail.file, tail.indexed, tail.terminated = file, indexed, True
        for line in lines:
            tail.latest = max(tail.latest, line.event.seq_nr)
            tail.last_ids[line.event.session_id] = line.event.id
        if not any(line.event.type == SYSTEM_CUTOVER for line in lines):
            self._tail = tail

    def forget_tail(self) -> None:
        """Look at the files again before the next append."""
        self._tail = None

    def _still_is(self, tail: Tail) -> bool:
        connection = self._disk.current()
        if connection is None or connection is not tail.index.connection or tail.file is None:
            return False
        return (
            self.files.last_name() == tail.file.name
            and self.files.named(tail.file.name) == tail.file
        )

    def _last_byte(self, file: LogFile) -> bytes:
        with open(file.path, "rb") as stream:
            stream.seek(-1, os.SEEK_END)
            return stream.read(1)

    # Bringing the index up to the log

    def _catch_up(self) -> Index:
        for _ in range(2):
            try:
                connection = self._disk.open(create=True)
                assert connection is not None
                index = Index(connection)
                self._bring_up(index, sync=True)
            except sqlite3.Error:
                with suppress(OSError):
                    self.drop_index()
            else:
                self._trusted = connection
                self._memory = None
                return index
        return self._catch_up_in_memory(sync=True)

    def _catch_up_in_memory(self, *, sync: bool = False) -> Index:
        index = self._memory_index(anew=False)
        self._bring_up(index, sync=sync)
        return index

    def _memory_index(self, *, anew: bool) -> Index:
        if anew or self._memory is None:
            self._memory = Index.in_memory()
        return self._memory

    def drop_index(self) -> None:
        """Delete the index: it does not tell the truth, and its absence does no harm."""
        self._tail = self._trusted = None
        self._disk.delete()

    def _bring_up(self, index: Index, *, sync: bool) -> None:
        self._torn = False
        if self._trusted is index.connection and self._is_current(index):
            return
        with index.transaction():
            shrunk = self._has_shrunk(index)
            if not self._fits_files(index):
                index.clear()
            if index.boot() != boot_id():
                index.note_boot(boot_id())
            indexed = index.last_file()
            files = self.files.all()
            if indexed is not None:
                files = files[[file.name for file in files].index(indexed.name) :]
            for file in files:
                if indexed is None or indexed.name != file.name:
                    indexed = index.add_file(file.name, file.inode)
                    if sync and not file.archived:
                        self.files.sync_names()
                self._index_file(index, indexed, file, last=file is files[-1], sync=sync)
            if shrunk and indexed is not None:
                index.add_passed_over(indexed.id, self._settled, 0, damaged=True)

    def _has_shrunk(self, index: Index) -> bool:
        """Return whether the log lost bytes that were published, which no writer takes back."""
        indexed = index.last_file()
        file = None if indexed is None else self.files.named(indexed.name)
        if indexed is None or file is None or file.inode != indexed.inode or file.archived:
            return False
        return file.size < index.end_of(indexed.id)

    def _index_file(
        self, index: Index, indexed: IndexedFile, file: LogFile, *, last: bool, sync: bool
    ) -> None:
        if sync and not file.archived:
            self.files.sync(file.name, folders=False)
        start = index.end_of(indexed.id)
        scanner = Scanner(
            start=start,
            marked=indexed.marked,
            last=last and not file.archived,
            only_marked=file.archived and not self.files.is_whole(file),
        )
        try:
            with self.files.open(file) as stream:
                stream.seek(start)
                for item in scanner.items(stream):
                    self._index_item(index, indexed, item)
        except CorruptionError:  # a compressed file: what comes after cannot be read
            index.add_passed_over(indexed.id, scanner.end, 0, damaged=True)
        if scanner.marked and not indexed.marked:
            index.mark_file(indexed.id)
        self._torn = scanner.torn
        self._settled = scanner.end

    def _index_item(self, index: Index, indexed: IndexedFile, item: Line | PassedOver) -> None:
        if not isinstance(item, Line):
            index.add_passed_over(indexed.id, item.start, item.length, damaged=item.damaged)
        elif self._is_stored(index, item.event):
            index.add_passed_over(indexed.id, item.start, item.length, damaged=False)
        else:
            index.add_line(indexed.id, item)

    def _is_stored(self, index: Index, event: Event) -> bool:
        """Return whether the log has the event already: a tail may have been doubled."""
        places = index.places_of_ids([event.id])
        return any(
            stored is not None and same_content(stored, event)
            for stored in self.events_at(index, places, lenient=True)
        )

    def _fits_files(self, index: Index) -> bool:
        """Return whether the index belongs to the files that lie there now."""
        indexed = index.files()
        found = self.files.all()
        if [(f.name, f.inode) for f in indexed] != [
            (f.name, f.inode) for f in found[: len(indexed)]
        ]:
            return False
        place = index.last_place()
        if place is None:
            return True
        return all(event is not None for event in self.events_at(index, [place], lenient=True))

    # Reading lines

    def events_at(
        self, index: Index, places: Sequence[Place], *, lenient: bool = False
    ) -> list[Event | None]:
        """Return the events at the places, in that order.

        Raises:
            CorruptionError: a line is not what was indexed. With `lenient`, None
                stands for it in the result.
        """
        if not places:
            return []
        with self.threads:
            names = {file.id: file.name for file in index.files()}
        found: dict[int, Event | None] = {}
        by_file: dict[int, list[Place]] = {}
        for place in places:
            by_file.setdefault(place.file, []).append(place)
        for number, wanted in by_file.items():
            wanted.sort(key=lambda place: place.start)
            try:
                file = self.files.named(names[number]) if number in names else None
                if file is None:
                    raise CorruptionError("a file of the log is gone")
                for place, text in self._texts(file, wanted):
                    found[place.position] = _event(text, place)
            except (CorruptionError, FileNotFoundError) as error:
                if not lenient:
                    raise CorruptionError(str(error)) from error
        result = [found.get(place.position) for place in places]
        if not lenient and None in result:
            raise CorruptionError("a line of the log is not what was indexed")
        return result

    def _texts(self, file: LogFile, wanted: list[Place]) -> Iterator[tuple[Place, bytes]]:
        """Yield the lines at places of one file, reading those that touch in one go."""
        with self.files.open(file) as stream:
            for run in _runs(wanted):
                start = run[0].start
                stream.seek(start)
                data = stream.read(run[-1].start + run[-1].length - start)
                for place in run:
                    yield place, data[place.start - start : place.start - start + place.length]


def _runs(places: list[Place]) -> Iterator[list[Place]]:
    run: list[Place] = []
    for place in places:
        if run and (
            place.start > run[-1].start + run[-1].length + 1
            or place.start - run[0].start > _LONGEST_READ
        ):
            yield run
            run = []
        run.append(place)
    if run:
        yield run


def _event(text: bytes, place: Place) -> Event | None:
    if len(text) != place.length or crc32(text) != place.crc:
        return None
    try:
        return Event.from_json_line(text)
    except InvalidEventError:
        return None
