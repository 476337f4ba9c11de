"""What the reads of a store are a function of, in plain Python."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_eventstore.ports import SYSTEM_CUTOVER, Event, instant


class OracleLog:
    """The events that were stored, in order: what the reads of a store are a function of."""

    def __init__(self) -> None:
        self.stored: list[Event] = []
        self._legacy = 0

    def add(self, events: Sequence[Event]) -> None:
        """Take events as stored; that of the cutover makes all before it legacy."""
        for event in events:
            if event.type == SYSTEM_CUTOVER:
                self._legacy = len(self.stored)
            self.stored.append(event)

    def legacy(self) -> list[Event]:
        """Return what was stored before the cutover, as `load_all` orders it."""
        return sorted(self.stored[: self._legacy], key=lambda e: instant(e.timestamp))

    def all(self) -> list[Event]:
        """Return what `load_all` should give."""
        return sorted(self.stored, key=lambda e: instant(e.timestamp))

    def numbered(self, after: int = 0) -> list[Event]:
        """Return what `load_after_seq_nr` should give."""
        events = [e for e in self.stored[self._legacy :] if e.seq_nr > after]
        return sorted(events, key=lambda e: (e.seq_nr, instant(e.timestamp)))

    def latest(self) -> int:
        """Return what `latest_seq_nr` should give."""
        return max((e.seq_nr for e in self.numbered()), default=0)
