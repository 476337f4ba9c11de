"""Looking at a store without writing anything to it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from eventstore_reference.content import content_key
from eventstore_reference.file_snapshots import FileSnapshotStore
from eventstore_reference.layout import Layout
from eventstore_reference.lines import Line
from eventstore_reference.locking import LocationLock
from eventstore_reference.log_files import LogFile, LogFiles
from eventstore_reference.scanner import PassedOver, Scanner
from pytest_eventstore.ports import SYSTEM_CUTOVER, CorruptionError, Event

Progress = Callable[[int, int], None]
"""Called with the bytes read so far and the bytes to read."""


@dataclass(frozen=True, slots=True)
class Damage:
    """One damaged place.

    Args:
        file: The file, below the location.
        line: Its line, from 1; 0 where the whole file is meant.
        what: What is wrong.
    """

    file: str
    line: int
    what: str


@dataclass
class Findings:
    """What a store holds, as found by reading everything."""

    events: int = 0
    legacy: int = 0
    numbered: int = 0
    archived: int = 0
    first_seq_nr: int = 0
    latest_seq_nr: int = 0
    files: int = 0
    archive_files: int = 0
    bytes: int = 0
    cutover: dict[str, Any] | None = None
    unfinished: bool = False
    snapshots: list[dict[str, Any]] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)

    def count(self, event: Event, *, archived: bool) -> None:
        """Take one event into account; they come in append order."""
        self.events += 1
        self.archived += archived
        if event.type == SYSTEM_CUTOVER and self.cutover is None:
            self.cutover = {"timestamp": event.timestamp.isoformat(), "data": event.data}
            self.legacy = self.events - 1
            self.numbered = self.first_seq_nr = self.latest_seq_nr = 0
        if event.seq_nr:
            self.numbered += 1
            self.latest_seq_nr = max(self.latest_seq_nr, event.seq_nr)
            self.first_seq_nr = min(self.first_seq_nr or event.seq_nr, event.seq_nr)


def inspect(
    location: str | os.PathLike[str],
    *,
    progress: Progress | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Findings:
    """Read the whole store and tell what it holds and what is damaged; writes nothing."""
    layout = Layout.of(location)
    findings = Findings()
    seen: dict[str, int] = {}
    for file, line, item in _items(layout, findings, progress):
        if isinstance(item, Line):
            key = hash(content_key(item.event))
            if seen.get(item.event.id) != key:
                seen[item.event.id] = key
                findings.count(item.event, archived=file.archived)
        elif item.damaged:
            findings.damage.append(Damage(file.name, line, "the line is damaged"))
    _look_at_snapshots(layout, findings, now())
    return findings


def events_in_append_order(location: str | os.PathLike[str]) -> Iterator[Event]:
    """Yield the events as they were appended, without an index and without writing."""
    for _, _, item in _items(Layout.of(location), Findings(), None):
        if isinstance(item, Line):
            yield item.event


def _items(
    layout: Layout, findings: Findings, progress: Progress | None
) -> Iterator[tuple[LogFile, int, Line | PassedOver]]:
    log = LogFiles(layout, LocationLock(layout.lock))
    files = log.all()
    whole = sum(file.size for file in files)
    done = 0
    for file in files:
        findings.files += not file.archived
        findings.archive_files += file.archived
        findings.bytes += file.size
        scanner = Scanner(
            last=file is files[-1] and not file.archived,
            only_marked=file.archived and not log.is_whole(file),
        )
        counted = _CountedLines()
        try:
            with log.open(file) as stream:
                for item in scanner.items(counted.of(stream)):
                    if progress is not None and not file.archived:
                        progress(min(done + item.start, whole), whole)
                    yield file, counted.at(item.start), item
        except CorruptionError:
            findings.damage.append(Damage(file.name, 0, "the file cannot be unpacked to its end"))
        findings.unfinished = scanner.torn
        done += file.size
        if progress is not None:
            progress(done, whole)


class _CountedLines:
    """Remembers at which line a place is, for the few places that are asked for."""

    def __init__(self) -> None:
        self._starts: deque[tuple[int, int]] = deque()
        self._place = 0
        self._number = 0

    def of(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        for line in lines:
            self._number += 1
            self._starts.append((self._place, self._number))
            self._place += len(line)
            yield line

    def at(self, place: int) -> int:
        while len(self._starts) > 1 and self._starts[1][0] <= place:
            self._starts.popleft()
        return self._starts[0][1]


def _look_at_snapshots(layout: Layout, findings: Findings, now: datetime) -> None:
    store = FileSnapshotStore(layout.location)
    for path in store.paths():
        name = os.path.relpath(path, layout.location)
        try:
            snapshot = store.load_file(path)
        except CorruptionError as error:
            findings.damage.append(Damage(name, 0, str(error)))
            continue
        except FileNotFoundError:
            continue
        saved = datetime.fromtimestamp(os.stat(path).st_mtime, UTC)
        findings.snapshots.append(
            {
                "aggregate_type": snapshot.aggregate_type,
                "seq_nr": snapshot.seq_nr,
                "sentinel": snapshot.seq_nr == 0 and snapshot.state == b"null",
                "bytes": len(snapshot.state),
                "age_seconds": max(round((now - saved).total_seconds()), 0),
                "lag": findings.latest_seq_nr - snapshot.seq_nr,
            }
        )
