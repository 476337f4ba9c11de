"""The event store on files: daily JSON lines, a lock, and an index beside them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from zlib import crc32

from eventstore_reference.content import same_content
from eventstore_reference.index import Index, Place
from eventstore_reference.indexed_log import IndexedLog, Tail
from eventstore_reference.layout import Layout
from eventstore_reference.lines import Line, encode, frame
from eventstore_reference.locking import LocationLock
from eventstore_reference.log_files import LogFiles
from eventstore_reference.rotation import rotate
from pytest_eventstore.ports import (
    AppendResult,
    ArchiveResult,
    ClosedError,
    CorruptionError,
    DuplicateEventError,
    Event,
    LoadResult,
    check_aware,
    check_seq_nr,
    instant,
)


class FileEventStore:
    """Appends whole batches durably, and reads by number without a search.

    Any number of processes may have the location open. Once `append` returns,
    the events survive a loss of power and every other handle reads them.

    Args:
        location: The folder under which ``events/`` lies; made when first needed.
        lock: The lock of the location, if the caller has one already.
        now: The clock that names new files.
    """

    def __init__(
        self,
        location: str | os.PathLike[str],
        *,
        lock: LocationLock | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._layout = Layout.of(location)
        self._lock = lock if lock is not None else LocationLock(self._layout.lock)
        files = LogFiles(self._layout, self._lock, now=now)
        self._log = IndexedLog(self._layout, self._lock, files)
        self._closed = False

    def append(self, *events: Event) -> AppendResult:
        """Store all the events or none; see `EventStore.append`."""
        self._check_open()
        for event in events:
            event.validate()
        if not events:
            return AppendResult(bytes_written=0)
        with self._lock, self._log.threads:
            tail = self._log.tail()
            new = self._unstored(tail.index, events)
            if not new:
                return AppendResult(bytes_written=0)
            return AppendResult(bytes_written=self._write(tail, new))

    def load_all(self) -> LoadResult:
        """Return every event, by timestamp; equal timestamps in append order."""
        self._check_open()
        return self._load(lambda index: index.places_by_time())

    def load_since(self, after: datetime) -> LoadResult:
        """Return the events later than `after`, by timestamp."""
        self._check_open()
        check_aware(after, "after")
        return self._load(lambda index: index.places_by_time(instant(after)))

    def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
        """Return the events numbered above `after_seq_nr`, ascending."""
        self._check_open()
        check_seq_nr(after_seq_nr, "after_seq_nr")
        if after_seq_nr == 0:
            return self._load(lambda index: index.places_after(0))
        return self._load(lambda index: index.places_after(after_seq_nr), _damaged_among)

    def latest_seq_nr(self) -> int:
        """Return the highest number that `load_after_seq_nr` can return, or 0."""
        self._check_open()
        if (tail := self._log.own_tail()) is not None:
            return tail.latest
        index = self._log.view()
        with self._log.threads:
            return index.latest_number()

    def highest_used_seq_nr(self) -> int:
        """Return a number at least as high as any in the log, damaged lines included."""
        self._check_open()
        if (tail := self._log.own_tail()) is not None:
            return tail.latest + tail.damaged
        index = self._log.view()
        with self._log.threads:
            return index.latest_number() + index.damaged_count()

    def last_event_id(self, session_id: str) -> str:
        """Return the id of the session's event that was appended last, or nothing."""
        self._check_open()
        if (tail := self._log.own_tail()) is not None:
            return tail.last_event_id(session_id)
        index = self._log.view()
        with self._log.threads:
            return index.last_event_id(session_id)

    def holds_cutover(self) -> bool:
        """Return whether the cutover's event is stored."""
        self._check_open()
        index = self._log.view()
        with self._log.threads:
            return index.holds_cutover()

    def rotate(self, through: int) -> ArchiveResult:
        """Move events numbered up to `through` to the archive, covered or not; see `archive`."""
        self._check_open()
        check_seq_nr(through, "through")
        with self._lock, self._log.threads:
            return rotate(self._layout, self._log, through)

    def close(self) -> None:
        """Close the index and refuse every later call; closing again does nothing."""
        self._closed = True
        self._log.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("the event store is closed")

    def _unstored(self, index: Index, events: Sequence[Event]) -> list[Event]:
        new: dict[str, Event] = {}
        for event in events:
            same_id = [new[event.id]] if event.id in new else []
            if places := index.places_of_ids([event.id]):
                stored = self._log.events_at(index, places)
                same_id += [one for one in stored if one is not None and one.id == event.id]
            if any(same_content(one, event) for one in same_id):
                continue
            if same_id:
                raise DuplicateEventError(f"event {event.id!r} is stored with other content")
            new[event.id] = event
        return list(new.values())

    def _write(self, tail: Tail, events: list[Event]) -> int:
        framed = frame([encode(event) for event in events])
        last = None if tail.file is None else tail.file.name
        name = self._log.files.name_for(events, last)
        new = name != last
        size = 0 if new or tail.file is None else tail.file.size
        lead = b"" if new or tail.terminated else b"\n"
        payload = lead + b"".join(framed)
        self._log.forget_tail()
        file = self._log.files.append(name, size, payload, new=new)
        lines = []
        start = size + len(lead)
        for event, raw in zip(events, framed, strict=True):
            lines.append(Line(event, start, len(raw) - 1, crc32(raw[:-1]), marked=True))
            start += len(raw)
        self._log.publish(tail, file, lines)
        return len(payload)

    def _load(
        self,
        query: Callable[[Index], list[Place]],
        damaged: Callable[[Index, list[Place]], int] = lambda index, _: index.damaged_count(),
    ) -> LoadResult:
        index = self._log.view()
        try:
            with self._log.threads:
                places = query(index)
            events = self._log.events_at(index, places)
        except CorruptionError:
            # Files may have moved while we read. Under the lock they don't.
            with self._log.held_still():
                index = self._log.view_under_lock()
                with self._log.threads:
                    places = query(index)
                    events = self._log.events_at(index, places, lenient=True)
        with self._log.threads:
            damaged_count = damaged(index, places) + events.count(None)
            file_count = len(index.files())
        return LoadResult(
            events=[event for event in events if event is not None],
            file_count=file_count,
            corrupt_line_count=damaged_count,
        )


def _damaged_among(index: Index, places: list[Place]) -> int:
    """Return how many damaged lines may have held an event like those at the places."""
    first = min((place.position for place in places), default=index.last_position() + 1)
    return index.damaged_count(after=first - 1)
