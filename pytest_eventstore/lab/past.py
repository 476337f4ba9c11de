"""A location's past with snapshots in it, and what any recovery from it must come to."""

from __future__ import annotations

from datetime import timedelta

from pytest_eventstore.lab.examples import EPOCH, make_event
from pytest_eventstore.lab.ledger import Ledger, difference
from pytest_eventstore.lab.oracle import OracleLog
from pytest_eventstore.lab.story import Story, ToldHandle
from pytest_eventstore.ports import Event, Ports, instant

KIND = "ledger"
"""The aggregate type whose snapshots are saved."""


class Past:
    """What happened on a location, and so what any recovery must come to."""

    def __init__(self, told: Story, handle: ToldHandle) -> None:
        self.handle = handle
        self.log = OracleLog()
        self.snapshot = 0
        self._story = told
        self._count = 0

    def cut_over(self, local_numbers: list[int]) -> None:
        """Append legacy events and run the cutover."""
        legacy = [self._event(number) for number in local_numbers]
        self.handle.events.append(*legacy)
        self.log.add(legacy)
        self.handle.cutover(KIND)
        known = {event.id for event in legacy}
        self.log.add([e for e in self.handle.events.load_all().events if e.id not in known])

    def append(self, steps: list[int]) -> None:
        """Append events numbered after the latest, each by a step more than the last."""
        number = self.log.latest()
        events = [self._event(number := number + step) for step in steps]
        self.handle.events.append(*events)
        self.log.add(events)

    def save(self, back: int) -> None:
        """Save the snapshot of the state as it was some events ago."""
        numbered = self.log.numbered()
        at = numbered[: max(0, len(numbered) - back)]
        if not at or at[-1].seq_nr < self.snapshot:
            return
        self.snapshot = at[-1].seq_nr
        state = Ledger(events=[*self.log.legacy(), *at]).serialize()
        self._told_save(self.snapshot, state, f"the state after {at[-1].id}")

    def archive(self, below: int) -> None:
        """Archive what the snapshot covers, but for the last numbers below it."""
        self.handle.archive(max(0, self.snapshot + 1 - below))

    def save_ahead(self, by: int) -> None:
        """Save a snapshot of events that the log does not hold."""
        number = self.log.latest() + by
        state = Ledger(events=[*self.log.all(), make_event(99, seq_nr=number)]).serialize()
        self._told_save(number, state, "a state with an event that the log lacks")

    def _told_save(self, number: int, state: bytes, what: str) -> None:
        save = self.handle.plain.snapshots.save
        line = f"snapshots.save({KIND!r}, {number}, {what})"
        self._story.diary.call(line, save, KIND, number, state)

    def expect_recovered(self, reader: ToldHandle, cause: str, kind: str = KIND) -> None:
        """Fail unless recovery gives the state from all events."""
        projection = Ledger()
        reader.recover(projection, kind)
        self.expect_state(projection, cause)

    def expect_state(self, projection: Ledger, cause: str) -> None:
        """Fail unless a projection holds the state from all events."""
        whole = Ledger(events=[*self.log.legacy(), *self.log.numbered()])
        if projection.entries != whole.entries:
            self._story.violated(
                expected=f"the state of a full replay, of {len(whole.entries)} events",
                seen=f"a state of {len(projection.entries)} events, "
                f"{difference(whole.entries, projection.entries)}",
                cause=cause,
            )

    def expect_reads(self, reader: ToldHandle, cause: str) -> None:
        """Fail unless every read gives what was appended."""
        told, events = self._story, reader.events
        told.expect_events(events.load_all(), self.log.all(), "load_all()", cause=cause)
        for after in {0, *(event.seq_nr for event in self.log.numbered())}:
            told.expect_events(
                events.load_after_seq_nr(after),
                self.log.numbered(after),
                f"load_after_seq_nr({after})",
                cause=cause,
            )
        for earlier in self.log.stored[:1] + self.log.numbered()[:1]:
            told.expect_events(
                events.load_since(earlier.timestamp),
                [e for e in self.log.all() if instant(e.timestamp) > instant(earlier.timestamp)],
                f"load_since({earlier.timestamp.isoformat()})",
                cause=cause,
            )
        self.expect_latest(reader, cause)

    def expect_latest(self, reader: ToldHandle, cause: str) -> None:
        """Fail unless the head is the highest number ever appended."""
        seen = reader.events.latest_seq_nr()
        self._story.expect_equal(seen, self.log.latest(), "latest_seq_nr()", cause=cause)

    def _event(self, number: int) -> Event:
        # Numbers and times agree, so that replay by either has one order.
        self._count += 1
        moment = EPOCH + timedelta(hours=7 * self._count)  # several days, where days are files
        return make_event(self._count, timestamp=moment, seq_nr=number)


def offers_cutover(ports: Ports) -> bool:
    """Return whether the cutover can be run, by the adapter or by the reference over it."""
    parts = (ports.lock, ports.seq_allocator, ports.snapshot_store)
    return ports.cutover is not None or None not in parts
